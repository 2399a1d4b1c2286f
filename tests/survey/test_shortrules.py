"""What discover writes is short, and says of each table what was proposed for it: whatever its name, whatever the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bulketl.config.read import load_config
from bulketl.config.tables import TableRule
from bulketl.survey.proposals import Proposal
from bulketl.survey.shortrules import differing, shortened
from bulketl.survey.tablesfile import fixed, missing, written
from bulketl.tables.patterns import matches

ODD = [
    "null", "Yes", "on", "a b", "a:b", "#x", "- x", "*", "cl*m", "[x]", "é水😀", "x\ny", "\t", "'", '"', "\x7f", "\x85",
    "\u2028", "~", "123", "1e3", "a'b\\c", "x: {y}", "%s", "!tag", "&anchor", " lead", "trail ",
]  # fmt: skip
ALIKE = st.from_regex(r"(claim|cla|ord_|Ord)[a-c_]{0,4}", fullmatch=True)
NAMES = st.sampled_from(ODD) | ALIKE | st.text(min_size=1, max_size=9)
DELETES = st.sampled_from(["", "mirror", "mark", "ignore", {"policy": "mirror", "guard": "50%"}, {"guard": "0%"}])


def proposal(name: str, tier: Any = "important", deletes: Any = "", **more: Any) -> Proposal:
    values: dict[str, Any] = {
        "table": name, "tier": tier, "strategy": "full_table", "cursor": None, "exclude": False, "batch_size": 9,
        "minutes": 5, "threshold": 1.0, "dependencies": (), "rows": 1, "megabytes": 1.0, "deletes": deletes,
        "reasons": {"table_importance": "a reason: # with\nsigns", "extraction_strategy": "because", "exclude": "old",
                    "deletes": "why"},
    }  # fmt: skip
    return Proposal(**{**values, **more})


@st.composite
def proposals(draw: st.DrawFn) -> list[Proposal]:
    made = []
    for name in draw(st.lists(NAMES, max_size=25, unique=True)):
        changes = draw(st.sampled_from([False, False, True]))
        made.append(
            proposal(
                name, draw(st.sampled_from(["critical", "important", "audit", "reference"])), draw(DELETES),
                strategy="incremental" if changes else "full_table", cursor=draw(NAMES) if changes else None,
                exclude=draw(st.sampled_from([False, False, False, True])), minutes=draw(st.sampled_from([5, 5, 7])),
                threshold=draw(st.sampled_from([1.0, 0.99])), question=draw(st.sampled_from(["", "", "audit? who\nknows"])),
            )
        )  # fmt: skip
    return made


def read(folder: Path, text: str, names: list[str]) -> dict[str, TableRule]:
    path = folder / "tables.yaml"
    path.write_text(text, encoding="utf-8")
    (folder / "catalog.json").write_text(json.dumps({name: {} for name in names}))
    config = load_config(path, None, {})
    spread = config.spread(names)
    for name in names:
        assert spread.tables[name] == config.rule(name)
    return {name: config.rule(name) for name in names}


def check(item: Proposal, rule: TableRule) -> None:
    """The rule is what was proposed, as far as it has an effect."""
    assert rule.exclude == item.exclude, item
    if item.exclude:
        return
    whole = TableRule.model_validate({"deletes": item.deletes} if item.deletes else {})
    assert (rule.table_importance, rule.extraction_strategy) == (item.tier, item.strategy)
    assert rule.incremental_column == (item.cursor if item.strategy != "full_table" else None)
    assert rule.deletes == whole.deletes
    assert rule.monitoring.max_extraction_time_minutes == item.minutes
    assert rule.monitoring.data_quality_threshold == item.threshold
    assert rule.is_modeled == (item.tier in ("critical", "important"))


@given(proposals())
@settings(max_examples=80)
def test_the_file_says_of_each_table_what_was_proposed(
    tmp_path_factory: pytest.TempPathFactory, made: list[Proposal]
) -> None:
    rules = read(tmp_path_factory.getbasetemp(), written("", made), [item.table for item in made])
    for item in made:
        check(item, rules[item.table])


@given(proposals(), proposals())
@settings(max_examples=50)
def test_what_is_new_is_appended_and_what_stands_there_stays(
    tmp_path_factory: pytest.TempPathFactory, made: list[Proposal], more: list[Proposal]
) -> None:
    """New tables are those that nobody noted; they get an entry of their own, but the tier of a pattern that fits them."""
    known = [item.table for item in made]
    new = [item for item in more if item.table not in known]
    before = written("", made)
    after = written(before, [*made, *new], known)
    rules = read(tmp_path_factory.getbasetemp(), after, [*known, *(item.table for item in new)])
    many = yaml.safe_load(before).get("patterns") or {}
    for item in made:
        check(item, rules[item.table])
    for item in new:
        assert rules[item.table].exclude == item.exclude
        fitting = [rule for pattern, rule in many.items() if pattern != "*" and matches(item.table, [pattern])]
        given = {rule["table_importance"] for rule in fitting if "table_importance" in rule}
        assert item.exclude or rules[item.table].table_importance in (given or {item.tier})
    assert written(after, [*made, *new], [*known, *(item.table for item in new)]) == after
    assert (after == before) == (not new)


@given(proposals())
def test_a_pattern_is_shared_by_three_and_fits_no_other(made: list[Proposal]) -> None:
    shared, own = shortened(made)
    of = {item.table: item for item in made}
    for one in shared:
        assert len(one.tables) >= 3
        assert all(differing(of[name]) == one.keys for name in one.tables)
        fitting = [item for item in made if matches(item.table, [one.pattern])]
        assert {item.table for item in fitting} - set(one.tables) <= {item.table for item in own}
    assert sum(len(one.tables) for one in shared) + len(own) <= len(made)


def test_tables_that_begin_alike_share_a_line() -> None:
    """And the one that differs has its own; a table of another tier forbids the pattern."""
    alike = [proposal(name) for name in ("claim", "claimproc", "claimpayment")]
    other = proposal("claimlog", deletes="mark")
    text = written("", [*alike, other])
    assert "  claim*" not in text
    assert '  "claim*": {table_importance: important}  # 3 tables: claim, claimproc, claimpayment' in text
    assert "  claimlog:\n    table_importance: important" in text
    assert '"claim*"' not in written("", [*alike, proposal("claimform", tier="reference")])


def test_fixes_of_a_table_that_only_a_pattern_covers_make_it_an_entry() -> None:
    text = written("", [proposal("a"), proposal("b", tier="reference")])
    fixes = {"b": {"extraction_strategy": "full_table"}}
    assert missing(text, fixes) == fixes
    assert "b:\n    extraction_strategy: full_table" in fixed(text, fixes)
    assert fixed("patterns: {'*': {}}\n", fixes).startswith("patterns: {'*': {}}\nsource_tables:\n  b:")
