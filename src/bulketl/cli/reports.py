"""`report`: what happened in a period, for whoever has to answer for it; and whether a report is as it was signed."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, TypeVar

import typer

import bulketl
from bulketl.cli import files
from bulketl.cli.options import ConfigOption, JsonOption, RulesOption, SchemaOption, configured, err, hand_out, out, run
from bulketl.errors import DONE, FAILED, PARTLY_DONE, ConfigError, DataError
from bulketl.loading import starting

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from bulketl.config.config import Config
    from bulketl.operations.reports.period import ReportPeriod

SinceOption = Annotated[
    str, typer.Option("--since", metavar="DATE", help="Its first day. [default: 31 days before its end]", show_default=False)
]
UntilOption = Annotated[
    str, typer.Option("--until", metavar="DATE", help="The day before which it ends. [default: now]", show_default=False)
]

NightOption = Annotated[
    str, typer.Option("--until", metavar="DATE|now", help="The day on which the night ended; now: the last one.")
]
MailOption = Annotated[
    bool, typer.Option("--mail", help="Mail it to the addresses of reports.mail, or else to those of the alerts.")
]
DeliverOption = Annotated[
    bool, typer.Option("--deliver", help="Write it into a folder, or mail it, as reports in bulketl.yaml says.")
]
HtmlOption = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write it as one page.")]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print it as Markdown.")]


def compliance(
    since: SinceOption = "",
    until: UntilOption = "",
    html: HtmlOption = None,
    as_markdown: MarkdownOption = False,
    mailed: MailOption = False,
    delivered: DeliverOption = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether the audit tables are complete and unaltered, and what became of them in a period.

    It recomputes every chain, and counts every audit table on both sides. If BULKETL_REPORT_KEY is set, it signs the
    report, and the digest of the report enters the chains.
    """

    def command() -> int:
        from bulketl.operations.reports.compliance import PERIOD, signed
        from bulketl.operations.reports.signing import signer

        key = _key()  # first: what is read of the configuration takes the secrets out of the environment
        settings = configured(config, rules, schema=schema)
        ways = Ways(html, as_markdown, as_json, _delivery(settings, "compliance", mailed, delivered))
        report = bulketl.compliance(settings, _period(settings, since, until, PERIOD), signer(key) if key else "")

        def told(text: str) -> str:
            return signed(settings, report, text, key) if key else text

        from bulketl.cli.screens import reports as screen

        _tell(settings, "compliance", report, ways, screen.compliance, told)
        return FAILED if report.faulty else PARTLY_DONE if report.uncounted or report.unaudited else DONE

    run(command, as_json)


def daily(
    until: NightOption = "now",
    html: HtmlOption = None,
    as_markdown: MarkdownOption = False,
    mailed: MailOption = False,
    delivered: DeliverOption = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what became of every table in a night: what failed, is late or was rejected, and what to do; then what changed.

    It reads only the ledger, so it needs no more rights than the dashboard. A night goes from noon to noon.
    """

    def command() -> int:
        from bulketl.cli.screens import daily as screen

        night = None if until == "now" else _date(until, "--until")
        settings = configured(config, rules, schema=schema)
        ways = Ways(html, as_markdown, as_json, _delivery(settings, "daily", mailed, delivered))
        report = bulketl.daily(settings, night)
        _tell(settings, "daily", report, ways, screen.daily)
        return report.exit_code

    run(command, as_json)


def incident(
    which: Annotated[str, typer.Argument(metavar="[RUN]", help="A run, or the number of a report; without it the last "
                                         "run that did not end well.")] = "",
    html: HtmlOption = None,
    as_markdown: MarkdownOption = False,
    mailed: MailOption = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Tell of a run in trouble: what it hit, what that was before and has become since, and who did what about it.

    Each report has a number, under which the ledger keeps it.
    """

    def command() -> int:
        from bulketl.cli.screens import reports as screen

        settings = configured(config, None, schema=schema)
        ways = Ways(html, as_markdown, as_json, _delivery(settings, "incident", mailed))
        report = bulketl.incident(settings, which)
        _tell(settings, "incident", report, ways, screen.incident)
        return DONE

    run(command, as_json)


def run_report(
    which: Annotated[str, typer.Argument(metavar="[RUN]", help="The run; without it, or with last, the last one.")] = "",
    html: HtmlOption = None,
    as_markdown: MarkdownOption = False,
    mailed: MailOption = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell of one run: what became of its tables, why some failed, and what happened in which order."""

    def command() -> int:
        from bulketl.cli.screens import reports as screen

        settings = configured(config, None, schema=schema)
        ways = Ways(html, as_markdown, as_json, _delivery(settings, "run", mailed))
        report = bulketl.run_report(settings, which)
        _tell(settings, "run", report, ways, screen.one_run)
        return DONE

    run(command, as_json)


def weekly(
    since: Annotated[str, typer.Option("--since", metavar="DATE", help="Its first day. [default: 7 days before its end]",
                                       show_default=False)] = "",
    until: UntilOption = "",
    html: HtmlOption = None,
    as_markdown: MarkdownOption = False,
    mailed: MailOption = False,
    delivered: DeliverOption = False,
    schema: SchemaOption = None,
    config: ConfigOption = None,
    rules: RulesOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Say what slows down and what to change first, how quality moves, what was used, and when something will be full.

    It reads the ledger, and asks the source about slow tables if one is configured.
    """

    def command() -> int:
        from bulketl.cli.screens import weekly as screen
        from bulketl.operations.reports.weekly import WEEK

        settings = configured(config, rules, schema=schema)
        ways = Ways(html, as_markdown, as_json, _delivery(settings, "weekly", mailed, delivered))
        report = bulketl.weekly(settings, _period(settings, since, until, WEEK))
        _tell(settings, "weekly", report, ways, screen.weekly)
        return DONE

    run(command, as_json)


class Delivery(NamedTuple):
    """Where the page of a report goes by itself: into a folder, and to people by mail."""

    folder: Path | None = None
    mailed: bool = False


class Ways(NamedTuple):
    """How a report is handed out: as a page in a file and by itself, and printed as Markdown or JSON, or as a screen."""

    html: Path | None
    as_markdown: bool
    as_json: bool
    delivery: Delivery = Delivery()


class Report(Protocol):
    """A report of any name; `number` is how people call it, `subject` its state in a line."""

    @property
    def number(self) -> str | int | None:
        """How people call it."""

    @property
    def subject(self) -> str:
        """Its state, for the subject of a mail."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""


R = TypeVar("R", bound=Report)


def _delivery(config: Config, name: str, mailed: bool, delivered: bool = False) -> Delivery:
    """Return where the report of that name goes by itself; raise ConfigError before it is made when that is nowhere."""
    from bulketl.operations.reports.mailing import mail_settings

    where = config.reports.sent.get(name) if config.reports else None
    if delivered and where is None:
        raise ConfigError(
            f"reports.{name} says nowhere to deliver the report to",
            hint=f"write reports: {{{name}: {{write: FOLDER, send: [email]}}}} into config/bulketl.yaml, or take --mail",
        )
    to_people = mailed or bool(delivered and where and where.send)
    if to_people:
        mail_settings(config)
    return Delivery(Path(where.write).expanduser() if delivered and where and where.write else None, to_people)


def _deliver(config: Config, name: str, report: Report, html: str, delivery: Delivery) -> None:
    """Take the page where it goes by itself, and say so on standard error: a program may read what is printed."""
    from bulketl.operations.reports.mailing import file_of, mail

    if delivery.folder:
        file = delivery.folder / file_of(name, report)
        files.replace(file, html)
        err.print(f"written to {file}", soft_wrap=True)
    if delivery.mailed:
        err.print(mail(config, name, report, html), soft_wrap=True)


def _tell(
    config: Config, name: str, report: R, ways: Ways, screen: Callable[[R, str], RenderableType],
    told: Callable[[str], str] = lambda text: text,
) -> None:  # fmt: skip
    """Hand out the report of that name; `screen` makes one of it and of the file's name, `told` is asked for each text."""
    from bulketl.config.templates import idle
    from bulketl.operations.reports.rendering import markdown, page

    for one in idle(config):
        err.print(f"note: reports.templates: {one.what}; {one.advice}", soft_wrap=True)
    if ways.html or any(ways.delivery):  # first: what is printed is the document that was sent, or an error
        html = told(page(config, name, report))
        _deliver(config, name, report, html, ways.delivery)
        if ways.html:
            files.replace(ways.html, html)
    if ways.as_json:
        print(told(json.dumps(report.to_json(), indent=2) + "\n"), end="")
    elif ways.as_markdown:
        hand_out(told(markdown(config, name, report)).removesuffix("\n"))
    else:
        out.print(screen(report, str(ways.html or "")))


def verify_report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The report: a page, Markdown or JSON.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The public key of the person who signed it.")],
    as_json: JsonOption = False,
) -> None:
    """Say whether a report is as it was signed: offline, with the file and the public key alone."""

    def command() -> int:
        from bulketl.operations.reports.signing import check

        starting.begin()
        found = check(_read(file), _read(key))
        if as_json:
            print(json.dumps(found.to_json()))
        else:
            out.print(f"{file} is as it was signed with key {found.key}\nSHA-256 of what was signed: {found.digest}")
        return DONE

    run(command, as_json)


def _read(file: Path) -> str:
    try:
        return files.as_it_is(file)
    except OSError as error:
        raise ConfigError(f"{str(file)!r} cannot be read: {error.strerror}", hint="check its name") from None
    except UnicodeDecodeError:
        raise DataError(
            f"{str(file)!r} is not text: it is not a report, or it was altered after it was signed",
            hint="give the file that bulketl wrote",
        ) from None


def _key() -> str:
    from bulketl.config import secrets

    try:
        return secrets.named("BULKETL_REPORT_KEY", os.environ) or ""
    except secrets.SecretError as error:
        raise ConfigError(f"the report key: {error}", hint="it is one line of base64; docs/reports.md makes one") from None


def _period(config: Config, since: str, until: str, long: dt.timedelta) -> ReportPeriod:
    from bulketl.config.windows import zone_of_window
    from bulketl.operations.reports.period import ReportPeriod

    zone = zone_of_window(config.windows)
    now = dt.datetime.now(dt.UTC)
    end = _day(until, "--until", zone) if until else now
    begin = _day(since, "--since", zone) if since else end - long
    if begin >= end:
        raise ConfigError(f"the period ends {end:%Y-%m-%d}, before it begins", hint="--since is a day before --until")
    return ReportPeriod(begin, end, now)


def _date(text: str, option: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} is not a date: {text!r}", hint="write it as 2026-11-26, or now") from None


def _day(text: str, option: str, zone: dt.tzinfo) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} is not a date: {text!r}", hint="write it as 2026-11-01") from None
    return found if found.tzinfo else found.replace(tzinfo=zone)
