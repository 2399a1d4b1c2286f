"""What `why` finds on record: the run that wrote a row, retention, a load that died, another source, a table out of view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from counted import counted
from lab import Lab
from psycopg.conninfo import make_conninfo

import bulketl
from bulketl.postgres.locks import held
from bulketl.postgres.server import Postgres

TABLE = "CREATE TABLE t (id int PRIMARY KEY, name varchar(50), flag tinyint, at datetime NOT NULL, KEY (at))"
ROWS = "INSERT INTO t VALUES (1, 'Ann', 1, '2024-01-01'), (2, 'Bob', 0, '2024-01-02'), (3, 'Cyd', 1, '2024-01-09')"
CHANGES: dict[str, Any] = {"extraction_strategy": "incremental", "incremental_column": "at"}
AUDIT: dict[str, Any] = {"table_importance": "audit"}


WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "swapped in": ({"publish": "swap"}, "load"),
    "refilled": ({"publish": "refill"}, "load"),
    "merged": (CHANGES, "load"),
    "in chunks": ({**CHANGES, "extraction_strategy": "chunked_incremental"}, "load"),
    "differences of the whole merged": ({"deletes": "ignore"}, "load"),
    "appended": (AUDIT, "load"),
    "found by the nightly comparison": ({**CHANGES, "deletes": {"policy": "mirror", "every": "0s"}}, "load"),
    "repaired": (CHANGES, "repair"),
    "retried": ({**CHANGES, "casts": {"flag": "boolean"}, "max_rejects": "50%"}, "retry"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_row_is_traced_to_the_run_that_wrote_it(maria_lab: Lab, way: str) -> None:
    """Without stamps, by its transaction; whatever the way in which the run wrote it."""
    rule, kind = WAYS[way]
    lab = maria_lab
    lab.mysql(TABLE, ROWS, *(["UPDATE t SET flag = 7 WHERE id = 2"] if kind == "retry" else []))
    first = lab.load(rules={"t": rule}).summary.run
    at = "'2023-01-01'" if kind == "repair" or way.startswith("found") else "'2024-02-01'"
    lab.mysql(f"INSERT INTO t VALUES (4, 'Dan', 1, {at})", "UPDATE t SET flag = 1 WHERE id = 2")
    config = lab.config(rules={"t": rule})
    if kind == "repair":
        bulketl.verify(config, repair=True)
    elif kind == "retry":
        assert [one.loaded for one in bulketl.retry_rejects(config)] == [1]
    else:
        lab.load(rules={"t": rule})
    found = bulketl.why(config, "t", 2 if kind == "retry" else 4)
    last = lab.pg("SELECT run, kind FROM bulketl.run WHERE schema_name = '{s}' ORDER BY started_at DESC LIMIT 1")
    assert [(one.run, one.kind) for one in found.record.writers] == last
    assert last != [(first, "load")]
    assert last[0][1] == kind
    assert found.equal


def test_retention_is_the_reason_that_a_row_is_gone(maria_lab: Lab, tmp_path: Path) -> None:
    """And it does not come back."""
    lab = maria_lab
    rule = {**CHANGES, "retention": {"keep": "1y", "by": "at", "action": "delete"}}
    lab.mysql(TABLE, ROWS, "INSERT INTO t VALUES (4, 'Dan', 1, NOW())")
    lab.load(rules={"t": rule})
    config = lab.config(rules={"t": rule})
    assert [one.rows for one in bulketl.retain_tables(config, folder=tmp_path)] == [3]
    found = bulketl.why(config, "t", 2)
    assert (found.verdict, found.stays) == ("missing", False)
    assert found.because == "Retention removed the row from the target, and no load brings it back."
    assert bulketl.why(config, "t", 4).equal


def test_a_load_that_died_or_is_on_is_named(maria_lab: Lab) -> None:
    """It has left no record of the table, but a plan that names it."""
    lab = maria_lab
    lab.mysql(TABLE, ROWS)
    lab.load()
    lab.mysql("UPDATE t SET name = 'Bobby' WHERE id = 2")
    lab.pg(
        "INSERT INTO bulketl.run (run, host, source, schema_name, zone, plan, document, version, kind)"
        " SELECT '20990101-000000-dead', host, source, schema_name, zone, plan, document, version, kind"
        " FROM bulketl.run WHERE schema_name = '{s}'"
    )
    told = bulketl.why(lab.config(), "t", 2)
    assert told.because.startswith("Run 20990101-000000-dead ended before it had the table, so the target still has")
    with held(Postgres(f"postgresql:///?{'&'.join(lab.target.split())}"), "20990101-000000-dead", "", lab.schema, []):
        told = bulketl.why(lab.config(), "t", 2)
    assert told.because.startswith("Run 20990101-000000-dead is loading now, and has not published the table, so")
    lab.pg("DELETE FROM bulketl.run WHERE run = '20990101-000000-dead'")


def test_rows_of_another_source_are_told(maria_lab: Lab) -> None:
    """The next load refuses the table, and the sentence says so."""
    lab = maria_lab
    lab.mysql(TABLE, ROWS)
    lab.load()
    lab.mysql("UPDATE t SET name = 'Bobby' WHERE id = 2")
    lab.pg("UPDATE bulketl.state SET source = 'mysql://elsewhere:3306/x' WHERE schema_name = '{s}'")
    found = bulketl.why(lab.config(), "t", 2)
    assert found.verdict == "differs"
    assert "the next load refuses the table: table 't' was loaded from mysql://elsewhere:3306/x" in found.because


def test_a_table_out_of_view_is_not_taken_for_gone(lab: Lab) -> None:
    """A user without the right to see it is told so, and what the target has."""
    lab.mysql(TABLE, ROWS, "CREATE TABLE other (id int PRIMARY KEY)")
    lab.load()
    user = lab.database
    lab.mysql(f"CREATE USER {user} IDENTIFIED BY 'pw'", f"GRANT SELECT ON {user}.other TO {user}")
    try:
        found = bulketl.why(lab.config(source=lab.server.database(lab.database, user, "pw")), "t", 2)
    finally:
        lab.mysql(f"DROP USER {user}")
    assert (found.source, found.target, found.table_gone, found.verdict) == ("unknown", "there", False, "unknown")
    assert "the table is not in view" in found.because


def test_a_new_table_waits_for_the_rules(maria_lab: Lab) -> None:
    """It is said how it gets into them."""
    lab = maria_lab
    lab.mysql(TABLE, ROWS)
    config = lab.config().model_copy(update={"known": frozenset({"another"}), "new_tables": "report"})
    found = bulketl.why(config, "t", 2)
    assert found.because.startswith(
        "The table is not loaded yet: it is new at the source, and not in the rules; `bulketl disc"
    )


def test_the_target_is_asked_by_its_index(maria_lab: Lab) -> None:
    """A million rows take as long as one: no statement reads the table from its beginning."""
    lab = maria_lab
    lab.mysql(TABLE, "INSERT INTO t SELECT seq, 'x', 1, '2024-01-01' FROM seq_1_to_20000")
    lab.load()
    assert bulketl.why(lab.config(), "t", 12345).equal
    sequential = counted(lab.target, "seq_scan", lab.schema, "t")
    assert bulketl.why(lab.config(), "t", 54).equal
    assert counted(lab.target, "seq_scan", lab.schema, "t") == sequential


def test_where_no_temporary_table_may_be_made_equal_texts_are_what_is_known(maria_lab: Lab) -> None:
    """Others are not called equal, nor different."""
    lab = maria_lab
    lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, flag tinyint, word text)", "INSERT INTO t VALUES (1, 1, 'a'), (2, 1, 'b')"
    )
    rules = {"t": {"casts": {"flag": "boolean"}}}
    lab.load(rules=rules)
    user = f"u{lab.schema}"
    ((database,),) = lab.pg("SELECT quote_ident(current_database())")
    lab.pg(
        f"CREATE ROLE {user} LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA {{s}}, bulketl TO {user};"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {{s}} TO {user}; GRANT SELECT ON ALL TABLES IN SCHEMA bulketl TO {user};"
        f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"
    )
    try:
        config = lab.config(target=make_conninfo(lab.target, user=user, password="pw"), rules=rules)
        assert bulketl.why(config, "t", 1, "word").verdict == "equal"
        found = bulketl.why(config, "t", 1)
        assert found.verdict == "unknown"
        assert found.because.startswith("Whether flag is the same on both sides is not known")
    finally:
        lab.pg(
            f"GRANT TEMPORARY ON DATABASE {database} TO PUBLIC; DROP OWNED BY {user}; DROP ROLE {user}",
        )


def test_a_row_whose_key_is_no_date_is_found_among_the_rejects(lab: Lab) -> None:
    """The target has no such key, and its reject is the reason."""
    lab.mysql("CREATE TABLE t (k date PRIMARY KEY, n int)", mode="NO_ENGINE_SUBSTITUTION")
    lab.mysql("INSERT INTO t VALUES ('0000-00-00', 1), ('2024-02-29', 2)", mode="NO_ENGINE_SUBSTITUTION")
    rules = {"t": {"max_rejects": "50%"}}
    lab.load(rules=rules)
    found = bulketl.why(lab.config(rules=rules), "t", "0000-00-00")
    assert found.verdict == "missing"
    assert "k is no valid value, and part of the key, and so would the next load" in found.because
    assert bulketl.why(lab.config(rules=rules), "t", "2024-02-29").equal
