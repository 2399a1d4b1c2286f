"""What discover adds to a person's rules: it keeps what they say, leaves nothing out in silence, and changes no line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_shortrules import proposal

from bulketl.config.config import Config
from bulketl.config.read import load_config
from bulketl.errors import ConfigError
from bulketl.plan.selection import Selection, select
from bulketl.survey.findings import Seen
from bulketl.survey.proposals import Proposal
from bulketl.survey.sourcefindings import without_rule
from bulketl.survey.tablesfile import fixed, written
from bulketl.tables.catalog import Catalog, Column, Table

OLD = [("orders", "bak"), ("mail_2021", "old"), ("Invoice", "Backup"), ("x", "copy")]


def read(folder: Path, text: str, known: list[str] | None = None) -> Config:
    path = folder / "tables.yaml"
    path.write_bytes(text.encode())
    if known is not None:
        (folder / "catalog.json").write_text(json.dumps({name: {} for name in known}))
    return load_config(path, None, {})


def added(text: str, *new: Proposal) -> str:
    return written(text, new, known=["old"])


@pytest.mark.parametrize(("name", "end"), OLD)
def test_what_is_left_out_takes_no_later_table_with_it(tmp_path: Path, name: str, end: str) -> None:
    """However alike they begin: each has an entry of its own."""
    olds = [proposal(f"{name}_{end}{more}", tier="reference", exclude=True) for more in ("", "_1", "_2", "s")]
    first = written("", olds)
    assert "*" not in first.split("source_tables:")[0].replace('"*": {table_importance: reference}', "")
    assert not read(tmp_path, first).rule(name).exclude
    after = written(first, [*olds, proposal(name, "critical")], [one.table for one in olds])
    config = read(tmp_path, after)
    assert (config.rule(name).exclude, config.rule(name).table_importance) == (False, "critical")
    assert all(config.rule(one.table).exclude for one in olds)


def test_a_pattern_ends_with_a_word_of_all_its_tables() -> None:
    for names in (
        ["order_a", "orders_b", "order_c", "orderly"],
        ["mailA", "mailing", "mailBox"],
        ["abcdx", "abcdy", "abcdz"],
    ):
        assert "*" not in written("", [proposal(name) for name in names]), names
    assert '"mail_*"' in written("", [proposal(name) for name in ("mail_a", "mail_b", "mail_c", "mails")])
    assert '"mail*"' in written("", [proposal(name) for name in ("mailA", "mailB", "mailBox")])


@pytest.mark.parametrize(
    "before",
    [
        'patterns: {"orde*": {exclude: true}}\n',
        'patterns: {"*": {table_importance: audit}, "or*": {exclude: true, deletes: ignore}}\nsource_tables:\n  old: {}\n',
        "tiers: {critical: {exclude: true}}\nsource_tables:\n  old: {}\n",
    ],
)
def test_what_is_appended_to_be_loaded_is_loaded(tmp_path: Path, before: str) -> None:
    """Whatever rule for many tables that was written before it would leave it out."""
    after = added(before, proposal("orders", "critical"))
    assert not read(tmp_path, after).rule("orders").exclude
    assert "exclude: false  # it is new, and a rule for many tables" in after


@pytest.mark.parametrize("exclude", [False, True])
def test_what_a_person_wrote_for_many_tables_holds_for_new_ones(tmp_path: Path, exclude: bool) -> None:
    """Every key that a pattern or the tier gives; only what they do not say is written."""
    many = "deletes: {policy: mark, every: 1d}, monitoring: {alert_on_failure: true}"
    for before in (
        f'patterns:\n  "claim*": {{table_importance: critical, exclude: false, {many}}}\n',
        f'tiers:\n  critical: {{{many}}}\npatterns:\n  "*_token": {{table_importance: critical, exclude: false}}\n',
        f'tiers:\n  critical: {{{many}, exclude: false}}\npatterns:\n  "*": {{table_importance: critical}}\n',
    ):
        new = proposal("claim_token", "reference", "mirror", exclude=exclude, threshold=0.99)
        after = added(before, new)
        assert after.startswith(before)
        rule = read(tmp_path, after).rule("claim_token")
        assert (rule.table_importance, rule.deletes.policy, rule.exclude) == ("critical", "mark", False)
        assert rule.monitoring.alert_on_failure
        assert "deletes" not in after[len(before) :]


def test_a_tier_that_a_person_wrote_takes_away_what_followed_from_the_other(tmp_path: Path) -> None:
    """No table of tier audit is mirrored, and none that is not is never looked at for deletes."""
    audit = read(tmp_path, added('patterns: {"a*": {table_importance: audit}}\n', proposal("ab", "critical", "mirror")))
    assert audit.rule("ab").deletes.policy is None
    other = read(tmp_path, added('patterns: {"a*": {table_importance: critical}}\n', proposal("ab", "audit", "ignore")))
    assert other.rule("ab").deletes.policy == "mark"


def test_a_strategy_that_a_person_wrote_gets_the_cursor_and_another_cursor_no_strategy(tmp_path: Path) -> None:
    new = proposal("ab", strategy="incremental", cursor="at")
    rule = read(tmp_path, added('patterns: {"a*": {extraction_strategy: chunked_incremental}}\n', new)).rule("ab")
    assert (rule.extraction_strategy, rule.incremental_column) == ("chunked_incremental", "at")
    rule = read(tmp_path, added('patterns: {"a*": {incremental_column: other}}\n', new)).rule("ab")
    assert (rule.extraction_strategy, rule.incremental_column) == ("full_table", "other")


def test_a_new_table_that_an_older_pattern_leaves_out_is_told(tmp_path: Path) -> None:
    """By validate and by a load, whatever new_tables says; one that was there is left out as a person wants."""
    text = 'patterns: {"arch_*": {exclude: true}}\nsource_tables: {old: {}}\n'
    config = read(tmp_path, text, known=["old", "arch_1"])
    names = ("old", "arch_1", "arch_2")
    catalog = Catalog("x", "11", "UTC", tuple(Table(n, (Column("id", "int(11)", False),), ("id",), ()) for n in names))
    for new_tables in ("load", "report"):
        one = config.model_copy(update={"new_tables": new_tables})
        seen = Seen(one.spread(names), catalog, {}, {})
        (finding,) = without_rule(seen)
        assert (finding.table, finding.otherwise) == ("arch_2", "it is not loaded")
        taken, skipped, _ = select(one, catalog, Selection())
        assert [table.name for table in taken] == ["old"]
        assert [(skip.table, "older rule for many" in skip.reason) for skip in skipped] == [("arch_2", True)]
        assert select(one, catalog, Selection(tables=("old",)))[1] == ()


FORMS = {
    "four": "source_tables:\n    old:\n        deletes: mark   # ours\n        lookback:   3\n\n\n# the end\n",
    "crlf": "source_tables:\r\n  old:\r\n    deletes: mark # a\r\n",
    "crlf, four": 'patterns: {\r\n  "a*": {}}\r\nsource_tables:\r\n    old: {deletes: mark}',
    "no end": "source_tables:\n  old: {deletes: mark}",
    "one": "source_tables:\n old:\n  deletes: mark\n # of old\n",
    "others behind": "tables:\n  old:\n    deletes: {policy: mark}\nmetadata:\n  a: [1,\n 2]\n",
    "null": "source_tables:  # none yet\ntiers: {}\n",
    "braces": "source_tables: {}  # none yet\ntiers: {}\n",
    "comments": "# nothing yet\n",
    "none": "patterns:\n      'a*':\n            deletes:    mark\n",
    "text": "source_tables:\n  old:\n    metadata: |\n      a\n\n      b\n\ntiers: {}\n",
    "signs": "# \u2028 \x85\nsource_tables:\n  old: {a: '\u2029'}\ntiers: {}\n",
    "alias": "source_tables:\n  a: &a {deletes: mark}\n  b: *a\ntiers: {}\n",
    "bom": "\ufeffsource_tables:\n  old: {deletes: mark}\n",
    "end": "---\nsource_tables:\n  old: {}\n...\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_no_line_that_is_there_changes(form: str) -> None:
    """Whatever its indentation and line ends, which the lines that are new have too."""
    before = FORMS[form]
    after = added(before, proposal("b1"), proposal("null", question="why?"))
    ends = "\r\n" if "\r\n" in before else "\n"
    assert after.count("\n") == after.count(ends)
    left = after.split(ends)
    for line in before.split(ends):
        line = "source_tables:  # none yet" if form == "braces" and line.startswith("source") else line
        assert line in left
        left.remove(line)
    assert "b1:" in "".join(left)
    assert "table_importance: important  # why?" in after
    assert written(after, [proposal("b1"), proposal("null")], ["old"]) == after
    assert all(line.startswith((" ", "source_tables:")) for line in left if line)


ALONE = "source_tables:\n  a: &a {deletes: mark}\n  old:\n    *a\ntiers: {}\n"


@pytest.mark.parametrize("text", ["{source_tables: {old: {}}}\n", "source_tables: {old: {},\n  b: {}}\n", ALONE])
def test_where_nothing_can_be_added_a_person_is_told_what_to_do(text: str) -> None:
    with pytest.raises(ConfigError, match=r"in braces|no line behind") as error:
        added(text, proposal("b1"))
    assert "one under the other" in str(error.value.hint)
    assert written(text, [proposal("old")], ["old"]) == text


MENDED = {
    "four": "source_tables:\n    old:   # ours\n        deletes: mark\n    b: {}\n# the end\n",
    "crlf": "tiers:\r\n    critical: {lookback: 3}\r\nsource_tables:\r\n    old:\r\n        deletes: mark\r\n",
    "braces": "{source_tables: {old: {deletes: mark}}}\n",
    "empty": "source_tables:\n    old: {deletes: mark}\n    b:\n",
    "list": "source_tables:\n  old:\n    deletes: mark\n    exclude_columns:\n    - a\n    - b\n",
    "no end": "source_tables:\n   old:\n      deletes: mark",
}


@pytest.mark.parametrize("form", MENDED)
def test_mending_keeps_indentation_and_line_ends(form: str) -> None:
    before = MENDED[form]
    after = fixed(before, {"old": {"deletes": "mirror"}})
    assert after.rstrip() == before.replace("mark", "mirror").rstrip()


@pytest.mark.parametrize("text", ["a:   {}\nsource_tables:\n    old:\n      deletes: mark\n", "a: 1\r\nsource_tables: {}\n"])
def test_what_cannot_be_mended_without_writing_it_anew_is_told(text: str) -> None:
    """With what a person should write; it changes nothing. Where nothing is to be mended, nothing is refused."""
    with pytest.raises(ConfigError, match="nothing was changed") as error:
        fixed(text, {"old": {"deletes": "mirror"}})
    assert error.value.hint == "write old: deletes: mirror"
    assert fixed(text, {}) == text
