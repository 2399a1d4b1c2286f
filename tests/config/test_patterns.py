"""Rules for many tables at once: which comes first, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bulketl.config.config import Config
from bulketl.config.read import load_config
from bulketl.errors import ConfigError

TEXT = """
tiers:
  critical: {max_rejects: 5, lookback: 3h}
  reference: {max_rejects: 1}
patterns:
  "claim*": {table_importance: critical, deletes: mirror}
  "*log": {table_importance: audit, deletes: ignore, max_rejects: 9}
source_tables:
  claimform: {deletes: mark}
  plain: {}
"""


def config(folder: Path, text: str = TEXT, known: tuple[str, ...] | None = None) -> Config:
    path = folder / "tables.yaml"
    path.write_text(text)
    if known is not None:
        (folder / "catalog.json").write_text(json.dumps({name: {} for name in known}))
    return load_config(path, None, {})


def test_the_nearest_says_what_a_key_is(tmp_path: Path) -> None:
    """The entry, then the first pattern that fits, then the tier, whole keys; then the default."""
    found = config(tmp_path)
    rules = {name: found.rule(name) for name in ("claim", "claimform", "claimlog", "worklog", "plain", "Claim")}
    said = {name: (rule.table_importance, rule.deletes.policy, rule.max_rejects) for name, rule in rules.items()}
    assert said == {
        "claim": ("critical", "mirror", 5), "claimform": ("critical", "mark", 5), "claimlog": ("critical", "mirror", 9),
        "worklog": ("audit", "ignore", 9), "plain": ("reference", None, 1), "Claim": ("reference", None, 1),
    }  # fmt: skip
    assert set(found.tables) == {"claimform", "plain"}
    assert found.ruled


def test_a_table_that_is_new_is_so_also_where_a_pattern_fits(tmp_path: Path) -> None:
    """The pattern was written without it; it waits until somebody writes of it."""
    found = config(tmp_path, known=("claim", "plain"))
    assert (found.waits("claim"), found.waits("claimnew")) == (False, True)
    assert found.spread(["claim", "claimnew", "x"]).tables.keys() == {"claimform", "plain", "claim"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("patterns: {'a*': {table_importanc: audit}}", "2: patterns.a*.table_importanc: unknown key; did you mean"),
        ("patterns: [a]", "patterns: a mapping is expected"),
        ("patterns: {'a*': {batch_size: 0}}", "patterns.a*.batch_size: "),
        ("tiers: {urgent: {}}", "tiers.urgent: there is no such tier; the tiers are critical, important, audit, reference"),
        ("tiers: {audit: {table_importance: audit}}", "tiers.audit: its tables are of that tier already"),
        ("tiers: {audit: x}", "tiers.audit: a mapping is expected"),
        ("pattern: {}", "pattern: unknown key; did you mean 'patterns'?"),
    ],
)
@pytest.mark.parametrize("layout", ["source_tables", "tables"])
def test_a_mistake_there_is_told_with_its_place(tmp_path: Path, text: str, said: str, layout: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, f"{layout}: {{t: {{}}}}\n{text}\n")
    assert said in caught.value.message
    assert caught.value.message.count("tables.yaml:") == 1


def test_the_later_layout_has_them_too(tmp_path: Path) -> None:
    found = config(tmp_path, "tables: {t: {performance_category: large}}\npatterns: {'*': {deletes: mark}}\n")
    assert (found.rule("t").table_importance, found.rule("t").deletes.policy, found.rule("u").deletes.policy) == (
        "critical", "mark", "mark",
    )  # fmt: skip


def test_without_a_rule_as_many_tables_as_workers_are_loaded_at_once(tmp_path: Path) -> None:
    """Every table is of one tier then, which says nothing; a rule, or a word about tiers, says something."""
    none = load_config(None, None, {}, workers=4)
    assert none.tables_at_once == dict.fromkeys(("critical", "important", "audit", "reference"), 4)
    assert config(tmp_path).tables_at_once["reference"] == 1
    (tmp_path / "bulketl.yaml").write_text("tier_workers: {reference: 2}\n")
    assert load_config(None, tmp_path / "bulketl.yaml", {}).tables_at_once["reference"] == 2
