"""What a person decides about one table: the keys of an entry in `tables.yaml`, typed."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bulketl.casts import parse_target

Tier = Literal["critical", "important", "audit", "reference"]
TIERS: tuple[Tier, ...] = get_args(Tier)
Strategy = Literal["full_table", "incremental", "chunked_incremental"]


class Model(BaseModel):
    """A part of the configuration: no key but those declared, no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Monitoring(Model):
    """When to tell somebody. Read and kept; alerts come with monitoring."""

    alert_on_failure: bool = False
    max_extraction_time_minutes: float = Field(default=5, gt=0)
    data_quality_threshold: float = Field(default=1.0, ge=0, le=1)


class TableRule(Model):
    """What a person decided about one table.

    Keys of the first block are those of the guide's layout, of the second bulketl's own; those of the third have their
    place in the format and wait for the features they are for (`mask` is refused by the plan until then).
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
    exclude_columns: tuple[str, ...] = Field(default=(), strict=False)
    casts: dict[str, str] = Field(default_factory=dict)
    max_rejects: int | None = Field(default=None, ge=0)
    primary_key: tuple[str, ...] = Field(default=(), strict=False)
    partition_by: str | None = None
    publish: Literal["swap", "refill"] | None = None

    mask: dict[str, Any] = Field(default_factory=dict)
    lookback: Any = None
    deletes: Any = None
    checks: Any = None
    retention: Any = None

    @property
    def not_yet(self) -> tuple[str, ...]:
        """The keys a person has set that this version keeps and does not act on."""
        return tuple(key for key in ("lookback", "deletes", "checks", "retention") if getattr(self, key) is not None)

    @field_validator("casts")
    @classmethod
    def _targets(cls, casts: dict[str, str]) -> dict[str, str]:
        for target in casts.values():
            parse_target(target)
        return casts
