"""Promise 7, of what is masked: no value of it is anywhere but in the source."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from canary import COLUMN_MARKS, COLUMNS, MARKS, SINKS, aviary, found
from faults import small_partitions
from kills import killed
from lab import Lab, numbers
from masked import KEY
from maskedways import AUDITED, MARK, OPTIONS, RULES, WAYS, another_day, fill, wrong

import bulketl
from bulketl.verifying.verdicts import LEVELS


def everything(lab: Lab) -> str:
    """Return each row of each table of the target database, as text, the ledger's and those of catalogues too.

    Without SHA-256 in hexadecimal digits and seconds with all of theirs, in some million of which the five of a mark stand
    by chance, and without what the ledger has of the schemas of other tests, which mask nothing.
    """
    tables = lab.pg(
        "SELECT quote_ident(n.nspname) || '.' || quote_ident(relname), CASE n.nspname WHEN 'bulketl' THEN ARRAY("
        "SELECT attname::text FROM pg_attribute a WHERE attrelid = c.oid AND attname IN ('schema_name', 'run'))"
        " ELSE '{{}}' END"
        " FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = relnamespace WHERE relkind IN ('r', 'm', 'p') AND nspname !~ '^pg_' OR relname = 'pg_statistic'"
    )
    assert len(tables) > 10
    own = {
        "schema_name": " WHERE COALESCE(schema_name, '{s}') = '{s}'",
        "run": " WHERE run IN (SELECT run FROM bulketl.run WHERE schema_name = '{s}')",
    }
    of_data = " WHERE starelid NOT IN (SELECT oid FROM pg_class WHERE relnamespace = 'bulketl'::regnamespace)"
    only = {"pg_catalog.pg_statistic": of_data, **{table: own[max(by)] for table, by in tables if by}}
    asked = (f"SELECT t::text FROM {table} t".replace("{", "{{") + only.get(table, "") for table, _ in tables)
    rows = (str(row) for question in asked for row in lab.pg(question))
    text = re.sub(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", "", "\n".join(rows))
    return re.sub(r'(seconds[\\"]*: \d+\.\d{3})\d+', r"\1", text)


def test_no_masked_value_is_anywhere_in_the_target_whatever_happens_to_its_row(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """Loaded, rejected by a check, a cast and Postgres, audited, compared, verified, repaired, told by why, failed."""
    lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, secret varchar(60), flag tinyint, plain varchar(20), at datetime NOT NULL,"
        " KEY (at))",
        f"INSERT INTO t SELECT seq, CONCAT('{MARK}-', seq), 1, 'open', '2024-01-01' FROM {numbers(50)}",
        f"UPDATE t SET secret = 'bad{MARK}' WHERE id = 3",
        "UPDATE t SET flag = 7 WHERE id = 4",
        "UPDATE t SET plain = 'refused' WHERE id = 5",
        "CREATE TABLE a LIKE t",
        "INSERT INTO a SELECT * FROM t",
    )
    lab.pg("CREATE SCHEMA IF NOT EXISTS {s}")
    changes = {
        "extraction_strategy": "incremental",
        "incremental_column": "at",
        "max_rejects": 40,
        "casts": {"flag": "boolean"},
    }
    checks = [{"regex": "secret", "pattern": "^0", "severity": "reject"}]
    one = {
        **changes,
        "max_rejects": 40,
        "mask": {"secret": "hmac"},
        "checks": checks,
        "deletes": {"policy": "mirror", "every": "1s"},
    }
    rules = {"t": one, "a": {**one, "table_importance": "audit", "deletes": {"every": "1s"}}}
    options: dict[str, Any] = {"rules": rules, "mask_key": KEY, "certify": True}
    config = lab.config(**options)
    assert not lab.load(**options).summary.failed
    for table in ("t", "a"):
        lab.pg(f"ALTER TABLE {{s}}.{table} ADD CONSTRAINT no CHECK (plain <> 'refused now')")
        lab.mysql(
            f"UPDATE {table} SET secret = CONCAT(secret, 'x'), at = '2024-02-02' WHERE id < 20",
            f"UPDATE {table} SET secret = '{MARK}silent' WHERE id = 30",
            f"UPDATE {table} SET plain = 'refused now', at = '2024-02-03' WHERE id = 6",
            f"DELETE FROM {table} WHERE id = 40",
        )
    done = lab.load(**options, unforeseen="a constraint of a person's own")
    assert sum(table.rejects for table in done.summary.tables.values()) >= 4
    shown = [repr(done.summary), repr(done.events), json.dumps(done.summary.to_json(), default=str), done.plan.to_json()]
    shown += [repr(bulketl.verify(config, level=level, show_values=True)) for level in LEVELS]
    lab.pg("""UPDATE {s}.t SET secret = 'x' WHERE id < 10; DELETE FROM {s}.t WHERE id = 11""")
    found = bulketl.verify(config, level="rows", show_values=True, repair=True)
    shown += [repr(found), json.dumps(found.to_json(), default=str)]
    shown += [json.dumps(bulketl.why(config, table, key).to_json()) for table in ("t", "a") for key in (1, 3, 5, 6, 30)]
    lab.pg("ALTER TABLE {s}.t DROP CONSTRAINT no")
    lab.mysql(f"UPDATE t SET secret = '0{MARK}good' WHERE id = 3")
    shown += [repr(bulketl.retry_rejects(config, ["t"])), repr(bulketl.show_rejects(config))]
    failing = {"t": {**one, "max_rejects": 0}}
    failed = lab.load(rules=failing, mask_key=KEY, unforeseen="rows")
    shown += [repr(failed.summary), repr(failed.events), repr(bulketl.list_rejects(config)), repr(config)]
    shown += [json.dumps([finding.to_json() for finding in bulketl.validate(config)], default=str), caplog.text]
    forms = (MARK, MARK.encode().hex(), MARK.encode().hex().upper())
    for text in (everything(lab), *shown):
        assert not [form for form in forms if form in text], text[max(0, text.find(MARK) - 300) : text.find(MARK) + 100]
        assert KEY not in text


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
def test_no_masked_value_is_left_anywhere_by_a_load_that_is_killed(
    lab: Lab, tmp_path: Path, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor in staging tables or temporary files; and the run that is resumed ends with what the masks make of all rows."""
    small_partitions(monkeypatch, 50)
    fill(lab)
    path = tmp_path / "tables.yaml"
    path.write_text(json.dumps({"source_tables": RULES}), encoding="utf-8")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    calls = killed(lab, str(path), 0, mask_key=KEY)
    another_day(lab)
    assert killed(lab, str(path), int(calls * share), mask_key=KEY) == 0
    assert MARK not in everything(lab)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and MARK.encode() in file.read_bytes()]
    config = lab.config(**OPTIONS)
    assert bulketl.resume(config).outcome == "done"
    assert lab.load(**OPTIONS).summary.outcome == "done"
    left = {name: {row[0] for row in rows} for name in WAYS if (rows := wrong(lab, name))}
    assert left == {**{name: {3, 4, 5, 6, 10} for name in AUDITED}, "marked": {10}, "kept": {10}}
    assert MARK not in everything(lab)
    assert lab.staged() == []


def test_the_canary_would_be_seen(maria_lab: Lab) -> None:
    """Without the mask it is in the target."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, secret varchar(60))", f"INSERT INTO t VALUES (1, '{MARK}')")
    maria_lab.load()
    assert MARK in everything(maria_lab)


def methods(kind: str) -> list[Any]:
    """Return every mask that takes a column of a type, and leaves nothing of the marks in it."""
    base = kind.partition("(")[0].split()[0]
    if base in ("char", "varchar", "text", "longtext"):
        return ["hmac", "fake", "generalise", {"method": "partial", "last": 2}, {"method": "constant", "value": "-"}, "null"]
    if base in ("int", "bigint"):
        return ["hmac", {"method": "constant", "value": 1}, "generalise", "null"]
    if base == "date":
        return ["generalise", {"method": "shift", "by": "id"}, {"method": "constant", "value": "2000-01-01"}, "null"]
    if base in ("datetime", "timestamp"):  # a shift leaves the time of day, which is a mark
        return ["generalise", "null"]
    return ["hmac", "null"] if base in ("binary", "varbinary", "blob", "uuid") else ["null"]


def test_a_masked_column_of_every_type_is_in_no_sink_and_nowhere_in_the_target(maria_lab: Lab, tmp_path: Path) -> None:
    """By every method that takes it: alerts, logs, hooks, traces, metrics, events, the ledger, rejects and the tables."""
    every = {f"{name}_{n}": (kind, value, mask) for name, (kind, value) in COLUMNS.items()
             for n, mask in enumerate(methods(kind))}  # fmt: skip
    columns = ", ".join(f"{column} {kind}" for column, (kind, _, _) in every.items())
    values = ", ".join(value for _, value, _ in every.values())
    masks = {column: mask for column, (_, _, mask) in every.items()}
    rules: dict[str, Any] = {
        name: {"table_importance": "critical", "mask": masks, "max_rejects": most, "checks": [{**bad, "severity": severity}]}
        for name, most, bad, severity in (
            ("loaded", 0, {"not_null": ["id"]}, "fail"),
            ("warned", 0, {"one_of": "c_varchar_0", "values": ["a"]}, "warn"),
            ("rejecting", 10, {"one_of": "c_varchar_0", "values": ["a"]}, "reject"),
            ("failing", 0, {"one_of": "c_varchar_0", "values": ["a"]}, "fail"),
            ("refused", 10, {"not_null": ["id"]}, "fail"),
        )
    }
    for name in rules:
        maria_lab.mysql(f"CREATE TABLE {name} (id int PRIMARY KEY, {columns})")
    with aviary(maria_lab, tmp_path, rules) as birds, pytest.MonkeyPatch.context() as environment:
        environment.setenv("BULKETL_MASK_KEY", KEY)
        birds.run("load", "--certify")
        maria_lab.pg("ALTER TABLE {s}.refused ADD CHECK (c_int_0 < 0)")
        for name in rules:
            maria_lab.mysql(f"INSERT INTO {name} VALUES (1, {values})")
        birds.run("load", "--certify")
        assert maria_lab.pg("SELECT count(*) FROM {s}.loaded") == [(1,)], birds.log[-3000:]
        kept = maria_lab.pg("SELECT table_name, column_name FROM bulketl.reject WHERE schema_name = '{s}'")
        assert len(kept) == 3, kept
        birds.run("load", "--full", "--certify", log="text")
        asked = ("verify --level rows --show-values", "rejects show", "why loaded 1", "why rejecting 1", "plan --json")
        told = [birds.run(*words.split()) for words in asked]
        assert not found(birds), "\n\n".join(found(birds))
        texts = {**{name: read(birds) for name, read in SINKS.items()}, "target": everything(maria_lab), "shown": str(told)}
        for name, text in texts.items():
            assert KEY not in text, name
            for mark in (*MARKS, *COLUMN_MARKS):
                at = text.find(mark)
                assert at < 0, f"{name}: {text[max(0, at - 300) : at + 100]}"
