"""The key `migration` of `bulketl.yaml`, typed: how tables come over from an older pipeline, and go back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, field_validator

from bulketl.config.hooks import Text
from bulketl.config.values import Duration, Model
from bulketl.errors import ConfigError

TABLES = "{tables}"  # a word of a command: the names of the tables come in its place, each as a word
NO_MORE_OPTIONS = "--"  # what comes after this word no program takes for an option, by the custom of them all
Words = Annotated[tuple[Text, ...], Field(strict=False)]


class Legacy(Model):
    """The older pipeline. `run`: the words of the command that loads tables; none where it is started elsewhere.

    What that command prints is kept in the folder `logs`. `told`: the words of the command that hears which tables changed
    hands. In both, `{tables}` stands for the names, and no shell reads them.
    """

    run: Words = Field(default=(), repr=False)
    time_limit: Annotated[Duration, Field(gt=dt.timedelta(0), le=dt.timedelta(days=2))] = dt.timedelta(hours=6)
    logs: str = Field(default="logs", min_length=1)
    told: Words = Field(default=(), repr=False)

    @field_validator("run", "told")
    @classmethod
    def _given(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if any(TABLES in word and word != TABLES for word in words):
            raise ValueError(f"{TABLES} is a word of its own, because each table becomes a word")
        if words[:1] == (TABLES,):
            raise ValueError("a command begins with its program")
        return words


def with_tables(command: Sequence[str], tables: Sequence[str]) -> list[str]:
    """Return the words of a command with the names of tables in the place of `{tables}`.

    Raise ConfigError for a name that would be taken for an option, which none is after the word `--`.
    """
    odd = [table for table in tables if table.startswith("-")]
    if odd and TABLES in command and NO_MORE_OPTIONS not in command[: command.index(TABLES)]:
        raise ConfigError(
            f"table {odd[0]!r} begins with a dash, and the older pipeline's command would take it for an option",
            hint=f"write {NO_MORE_OPTIONS} before {TABLES} where the command knows that word, or leave {TABLES} out and"
            " read the names from its standard input, which is JSON",
        )
    return [word for part in command for word in (tables if part == TABLES else (part,))]


class PromoteAfter(Model):
    """When a table may be promoted: its last `equal_nights` comparisons, a night each, found it equal or waived."""

    equal_nights: int = Field(default=7, ge=1, le=366)


class Migration(Model):
    """How tables come over. `shadow`: the schema into which tables of the older pipeline are loaded beside it.

    `keep_legacy`: how long the older pipeline's rows are kept after a promotion, for the way back.
    """

    shadow: str | None = Field(default=None, min_length=1, max_length=63)
    legacy: Legacy = Legacy()
    promote_after: PromoteAfter = PromoteAfter()
    keep_legacy: Annotated[Duration, Field(ge=dt.timedelta(days=1))] = dt.timedelta(days=30)
