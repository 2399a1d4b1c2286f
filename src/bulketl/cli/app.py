"""The command line: parse, one call, one print, exit."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from typing import Annotated, Any

import typer

import bulketl
from bulketl.cli import alerts, certificate, handovers, loading, months, records, rejects, rules, verify
from bulketl.cli import dashboard as dashboard_command
from bulketl.cli import dbt as dbt_commands
from bulketl.cli import doctor as doctor_command
from bulketl.cli import explain as explain_command
from bulketl.cli import grants as grants_command
from bulketl.cli import init as init_command
from bulketl.cli import metrics as metrics_command
from bulketl.cli import migrate as migrate_commands
from bulketl.cli import pairs as pairs_command
from bulketl.cli import reports as reports_commands
from bulketl.cli import runs as runs_commands
from bulketl.cli import status as status_command
from bulketl.cli import validate as validate_command
from bulketl.cli import watch as watch_command
from bulketl.cli import watchdog as watchdog_command
from bulketl.cli import why as why_command
from bulketl.cli.help import LOADS, REFUSED, WRONG, acting, arranged, group, name_of, registered
from bulketl.cli.logs import asked
from bulketl.cli.options import ending, err, log_as, out, run, telling
from bulketl.cli.screens import common
from bulketl.cli.terminal import Spoken
from bulketl.errors import INTERRUPTED, WRONG_REQUEST, ConfigError
from bulketl.loading import starting

app = group(
    "bulketl",
    "Take a whole MySQL or MariaDB database into Postgres: fast, exact, and proven.\n\n"
    "Connections come from the environment, BULKETL_SOURCE and BULKETL_TARGET, or from config/bulketl.yaml.",
    add_completion=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
# Where a command stands in the list of all.
PANELS = {
    "To begin": ("init", "doctor", "discover", "validate", "grants", "casts", "demo", "dbt"),
    "Every night": ("plan", "load", "watch", "status", "watchdog", "alerts", "retention", "schedule"),
    "To prove": ("verify", "certificate", "audit", "pairs", "history"),
    "To find out": ("runs", "why", "explain", "rejects", "state", "report", "dashboard", "metrics", "help"),
    "To change over, and back": ("migrate", "rollback", "undo"),
}
MONTHS = {0: "every month agrees", 1: f"a month differs, or {REFUSED}", 2: WRONG}
verifying = group("verify", "")
state = group("state", "How far each table is loaded, and starting anew.")
audit = group("audit", "The chains of audited tables.")
alerted = group("alerts", "Who hears of what goes wrong, what is open, and who has it.")
dbt = group("dbt", "What dbt has to know of the tables that are loaded.")
migrating = group("migrate", "How tables come over from an older pipeline, side by side and one by one.")
reporting = group("report", "Reports for whoever has to answer for the data, and whether one is as it was signed.")
rejected = group("rejects", "The rows that were not loaded, and why.")
run_group = group("runs", "The runs on record: loads, repairs, retries, retentions, and tables that changed hands.")


def _version(asked: bool) -> None:
    if asked:
        print(f"bulketl {bulketl.__version__}")
        raise typer.Exit


@app.callback()
def bulketl_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that are of no command."""


def help_of(
    context: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND]...", help="A command, like `state reset`.")] = None,
) -> None:
    """Show the help of a command, or of all; the same as --help."""
    shown: Any = context.find_root()
    for word in words or ():
        below = getattr(shown.command, "commands", {})
        if word not in below:
            err.print(
                f"error: there is no command {' '.join(words or ())!r}\nthere are {', '.join(below) or 'none below it'}"
            )
            raise typer.Exit(WRONG_REQUEST)
        shown = type(shown)(below[word], parent=shown, info_name=word)
    print(shown.get_help())


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep the servers running and print their URIs.")] = False,
) -> None:
    """Start a throw-away MariaDB and an embedded Postgres with a small clinic, and load it.

    Everything is in a temporary folder, which is removed afterwards. MariaDB is found on the machine, or installed from
    the system's packages if this user may do so.
    """

    def command() -> int:
        from bulketl.cli.demo.demo import show  # its extra is not needed for anything else

        starting.begin()
        return show(out, keep=keep)

    run(command, False)


registered(app, init_command.init, "bulketl init --schema raw",
           {0: "written", 1: "a server cannot be used", 2: f"{WRONG}, or written and a rule is an error"})  # fmt: skip
registered(app, loading.load, "bulketl load --tier critical,important", LOADS)
registered(app, loading.plan, "bulketl plan --tables 'claim*'")
registered(app, rules.discover, "bulketl discover --write config/tables.yaml")
registered(app, validate_command.validate, "bulketl validate --fix", {0: "no errors found", 1: REFUSED, 2: "errors found"})
registered(app, doctor_command.doctor, "bulketl doctor -v",
           {0: "nothing stops a load", 1: "something would stop it or make it wrong", 2: WRONG})  # fmt: skip
registered(app, grants_command.grants, "bulketl grants --role loader",
           {0: "done, or each role has exactly what it needs", 1: f"a right is missing, or {REFUSED}", 2: WRONG,
            3: "only rights beyond what is needed"})  # fmt: skip
registered(app, explain_command.explain, "bulketl explain BLK-1040", {0: "done", 2: "there is no such code"})
registered(app, rules.casts, "bulketl casts --json", {0: "done"})
registered(app, loading.schedule, "bulketl schedule systemd", {0: "done", 2: WRONG})
acting(verifying, verify.verify, "bulketl verify --tables 'pay*' --level keys",
       {0: "equal", 1: f"something differs, or {REFUSED}", 2: WRONG, 130: "interrupted"})  # fmt: skip
registered(verifying, months.months, "bulketl verify months --tables patient --png months.png", MONTHS)
app.add_typer(verifying, name="verify")
registered(app, why_command.why, "bulketl why patient 4711 BalTotal",
           {0: "the row, or the column, is equal on both sides", 1: "it differs or one side did not answer",
            2: "there is no such table, column or key"})  # fmt: skip
registered(app, status_command.status, "bulketl status --tier critical",
           {0: "all is well", 1: f"something failed or is overdue, or {REFUSED}", 2: WRONG, 3: "only warnings"})  # fmt: skip
acting(run_group, runs_commands.list_runs, "bulketl runs --table patient")
registered(run_group, runs_commands.list_runs, "bulketl runs list --first 5", name="list")
registered(run_group, runs_commands.show_run, "bulketl runs show last", name="show")
registered(state, records.list_states, "bulketl state list 'claim*'", name="list")
registered(state, records.show_state, "bulketl state show patient", name="show")
registered(state, records.reset_states, "bulketl state reset patient --yes", name="reset")
registered(audit, records.verify_audit, "bulketl audit verify securitylog",
           {0: "all agree", 1: f"something was altered, or {REFUSED}", 2: WRONG}, "verify")  # fmt: skip
registered(rejected, rejects.list_rejects, "bulketl rejects list --run last", name="list")
registered(rejected, rejects.show_rejects, "bulketl rejects show patient --first 5", name="show")
registered(rejected, rejects.export_rejects, "bulketl rejects export rejects.csv patient", name="export")
registered(rejected, rejects.retry_rejects, "bulketl rejects retry patient", name="retry")
registered(reporting, reports_commands.daily, "bulketl report daily --html daily.html --mail",
           {0: "all is well", 1: f"something failed or is overdue, or {REFUSED}", 2: WRONG,
            3: "only warnings, or the night had no load"})  # fmt: skip
registered(reporting, reports_commands.compliance, "bulketl report compliance --html compliance.html",
           {0: "complete and unaltered", 1: f"a table is not, or {REFUSED}", 2: WRONG,
            3: "the source was not counted, or a table's chain has not begun"})  # fmt: skip
registered(reporting, reports_commands.incident, "bulketl report incident --html incident.html",
           {0: "told", 1: REFUSED, 2: WRONG})  # fmt: skip
registered(reporting, reports_commands.run_report, "bulketl report run last --markdown",
           {0: "told", 1: REFUSED, 2: WRONG}, "run")  # fmt: skip
registered(reporting, reports_commands.weekly, "bulketl report weekly --html weekly.html", {0: "reported"})
registered(reporting, reports_commands.verify_report, "bulketl report verify compliance.html --key report.pub",
           {0: "as it was signed", 1: "unsigned, altered, or of another key", 2: WRONG}, "verify")  # fmt: skip
app.add_typer(reporting, name="report")
registered(app, watch_command.watch, "bulketl watch --tier critical",
           {**LOADS, 0: "done, or under way with --once", 1: f"failed or dead, or {REFUSED}"})  # fmt: skip
registered(app, dashboard_command.dashboard, "bulketl dashboard --port 8765",
           {0: "ended", 1: REFUSED, 2: WRONG, 130: "interrupted"})  # fmt: skip
registered(alerted, alerts.list_alerts, "bulketl alerts list --all", name="list")
registered(alerted, alerts.show_alert, "bulketl alerts show 12", name="show")
registered(alerted, alerts.acknowledge, "bulketl alerts ack 12 --hours 2", name="ack")
registered(alerted, alerts.resolve, "bulketl alerts resolve 12", name="resolve")
registered(alerted, alerts.try_channels, "bulketl alerts test slack",
           {0: "every channel took it", 1: "a channel did not", 2: WRONG}, "test")  # fmt: skip
registered(alerted, alerts.tick, "bulketl alerts tick --json",
           {0: "done", 1: "a channel did not take a message", 2: WRONG})  # fmt: skip
app.add_typer(alerted, name="alerts")
registered(run_group, runs_commands.cancel_run, "bulketl runs cancel last",
           {0: "its driver took notice, or it has ended", 1: f"its driver is dead or took no notice, or {REFUSED}",
            2: "there is no such run under way"}, "cancel")  # fmt: skip
registered(migrating, migrate_commands.status, "bulketl migrate status -v", name="status")
registered(migrating, migrate_commands.plan, "bulketl migrate plan", name="plan")
registered(migrating, migrate_commands.shadow, "bulketl migrate shadow --tier critical --reason 'week 1'")
registered(migrating, handovers.promote, "bulketl migrate promote --tier critical --reason equal",
           {0: "promoted, or nothing to do", 1: REFUSED, 2: f"a table cannot be, or {WRONG}"})  # fmt: skip
registered(migrating, handovers.demote, "bulketl migrate demote --tables patient --reason 'sums differ'",
           {0: "given back, or nothing to do", 1: f"a table cannot come back, or {REFUSED}", 2: WRONG})  # fmt: skip
registered(migrating, migrate_commands.compare, "bulketl migrate compare --tier critical",
           {0: "all are equal, but for what is waived", 1: f"a table differs, or {REFUSED}", 2: WRONG})  # fmt: skip
registered(migrating, migrate_commands.waive, "bulketl migrate waive 'claim*' --class seconds --reason 'known since 2019'")
registered(migrating, migrate_commands.views, "bulketl migrate views --into reporting")
registered(migrating, migrate_commands.import_state, "bulketl migrate import-state --tables sheet --reason 'too large'",
           {0: "all were taken over", 1: REFUSED, 2: WRONG, 3: "some were not"})  # fmt: skip
app.add_typer(migrating, name="migrate")
app.add_typer(run_group, name="runs")
app.add_typer(state, name="state")
app.add_typer(audit, name="audit")
app.add_typer(rejected, name="rejects")
registered(app, records.retention, "bulketl retention --dry-run")
registered(app, certificate.certificate, "bulketl certificate --html certificate.html",
           {0: "certified", 1: REFUSED, 2: WRONG, 5: "not certified"})  # fmt: skip
registered(app, pairs_command.pairs, "bulketl pairs revenue",
           {0: "all agree", 1: f"a pair that fails differs, or {REFUSED}", 2: "the file is wrong",
            3: "only pairs that warn differ"})  # fmt: skip
registered(app, months.history, "bulketl history --tables patient --png months.png", MONTHS)
registered(app, handovers.rollback, "bulketl rollback --reason 'wrong sums in claims'",
           {0: "rolled back, or nothing to do", 1: f"a table cannot come back, or {REFUSED}", 2: WRONG})  # fmt: skip
registered(app, handovers.undo, "bulketl undo claim",
           {0: "done", 1: f"its rows have changed since, or {REFUSED}", 2: "nothing is kept of it"})  # fmt: skip
registered(app, watchdog_command.watchdog, "bulketl watchdog --json",
           {0: "everything came", 1: "a tier did not, or the ledger does not answer", 2: WRONG})  # fmt: skip
registered(app, metrics_command.metrics, "bulketl metrics --textfile /var/lib/prometheus/node-exporter/bulketl.prom")
registered(dbt, dbt_commands.dbt_sources, "bulketl dbt sources --write models/sources.yml", name="sources")
app.add_typer(dbt, name="dbt")
registered(app, demo, "bulketl demo --keep", {0: "done", 1: "failed"})
registered(app, help_of, "bulketl help state reset", {0: "done", 2: WRONG}, "help")
arranged(app, PANELS)


def main() -> None:
    """Run the command line."""
    share_memory()
    hear_signals()
    speak()
    if os.environ.get("NO_COLOR"):
        from typer import rich_utils

        rich_utils.COLOR_SYSTEM = None  # else help is bold and dim all the same
    named(sys.argv[1:])()


def named(words: list[str]) -> typer.Typer:
    """Return the program with only the command, or group, that the first word names; whole where it names none, or `help`.

    Typer reads the signatures of all commands it has, and that would be a twentieth of what a small load takes.
    """
    found = copy.copy(app)
    found.registered_commands = [one for one in app.registered_commands if words[:1] == [name_of(one)]]
    found.registered_groups = [one for one in app.registered_groups if words[:1] == [one.name]]
    return found if words[:1] != ["help"] and (found.registered_commands or found.registered_groups) else app


def speak() -> None:
    """Write what is logged or warned of on standard error, as any other line of a screen."""
    warnings.formatwarning = lambda message, *_, **__: f"note: {message}"
    logging.captureWarnings(True)
    for name in ("bulketl", "py.warnings"):
        logging.getLogger(name).addHandler(Spoken(err))
    try:
        form, level = asked(os.environ.get("BULKETL_LOG", ""))
    except ConfigError as error:
        err.print(common.error(error), soft_wrap=True)
        sys.exit(error.exit_code)
    logging.getLogger("bulketl").setLevel((level or "warning").upper())
    log_as(form, level or "info")


def hear_signals() -> None:
    """End after the steps under way at the first signal; at a second at once, and the servers roll back what was being done.

    A thread of its own hears them, since Python runs handlers in the main thread, which a driver may keep; only the
    KeyboardInterrupt that ends a command has to wait for that.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    threading.Thread(target=_listen, args=(heard, told), name="bulketl-signals", daemon=True).start()


def _listen(heard: socket.socket, _told: socket.socket) -> None:
    ending_already = False
    while signals := heard.recv(1):  # for ever: nobody waits for this thread
        if signals[0] in (signal.SIGINT, signal.SIGTERM):
            if ending_already:
                _end_at_once(INTERRUPTED)
            ending_already = True
            telling[-1]("ending after the steps under way; once more ends at once")
            for end in list(ending):
                end()


def _interrupted(_number: int, _frame: object) -> None:
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, lambda *_: None)  # the second one is heard
    raise KeyboardInterrupt


def _end_at_once(code: int) -> None:
    from bulketl.connections import commands

    commands.kill_all()  # no hook outlives the command that has called it
    if err.is_terminal:
        os.write(2, b"\x1b[?25h\n")  # a live display has hidden the cursor
    os._exit(code)


def share_memory() -> None:
    """Have all threads take memory from one heap and give back what is free at its end, instead of a heap for each.

    Measured on a load of 1.5 million rows: 350 MB at the peak and 120,000 page faults. Heaps that
    are kept take 400 to 440 MB; giving back each block at once makes 250,000 page faults and a tenth more time. Elsewhere
    than on glibc nothing happens.

    Arrow has a heap of its own, unless it is told otherwise before it is imported: masked batches came there as huge pages,
    which the kernel clears first, and took 0.1 CPU seconds more.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(-8, 1)  # M_ARENA_MAX
        libc.mallopt(-3, 2 << 20)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 8 << 20)  # M_TRIM_THRESHOLD
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
