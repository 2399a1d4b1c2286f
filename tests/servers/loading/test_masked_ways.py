"""Masked tables in every way of loading: each row is what its masks make of it, night after night, and no value unmasked.

What is to arrive is computed by the standard library. What stays though it changed at the source, in an audited table, is
what the masks made of it before.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from faults import no_pauses, small_partitions
from lab import Lab, load
from masked import OTHER
from maskedways import AUDITED, MARK, OPTIONS, RULES, STAYING, WAYS, YEAR, another_day, fill, pseudonym, wrong

import bulketl
from bulketl.mysql import stream
from bulketl.mysql.discover import read_catalog
from bulketl.rows.coerce import coerce
from bulketl.tables.spec import TableSpec
from bulketl.verifying.verdicts import LEVELS


@pytest.fixture
def clinic(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Tables for every way of loading, cut into ranges, on each kind of source."""
    small_partitions(monkeypatch, 50)
    fill(lab)
    return lab


def loaded(lab: Lab, **options: Any) -> bulketl.Plan:
    """Load all tables, and compare each with what is to arrive."""
    done = lab.load(**{**OPTIONS, **options})
    assert (done.summary.outcome, [table.message for table in done.summary.failed]) == ("done", [])
    return done.plan


def test_each_row_arrives_as_its_masks_say_in_every_way_of_loading(clinic: Lab, tmp_path: Path) -> None:
    """Two nights with changes of every kind; certified, verified at every level, and archived by retention."""
    loaded(clinic, certify=True)
    assert not [name for name in WAYS if wrong(clinic, name)]
    another_day(clinic)
    done = clinic.load(**OPTIONS, certify=True)
    assert done.summary.outcome == "done"
    kept = {name: {row[0] for row in rows} for name in WAYS if (rows := wrong(clinic, name))}
    assert kept == {**{name: {3, 4, 5, 6, 10} for name in AUDITED}, "marked": {10}, "kept": {10}}
    config = clinic.config(**OPTIONS)
    _, certified = bulketl.certificate(config, done.summary.run)
    assert {name: found["certified"] for name, found in certified.items()} == dict.fromkeys(WAYS, True)
    for level in LEVELS:
        assert [one.table for one in bulketl.verify(config, level=level).tables if not one.equal] == []
    assert [one.problem for one in bulketl.verify_audit(config)] == [""] * len(AUDITED)
    (gone,) = bulketl.retain_tables(config, (), tmp_path)
    (file,) = tmp_path.rglob("*.parquet")
    rows = pq.read_table(file).to_pylist()
    assert gone.rows == len(rows) == 17  # 20, of which one is gone and two are newer now
    assert all(re.fullmatch(r"[0-9a-f]{32}|None", str(row["secret"])) for row in rows)
    assert MARK.encode() not in file.read_bytes()


def test_other_masks_have_each_table_loaded_whole_and_the_plan_says_so(clinic: Lab) -> None:
    """Added, altered and taken away. A table whose rows stay is refused, and stays as it is."""
    plain: dict[str, Any] = {name: {**rule, "mask": {}} for name, rule in WAYS.items()}
    loaded(clinic, rules=plain)
    before = {name: wrong(clinic, name) for name in STAYING}
    for rules in (RULES, {name: {**rule, "mask": {"secret": "null"}} for name, rule in WAYS.items()}):
        done = clinic.load(**{**OPTIONS, "rules": rules})
        reasons = {one.spec.table: one.reason for one in done.plan.loads}
        assert {one.table for one in done.plan.refused} == {*STAYING}
        assert {name for name, why in reasons.items() if "its masks are other ones" in why} == {*WAYS} - {*STAYING}
        assert [name for name in reasons if rules is RULES and wrong(clinic, name)] == []
        assert [name for name in STAYING if wrong(clinic, name) != before[name]] == []
    done = clinic.load(**{**OPTIONS, "rules": plain})
    assert not done.plan.refused
    assert clinic.pg(f"SELECT count(*) FROM {{s}}.changes WHERE secret ~ '^{MARK}'") == [(200,)]


def test_a_part_of_a_table_is_loaded_by_the_masks_of_its_other_rows_or_not_at_all(clinic: Lab) -> None:
    """--since with the same masks, with other ones, and with another key."""
    loaded(clinic)
    another_day(clinic)
    names = [name for name in WAYS if "incremental_column" in WAYS[name]]

    def part(**options: Any) -> bulketl.Plan:
        config = clinic.config(**{**OPTIONS, **options})
        return load(config, plan=bulketl.make_plan(config, tables=names, since="2001-01-01", until="2100-01-01")).plan

    assert not part().refused
    kept = {name: {row[0] for row in rows} for name in names if (rows := wrong(clinic, name))}
    assert kept == {"log": {3, 4, 5, 6, 10}, "marked": {10}, "kept": {10}}
    before = {name: wrong(clinic, name) for name in names}
    for options in (
        {"mask_key": OTHER},
        {"rules": {name: {**rule, "mask": {"secret": "hmac"}} for name, rule in WAYS.items()}},
    ):
        assert len(part(**options).refused) == len(names)
        assert {name: wrong(clinic, name) for name in names} == before


def test_in_a_new_year_the_years_that_are_there_are_brought_to_it(clinic: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of rows that stay, and in audited tables, whose chain holds; until then they are compared with nothing.

    They are compared at once, so that what the source has otherwise is known as of the new year.
    """
    loaded(clinic)
    another_day(clinic)
    loaded(clinic)
    later = YEAR + 1
    monkeypatch.setattr(
        "bulketl.survey.look.read_catalog", lambda *args: dataclasses.replace(read_catalog(*args), year=later)
    )
    config = clinic.config(**OPTIONS)
    (verdict,) = bulketl.verify(config, tables=["log"], level="rows").tables
    assert "was loaded in another year" in verdict.problem
    clinic.pg("UPDATE bulketl.state SET compared_at = clock_timestamp() WHERE schema_name = '{s}'")  # so none is due by time
    plan = loaded(clinic)
    told = {one.spec.table for one in plan.loads if "moved to the new year's" in one.reason}
    assert told == {*STAYING, "changes", "chunked", "old", "again"}
    for name in WAYS:
        left = wrong(clinic, name, YEAR + 1)
        assert {row[0] for row in left} == ({3, 4, 5, 6, 10} if name in AUDITED else {10} if name in STAYING else set()), (
            name
        )
        assert clinic.pg(f"SELECT count(*) FROM {{s}}.{name} WHERE born < '{YEAR - 89}-01-01'") == [(0,)]
    assert [one.problem for one in bulketl.verify_audit(config)] == [""] * len(AUDITED)
    assert [one.table for one in bulketl.verify(config, level="rows").tables if not one.equal] == []
    assert not [one for one in loaded(clinic).loads if one.spec.aged]


def test_why_knows_the_key_of_a_row_and_its_pseudonym(clinic: Lab) -> None:
    """By the key that the source has both rows are compared, masks and all; by a pseudonym nobody knows whose it is."""
    loaded(clinic)
    config = clinic.config(**OPTIONS)
    clinic.mysql("DELETE FROM alias WHERE id = 40")
    clinic.pg(f"UPDATE {{s}}.alias SET owner = 77 WHERE id = {pseudonym(31)}")
    clinic.pg(f"UPDATE {{s}}.alias SET secret = 'x' WHERE id = {pseudonym(32)}")
    found = {key: bulketl.why(config, "alias", key) for key in (30, 31, 32, 40, pseudonym(30), str(pseudonym(40)))}
    assert [story.verdict for story in found.values()] == ["equal", "differs", "differs", "extra", "unknown", "unknown"]
    assert [[one.column for one in found[key].differing] for key in (31, 32)] == [["owner"], ["secret"]]
    assert "a pseudonym does not tell whose it is" in found[pseudonym(30)].because
    assert found[pseudonym(30)].target == "there"
    with pytest.raises(bulketl.PlanError, match="no row of table 'alias'"):
        bulketl.why(config, "alias", 4711)
    for name in WAYS:  # a table that is large is not taken for one that a load refuses
        if name != "keyless":
            following = bulketl.why(config, name, 7).next
            assert following is not None
            assert following.act in ("whole", "changes", "unchanged"), (name, following)


def test_rows_pass_through_no_file_before_they_are_masked(clinic: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot of many ranges is refused with what to write; a step without memory is tried again as it was."""
    for rows in (10, 30):  # all pieces are large, or the last one alone
        small_partitions(monkeypatch, rows)
        ((refused,),) = [bulketl.make_plan(clinic.config(**OPTIONS), tables=["moment"]).refused]
        assert "has masks and consistency: snapshot" in refused.message
        assert "write consistency: locked or re-read" in refused.hint
    small_partitions(monkeypatch, 50)
    no_pauses(monkeypatch)
    tried: list[str] = []

    def without_memory(rows: Any, spec: TableSpec, *args: Any) -> Any:
        tried.append(spec.table)
        if tried.count(spec.table) == 1:
            raise MemoryError
        return coerce(rows, spec, *args)

    monkeypatch.setattr("bulketl.loading.reading.coerce", without_memory)
    monkeypatch.setattr(stream, "spooled", lambda *_: pytest.fail("unmasked rows were to be in a file"))
    loaded(clinic)
    assert {*tried} == {*WAYS}
    assert not [name for name in WAYS if wrong(clinic, name)]


def test_a_repair_of_single_rows_masks_them_as_the_others(clinic: Lab) -> None:
    """Rows that are lost, altered and too many, in a masked column and beside it; nothing else is touched."""
    loaded(clinic)
    names = [name for name in WAYS if name not in ("alias", "keyless")]
    for name in names:
        if name not in AUDITED:
            clinic.pg(f"UPDATE {{s}}.{name} SET secret = 'x' WHERE id = 7; UPDATE {{s}}.{name} SET owner = 9 WHERE id = 8")
        clinic.pg(f"DELETE FROM {{s}}.{name} WHERE id = 9" if name not in AUDITED else "SELECT 1")
    for name in ("alias", "keyless"):
        clinic.pg(f"DELETE FROM {{s}}.{name} WHERE owner = 3")
    found = bulketl.verify(clinic.config(**OPTIONS), level="rows", repair=True)
    assert [one.table for one in found.again if not one.equal] == []
    assert not [name for name in WAYS if wrong(clinic, name)]
