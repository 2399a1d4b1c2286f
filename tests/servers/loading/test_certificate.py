"""Load certificates: figures of every column agree at the source, in the batches and in the target, or the run says so."""

from __future__ import annotations

import contextlib
import io
import re
from typing import Any

import pytest
from faults import small_partitions
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import Done, Lab, load

import bulketl
from bulketl import certificate
from bulketl.cli.demo.demo import HERE
from bulketl.cli.exits import exit_code
from bulketl.cli.screens import certificate_page
from bulketl.cli.screens import certificates as screen
from bulketl.cli.terminal import Terminal
from bulketl.errors import NOT_CERTIFIED, PlanError
from bulketl.loading.certificate import Certificate
from bulketl.loading.events import Event, PartitionLoaded
from bulketl.mysql import source
from bulketl.postgres.ddl import name
from bulketl.postgres.target import PostgresTarget
from bulketl.postgres.write.copy import copy
from bulketl.rows.figures import summed, unequal

KINDS = """id int PRIMARY KEY, i bigint unsigned, d decimal(40,3), e decimal(12,2), f float, g double, b bit(9), y year,
    o boolean, dt date, ts datetime(6), tz timestamp NULL, ti time(3), c varchar(300), t mediumtext, bl blob, u varbinary(9),
    j json, en enum('a','b'), se set('x','y')"""


def kinds(lab: Lab, rows: int) -> None:
    lab.mysql(
        f"CREATE TABLE t ({KINDS})",
        f"""INSERT INTO t SELECT seq, IF(seq%7=0, NULL, 18446744073709551615-seq), seq*1e30+0.125, -seq/3, seq/7, -1e300/seq,
        seq%512, 1901+seq%200, seq%2, DATE_ADD('0001-01-01', INTERVAL seq*700 DAY),
        '1000-01-01 00:00:00.000001' + INTERVAL seq DAY, '2001-01-01' + INTERVAL seq DAY,
        SEC_TO_TIME(CAST(seq AS SIGNED)*1000-838*3600),
        CONCAT(REPEAT('ä',seq%90), CHAR(0)), REPEAT('x', seq),
        REPEAT(CHAR(0), seq%50), NULL, JSON_ARRAY(seq), IF(seq%2,'a','b'), 'x,y' FROM seq_1_to_{rows}""",
        mode="",
    )


def all_of(done: Done) -> dict[str, Any]:
    return {name: table.certificate and table.certificate.to_json() for name, table in done.summary.tables.items()}


@pytest.mark.parametrize("rows", [0, 1, 50, 1000])
def test_a_load_of_every_kind_of_column_is_certified(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """In one range and in many, empty too; the figures are those of the rows."""
    small_partitions(monkeypatch, 100)
    kinds(maria_lab, max(rows, 1))
    if not rows:
        maria_lab.mysql("DELETE FROM t")
    done = load(maria_lab.config(certify=True, max_rejects=0))
    assert done.summary.outcome == "done", (done.summary.failed, all_of(done))
    found = certificate(maria_lab.config())[1]["t"]
    assert found["certified"]
    assert found["figures"].get("rows", "0") == str(rows)
    if rows:
        ((length, least),) = maria_lab.pg("SELECT sum(octet_length(t)), min(i) FROM {s}.t")
        assert (found["figures"]["t length"], found["figures"]["i min"]) == (str(length), str(least))
    assert done.summary.totals["rows"] == rows


def test_decimals_of_all_digits_are_certified(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their sums have more digits than Python's decimals keep unless they are asked to; within a range and over ranges."""
    small_partitions(monkeypatch, 100)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, d decimal(65,30), e decimal(65,0), f decimal(38,10))",
                    "INSERT INTO t SELECT seq, CONCAT(seq, REPEAT('7', 28), '.', REPEAT('3', 27), seq),"
                    " CONCAT('-', REPEAT('9', 60), seq), CONCAT(REPEAT('8', 24), '.', seq) FROM seq_1_to_1000")  # fmt: skip
    done = load(maria_lab.config(certify=True))
    assert done.summary.outcome == "done", all_of(done)
    ((total,),) = maria_lab.pg("SELECT sum(e)::text FROM {s}.t")
    assert all_of(done)["t"]["figures"]["e sum"] == total


def test_a_whole_practice_is_certified_also_its_changes(maria_lab: Lab) -> None:
    """Full, incremental and audited tables, with and without rows."""
    statements = (HERE / "sample.sql").read_text(encoding="utf-8").split(";\n")
    maria_lab.mysql(*(statement for statement in statements if statement.strip()), mode="")
    config = maria_lab.config(certify=True)
    done = load(config)
    assert done.summary.outcome == "done", [table.table for table in done.summary.uncertified]
    assert all(found["certified"] for found in certificate(config)[1].values())


@pytest.mark.parametrize("rows", [50, 1000])
def test_values_that_change_on_the_way_are_named(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Between the source and the batches: by range and column. It is loaded, and the outcome and exit code say so."""
    small_partitions(monkeypatch, 100)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(20), n int)",
                    f"INSERT INTO t SELECT seq, 'abc', seq FROM seq_1_to_{rows}")  # fmt: skip
    read = source.MySQLSource.read

    def changed(*args: Any) -> Any:
        for rows in read(*args):
            yield rows.set_column(1, rows.schema.field(1), [["ab"] + ["abc"] * (rows.num_rows - 1)])

    monkeypatch.setattr(source.MySQLSource, "read", changed)
    done = load(maria_lab.config(certify=True))
    assert done.summary.outcome == "not certified"
    assert exit_code(maria_lab.config(), done.summary.outcome, ()) == NOT_CERTIFIED
    ranges = all_of(done)["t"]["differ_at_the_source"]
    assert len(ranges) == done.parts("t")
    assert set(map(tuple, ranges.values())) == {("c length",)}
    assert maria_lab.pg("SELECT count(*) FROM {s}.t") == [(rows,)]


@pytest.mark.parametrize("rows", [50, 1000])
def test_values_that_change_in_the_target_are_named(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """A trigger, a faulty driver: the figures of the target are taken before its rows are visible."""
    small_partitions(monkeypatch, 100)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, n int)", f"INSERT INTO t SELECT seq, seq FROM seq_1_to_{rows}")

    def faulty(cursor: Any, batch: Any, spec: Any, schema: str, table: str) -> None:
        copy(cursor, batch, spec, schema, table)
        cursor.execute(f"UPDATE {name(schema, table)} SET n = n + 1 WHERE id = 7")

    monkeypatch.setattr("bulketl.postgres.target.copy", faulty)
    monkeypatch.setattr(PostgresTarget, "_compare", lambda self, cursor, spec: [])
    done = load(maria_lab.config(certify=True, rules={"t": {"monitoring": {"data_quality_threshold": 0}}}))
    assert done.summary.outcome == "not certified", done.summary.failed
    assert "n sum" in all_of(done)["t"]["differ_in_the_target"]


def test_without_certify_nothing_is_taken_and_there_is_no_page(maria_lab: Lab) -> None:
    """And the command says how to make one."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    done = load(maria_lab.config())
    assert done.summary.tables["t"].certificate is None
    with pytest.raises(PlanError, match="no certificate of any run") as told:
        certificate(maria_lab.config())
    assert "--certify" in told.value.hint


def test_chunks_are_certified_together(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is published on its own; the certificate is of all that was read."""
    small_partitions(monkeypatch, 100)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(9))", "INSERT INTO t VALUES (1, 'x')")
    rules = {"t": {"extraction_strategy": "chunked_incremental", "incremental_column": "id", "lookback": 0}}
    load(maria_lab.config(rules=rules))
    maria_lab.mysql("INSERT INTO t SELECT seq, 'yy' FROM seq_2_to_1000")
    done = load(maria_lab.config(rules=rules, certify=True))
    assert done.summary.outcome == "done", all_of(done)
    assert all_of(done)["t"]["figures"]["rows"] == str(done.summary.tables["t"].rows)


LARGEST = 10**65 - 1  # of a decimal
NUMBERS = st.lists(st.one_of(st.none(), st.integers(-LARGEST, LARGEST)), min_size=1, max_size=9)


def figures(values: list[int | None]) -> dict[str, str | None]:
    there = [value for value in values if value is not None]
    least, most, total = (str(of(there)) if there else None for of in (min, max, sum))
    return {"rows": str(len(values)), "c count": str(len(there)), "c min": least, "c max": most, "c sum": total}


@settings(max_examples=200)
@given(NUMBERS, NUMBERS)
def test_figures_of_parts_add_up_to_those_of_the_whole(one: list[int | None], other: list[int | None]) -> None:
    """However the rows were divided; and one number changed is noticed by one of them at least."""
    whole = figures(one + other)
    assert unequal(summed(figures(one), figures(other)), whole, frozenset()) == []
    changed = [value if n else (0 if value is None else value + 1) for n, value in enumerate(one)]
    assert unequal(figures(changed + other), whole, frozenset())
    assert not Certificate().certified


def test_a_run_that_went_on_after_an_interruption_is_not_certified_for_what_it_did_not_read(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its figures are not known; it is loaded all the same."""
    small_partitions(monkeypatch, 100)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_1000")
    config = maria_lab.config(certify=True, workers=1)

    def stop(event: Event) -> None:
        if isinstance(event, PartitionLoaded):
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        bulketl.load(config, bulketl.make_plan(config), [stop])
    summary = bulketl.resume(config)
    assert summary.outcome == "not certified"
    assert maria_lab.differences("t") == []


def test_a_run_in_which_a_table_failed_or_rows_were_rejected_is_not_certified_and_says_so(maria_lab: Lab) -> None:
    """On the screen and on the page; a table that is loaded again since counts against the last certificate."""
    lab, odd = maria_lab, "<script>alert(1)</script>"
    lab.mysql("CREATE TABLE good (id int PRIMARY KEY)", "INSERT INTO good VALUES (1), (2)",
              "CREATE TABLE bad (id int PRIMARY KEY, c int)", "INSERT INTO bad VALUES (1, 7)",
              f"CREATE TABLE `{odd}` (id int PRIMARY KEY, c int)", f"INSERT INTO `{odd}` VALUES (1, 7), (2, 1)")  # fmt: skip
    rules = {"bad": {"casts": {"c": "boolean"}}, odd: {"casts": {"c": "boolean"}, "max_rejects": "100%"}}
    run = lab.load(certify=True, rules=rules).summary.run
    about, tables = certificate(lab.config(), run)
    assert (about["certified"], {name for name, table in tables.items() if table["certified"]}) == (False, {"good"})
    assert about["why"] == ["1 table failed: `bad`", f"1 row was rejected in `{odd}`"]
    file = io.StringIO()
    Terminal(file=file).print(screen.certificate(about, tables))
    assert file.getvalue().startswith("NOT CERTIFIED: 1 table failed: `bad`; 1 row was rejected in")
    assert "every table" not in file.getvalue()
    html = certificate_page.page(about, tables)
    assert '<h1 class="bad">NOT CERTIFIED: <span>1 table failed' in html
    assert odd not in html
    assert not re.search(r"(?:src|href)=\"(?!data:,)", html)
    lab.mysql("DROP TABLE bad", f"DROP TABLE `{odd}`")
    lab.load(certify=True, tables=["good"])
    assert certificate(lab.config())[0]["certified"]
    lab.mysql("INSERT INTO good VALUES (3)")
    lab.load(tables=["good"])
    about, tables = certificate(lab.config())
    assert not about["certified"]
    assert about["why"][0].startswith("1 table was loaded again since and not certified then, last by run ")
    assert not tables["good"]["certified"]
    assert certificate(lab.config(), about["run"])[0]["certified"]


def test_what_the_load_left_out_counts_against_the_certificate(maria_lab: Lab) -> None:
    """A table that is new at the source, and one of the rules that has gone from it; both by name in the first line."""
    lab = maria_lab
    for table in ("a", "b"):
        lab.mysql(f"CREATE TABLE {table} (id int PRIMARY KEY)", f"INSERT INTO {table} VALUES (1)")
    config = lab.config(certify=True, rules={"a": {}, "b": {}}).model_copy(update={"known": frozenset({"a", "b"})})
    load(config)
    assert certificate(config)[0]["certified"]
    lab.mysql("RENAME TABLE b TO b2", "INSERT INTO a VALUES (2)")
    load(config)
    about, tables = certificate(config)
    assert (about["certified"], about["why"]) == (False, ["2 tables not loaded: `b`, `b2`"])
    assert tables["b2"]["certified"] is None
    file = io.StringIO()
    Terminal(file=file).print(screen.certificate(about, tables))
    assert file.getvalue().startswith("NOT CERTIFIED: 2 tables not loaded: `b`, `b2`")
