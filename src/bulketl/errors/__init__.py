"""The error tree, hints and exit codes.

Errors are sorted by where the reader has to look: the configuration, the plan, the source, the target, the data.
A message names the object and says why; the hint says what to do. What a server, a driver or a library said may quote a
row, so its part of a message is `said` too, and `public` is the message without it: the one for events on record, alerts,
logs, metrics and mails. Names of tables and columns are public, values and keys are not, and a hint is always public.
`transient` is set where a driver's exception is
wrapped, and read in one place, the schedule, which is the only one to retry. Whatever is not a BulketlError is a bug
and keeps its traceback; in a step it fails its table and no other, as a BugError.

    BulketlError          exit 1
    |__ConfigError        exit 2   tables.yaml, bulketl.yaml, environment, options: every problem at once
    |__PlanError          exit 2   the configuration and the catalog disagree
    |__SourceError                 MySQL refused or went away
    |__TargetError                 Postgres refused or went away
    |__OutsideWindowError exit 4   loads may not run at this time
    |__CancelledError     exit 4   somebody asked for the end of the run
    |__DataError                   more rows rejected than allowed, checks that fail, counts that differ
    |__ClusterError                the Dask cluster does not answer, or lost a step
    |__DeliveryError               a mail server did not take a report
    |__BugError                    a step raised what nobody foresaw, or a batch is not what its casts say

A run that ended with some tables failed is no error but a summary that says so; the command line exits with 1 then, or
with 3 when they are of tiers that only warn.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

Ease = Literal["", "batch", "workers"]
PLACES = 6  # frames of a traceback that a message names
ON_WORKER = "on the worker:"  # begins the note of an error that tells where it was raised there
DONE, FAILED, WRONG_REQUEST, PARTLY_DONE, OUTSIDE_WINDOW, NOT_CERTIFIED = 0, 1, 2, 3, 4, 5
INTERRUPTED = 130  # by either signal, once or twice
RUNBOOKS = "docs/runbooks/"  # where runbooks are: a folder, or a URL
Runbook = Literal[
    "first-load", "nightly", "critical-table-failed", "quality-below-threshold", "differs-from-source", "source-restored",
    "schema-changed", "window-too-short", "disk-full", "audit-request", "new-target", "rollback", "rotate-mask-key",
]  # fmt: skip
_NAMED = re.compile(rf"runbook: [a-z-]+ \({re.escape(RUNBOOKS)}[a-z-]+\.md\)")
MEMORY = "it needs more memory than there is, most likely: give it more, lower workers, or exclude the column of long values"
WITHHELD = "(not shown here: it may quote a row)"


def runbook(name: Runbook) -> str:
    """Return how a hint, an alert or a screen names a runbook."""
    return f"runbook: {name} ({RUNBOOKS}{name}.md)"


def runbook_in(hint: str) -> str:
    """Return the runbook that a hint names, as it names it; '' for none."""
    found = _NAMED.search(hint)
    return found[0] if found else ""


def without_runbook(hint: str) -> str:
    """Return a hint without the runbook that it names, for where that is said once for many."""
    return _NAMED.sub("", hint).rstrip("; ")


def with_runbook(hint: str, name: Runbook) -> str:
    """Return a hint that names a runbook: the one of its own, or else that one."""
    return hint if runbook_in(hint) else "; ".join(filter(None, (hint, runbook(name))))


class BulketlError(Exception):
    """Something went wrong, and a user can act on it.

    `hint` is a whole sentence that says what to do. `transient` is true if the same step may succeed a moment later;
    `ease` says what would make that likelier: smaller batches, or fewer workers. `away`: nobody answers on that side, so
    whatever else asks it fails at this moment, too. `said` is the part of the message, letter by letter, that may quote a
    row or a key. `code` is the number that the server gave the error, `SQLSTATE 23505` or `MySQL 1205`, or the class of
    the error if there is none. `place`: the file and function that raised it.
    """

    exit_code = FAILED

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        transient: bool = False,
        ease: Ease = "",
        said: str = "",
        code: str = "",
        away: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.transient = transient
        self.ease = ease
        self.away = away
        self.said = said
        self.code = code or type(self).__name__
        self.place = _place(self)

    @property
    def reference(self) -> str:
        """The code by which docs/refusals.md and `bulketl explain` list the error; '' if bulketl did not make it."""
        from bulketl.errors.catalog import code_of  # only who tells of an error needs it

        return code_of(self.place, type(self).__name__, self.message)

    @property
    def public(self) -> str:
        """The message with the server's code instead of the words that may quote a row."""
        return withheld(self.message, self.said, "" if self.code == type(self).__name__ else self.code)

    @property
    def quotes(self) -> bool:
        """Whether the withheld words may quote a row: they are about a statement, not about a refused connection."""
        of_statement = self.code.startswith(("SQLSTATE ", "MySQL 1")) or isinstance(self, (DataError, BugError))
        return bool(self.said) and of_statement

    def unquoted(self) -> BulketlError:
        """Return the same error without what somebody else said: its message is the public one."""
        self.message, self.said, self.args = self.public, "", (self.public,)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.__dict__))

    def to_json(self) -> dict[str, object]:
        """Return the error as plain values, for `--json` and the ledger."""
        return {
            "error": type(self).__name__,
            "reference": self.reference,
            "message": self.message,
            "hint": self.hint,
        }


class ConfigError(BulketlError):
    """The configuration or the command line is wrong."""

    exit_code = WRONG_REQUEST


class PlanError(BulketlError):
    """The request does not fit what the servers have."""

    exit_code = WRONG_REQUEST


class OutsideWindowError(BulketlError):
    """Loads may not run now."""

    exit_code = OUTSIDE_WINDOW


class RunCancelledError(BulketlError):
    """Somebody asked for the end of the run."""

    exit_code = OUTSIDE_WINDOW


class SourceError(BulketlError):
    """MySQL refused, or went away."""


class TargetError(BulketlError):
    """Postgres refused, or went away."""


class ClusterError(BulketlError):
    """The Dask cluster does not answer, has other versions than this process, or lost a step."""


class DeliveryError(BulketlError):
    """A mail server refused a report, or did not answer."""


class BugError(BulketlError):
    """A step raised what nobody foresaw: a mistake in bulketl.

    `of` makes one of it that tells where.
    """

    @classmethod
    def of(cls, error: BaseException, table: str) -> BugError:
        """Return the error of a table whose step raised something that is none of ours."""
        frames = traceback.extract_tb(error.__traceback__)[-PLACES:]
        places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        notes = [" ".join(note.split()) for note in getattr(error, "__notes__", ()) if note.startswith(ON_WORKER)]
        said = " ".join(str(error).split())
        return cls(
            f"table {table!r}: {type(error).__name__}: {said}",
            said=said,
            hint=f"a mistake in bulketl; the table is as it was before. Report it, with where it was raised: "
            f"{'; '.join([' > '.join(places), *notes])}",
        )


class MismatchError(BugError):
    """A column arrives as another type than its cast says: the rows are not at fault, so none of them is looked for.

    `table`, `column`, and the type that the column had when the load was planned, in `source`: who can ask the server
    whether it was altered since then, does.
    """

    table = column = source = ""

    @classmethod
    def found(cls, table: str, column: str, source: str, arrives: str, target: str) -> MismatchError:
        """Return the error of a column of MySQL's type `source`, whose values arrive as what cannot go into `target`."""
        error = cls(
            f"table {table!r}: column {column!r}, {source}, arrives as {arrives}, which cannot go into {target}",
            hint="a mistake in bulketl, unless the column was altered just now; nothing was changed. Report it; until it is "
            "mended exclude_columns leaves the column out",
        )
        error.table, error.column, error.source = table, column, source
        return error

    def explained(self, now: str | None) -> BulketlError:
        """Return what to raise, as the column's type is `now`, None for gone: it was altered, or this is our mistake."""
        return self if now == self.source else altered_meanwhile(self.table, self.column, self.source, now)


class RunEndedError(Exception):
    """No failure of a step, but the end of the run: whoever carries steps out cannot go on, as `why` tells."""

    def __init__(self, why: BulketlError) -> None:
        super().__init__(why.message)
        self.why = why


class DataError(BulketlError):
    """The rows themselves are wrong: too many were rejected, a check failed, or a count differs.

    `rejects`: how many rows were rejected. `checks`: the figures of the checks because of which the table failed.
    `state`: the SQLSTATE with which Postgres refused a row, '' if it gave none.
    """

    state = ""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        rejects: int = 0,
        checks: Mapping[str, float] | None = None,
        said: str = "",
        code: str = "",
    ) -> None:
        super().__init__(message, hint=hint, said=said, code=code)
        self.rejects = rejects
        self.checks = dict(checks or {})


class MassDeleteError(DataError):
    """More rows of the target are gone at the source than its guard allows to go."""


class DataQualityError(DataError):
    """Fewer rows arrived than the table's threshold allows, or more than the source has."""


def place_of(error: BaseException) -> str:
    """Return which kind of error it is, and where it was raised, for whoever must not see its text."""
    frames = traceback.extract_tb(error.__traceback__)[-1:]
    return " ".join([type(error).__name__, *(f"in {Path(frame.filename).name}:{frame.lineno}" for frame in frames)])


def withheld(message: str, said: str, code: str = "") -> str:
    """Return a message with a code in the place of its part that was said, or without a code that it is not shown."""
    if not said:
        return message
    if said in message:
        return message.replace(said, code or WITHHELD)
    return f"{message.partition(': ')[0]}: {code or WITHHELD}"  # it is told otherwise there, so only the object is named


def altered_meanwhile(table: str, column: str, then: str, now: str | None) -> DataError:
    """Return the error of a table whose column had another type when its load was planned; `now` is None for gone."""
    became = "is gone" if now is None else f"is {now} now"
    return DataError(
        f"table {table!r} was altered at the source while the run was on: column {column!r} was {then} and {became}",
        hint="load the table again",
    )


def _place(error: BulketlError) -> str:
    """Return the file and function that make an error, as `config/read.py load_config`."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_name == "__init__" and frame.f_locals.get("self") is error:
        frame = frame.f_back
    module = str(frame.f_globals.get("__name__", "")).removeprefix("bulketl.").replace(".", "/")
    function = re.sub(r"\.<(locals|listcomp|genexpr|dictcomp|setcomp|lambda)>", "", frame.f_code.co_qualname)
    package = "/__init__" if frame.f_globals.get("__path__") is not None else ""
    return f"{module}{package}.py {function}"


def _rebuild(kind: type[BulketlError], values: dict[str, object]) -> BulketlError:
    error = kind(str(values["message"]))
    error.__dict__.update(values)
    return error
