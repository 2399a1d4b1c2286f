"""Promise 7, for rows: a mark planted in every column, key and text of a source is in nothing that is told to others.

Whatever happens to the rows: rejects, failed checks, refusals by the target whose words quote them, retries, deletes,
merges, doubled keys, repairs, retentions, a source that quotes them. Who is told stands in `canary.SINKS`.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest
from canary import COLUMNS, DATE, NUMBER, SINKS, TEXT, Aviary, aviary, found
from lab import Lab

import bulketl
from bulketl.operations.traces import traced

# What a trigger of the target says of a row: each option of RAISE that has room for one, with states of every kind.
RAISED = {
    "message": "USING MESSAGE = NEW::text",
    "detail": "USING MESSAGE = 'no', DETAIL = NEW::text, HINT = NEW::text",
    "names": "USING MESSAGE = 'no', CONSTRAINT = NEW.c, COLUMN = NEW.c, TABLE = NEW.c, SCHEMA = NEW.c, DATATYPE = NEW.c",
    "check": "USING ERRCODE = '23514', MESSAGE = NEW::text, CONSTRAINT = NEW.c, COLUMN = NEW.c",
    "unique": "USING ERRCODE = '23505', MESSAGE = NEW::text, DETAIL = NEW::text, CONSTRAINT = NEW.c",
    "excluded": "USING ERRCODE = '23P01', MESSAGE = NEW::text, CONSTRAINT = NEW.c",
    "value": "USING ERRCODE = '22P02', MESSAGE = NEW::text",
    "bytes": "USING ERRCODE = '22P03', MESSAGE = NEW::text",
    "privilege": "USING ERRCODE = '42501', MESSAGE = NEW::text",
    "space": "USING ERRCODE = '53100', MESSAGE = NEW::text",
    "passing": "USING ERRCODE = '40001', MESSAGE = NEW::text, DETAIL = NEW::text",
    "lock": "USING ERRCODE = '55P03', MESSAGE = NEW::text",
    "internal": "USING ERRCODE = 'XX000', MESSAGE = NEW::text",
    "unknown": "USING ERRCODE = 'ZZ471', MESSAGE = NEW::text",
}
CONSTRAINTS = {
    "c_check": "CHECK (c NOT LIKE '%%{mark}%%')",
    "c_unique": "UNIQUE (n)",
    "c_foreign": "FOREIGN KEY (c) REFERENCES {{s}}.parent (c)",
    "c_exclusion": "EXCLUDE (n WITH =)",
}


@pytest.fixture
def birds(maria_lab: Lab, tmp_path: Path) -> Any:
    """A source with a table per way to fail, loaded once while they are empty, and then full of marks."""
    names = [
        *(f"t_{name}" for name in RAISED),
        *CONSTRAINTS,
        "strict",
        "checked",
        "typed",
        "doubled",
        "audited",
        "old",
        "every",
    ]
    for name in names:
        columns = "id int PRIMARY KEY, c varchar(200), n int, at datetime" if name != "every" else None
        every = ", ".join(f"{column} {kind}" for column, (kind, _) in COLUMNS.items())
        maria_lab.mysql(f"CREATE TABLE {name} ({columns or f'id int PRIMARY KEY, {every}'})")
    maria_lab.mysql("CREATE TABLE parent (id int PRIMARY KEY, c varchar(200))")
    rules: dict[str, Any] = {name: {"table_importance": "critical", "deletes": "mirror"} for name in (*names, "parent")}
    rules["checked"]["checks"] = [
        {"one_of": "c", "values": ["a"]}, {"range": "n", "max": 5, "severity": "warn"},
        {"regex": "c", "pattern": "^x", "severity": "reject"}, {"expression": "CAST(c AS INT) = 5", "severity": "warn"},
    ]  # fmt: skip
    rules["typed"]["casts"] = {"c": "varchar(5)"}
    rules["doubled"]["primary_key"] = ["n"]
    rules["audited"] = {"table_importance": "audit"}
    rules["old"]["retention"] = {"keep": "7y", "by": "at", "action": "delete"}
    with aviary(maria_lab, tmp_path, rules) as birds:
        birds.run("load")
        yield birds


def fill(lab: Lab, *tables: str) -> None:
    for table in tables:
        rows = (f"({key}, '{text}', {NUMBER}, '{DATE}')" for key, text in ((1, TEXT), (NUMBER, f"x {TEXT}")))
        lab.mysql(f"INSERT INTO {table} VALUES {', '.join(rows)}")


def silent(birds: Aviary) -> None:
    """Assert that no mark came out, that each sink was told something, and that the command failed with its tables."""
    assert not found(birds), "\n\n".join(found(birds))


def refusing(lab: Lab) -> None:
    """Have tables of RAISED and CONSTRAINTS, and `every`, refuse their rows in the target, in words that quote them."""
    for name, how in (*((f"t_{name}", how) for name, how in RAISED.items()), ("every", RAISED["message"])):
        lab.pg(
            f"CREATE FUNCTION {{s}}.f_{name}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$BEGIN RAISE WARNING 'warned of %', NEW; RAISE EXCEPTION {how}; END$$;"
            f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {{s}}.{name} FOR EACH ROW EXECUTE FUNCTION {{s}}.f_{name}()"
        )
    lab.pg("ALTER TABLE {s}.parent ADD UNIQUE (c)")
    for name, constraint in CONSTRAINTS.items():
        constraint = constraint.replace("{mark}", TEXT).replace("%%", "%").replace("{{s}}", "{s}")
        lab.pg(f"ALTER TABLE {{s}}.{name} ADD CONSTRAINT of_{name} {constraint}")


def filled(lab: Lab) -> None:
    """Put marks into every table of the source."""
    fill(lab, *(f"t_{name}" for name in RAISED), *CONSTRAINTS, "checked", "typed", "doubled", "audited", "old", "strict")
    values = ", ".join(value for _, value in COLUMNS.values())
    lab.mysql(f"INSERT INTO every VALUES (1, {values})", f"INSERT INTO parent VALUES (1, 'other {TEXT}')")


def test_no_mark_is_told_to_anybody_whatever_becomes_of_the_rows(birds: Aviary) -> None:
    lab = birds.lab
    refusing(lab)
    filled(lab)
    birds.run("load")
    assert birds.codes[-1] == 1
    failed = {table for (table,) in lab.pg("SELECT table_name FROM bulketl.table_load WHERE outcome = 'failed'")}
    assert {*(f"t_{name}" for name in RAISED), *CONSTRAINTS, "checked", "typed", "doubled", "every"} <= failed
    silent(birds)
    birds.run("load", log="")
    silent(birds)
    birds.run("alerts", "tick")
    birds.run("alerts", "list", "--all", log="")
    silent(birds)
    for name, read in SINKS.items():
        assert read(birds), name


def test_rejects_repairs_retries_and_retentions_tell_no_mark(birds: Aviary) -> None:
    """What is rejected may be, at first; what they write is refused then, in words that quote it."""
    lab = birds.lab
    filled(lab)
    for rule in birds.rules.values():
        rule["max_rejects"] = 10
    birds.run("load")
    silent(birds)
    assert lab.pg("SELECT count(*) FROM bulketl.reject") > [(1,)]
    lab.pg(
        "CREATE FUNCTION {s}.no() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION USING MESSAGE = COALESCE(OLD, NEW)::text, DETAIL = COALESCE(OLD, NEW)::text,"
        " ERRCODE = CASE TG_TABLE_NAME WHEN 'typed' THEN '42501' ELSE 'P0001' END; END$$"
    )
    lab.pg("DELETE FROM {s}.strict; DELETE FROM {s}.every")
    lab.pg(f"UPDATE {{s}}.c_check SET c = 'other {TEXT}'")
    for table in ("strict", "every", "c_check", "checked", "typed", "old", "audited"):
        act = "BEFORE INSERT OR UPDATE OR DELETE"
        lab.pg(f"CREATE TRIGGER no {act} ON {{s}}.{table} FOR EACH ROW EXECUTE FUNCTION {{s}}.no()")
    lab.mysql("UPDATE checked SET c = 'xa'", "UPDATE typed SET c = '5'")
    for rule in birds.rules.values():
        rule["max_rejects"] = 0
    birds.run("verify", "--tables", "strict,every,c_check", "--repair")
    birds.run("rejects", "retry")
    birds.run("retention")
    birds.run("retention", log="")
    birds.run("rejects", "retry", log="")
    birds.run("verify", "--tables", "strict,every", "--repair", log="")
    silent(birds)
    failed = lab.pg(
        "SELECT r.kind, body->>'message' FROM bulketl.run r JOIN bulketl.event e USING (run)"
        " WHERE e.kind = 'table_failed' AND r.schema_name = '{s}'"
    )
    assert {kind for kind, message in failed if "SQLSTATE" in message} == {"load", "repair", "retention", "retry"}
    assert all(message for _, message in failed), failed
    lab.mysql("DELETE FROM audited", f"UPDATE t_check SET c = 'other {TEXT}'", "DELETE FROM t_unique")
    birds.run("load")
    birds.run("metrics", log="")
    silent(birds)


def test_cursors_keys_deletes_and_altered_columns_tell_no_mark(birds: Aviary) -> None:
    """Watermarks and keys are marks too; a comparison finds edits, deletes, more of them than may be, keys made one."""
    lab = birds.lab
    columns = "c varchar(40) CHARACTER SET latin1 COLLATE latin1_bin, n int, at datetime NOT NULL, d date, KEY (at), KEY (n)"
    mirrored = {"extraction_strategy": "incremental", "deletes": {"policy": "mirror", "every": "1s"}}
    kinds = {
        "by_time": ("at", "PRIMARY KEY (n)"),
        "by_text": ("at", "PRIMARY KEY (c)"),
        "by_number": ("n", "PRIMARY KEY (n, c)"),
    }
    for name, (cursor, key) in kinds.items():
        lab.mysql(f"CREATE TABLE {name} ({columns}, {key})")
        rows = (f"('{TEXT}{n}', {NUMBER} + {n}, '{DATE}' + INTERVAL {n} HOUR, '{DATE}')" for n in range(20))
        lab.mysql(f"INSERT INTO {name} VALUES {', '.join(rows)}")
        birds.rules[name] = {**mirrored, "incremental_column": cursor}
    birds.rules["audited"] |= {"extraction_strategy": "incremental", "incremental_column": "at"}
    fill(lab, "audited")
    birds.run("load", "--certify")
    for name in kinds:
        lab.mysql(f"UPDATE {name} SET d = '{DATE}' - INTERVAL 1 DAY LIMIT 3", f"DELETE FROM {name} WHERE n > {NUMBER} + 18")
        lab.mysql(f"INSERT INTO {name} VALUES ('{TEXT}', {NUMBER} + 900, '2099-11-07', '{DATE}')")
    lab.mysql("DELETE FROM audited")
    birds.run("load", "--certify")
    birds.rules["by_number"]["deletes"] = {"policy": "fail", "every": "1s"}
    lab.mysql("DELETE FROM by_number", "INSERT INTO by_text SELECT CONCAT(c, '\\0'), n + 100, at, d FROM by_text LIMIT 3")
    lab.mysql(f"ALTER TABLE by_time ADD kind enum('{TEXT}', 'b') DEFAULT '{TEXT}', MODIFY d varchar(20) DEFAULT '{TEXT}'")
    birds.run("load", "--certify")
    birds.run("load", log="")
    birds.run("load", "--tables", "by_time", "--since", DATE)
    silent(birds)
    compared = lab.pg("SELECT DISTINCT body ->> 'table' FROM bulketl.event WHERE kind = 'table_compared'")
    assert {"by_time", "by_number"} <= {table for (table,) in compared}
    failed = {table for (table,) in lab.pg("SELECT table_name FROM bulketl.table_load WHERE outcome = 'failed'")}
    assert {"by_number", "by_text"} <= failed


def test_a_source_that_quotes_its_rows_tells_no_mark(birds: Aviary) -> None:
    """By an error of a function in a view, and by a key that is there twice."""
    lab = birds.lab
    lab.mysql(
        "CREATE FUNCTION loud(text varchar(200)) RETURNS varchar(200) DETERMINISTIC"
        " BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = text; RETURN text; END",
        "CREATE TABLE quiet (id int PRIMARY KEY, c varchar(200))",
        f"INSERT INTO quiet VALUES ({NUMBER}, '{TEXT}')",
        "CREATE VIEW shouting AS SELECT id, loud(c) AS c FROM quiet",
        f"CREATE VIEW twice AS SELECT {NUMBER} AS id, '{TEXT}' AS c UNION ALL SELECT {NUMBER}, 'x {TEXT}'",
    )
    birds.rules["shouting"] = {"table_importance": "critical"}
    birds.rules["twice"] = {"table_importance": "critical", "primary_key": ["id"]}
    birds.run("load")
    birds.run("load", log="")
    silent(birds)
    failed = {table for (table,) in lab.pg("SELECT table_name FROM bulketl.table_load WHERE outcome = 'failed'")}
    assert {"shouting", "twice"} <= failed


def test_a_mistake_in_bulketl_tells_no_mark(birds: Aviary, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody foresaw, of a step and of an observer, with a mark and notes that hold one."""
    lab = birds.lab
    filled(lab)

    def raising(*_args: object, **_more: object) -> None:
        error = ValueError(f"no {TEXT}")
        error.add_note(f"of {TEXT}")
        raise error

    monkeypatch.setattr("bulketl.loading.engine.work", raising)
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(f"{record.getMessage()} {vars(record)}")  # type: ignore[method-assign]
    for name in ("bulketl", "bulketl.events", "py.warnings"):
        logging.getLogger(name).addHandler(handler)
        monkeypatch.setattr(logging.getLogger(name), "level", logging.INFO)
    config = lab.config(rules=birds.rules)
    plan = bulketl.make_plan(config)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", birds.collector.url)
    with traced(os.environ) as trace:
        assert trace
        with pytest.warns(RuntimeWarning) as warned:
            done = bulketl.load(config, plan, [trace, raising])
    assert any(table.error == "BugError" and TEXT in table.message for table in done.tables.values())
    birds.log += "\n".join([*lines, *(str(one.message) for one in warned)])
    silent(birds)
