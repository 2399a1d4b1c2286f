"""Values that the target can hold and the source cannot: found by row and column, told at every level, and mended.

For each type that a cast rule makes. They come from people and programs that write into the target by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from lab import Lab
from nights import MIRRORED, night
from typer.testing import CliRunner

import bulketl
import bulketl.plan.specify
from bulketl.cli.app import app
from bulketl.rows.figures import summed, unequal
from bulketl.tables.casts import TARGETS
from bulketl.verifying.verdicts import Level

LEVELS = get_args(Level)
# Per type of the target: the column's type at the source, what is declared, a value there, another one that differs from
# each of what is planted, and those.
COLUMNS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "smallint": ("tinyint", "", "5", ("-32768", "32767", "NULL")),
    "integer": ("smallint unsigned", "", "5", ("-2147483648", "2147483647")),
    "bigint": ("int unsigned", "", "5", ("-9223372036854775808", "9223372036854775807")),
    "numeric": ("decimal(20,2)", "", "0", ("'NaN'", "999999999999999999.99")),
    "real": ("float", "", "0", ("'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "1e-45", "3.4028235e38")),
    "double precision": ("double", "", "0", (
        "'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "5e-324", "1.7976931348623157e308",
    )),
    "boolean": ("tinyint", "boolean", "0", ("true", "NULL")),
    "date": ("date", "", "'1970-01-01'", (
        "'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'10000-01-01'",
    )),
    "timestamp": ("datetime(6)", "", "'1970-01-01'", (
        "'infinity'", "'-infinity'", "'4713-11-24 BC'", "'294276-12-31 23:59:59.999999'", "'10000-01-01'", "'0001-01-01 BC'",
    )),
    "timestamptz": ("timestamp(6)", "timestamptz", "'1970-01-02'", (
        "'infinity'", "'-infinity'", "'4713-11-24 BC'", "'294276-12-31 23:59:59.999999+00'", "'10000-01-01'",
    )),
    "interval": ("time(6)", "", "'720:00:00'", (
        "'infinity'", "'-infinity'", "'1 mon'", "'30 days'", "'-178000000 years'", "'2000000000 hours'",
        "'1 mon -30 days 720:00'", "'1 day 696:00:00'",
    )),
    "time": ("time", "time", "'00:00:00'", ("'24:00:00'",)),
    "text": ("text", "", "'a'", ("chr(1114111)", "repeat('é', 500000)", "E'\\x01'", "E'a\\u0301'", "''", "NULL")),
    "varchar": ("varchar(20)", "", "'a'", ("'a   '", "E'\\x01\\x02'", "chr(1114111)")),
    "json": ("varchar(99)", "json", "'0'", ("'1e99999'", "'{\"a\":1,\"a\":2}'", "' 0 '", "'-0.0'")),
    "jsonb": ("varchar(99)", "jsonb", "'0'", (
        "'1e9999'", "'-1e-9999'", "'null'", "'{\"a\": {}}'", "'\"\\u0001\"'", "'0.0'",
    )),
    "bytea": ("varbinary(20)", "", "X'00'", ("''", "decode(repeat('ff', 1000000), 'hex')")),
    "enum": ("enum('a','b','')", "enum", "'a'", ("'b'", "''", "NULL")),
    "uuid": ("binary(16)", "uuid", "REPEAT('a', 16)", ("'ffffffff-ffff-ffff-ffff-ffffffffffff'",)),
}  # fmt: skip
NO_KEY = ("json", "jsonb")  # Postgres makes no key of the one, and we none of the other
ADBC_ONLY = ("jsonb",)


def test_every_type_that_a_rule_makes_is_here() -> None:
    """A rule that is added brings its values."""
    assert set(COLUMNS) == TARGETS


@pytest.fixture
def planted(maria_lab: Lab, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[int, str]]:
    """Tables with a column of each type, loaded, and in each row of the target one value that the source cannot have.

    Returned is in which column, per table and row. `plain` holds what both encoders take.
    """
    monkeypatch.setattr("bulketl.verifying.looks.PAUSE_SECONDS", 0)  # nobody writes here
    if getattr(request, "param", "") == "adbc":
        monkeypatch.setattr(bulketl.plan.specify, "encoder_of", lambda casts: "adbc")
    tables = {"plain": [base for base in COLUMNS if base not in ADBC_ONLY], "all_": list(COLUMNS)}
    found: dict[str, dict[int, str]] = {}
    for table, bases in tables.items():
        plants = [(base, value) for base in bases for value in COLUMNS[base][3]]
        columns = ", ".join(f"c{n} {COLUMNS[base][0]} NULL" for n, base in enumerate(bases))
        values = ", ".join(COLUMNS[base][2] for base in bases)
        maria_lab.mysql(
            "SET time_zone = '+00:00'",
            f"CREATE TABLE {table} (id int PRIMARY KEY, {columns}, at datetime NOT NULL DEFAULT '2024-01-01')",
            f"INSERT INTO {table} SELECT seq, {values}, IF(seq > {len(plants)}, '2024-01-01', '2023-01-01')"
            f" FROM seq_1_to_{len(plants) + 20}",
        )
    rules = rules_of(tables)
    assert maria_lab.load(rules=rules).summary.outcome == "done"
    for table, bases in tables.items():
        plants = [(base, value) for base in bases for value in COLUMNS[base][3]]
        for n, (base, value) in enumerate(plants):
            maria_lab.pg(f"UPDATE {{s}}.{table} SET c{bases.index(base)} = {value} WHERE id = {n + 1}")
        found[table] = {n + 1: f"c{bases.index(base)}" for n, (base, _) in enumerate(plants)}
    return found


def _long_ago(lab: Lab) -> None:
    """Make every table due to be compared."""
    lab.pg("UPDATE bulketl.state SET compared_at = compared_at - interval '1 day' WHERE schema_name = '{s}'")


def rules_of(tables: Any) -> dict[str, Any]:
    return {
        table: {**MIRRORED, "casts": {f"c{n}": COLUMNS[base][1] for n, base in enumerate(bases) if COLUMNS[base][1]}}
        for table, bases in (
            ("plain", [base for base in COLUMNS if base not in ADBC_ONLY]), ("all_", list(COLUMNS)),
        )
        if table in tables
    }  # fmt: skip


@pytest.mark.parametrize("planted", ["chosen", "adbc"], indirect=True)
def test_each_is_named_by_row_and_column_at_every_level_and_repaired(
    maria_lab: Lab, planted: dict[str, dict[int, str]]
) -> None:
    """And after the repair nothing differs."""
    config = maria_lab.config(rules=rules_of(planted))
    for level in LEVELS:
        for verdict in bulketl.verify(config, level=level, first=1000, show_values=True).tables:
            assert not verdict.problem, verdict.problem
            if level == "rows":
                rows = {int(row.key[0]): row.columns for row in verdict.rows}
                assert rows == {n: (column,) for n, column in planted[verdict.table].items()}
            if level in ("count", "keys"):
                assert verdict.equal
            if level == "sums":
                seen = {figure.column for figure in verdict.figures}
                assert seen >= set(planted[verdict.table].values()) - _unsummed(verdict.table)
    mended = bulketl.verify(config, repair=True)
    assert [verdict.table for verdict in mended.again if verdict.equal] == ["all_", "plain"]
    for table in planted:
        assert maria_lab.differences(table, zone="+00:00") == []


def _unsummed(table: str) -> set[str]:
    """Return the columns of a table of which only what is not NULL is counted."""
    bases = [base for base in COLUMNS if table == "all_" or base not in ADBC_ONLY]
    return {f"c{bases.index(base)}" for base in ("jsonb", "uuid") if base in bases}


@pytest.mark.parametrize("planted", ["chosen", "adbc"], indirect=True)
def test_the_nightly_comparison_mends_them_all(maria_lab: Lab, planted: dict[str, dict[int, str]]) -> None:
    """With deletes: mirror the table is compared, and no night fails."""
    rules = rules_of(planted)
    _long_ago(maria_lab)
    for table in planted:
        done = night(maria_lab, rules[table], table=table, timestamp_zone="server")
        told = done.summary.tables[table]
        assert told.message == ""
    left = bulketl.verify(maria_lab.config(rules=rules)).tables
    # Text that is declared jsonb has no hash that both sides write: only a verification looks at it.
    unhashed = ("all_", f"c{list(COLUMNS).index('jsonb')}")
    assert {(verdict.table, *row.columns) for verdict in left for row in verdict.rows} == {unhashed}


def test_keys_that_only_the_target_can_hold_are_extra_rows_and_go(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each type that can be a key; by a repair, and by the nightly comparison."""
    monkeypatch.setattr("bulketl.verifying.looks.PAUSE_SECONDS", 0)
    rules: dict[str, Any] = {}
    many: dict[str, int] = {}
    plants: list[str] = []
    for n, (base, (kind, declared, value, values)) in enumerate(COLUMNS.items()):
        if base in NO_KEY:
            continue
        table, length = f"k{n}", "(20)" if kind == "text" else ""
        keys = [one for one in values if one != "NULL" and "repeat" not in one and one not in ("'-0'", "'0.0'")]
        if base == "interval":
            keys = [
                one for one in keys if one not in ("'1 mon'", "'30 days'", "'1 mon -30 days 720:00'", "'1 day 696:00:00'")
            ]
        kind, length = ("varchar(30)", "") if length else (kind, "")
        maria_lab.mysql(
            "SET time_zone = '+00:00'",
            f"CREATE TABLE {table} (k {kind} PRIMARY KEY, c int, at datetime NOT NULL)",
            f"INSERT INTO {table} VALUES ({value}, 1, '2024-01-01')",
        )
        casts = {"k": declared or ("text" if base == "text" else "")}
        rules[table] = {**MIRRORED, "deletes": {"policy": "mirror", "every": "1s", "guard": "100%"}}
        rules[table] |= {"casts": casts} if casts["k"] else {}
        many[table] = len(keys)
        plants += [f"INSERT INTO {{s}}.{table} (k, c) VALUES ({one}, 2)" for one in keys]
    assert maria_lab.load(rules=rules).summary.outcome == "done"
    maria_lab.pg(";".join(plants))
    config = maria_lab.config(rules=rules)
    for level in LEVELS:
        for verdict in bulketl.verify(config, level=level, first=100).tables:
            assert not verdict.problem, verdict.problem
            assert verdict.extra == many[verdict.table], verdict.table
    mended = bulketl.verify(config, repair=True, allow_deletes=list(rules))
    assert {verdict.table for verdict in mended.again if verdict.equal} == set(rules)
    maria_lab.pg(";".join(plants))
    _long_ago(maria_lab)
    for table in rules:
        done = night(maria_lab, rules[table], table=table, allow=(table,))
        if not next(done.plan.loads).compare:  # as floats are not, by which a row cannot be read again
            night(maria_lab, rules[table], table=table, allow=(table,), full=True)
        assert maria_lab.pg(f"SELECT count(*) FROM {{s}}.{table}") == [(1,)]


def test_text_of_a_key_cannot_be_declared_jsonb(maria_lab: Lab) -> None:
    """Two keys of the source may be one value of jsonb, and no hash of both sides tells its rows apart."""
    maria_lab.mysql("CREATE TABLE t (k varchar(20) PRIMARY KEY)", "INSERT INTO t VALUES ('1.0'), ('1.00')")
    (refusal,) = maria_lab.load(rules={"t": {"casts": {"k": "jsonb"}}}).plan.refused
    assert "'k' of its key is text and declared jsonb" in refusal.message


def test_no_other_command_stumbles_over_them(
    maria_lab: Lab, planted: dict[str, dict[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """history by each date, with sums; certificates, checks, retention, states: told as what they are, in valid JSON."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    rules = rules_of(planted)
    bases = list(COLUMNS)
    checks = [{"sum": f"c{bases.index(base)}", "min": 0, "severity": "warn"} for base in ("numeric", "real")]
    rules["all_"] = {**rules["all_"], "deletes": "ignore", "checks": checks}
    (tmp_path / "config" / "tables.yaml").write_text(json.dumps({"source_tables": rules}))
    uri = f"postgresql:///?{'&'.join(maria_lab.target.split())}"
    environment = {"BULKETL_SOURCE": maria_lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": maria_lab.schema}

    def run(*words: str) -> Any:
        done = CliRunner().invoke(app, [*words, "--json"], env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
        return json.loads(done.stdout, parse_constant=lambda word: pytest.fail(f"{words}: {word} is no JSON"))

    for base in ("date", "timestamp", "timestamptz"):
        months = {one["table"]: one for one in run("history", "--by", f"c{bases.index(base)}", "--sums")["tables"]}
        assert months["all_"]["outcome"] == "differs", months["all_"]
    maria_lab.mysql("UPDATE all_ SET c0 = 6, at = '2024-02-01' WHERE id = 1")
    found = run("load")
    done = {one["table"]: one for one in found["tables"]}
    assert done["all_"]["outcome"] == "loaded", done["all_"]
    assert done["all_"]["checks"] == {"warn": dict.fromkeys(("sum c3 0..", "sum c4 0.."), "nan")}
    for words in (("state", "list"), ("certificate",), ("plan",), ("validate",)):
        run(*words)


def test_figures_of_which_one_is_no_number_are_added_and_differ() -> None:
    """As Postgres does: NaN is the greatest, and the sum of anything with it."""
    both = summed({"x min": "1", "x max": "NaN", "x sum": "2"}, {"x min": "NaN", "x max": "3", "x sum": "NaN"})
    assert both == {"x min": "1", "x max": "NaN", "x sum": "NaN"}
    assert unequal(both, {"x min": "1", "x max": "3", "x sum": "2"}, frozenset()) == ["x max", "x sum"]
