"""The key `hooks` of `bulketl.yaml`, typed: what is run when something happens in a run, a command or a Python callable."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from bulketl.config.values import Duration, Model

# The kinds of `bulketl.loading.events`, as the ledger spells them, but those that hooks themselves or the journal make.
HookEvent = Literal[
    "run_started", "table_started", "partition_loaded", "table_published", "table_compared", "table_failed",
    "table_retried", "table_skipped", "columns_changed", "columns_withheld", "part_taken", "rule_unmet", "step_retried",
    "workers_changed", "table_overdue", "source_locked", "source_spared", "source_read_again", "source_waits",
    "source_waited", "table_done", "run_cancelled", "run_finished", "run_ended",
]  # fmt: skip
LONGEST = dt.timedelta(days=1)


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _call(text: str) -> str:
    parts = text.split(":")
    if len(parts) != 2 or not all(name.isidentifier() for part in parts for name in part.split(".")):
        raise ValueError("a module:function is expected, like clinic.hooks:told")
    return text


Call = Annotated[str, AfterValidator(_call)]
HookEvents = Annotated[tuple[HookEvent, ...], BeforeValidator(_several), Field(strict=False, min_length=1)]
Text = Annotated[str, Field(min_length=1)]


class Hook(Model):
    """What is run at events: the words of a command, or `call`, a `module:function` of Python.

    With `tables`, names or patterns, only at events of these tables. It has `time_limit` for each event.
    """

    on: HookEvents
    run: tuple[Text, ...] = Field(default=(), strict=False, repr=False)
    call: Call | None = None
    tables: tuple[Text, ...] = Field(default=(), strict=False)
    time_limit: Duration = dt.timedelta(minutes=1)
    name: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> Hook:
        if bool(self.run) == (self.call is not None):
            raise ValueError("either run, a list of words, or call, a module:function, is expected")
        if not dt.timedelta(0) < self.time_limit <= LONGEST:
            raise ValueError("time_limit is from 1s to 1d")
        return self

    @property
    def label(self) -> str:
        """What people call it: its name, its callable, or its program, of which no argument may be shown."""
        return self.name or self.call or Path(self.run[0]).name or self.run[0]
