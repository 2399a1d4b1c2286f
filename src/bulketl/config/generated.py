"""The layout of `tables.yaml` with the top keys `metadata` and `tables`, as another program's schema analysis generates it.

bulketl takes the keys that express a person's decision, by `KEYS`, from which the table in the docs is made. It ignores
and names the keys that only repeat the schema of that day, or its statistics. An entry may also have bulketl's own keys,
which win.
"""

from __future__ import annotations

import difflib
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from bulketl.config.mistakes import YamlFile, validated
from bulketl.config.tables import Monitoring, TableRule
from bulketl.config.values import Model
from bulketl.tables.spec import Strategy, Tier

SECTIONS = ("staging_tables", "target_tables")  # of an older layout: they say what is read from the live servers
_HIGH = 3  # of its numbers from 1 to 10, 1 is what is to be loaded first
_STRATEGIES: dict[str, Strategy] = {
    "incremental_chunked": "chunked_incremental", "small_table": "full_table",
}  # fmt: skip
_TIERS: dict[str, Tier] = {"large": "critical", "medium": "important", "small": "important", "tiny": "reference"}


class Key(NamedTuple):
    """A key of the layout: what it is here, '' for passed over, and what becomes of its value."""

    key: str
    ours: str
    how: str


KEYS = (
    Key("extraction_strategy", "extraction_strategy", "`incremental_chunked` means `chunked_incremental`, and "
        "`small_table` means `full_table`"),
    Key("primary_incremental_column", "incremental_column", "it names the cursor"),
    Key("incremental_columns", "incremental_column", "the first one is the cursor, if `primary_incremental_column` "
        "names none"),
    Key("table_importance", "table_importance", "bulketl ignores `standard`"),
    Key("processing_priority", "table_importance", "`high`, or 1 to 3, means critical; with `medium`, `low` or 4 to "
        "10, the next two keys decide"),
    Key("performance_category", "table_importance", "`large` means critical, `medium` and `small` mean important, and "
        "`tiny` means reference"),
    Key("is_modeled", "table_importance", "`true` makes the table at least important"),
    Key("lookback_resync", "reread", "if `enabled`, `predicate_columns` gives the columns and `window_days` the days"),
    Key("dependencies", "dependencies", "bulketl takes it as it is"),
    Key("monitoring", "monitoring", "bulketl takes `alert_on_failure`, `max_extraction_time_minutes` and "
        "`data_quality_threshold` as they are"),
    Key("batch_size", "", "bulketl cuts partitions by bytes"),
    Key("estimated_rows", "", "every run measures anew"),
    Key("estimated_size_mb", "", "every run measures anew"),
    Key("primary_key", "", "a list is taken as `primary_key`; a single name is only the first column of the key, which "
        "bulketl reads from the live schema"),
    Key("column_names", "", "bulketl reads the columns from the live schema"),
    Key("column_overrides", "", "types follow the [cast rules](types.md); declare others under `casts`"),
    Key("incremental_strategy", "", "bulketl follows one cursor; a comparison finds what the cursor misses"),
    Key("replicator_watermark_column", "", "bulketl follows the cursor"),
    Key("sync_profile", "", "the cursor and the comparison find edited rows"),
    Key("time_gap_threshold_days", "", "a watermark stays valid, however long the pause"),
    Key("dbt_model_types", "", "no load needs it"),
    Key("estimated_processing_time_minutes", "", "every run measures anew"),
    Key("memory_requirements_mb", "", "`memory_mb` limits the whole process"),
    Key("monitoring.alert_on_slow_extraction", "", "`max_extraction_time_minutes` says when a table is late"),
    Key("monitoring.performance_threshold_records_per_second", "", "`max_extraction_time_minutes` says when a table is "
        "late"),
    Key("monitoring.memory_alert_threshold_mb", "", "`memory_mb` limits the whole process"),
    Key("analysis_version", "", "it says how the file was made"),
    Key("schema_hash", "", "it says how the file was made"),
    Key("last_analyzed", "", "it says how the file was made"),
    Key("table_name", "", "the key of the entry is the name"),
    Key("metadata", "", "it says how the file was made"),
)  # fmt: skip
_TAKEN = {item.key: bool(item.ours) for item in KEYS}


class _Again(Model):
    enabled: bool = True
    window_days: int = Field(default=30, ge=0)
    predicate_columns: tuple[str, ...] = Field(default=(), strict=False)


class _Entry(Model):
    """The keys that are translated, typed."""

    extraction_strategy: Literal[
        "full_table", "incremental", "incremental_chunked", "chunked_incremental", "small_table"
    ] = "full_table"
    primary_incremental_column: str | None = None
    incremental_columns: Annotated[tuple[str, ...] | None, Field(strict=False)] = None
    table_importance: Literal["critical", "important", "audit", "reference", "standard"] = "standard"
    processing_priority: Literal["high", "medium", "low"] | Annotated[int, Field(ge=1, le=10)] = "medium"
    performance_category: Literal["large", "medium", "small", "tiny"] = "tiny"
    is_modeled: bool = False
    lookback_resync: _Again = _Again(enabled=False)

    @property
    def tier(self) -> Tier:
        """The tier that somebody who wrote such a file expects."""
        if self.table_importance != "standard":
            return self.table_importance
        priority = self.processing_priority
        if priority == "high" or (isinstance(priority, int) and priority <= _HIGH):
            return "critical"
        of_size = _TIERS[self.performance_category]
        return "important" if self.is_modeled and of_size == "reference" else of_size

    def rule(self) -> dict[str, Any]:
        """Return the same in keys of a rule."""
        said = self.model_fields_set  # what an entry does not say, it may inherit
        found: dict[str, Any] = {}
        if said & {"primary_incremental_column", "incremental_columns"}:
            found["incremental_column"] = self.primary_incremental_column or next(iter(self.incremental_columns or ()), None)
        if said & {"processing_priority", "performance_category", "is_modeled"} or self.table_importance != "standard":
            found["table_importance"] = self.tier
        if "extraction_strategy" in said:
            found["extraction_strategy"] = _STRATEGIES.get(self.extraction_strategy, self.extraction_strategy)
        if "is_modeled" in said:
            found["is_modeled"] = self.is_modeled
        again = self.lookback_resync
        if again.enabled and again.predicate_columns:
            return {**found, "reread": {"columns": again.predicate_columns, "last": f"{again.window_days}d"}}
        return found


def read_generated(
    file: YamlFile, made: Callable[[str, dict[str, Any]], TableRule], more: Iterable[str]
) -> dict[str, TableRule]:
    """Return the rules of such a file; add its mistakes, and warn, once, of every key in it that is not taken.

    `made` makes a rule of an entry's keys with what it inherits; `more`: sections that may stand at the top too.
    """
    file.known_at_top({"metadata", "tables", *SECTIONS, *more})
    tables = file.document["tables"] or {}
    if not isinstance(tables, dict):
        file.wrong(("tables",), "tables: a mapping of tables is expected")
        return {}
    over = Counter({key: 1 for key in ("metadata",) if file.document.get(key)})
    rules = {}
    for name, entry in tables.items():
        keys = _keys({} if entry is None else entry, file, ("tables", name), over)
        if keys is not None:
            rules[name] = made(name, keys)
    tell(file, over)
    return rules


def tell(file: YamlFile, over: Mapping[str, int]) -> None:
    """Warn of the sections and keys of a file that are passed over, each with how often it is there."""
    found = {section: len(file.document.get(section) or ()) for section in SECTIONS} | dict(over)
    if names := [f"{key} ({count:,})" for key, count in found.items() if count]:
        words = f"{file.path}: passed over, as what they say is read from the live servers or not needed: {', '.join(names)}"
        warnings.warn(words, UserWarning, stacklevel=2)


def _keys(entry: Any, file: YamlFile, at: tuple[str, str], over: Counter[str]) -> dict[str, Any] | None:
    """Return the keys of a rule that an entry makes, None when there is a mistake in it."""
    if not isinstance(entry, dict):
        validated(TableRule, entry, file, at)
        return None
    theirs = {key: value for key, value in entry.items() if key in _Entry.model_fields}
    read = validated(_Entry, theirs, file, at)
    own = {key: value for key, value in entry.items() if key not in theirs}
    if isinstance(own.get("primary_key"), str):
        over["primary_key"] += 1
        del own["primary_key"]
    own = _without(own, TableRule.model_fields, "", over)
    if isinstance(watched := own.get("monitoring"), dict):
        own["monitoring"] = _without(watched, Monitoring.model_fields, "monitoring.", over)
    keys = {**(read.rule() if read else {}), **own}
    return keys if validated(TableRule, keys, file, at, also=_TAKEN) and read else None


def _without(values: dict[str, Any], fields: Collection[str], at: str, over: Counter[str]) -> dict[str, Any]:
    """Return the values without those that are passed over, which are counted; `fields` are bulketl's keys there.

    A key that nobody knows is passed over too, as such a program adds some with each version. One that is nearly a key
    that is known stays, and is a mistake.
    """
    known = {*fields, *(key.removeprefix(at) for key in _TAKEN if key.startswith(at))}
    kept = {}
    for key, value in values.items():
        taken = _TAKEN.get(at + key, key in fields or bool(difflib.get_close_matches(key, known, n=1)))
        over[at + key] += not taken
        if taken or key in fields:
            kept[key] = value
    return kept
