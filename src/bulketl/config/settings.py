"""What holds for all tables: the keys of `bulketl.yaml`, typed."""

from __future__ import annotations

import datetime as dt
import fnmatch
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from bulketl.config.alerts import Alerts
from bulketl.config.capacity import Capacity
from bulketl.config.hooks import Hook
from bulketl.config.lineage import OpenLineage
from bulketl.config.metrics import Metrics
from bulketl.config.migration import Migration
from bulketl.config.reports import Reports
from bulketl.config.values import Duration, Model, RowLimit
from bulketl.config.watchdog import Watchdog
from bulketl.config.windows import Windows
from bulketl.tables.casts import parse_target
from bulketl.tables.catalog import Column, Table
from bulketl.tables.maskkey import HOW, LEAST
from bulketl.tables.partitions import PARTITION_BYTES
from bulketl.tables.spec import NAME_BYTES, TIERS, Tier
from bulketl.tables.types import parse_type

PROCESS_MB = 200
Workers = Annotated[int, Field(ge=1, le=64)]


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
            wanted, actual = parse_type(self.type), column.parsed
            sizes = wanted.sizes if "(" in self.type else ()
            if (
                wanted.base not in (actual.base, actual.base.removesuffix(" binary"))
                or (sizes and sizes != actual.sizes)
                or (wanted.unsigned > actual.unsigned)
            ):
                return False
        pattern = self.column
        return pattern is None or fnmatch.fnmatchcase(f"{table.origin}.{column.name}", pattern)


class NameRule(Model):
    """What a table is for, by its name in lower case: a glob, and the tier it means or that it is better left out."""

    match: str
    tier: Tier | None = None
    exclude: bool = False
    why: str = "by your rule"


class SourceLimits(Model):
    """When to spare the source: no reading begins while one of these is exceeded.

    `threads_running`: statements at work on the server, ours too. `replica_lag_seconds`: of the server read from.
    `lock_waits_per_minute`: statements that had to wait for a table or row lock since the last look. `mb_per_second`: at
    most that much is read.
    """

    threads_running: int | None = Field(default=None, ge=1)
    replica_lag_seconds: float | None = Field(default=None, gt=0)
    lock_waits_per_minute: float | None = Field(default=None, gt=0)
    mb_per_second: float | None = Field(default=None, gt=0)

    @property
    def watched(self) -> bool:
        """Whether the server has to be asked while a load is on."""
        return any(
            limit is not None for limit in (self.threads_running, self.replica_lag_seconds, self.lock_waits_per_minute)
        )


class LedgerRule(Model):
    """What the ledger keeps. `keep`: how long events and the records of runs; everything for ever without it."""

    keep: Annotated[Duration, Field(ge=dt.timedelta(days=30))] | None = None


AddedColumn = Literal["_loaded_at", "_run_id", "_row_hash"]


class Settings(Model):
    """The keys of `bulketl.yaml`."""

    source: str = Field(default="", repr=False)
    target: str = Field(default="", repr=False)
    target_schema: str = Field(default="raw", alias="schema", min_length=1, max_length=63)
    workers: Workers = 3
    source_connections: int | None = Field(default=None, ge=1)
    source_limits: SourceLimits = SourceLimits()
    memory_mb: int = Field(default=1000, ge=256)
    stall_seconds: float = Field(default=300, ge=1, le=86400)
    timestamp_zone: str = Field(default="server", pattern=r"^(server|[+-]\d\d:\d\d|[A-Za-z_]+(/[A-Za-z0-9_+-]+)*)$")
    nul_bytes: Literal["strip", "reject"] = "strip"
    max_rejects: RowLimit = 0
    casts: tuple[UserCast, ...] = Field(default=(), strict=False)
    classify: tuple[NameRule, ...] = Field(default=(), strict=False)
    names: Literal["source", "snake_case"] = "source"
    new_tables: Literal["report", "load"] = "report"
    dropped_columns: Literal["keep", "drop"] = "keep"
    narrowed_columns: Literal["swap", "refuse"] = "swap"
    invalid_watermark: Literal["load", "refuse"] = "load"
    certify: bool = False
    keep_previous: int = Field(default=0, ge=0, le=1)
    masking: Literal["declared", "strict"] = "declared"
    mask_key: str = Field(default="", repr=False)
    mask_key_file: str = ""
    added_columns: tuple[AddedColumn, ...] = Field(default=(), strict=False)

    tier_workers: dict[Tier, Workers] | None = None
    windows: Windows | None = None
    failures: dict[Tier, Literal["block", "warn"]] = Field(default_factory=dict)
    alerts: Alerts | None = Field(default=None, repr=False)
    watchdog: Watchdog | None = None
    hooks: tuple[Hook, ...] = Field(default=(), strict=False)
    reports: Reports | None = None
    metrics: Metrics | None = None
    openlineage: OpenLineage | None = Field(default=None, repr=False)
    ledger: LedgerRule = LedgerRule()
    capacity: Capacity = Capacity()
    migration: Migration | None = None

    @property
    def shadow_schema(self) -> str:
        """The schema into which tables are loaded beside an older pipeline."""
        named = self.migration.shadow if self.migration else None
        return named or f"{self.target_schema}_shadow"

    @model_validator(mode="after")
    def _apart(self) -> Settings:
        if self.migration is None:
            return self
        if self.shadow_schema == self.target_schema:
            raise ValueError(f"migration.shadow is {self.shadow_schema!r}, as schema is: give it another name")
        if len(self.shadow_schema.encode()) > NAME_BYTES:
            raise ValueError(f"{self.shadow_schema!r} is too long for the name of a schema: set migration.shadow")
        return self

    @property
    def at_once(self) -> int:
        """How many steps run at once. Each reads over one connection; with limits one more looks at the source."""
        if self.source_connections is None:
            return self.workers
        return min(self.workers, max(1, self.source_connections - self.source_limits.watched))

    @property
    def readers(self) -> int:
        """How many connections may read one table at the same moment, while another one locks it for them."""
        return self.at_once if self.source_connections is None else max(1, min(self.at_once, self.source_connections - 1))

    @property
    def partition_bytes(self) -> int:
        """How many bytes of the source a partition may have, so that all workers together stay below `memory_mb`.

        Measured: the process itself takes 170 MB, and a step up to four times the bytes of a partition.
        """
        return min(PARTITION_BYTES, ((self.memory_mb - PROCESS_MB) << 20) // (4 * self.workers))

    @model_validator(mode="after")
    def _connected(self) -> Settings:
        if self.source_connections is None:
            return self
        if "workers" in self.model_fields_set and self.workers > self.source_connections:
            raise ValueError(
                f"{self.workers} workers need as many source_connections, and {self.source_connections} are allowed"
            )
        if self.source_limits.watched and self.source_connections < 2:
            raise ValueError("source_limits need a connection of their own: allow 2 source_connections")
        return self

    def blocks(self, tier: Tier) -> bool:
        """Tell whether a table of that tier that failed makes the whole run a failure, or only a warning."""
        return self.failures.get(tier, "block" if tier in ("critical", "important") else "warn") == "block"

    def loads_again(self, tier: Tier) -> bool:
        """Tell whether a run loads a table of that tier once more when it failed; never without alerts."""
        return self.alerts is not None and self.alerts.auto_retry(tier)

    @property
    def tables_at_once(self) -> dict[Tier, int]:
        """How many tables, or groups of small ones, of each tier are loaded at once; the partitions of one are so anyway."""
        return {tier: (self.tier_workers or {}).get(tier, 3 if tier == "critical" else 1) for tier in TIERS}

    @field_validator("mask_key")
    @classmethod
    def _long(cls, key: str) -> str:
        if 0 < len(key) < LEAST or (key and len(set(key)) < LEAST // 4):
            raise ValueError(f"the mask key is too short or too plain to be a secret: at least {LEAST} characters; {HOW}")
        return key

    @field_validator("reports")
    @classmethod
    def _sent(cls, reports: Reports | None, info: ValidationInfo) -> Reports | None:
        if reports is not None and "alerts" in info.data:  # not there when it is wrong itself
            alerts: Alerts | None = info.data["alerts"]
            reports.check_addresses(alerts.email if alerts else ())
        return reports
