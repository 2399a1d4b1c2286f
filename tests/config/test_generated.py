"""The layout of tables.yaml that another program's schema analysis generates: every key is taken, or counted and named."""

from __future__ import annotations

import datetime as dt
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from bulketl.config.generated import KEYS
from bulketl.config.read import load_config
from bulketl.config.tables import Monitoring, Reread, TableRule
from bulketl.errors import ConfigError

# Invented, with every key of the layout.
ENTRY: dict[str, Any] = {
    "table_name": "orders", "extraction_strategy": "incremental_chunked", "estimated_rows": 2_500_000,
    "estimated_size_mb": 812.5, "batch_size": 100_000, "incremental_columns": ["OrderNum", "EditedAt"],
    "incremental_strategy": "or_logic", "primary_incremental_column": "EditedAt", "sync_profile": "in_place_updates",
    "replicator_watermark_column": "EditedAt", "is_modeled": True, "dbt_model_types": ["staging", "mart"],
    "column_names": ["OrderNum", "EditedAt"], "column_overrides": {}, "performance_category": "large",
    "processing_priority": "high", "time_gap_threshold_days": 7, "estimated_processing_time_minutes": 14.0,
    "memory_requirements_mb": 95, "schema_hash": -77, "last_analyzed": "2026-01-01T00:00:00", "primary_key": "OrderNum",
    "analysis_version": "3.0", "table_importance": "standard", "dependencies": ["customers"],
    "lookback_resync": {"enabled": True, "window_days": 20, "predicate_columns": ["OrderDate"]},
    "monitoring": {
        "alert_on_failure": True, "max_extraction_time_minutes": 9, "data_quality_threshold": 0.9,
        "alert_on_slow_extraction": True, "performance_threshold_records_per_second": 3000,
        "memory_alert_threshold_mb": 190,
    },
}  # fmt: skip
METADATA = {"generated_at": "2026-01-01", "analyzer_version": "4.1", "total_tables": 1, "optimization_features": ["a"]}


def read(folder: Path, **entries: Any) -> tuple[dict[str, TableRule], str]:
    """Return the rules of a file with such entries, and what was warned of."""
    path = folder / "tables.yaml"
    path.write_text(yaml.safe_dump({"metadata": METADATA, "tables": entries}), encoding="utf-8")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        rules = load_config(path, None, {}).tables
    assert len(said) == 1, said
    return rules, str(said[0].message)


def test_an_entry_with_every_key_is_read(tmp_path: Path) -> None:
    """Each value that is taken is where it belongs."""
    rules, _ = read(tmp_path, orders=ENTRY, customers={})
    assert rules["orders"] == TableRule(
        table_importance="critical",
        extraction_strategy="chunked_incremental",
        incremental_column="EditedAt",
        is_modeled=True,
        batch_size=100_000,  # kept for people, as in a rule of ours
        estimated_rows=2_500_000,
        estimated_size_mb=812.5,
        dependencies=("customers",),
        reread=Reread(columns=("OrderDate",), last=dt.timedelta(days=20)),
        monitoring=Monitoring(alert_on_failure=True, max_extraction_time_minutes=9, data_quality_threshold=0.9),
    )
    assert rules["customers"] == TableRule()


def test_every_key_that_is_not_taken_is_named_once_with_how_often_it_is_there(tmp_path: Path) -> None:
    """And none that is taken; one of a version that is not known yet is passed over like the others."""
    orders = {**ENTRY, "carbon_footprint_grams": 3}
    _, told = read(tmp_path, orders=orders, customers={"batch_size": 10, "carbon_footprint_grams": 4})
    over = [item.key for item in KEYS if not item.ours]
    assert {key: told.count(f" {key} (") for key in over} == dict.fromkeys(over, 1)
    assert all(f" {count}" in told for count in ("batch_size (2)", "carbon_footprint_grams (2)", "last_analyzed (1)"))
    assert not [item.key for item in KEYS if item.ours and f" {item.key} (" in told]


def test_the_list_of_keys_has_every_key_of_the_layout() -> None:
    """What is translated, what a rule has too, and what is passed over."""
    keys = {*ENTRY, *(f"monitoring.{key}" for key in ENTRY["monitoring"]), "metadata"}
    assert keys - {item.key for item in KEYS} == {f"monitoring.{key}" for key in Monitoring.model_fields}


@pytest.mark.parametrize(
    ("entry", "tier"),
    [
        ({"processing_priority": "high", "performance_category": "tiny"}, "critical"),
        ({"processing_priority": "high", "performance_category": "small", "is_modeled": True}, "critical"),
        ({"processing_priority": 1}, "critical"),
        ({"processing_priority": 3}, "critical"),
        ({"processing_priority": 4}, "reference"),
        ({"processing_priority": "medium", "performance_category": "tiny"}, "reference"),
        ({"processing_priority": "medium", "performance_category": "tiny", "is_modeled": True}, "important"),
        ({"processing_priority": "low", "performance_category": "tiny", "is_modeled": True}, "important"),
        ({"processing_priority": "low", "performance_category": "small"}, "important"),
        ({"processing_priority": "low", "performance_category": "tiny"}, "reference"),
        ({"performance_category": "medium"}, "important"),
        ({"performance_category": "large"}, "critical"),
        ({"processing_priority": "high", "table_importance": "audit"}, "audit"),
        ({"processing_priority": "high", "table_importance": "standard"}, "critical"),
        ({}, "reference"),
    ],
)
def test_the_tier_is_what_the_file_says_of_its_importance(tmp_path: Path, entry: dict[str, Any], tier: str) -> None:
    """Its own word first, then its priority, then its size and whether models stand on it."""
    assert load(tmp_path, entry).table_importance == tier


def load(folder: Path, entry: dict[str, Any]) -> TableRule:
    """Return the rule of one entry."""
    return read(folder, t=entry)[0]["t"]


def test_a_cursor_is_found_where_no_primary_one_is_named(tmp_path: Path) -> None:
    """The first of several; none of none, and a key of ours wins."""
    assert load(tmp_path, {"incremental_columns": ["a", "b"], "primary_incremental_column": None}).incremental_column == "a"
    assert load(tmp_path, {"incremental_columns": [], "primary_incremental_column": None}).incremental_column is None
    assert load(tmp_path, {"incremental_columns": ["a"], "incremental_column": "c"}).incremental_column == "c"


def test_the_first_column_of_a_key_is_not_taken_for_the_key(tmp_path: Path) -> None:
    """Rows of a table with a key of two columns would be doubled by one of them; a list is a person's."""
    assert load(tmp_path, {"primary_key": "a"}).primary_key == ()
    assert load(tmp_path, {"primary_key": ["a", "b"]}).primary_key == ("a", "b")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"processing_priority": "urgent"}, "tables.t.processing_priority"),
        ({"processing_priority": 11}, "tables.t.processing_priority"),
        ({"performance_category": "huge"}, "tables.t.performance_category"),
        ({"extraction_strategy": "sometimes"}, "tables.t.extraction_strategy"),
        ({"lookback_resync": {"enabled": "maybe"}}, "tables.t.lookback_resync.enabled"),
        ({"procesing_priority": "high"}, "did you mean 'processing_priority'?"),
        ({"monitoring": {"data_quality_treshold": 1}}, "did you mean 'data_quality_threshold'?"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake(tmp_path: Path, entry: dict[str, Any], told: str) -> None:
    """With its place, once; nothing is guessed."""
    with pytest.raises(ConfigError) as wrong:
        read(tmp_path, t=entry)
    assert told in wrong.value.message


def test_sections_of_the_older_layout_are_named_too(tmp_path: Path) -> None:
    """What stands there has no effect, and somebody may have changed it."""
    path = tmp_path / "tables.yaml"
    path.write_text("source_tables: {a: {}}\nstaging_tables: {a: {schema: x}, b: {}}\ntarget_tables: {}\n", encoding="utf-8")
    with pytest.warns(UserWarning, match=r"passed over.*: staging_tables \(2\)$"):
        assert list(load_config(path, None, {}).tables) == ["a"]


def test_what_an_entry_does_not_say_it_inherits(tmp_path: Path) -> None:
    """From patterns and tiers, as an entry of the other layout."""
    path = tmp_path / "tables.yaml"
    text = {
        "metadata": {},
        "patterns": {"order*": {"extraction_strategy": "incremental", "table_importance": "important", "deletes": "mark"}},
        "tiers": {"critical": {"max_rejects": 7}},
        "tables": {"orders": {"processing_priority": "high"}, "order_lines": {"incremental_columns": ["a"]}},
    }
    path.write_text(yaml.safe_dump(text), encoding="utf-8")
    rules = load_config(path, None, {}).tables
    assert rules["orders"].table_importance == "critical"
    assert (rules["orders"].extraction_strategy, rules["orders"].max_rejects) == ("incremental", 7)
    assert (rules["order_lines"].table_importance, rules["order_lines"].incremental_column) == ("important", "a")
    assert rules["order_lines"].deletes.policy == "mark"
