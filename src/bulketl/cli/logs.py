"""Logs for programs: each line on standard error is JSON then, with time, level, event, run and table.

`--log-format json` or BULKETL_LOG ask for it; without, people read what they always did. An event's name is one of a closed
set: the kinds of events of a run, `said`, `error`, `note`. No line but those of level debug has words of a server.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import MutableMapping
from typing import IO, TYPE_CHECKING, Any, cast

from bulketl.errors import BulketlError, ConfigError
from bulketl.tables.printable import ESCAPED

if TYPE_CHECKING:
    from bulketl.cli.terminal import Terminal

FORMATS = ("human", "json")
LEVELS = ("debug", "info", "warning", "error")
LOGGERS = ("bulketl", "bulketl.events", "py.warnings")
_log = logging.getLogger("bulketl")


def asked(text: str) -> tuple[str, str]:
    """Return format and level of a text like `json`, `debug` or `json,debug`, '' for no level; raise ConfigError."""
    words = [word.strip() for word in text.replace(" ", ",").lower().split(",") if word.strip()]
    if unknown := [word for word in words if word not in FORMATS + LEVELS]:
        raise ConfigError(
            f"BULKETL_LOG has {unknown[0]!r}", hint=f"its words are {', '.join(FORMATS)}, and {', '.join(LEVELS)}"
        )
    form = next((word for word in words if word in FORMATS), "human")
    return form, next((word for word in words if word in LEVELS), "")


class JsonLines:
    """Whether standard error is JSON lines, and what makes it so."""

    def __init__(self) -> None:
        self.on = False
        self._run: str | None = None

    @property
    def debug(self) -> bool:
        """Whether lines of level debug are asked for, so that words of servers may be shown where nobody is watching."""
        return _log.isEnabledFor(logging.DEBUG)

    def start(self, err: Terminal, level: str) -> None:
        """Have whatever is logged, warned of, or printed on that terminal be lines of JSON on standard error from now on."""
        if self.on:
            return
        import structlog

        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[structlog.stdlib.add_log_level, self._typed],
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
                    _ordered,
                    structlog.processors.JSONRenderer(_document),
                ],
            )
        )
        for name in LOGGERS:
            logger = logging.getLogger(name)
            logger.handlers[:] = [handler]
            logger.setLevel(level.upper())
            logger.propagate = False
        err.file = cast("IO[str]", _Printed())
        self.on = True

    def error(self, problem: BulketlError) -> None:
        """Log the error that ends a command."""
        values = {"kind": type(problem).__name__, "code": problem.code, "message": problem.public, "hint": problem.hint}
        values["reference"] = problem.reference
        _log.error("error", extra={"values": values})
        if problem.message != problem.public:
            _log.debug("said", extra={"values": {"message": problem.message}})

    def _typed(self, _logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return a line with run, table and values; words without any are a note."""
        record: logging.LogRecord = line["_record"]
        self._run = getattr(record, "run", self._run)
        values = getattr(record, "values", None)
        if values is None:
            said = str(line["event"])  # with its values, which the record has no more
            line["event"], values = "note", {"message": said.removeprefix("note: ").strip()}
        line.update({"run": self._run, "table": getattr(record, "table", None), **values})
        return line


def _document(line: MutableMapping[str, Any], **options: Any) -> str:
    """Return a line as JSON in which other alphabets are read as they are, and nothing acts on a terminal or ends a line."""
    return json.dumps(line, ensure_ascii=False, **options).translate(ESCAPED)


def _ordered(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    first = ("at", "level", "event", "run", "table")
    return {key: line[key] for key in first} | {key: value for key, value in line.items() if key not in first}


class _Printed(io.TextIOBase):
    """A file whose lines are notes of the log: what a command prints on standard error for people."""

    def __init__(self) -> None:
        self._begun = ""

    def write(self, text: str) -> int:
        """Take a part of a line or more."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.strip():
                _log.info(line.strip())
        return len(text)
