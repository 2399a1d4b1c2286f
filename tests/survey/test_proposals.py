"""What discover proposes, over any catalogue and any values: odd values never decide, and nothing goes stale."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proposed import broken

from bulketl.config.read import load_config
from bulketl.config.settings import NameRule
from bulketl.survey.examination import find
from bulketl.survey.findings import Finding, Seen
from bulketl.survey.proposals import Proposal, classify
from bulketl.survey.stamps import cursor_candidates, doubt_of
from bulketl.survey.tablesfile import fixed, missing, written
from bulketl.tables.catalog import Catalog, Column, Key, Table
from bulketl.tables.evidence import Arrival, arrival
from bulketl.tables.measured import Profile

KEY = Column("id", "bigint(20)", False, extra="auto_increment")
STAMP = Column("at", "timestamp", False, extra="on update current_timestamp()")
MADE = Column("created_at", "datetime", False)
AGREES = Arrival(1000, 1.0, "created_at", 0, True)
MEGA = 1 << 20


def table(name: str, *columns: Column, rows: int = 9000, size: int = 50 * MEGA, key: Column | None = KEY) -> Table:
    every = (*([key] if key else []), *columns)
    keys = (Key("PRIMARY", (key.name,), True),) if key else ()
    return Table(name, every, (key.name,) if key else (), keys, rows, size)


def alone(one: Table, profiles: dict[tuple[str, str], Profile] | None = None, came: Arrival | None = AGREES) -> Proposal:
    """Return what is proposed for a table among others that are larger."""
    others = tuple(table(f"t{n}", size=2000 * MEGA, rows=10**6) for n in range(3))
    catalog = Catalog("x", "11", "UTC", (one, *others))
    return classify(catalog, profiles or {}, (), {one.name: came} if came else {})[0]


def test_audit_takes_a_name_and_columns_and_values_that_agree() -> None:
    """Words and hints alike, when the rows came in the order of their key and nothing says that any was edited."""
    for name in ("payments_log", "securitylog", "user_history", "audit_entries", "PaymentLog"):
        found = alone(table(name, MADE))
        assert (found.tier, found.deletes, found.question) == ("audit", "ignore", ""), found


AGAINST: dict[str, tuple[tuple[Column, ...], Arrival | None, str]] = {
    "the server stamps edits": ((MADE, STAMP), AGREES, "says that rows are edited"),
    "the application stamps edits": ((MADE, Column("modified", "datetime", True)), AGREES, "says by its name that rows are"),
    "a clinic's stamp": ((MADE, Column("DateTStamp", "datetime", False)), AGREES, "column DateTStamp"),
    "an integer stamp": ((MADE, Column("updated_at", "int(11)", False)), AGREES, "column updated_at"),
    "nobody looked": ((MADE,), None, "were not looked at"),
    "few rows": ((MADE,), dataclasses.replace(AGREES, rows=3), "too few rows"),
    "no time": ((), Arrival(1000), "no time"),
    "times in no order": ((MADE,), dataclasses.replace(AGREES, backwards=300), "does not grow with the key"),
    "one time for all": ((MADE,), dataclasses.replace(AGREES, grows=False), "does not grow with the key"),
    "keys with gaps": ((MADE,), dataclasses.replace(AGREES, gaps=4.0), "75% of the keys"),
}


@pytest.mark.parametrize("why", AGAINST)
@pytest.mark.parametrize("name", ["payments_log", "securitylog"])
def test_what_speaks_against_audit_is_asked_and_the_safe_tier_is_written(name: str, why: str, tmp_path: Path) -> None:
    """As a comment beside the rule; its rows are not lost either way."""
    columns, came, said = AGAINST[why]
    found = alone(table(name, *columns), came=came)
    assert found.tier != "audit"
    assert found.question.startswith("audit? its name says so (log), but "), found.question
    assert said in found.question
    assert found.deletes == "mark"
    (line,) = [line for line in written("", [found]).splitlines() if "table_importance" in line]
    assert f"table_importance: {found.tier} # audit? its name says so" in " ".join(line.split())


EDITED = "catalog procedurelog commlog blog ost_queue session update_queue updates sessiontoken activeinstance obsession"
EDITED += " plugin_instance log_types log_search"


@pytest.mark.parametrize("name", EDITED.split())
def test_a_table_with_a_stamp_of_the_server_is_never_audit_nor_only_added_to(name: str) -> None:
    """The members that were found, and their kin, large and small, whatever their stamps hold."""
    for size in (1000, 50 * MEGA, 2000 * MEGA):
        for odd in (0, 1, 499, 501, 1000):
            found = alone(table(name, MADE, STAMP, size=size), {(name, "at"): Profile(1000, 0, 0, odd, 9.0)})
            assert found.tier != "audit"
            assert found.cursor == ("at" if odd <= 500 else None), found
            assert (found.strategy == "full_table") == (size == 1000 or odd > 500)


def test_a_persons_own_rule_makes_what_it_says() -> None:
    """The file's `classify` comes first, and nothing is asked then."""
    own = [NameRule(match="catalog", tier="audit")]
    (found,) = classify(Catalog("x", "11", "UTC", (table("catalog", STAMP),)), {}, own)
    assert (found.tier, found.question) == ("audit", "")


def test_the_log_of_a_clinic_stays_whatever_its_size() -> None:
    """It is critical by its size; what is gone at the source is marked, not deleted; without a key, nothing may go."""
    for name in ("securitylog", "securityloghash", "audit_trail", "events_history"):
        large = table(name, rows=10**7, size=10**10)
        (found,) = classify(Catalog("x", "11", "UTC", (large,)), {})
        assert (found.tier, found.deletes) == ("critical", "mark"), found
        (keyless,) = classify(Catalog("x", "11", "UTC", (table(name, rows=10**7, key=None),)), {})
        assert keyless.deletes == {"guard": "0%"}
        (own,) = classify(Catalog("x", "11", "UTC", (table(name, Column("_deleted_at", "datetime", True)),)), {})
        assert own.deletes == {"guard": "0%"}


def test_the_guard_of_a_table_whose_rows_come_and_go_is_by_evidence() -> None:
    """A name is none: 5 % and a question; keys that are gone are: half of the rows may go at once, not all."""
    found = alone(table("ost_queue", MADE))
    assert (found.deletes, found.reasons["deletes"][:6]) == ("mirror", "guard?")
    found = alone(table("ost_queue", MADE), came=dataclasses.replace(AGREES, gaps=10.0))
    assert (found.deletes, "90% of the keys" in found.reasons["deletes"]) == ({"policy": "mirror", "guard": "50%"}, True)


COUNTS = st.integers(0, 1000)


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.sampled_from([STAMP, Column("updated_at", "datetime", True)]))
def test_doubts_are_monotone(a: int, b: int, c: int, x: int, y: int, z: int, column: Column) -> None:
    """More odd values never make a column better."""
    fewer, more = Profile(1000, min(a, x), min(b, y), min(c, z)), Profile(1000, max(a, x), max(b, y), max(c, z))
    assert not doubt_of(column, fewer) or doubt_of(column, more)


@given(COUNTS, COUNTS, COUNTS, st.sampled_from(["nulls", "sentinels", "future"]), st.sampled_from(["orders", "event_log"]))
def test_a_single_odd_value_never_changes_a_strategy_but_at_the_half(
    nulls: int, sentinels: int, future: int, which: str, name: str
) -> None:
    """Of a thousand, one says nothing; only the share that is trusted, the half, is a border."""
    before = Profile(1000, nulls, sentinels, future, 3.0)
    after = dataclasses.replace(before, **{which: getattr(before, which) + 1})
    if nulls + sentinels + future == 500:
        return
    found = [alone(table(name, MADE, STAMP), {(name, "at"): one}) for one in (before, after)]
    assert (found[0].strategy, found[0].cursor) == (found[1].strategy, found[1].cursor)


ROWS = st.tuples(st.integers(1, 10**6), st.datetimes(dt.datetime(1000, 1, 1)), st.none() | st.datetimes())


@given(st.lists(ROWS, max_size=30))
def test_how_rows_came_is_told_of_any_values(rows: list[tuple[int, dt.datetime, dt.datetime | None]]) -> None:
    rows = sorted({row[0]: row for row in rows}.values(), key=lambda row: -row[0])
    found = arrival(["a", "b"], [], rows)
    assert found.rows == len(rows)
    assert found.gaps >= 1
    assert 0 <= found.backwards < max(len(rows), 1)


def test_servers_that_share_a_counter_leave_no_gaps_and_a_late_row_is_no_edit() -> None:
    """Keys 3, 6, 9 of one of three servers; one row in a hundred and fifty that was committed late."""
    start = dt.datetime(2024, 1, 1)
    rows = [(3 * n, start + dt.timedelta(hours=n if n != 70 else 0)) for n in range(150, 0, -1)]
    found = arrival(["at"], [], rows)
    assert (found.gaps, found.in_order, found.backwards) == (1.0, True, 1)
    rows = [(n * (7 if n % 2 else 5), start) for n in range(150, 0, -1)]
    assert not arrival(["at"], [], sorted(rows, reverse=True)).in_order


# Any catalogue, and any rules: what validate mends is mended.
KINDS = "orders catalog payments_log securitylog procedurelog ost_queue session order_types users histappointment"
NAMES = st.sampled_from([*KINDS.split(), "update_queue", "credits"])
COLUMNS = st.sampled_from([
    STAMP, MADE, Column("updated_at", "datetime", True), Column("modified", "timestamp", True),
    Column("due", "datetime", True),
    Column("changed", "date", True), Column("note", "varchar(99)", True), Column("DateTStamp", "timestamp", False,
    extra="on update CURRENT_TIMESTAMP"), Column("n", "int(11)", True), Column("user_id", "int(11)", True),
])  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Catalog, dict[tuple[str, str], Profile], dict[str, Arrival], dict[str, Any]]:
    tables, profiles, arrivals = [], {}, {}
    rules: dict[str, Any] = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        columns = draw(st.lists(COLUMNS, max_size=5, unique_by=lambda c: c.name))
        key = draw(st.sampled_from([KEY, KEY, None, Column("id", "double", False), Column("id", "varchar(9)", False)]))
        size, rows = draw(st.sampled_from([1000, 50 * MEGA, 3 << 30])), draw(st.sampled_from([0, 900, 10**6]))
        one = table(name, *columns, key=key, size=size, rows=rows)
        tables.append(one)
        for column in columns:
            if "time" in column.type or column.type == "date":
                nulls, sentinels, future = (draw(st.sampled_from([0, 1, 499, 501, 1000])) for _ in range(3))
                days = draw(st.none() | st.floats(0.1, 900))
                profiles[name, column.name] = Profile(1000, nulls, sentinels, future, days)
        if draw(st.booleans()):
            gaps, backwards = draw(st.sampled_from([(1.0, 0), (5.0, 0), (1.0, 99)]))
            arrivals[name] = Arrival(1000, gaps, "created_at", backwards, True)
        rule: dict[str, Any] = {
            "extraction_strategy": draw(st.sampled_from(["full_table", "incremental", "chunked_incremental"])),
            "incremental_column": draw(st.sampled_from([None, "id", "nope", *(c.name for c in columns)])),
            "table_importance": draw(st.sampled_from(["critical", "audit", "reference"])),
        }
        if draw(st.booleans()):
            rule["deletes"] = draw(st.sampled_from(["mirror", "mark", "ignore", {"guard": "100%"}]))
        if draw(st.booleans()):
            rule["monitoring"] = {"data_quality_threshold": draw(st.sampled_from([0.9, 0.95, 1.0]))}
        rules[name] = rule
    return Catalog("x", "11", "UTC", tuple(tables)), profiles, arrivals, rules


def examined(path: Path, world: tuple[Catalog, Any, Any, Any]) -> tuple[Finding, ...]:
    catalog, profiles, arrivals, _ = world
    proposals = {item.table: item for item in classify(catalog, profiles, (), arrivals)}
    return find(Seen(load_config(path, None, {}), catalog, proposals, profiles, arrivals=arrivals))


@given(worlds())
@settings(max_examples=80)
def test_what_is_proposed_keeps_its_promises_for_any_catalogue(world: tuple[Catalog, Any, Any, Any]) -> None:
    catalog, profiles, arrivals, _ = world
    found = classify(catalog, profiles, (), arrivals)
    assert broken(catalog, found) == []
    for item, one in zip(found, catalog, strict=True):
        stamps = [c.name for c in cursor_candidates(one)]
        assert item.cursor in (None, *stamps, "id")
        assert not (stamps and item.cursor == "id"), item


@given(worlds())
@settings(max_examples=80)
def test_what_validate_fixes_it_does_not_find_again(
    tmp_path_factory: pytest.TempPathFactory, world: tuple[Catalog, Any, Any, Any]
) -> None:
    """A fix differs from what is written, is reported when it changes the file, and settles what it is for, at once."""
    path = tmp_path_factory.getbasetemp() / "tables.yaml"
    path.write_text(json.dumps({"source_tables": world[3]}))
    fixes: dict[str, dict[str, object]] = {}
    for finding in (before := examined(path, world)):
        rule = load_config(path, None, {}).tables[finding.table]
        there = {**rule.model_dump(), "monitoring.data_quality_threshold": rule.monitoring.data_quality_threshold}
        assert not finding.fix or any(there[key] != value for key, value in finding.fix.items()), finding
        fixes.setdefault(finding.table, {}).update(finding.fix)
    changed = missing(path.read_text(), fixes)
    text = fixed(path.read_text(), fixes)
    assert changed.keys() == {finding.table for finding in before if finding.fix}
    path.write_text(text)
    after = examined(path, world)
    assert [finding for finding in after if finding.fix or finding.severity == "error"] == []
    mended = {(finding.table, finding.message) for finding in before if finding.fix}
    assert mended.isdisjoint((finding.table, finding.message) for finding in after)
    assert (fixed(text, fixes), missing(text, fixes)) == (text, {})


@given(worlds())
@settings(max_examples=50)
def test_validate_finds_nothing_to_mend_in_what_discover_writes(
    tmp_path_factory: pytest.TempPathFactory, world: tuple[Catalog, Any, Any, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.yaml"
    catalog, profiles, arrivals, _ = world
    path.write_text(written("", classify(catalog, profiles, (), arrivals)))
    told = [finding for finding in examined(path, world) if finding.severity != "note" and "unique" not in finding.message]
    assert told == []


def among(*tables: Table) -> dict[str, Proposal]:
    """Return what is proposed for tables of one database."""
    return {found.table: found for found in classify(Catalog("x", "11", "UTC", tables), {})}


def number(name: str) -> Column:
    return Column(name, "int(11)", True)


@pytest.mark.parametrize("name", ["session", "api_token", "edit_locks", "search_cache"])
@pytest.mark.parametrize("end", ["expires_at", "ValidUntil", "ttl", "c"])
def test_rows_that_end_come_and_go_though_others_refer_to_them(name: str, end: str) -> None:
    """By name and column together: a session of a therapist has no end."""
    passing = table(name, number("staff_id"), Column(end, "datetime", True), size=MEGA // 2)
    users = [table(f"u{n}", number(f"{name}_id"), size=MEGA // 2) for n in range(2)]
    refers = [dataclasses.replace(one, references=(name,)) for one in users]
    found = among(passing, *refers, table("staff", Column("name", "varchar(50)", True), size=MEGA // 2))[name]
    assert (found.tier == "reference") is (end != "c"), found.reasons
    assert (end in found.reasons["table_importance"]) is (end != "c")


@pytest.mark.parametrize(
    ("kind", "whom", "below", "critical"),
    [
        ("decimal(10,2)", "patients", True, True),
        ("decimal(9,4) unsigned", "user", True, True),
        ("decimal(10,0)", "patients", True, False),
        ("decimal(20,8)", "patients", True, False),
        ("double", "patients", True, False),
        ("decimal(10,2)", "suppliers", True, False),
        ("decimal(10,2)", "patients", False, False),
    ],
)
def test_what_has_an_amount_for_each_customer_and_rows_below_it_is_critical(
    kind: str, whom: str, below: bool, critical: bool
) -> None:
    """Whatever it is called: a bill, with its lines."""
    people = table(whom, Column("born", "date", True), Column("street", "varchar(90)", True), size=MEGA // 2)
    bill = dataclasses.replace(table("bills", number("of"), Column("due", kind, True), size=MEGA // 2), references=(whom,))
    lines = table("parts", number("bill"), Column("said", "text", True), size=MEGA // 2)
    found = among(people, bill, dataclasses.replace(lines, references=("bills",) if below else ()))["bills"]
    assert (found.tier == "critical") is critical, found.reasons
    if critical:
        assert f"has an amount (due) for each of {whom}" in found.reasons["table_importance"]


LEFT_OVERS = ("temp_readings", "temp_staff", "tmp_x", "temp", "orders_bak", "orders_bak_2024", "mail_backup", "orders_old")


@pytest.mark.parametrize("name", LEFT_OVERS)
def test_a_left_over_by_name_is_left_out_only_where_nothing_says_that_it_is_in_use(name: str) -> None:
    """Rows that came lately do, and a table that refers to it, unless that is a left-over too; then a person is asked."""
    left = table(name, MADE)
    for came in (None, AGREES):
        found = alone(left, came=came)
        assert (found.exclude, found.question) == (True, "")
    used = alone(left, came=dataclasses.replace(AGREES, lately=True))
    assert (used.exclude, "rows came to it in the last 7 days" in used.question) == (False, True)
    assert "# exclude? a" in " ".join(written("", [used]).split())
    for user, excluded in (("shifts", False), ("tmp_copy", True)):
        refers = dataclasses.replace(table(user, Column("other", "int(11)", True)), references=(name,))
        (found, _) = classify(Catalog("x", "11", "UTC", (left, refers)), {})
        assert (found.exclude, f"{user} refers to it" in found.question) == (excluded, not excluded)
    own = [NameRule(match=name, exclude=True, why="ours")]
    (told,) = classify(Catalog("x", "11", "UTC", (left,)), {}, own, {name: dataclasses.replace(AGREES, lately=True)})
    assert (told.exclude, told.question) == (True, "")


@pytest.mark.parametrize(("days", "lately"), [(0, True), (6, True), (8, False), (-400, False)])
def test_rows_came_lately_by_the_clock_of_the_source(days: int, lately: bool) -> None:
    now = dt.datetime(2024, 6, 1)
    rows = [(n, now - dt.timedelta(days=days, hours=30 - n)) for n in range(30, 0, -1)]
    assert arrival(["at"], [], rows, {}, now).lately is lately
    assert not arrival(["at"], [], rows).lately
