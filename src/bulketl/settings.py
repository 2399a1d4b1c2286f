"""What holds for all tables: the keys of `bulketl.yaml`, typed."""

from __future__ import annotations

import fnmatch
from typing import Literal

from pydantic import Field, field_validator

from bulketl.casts import parse_target, parse_type
from bulketl.catalog import Column, Table
from bulketl.rules import Model, Tier


class UserCast(Model):
    """A cast rule of the user's: columns of a MySQL `type`, or with a name like `column` (`table.column` with globs)."""

    to: str
    type: str | None = None
    column: str | None = None

    @field_validator("to")
    @classmethod
    def _target(cls, to: str) -> str:
        parse_target(to)
        return to

    def takes(self, table: Table, column: Column) -> bool:
        """Tell whether the rule is for that column; a rule with both conditions needs both."""
        if self.type is not None:
            wanted, actual = parse_type(self.type), parse_type(column.type)
            sizes = wanted.sizes if "(" in self.type else ()
            if wanted.base != actual.base or (sizes and sizes != actual.sizes) or (wanted.unsigned > actual.unsigned):
                return False
        pattern = self.column
        return pattern is None or fnmatch.fnmatchcase(f"{table.name}.{column.name}", pattern)


class NameRule(Model):
    """What a table is for, by its name in lower case: a glob, and the tier it means or that it is better left out."""

    match: str
    tier: Tier | None = None
    exclude: bool = False
    why: str = "by your rule"


class Settings(Model):
    """The keys of `bulketl.yaml`."""

    source: str = Field(default="", repr=False)
    target: str = Field(default="", repr=False)
    target_schema: str = Field(default="raw", alias="schema", min_length=1, max_length=63)
    workers: int = Field(default=3, ge=1, le=64)
    timestamp_zone: str = Field(default="server", pattern=r"^(server|[+-]\d\d:\d\d|[A-Za-z_]+(/[A-Za-z0-9_+-]+)*)$")
    nul_bytes: Literal["strip", "reject"] = "strip"
    max_rejects: int = Field(default=0, ge=0)
    casts: tuple[UserCast, ...] = Field(default=(), strict=False)
    classify: tuple[NameRule, ...] = Field(default=(), strict=False)
    new_tables: Literal["report", "load"] = "report"
    dropped_columns: Literal["keep", "drop"] = "keep"
    narrowed_columns: Literal["swap", "refuse"] = "swap"
    invalid_watermark: Literal["load", "refuse"] = "load"
