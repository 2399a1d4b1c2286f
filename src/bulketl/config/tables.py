"""What a person decides about one table: the keys of an entry in `tables.yaml`, typed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from bulketl.config.check_rules import CheckRule, checks_of
from bulketl.config.expected import Expect
from bulketl.config.masks import MaskEntry
from bulketl.config.sqltext import condition_problem
from bulketl.config.values import Duration, Model, Period, RowLimit, Share
from bulketl.tables.casts import parse_target
from bulketl.tables.checks import Check
from bulketl.tables.spec import Consistency, Strategy, Tier


def circle(needs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return tables that depend on each other in a circle, the first again at the end; empty when none do."""
    try:
        TopologicalSorter({name: [other for other in others if other != name] for name, others in needs.items()}).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


class Monitoring(Model):
    """When to tell somebody; what a table does not say of it is as its tier has it.

    Its failures are told where nobody wrote `alert_on_failure`, its time where somebody wrote `max_extraction_time_minutes`.
    """

    alert_on_failure: bool = False
    max_extraction_time_minutes: float = Field(default=5, gt=0)
    data_quality_threshold: float = Field(default=1.0, ge=0, le=1)

    @property
    def tells(self) -> bool:
        """Whether somebody hears of its failures: they do not where it says so itself."""
        return self.alert_on_failure or "alert_on_failure" not in self.model_fields_set


class Deletes(Model):
    """What becomes of rows that are gone at the source. `deletes: mirror` is short for `deletes: {policy: mirror}`.

    `every`: how often an incremental table is compared with its source to find them, and rows that changed without a
    stamp; a day when there is a policy or the tier is audit, else never. `guard`: more than this share of the rows gone
    is an error; without it 5 %, and 20 rows may always go.
    """

    policy: Literal["ignore", "mark", "mirror", "fail"] | None = None
    every: Duration | None = None
    guard: Share | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"policy": value} if isinstance(value, str) else value


class Reread(Model):
    """Rows that are read again in every load whatever their cursor says: business dates of the last days."""

    columns: tuple[str, ...] = Field(strict=False, min_length=1)
    last: Duration = dt.timedelta(days=30)


class Retention(Model):
    """How long rows stay in the target, by a date column; afterwards they are deleted, or archived and then deleted."""

    keep: Period
    by: str
    action: Literal["archive", "delete"]
    legal_hold: bool = False


class TableRule(Model):
    """What a person decided about one table.

    The first block has the keys of the guide's layout, the others are bulketl's own.
    """

    table_importance: Tier = "reference"
    extraction_strategy: Strategy = "full_table"
    incremental_column: str | None = None
    batch_size: int = Field(default=5000, gt=0)
    estimated_rows: int = Field(default=0, ge=0)
    estimated_size_mb: float = Field(default=0.0, ge=0)
    is_modeled: bool = False
    dependencies: tuple[str, ...] = Field(default=(), strict=False)
    monitoring: Monitoring = Monitoring()

    exclude: bool = False
    target_name: Annotated[str, Field(min_length=1)] | None = None
    adopt: bool = False
    columns: tuple[str, ...] = Field(default=(), strict=False)
    exclude_columns: tuple[str, ...] = Field(default=(), strict=False)
    where: str | None = None
    limit: int | None = Field(default=None, gt=0)
    rename: dict[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    casts: dict[str, str] = Field(default_factory=dict)
    max_rejects: RowLimit | None = None
    primary_key: tuple[str, ...] = Field(default=(), strict=False)
    partition_by: str | None = None
    publish: Literal["swap", "refill"] | None = None
    keep_previous: int | None = Field(default=None, ge=0, le=1)
    lookback: Annotated[int, Field(ge=0)] | Duration | None = None
    reread: Reread | None = None
    deletes: Deletes = Deletes()
    retention: Retention | None = None
    expect: Expect = Expect()
    stop_after_minutes: float | None = Field(default=None, gt=0)
    consistency: Consistency | None = None

    checks: tuple[CheckRule, ...] = Field(default=(), strict=False)

    mask: dict[str, MaskEntry] = Field(default_factory=dict)

    def key_of(self, own: Sequence[str]) -> tuple[str, ...]:
        """Return the key by which the table is loaded: the rule's, or else its `own`, if no column of it is left out."""
        key = tuple(self.primary_key or own)
        return key if all(map(self.takes, key)) else ()

    def takes(self, column: str) -> bool:
        """Tell whether a column is loaded: among `columns`, where these are named, and none of `exclude_columns`."""
        return column not in self.exclude_columns and (not self.columns or column in self.columns)

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """The checks of the table; those that name no severity fail a critical or important table, and warn of others."""
        return checks_of(self.checks, "fail" if self.table_importance in ("critical", "important") else "warn")

    @field_validator("checks")
    @classmethod
    def _once(cls, checks: tuple[CheckRule, ...]) -> tuple[CheckRule, ...]:
        labels = [check.label for check in checks_of(checks, "warn")]
        twice = [label for n, label in enumerate(labels) if label in labels[:n]]
        if twice:
            raise ValueError(f"the check `{twice[0]}` is there twice")
        return checks

    @field_validator("where")
    @classmethod
    def _condition(cls, where: str | None) -> str | None:
        if where is not None and (why := condition_problem(where)):
            raise ValueError(f"{why}: it is a condition in the source's SQL")
        return where

    @field_validator("casts")
    @classmethod
    def _targets(cls, casts: dict[str, str]) -> dict[str, str]:
        for target in casts.values():
            parse_target(target)
        return casts
