"""A target database in any encoding: what it cannot hold is a reject whose record is whole, or a refusal that says so."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from encodings_of_servers import ENCODINGS
from faults import small_partitions
from lab import Lab, execute
from psycopg.conninfo import make_conninfo

import bulketl
from bulketl import TargetError
from bulketl.operations.anomalies.look import find_anomalies
from bulketl.operations.watching import looks
from bulketl.survey.planning import compare_with_last

BAD = "caf\u00e9 \u4e2d\U0001f600 \\u0041 back\\slash 'quoted' \"twice\" \u0416"  # no encoding but UTF8 holds all of it
BAD_KEY = "k\u4e2d\U0001f600\\"


def test_these_are_all_that_the_server_has(maria_lab: Lab) -> None:
    """It refuses every other as an encoding of a database."""
    names = maria_lab.pg(
        "SELECT DISTINCT pg_encoding_to_char(n) FROM generate_series(0, 60) n WHERE pg_encoding_to_char(n) <> ''"
    )
    assert {name for (name,) in names} >= set(ENCODINGS)
    for (name,) in names:
        if name not in ENCODINGS:
            with pytest.raises(psycopg.Error, match="is not a valid encoding name"):
                maria_lab.pg(f"CREATE DATABASE none ENCODING '{name}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")


@pytest.fixture(params=ENCODINGS)
def encoded(request: pytest.FixtureRequest, maria_lab: Lab) -> Iterator[Lab]:
    """A source, and a target database in one of the encodings."""
    name = f"{maria_lab.schema}_e"
    made = f"CREATE DATABASE {name} ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    execute(maria_lab.target, made)
    yield dataclasses.replace(maria_lab, target=make_conninfo(maria_lab.target, dbname=name, **UTF8))
    execute(maria_lab.target, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def full(encoded: Lab, request: pytest.FixtureRequest) -> Lab:
    """Two good rows, and rows with a value, a key and a failed check that few encodings have."""
    encoded.mysql("CREATE TABLE t (id varchar(20) PRIMARY KEY, c varchar(99), n int) CHARACTER SET utf8mb4")
    encoded.insert("t", [("a", "plain", 1), ("b", BAD, 2), (BAD_KEY, "key", 3), ("d", BAD, -1), ("e", "plain", 5)])
    return encoded


UTF8 = {"client_encoding": "UTF8"}
RULES: dict[str, Any] = {"max_rejects": "90%", "checks": [{"range": "n", "min": 0, "severity": "reject"}]}


def test_what_an_encoding_lacks_is_a_reject_with_its_true_value(
    full: Lab, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """In the record, shown, exported and retried; every other row is loaded."""
    name = request.node.callspec.params["encoded"]
    if name == "MULE_INTERNAL":  # no session in UTF8 can be had, and only that knows all characters of MySQL
        with pytest.raises(TargetError, match="conversion between UTF8 and MULE_INTERNAL is not supported") as refused:
            full.load(rules={"t": RULES})
        assert "ENCODING 'UTF8'" in refused.value.hint
        return
    done = full.load(rules={"t": RULES})
    told = done.summary.tables["t"]
    takes_all = name in ("UTF8", "SQL_ASCII")
    assert (told.outcome, told.rows, told.rejects) == ("loaded", 4 if takes_all else 2, 1 if takes_all else 3), told.message
    found = {str(item.row["id"]): item for item in bulketl.show_rejects(full.config())}
    assert found["d"].row == {"id": "d", "c": BAD, "n": -1}
    assert (found["d"].column, found["d"].value, found["d"].key) == ("n", "-1", {"id": "d"})
    if not takes_all:
        assert found["b"].row == {"id": "b", "c": BAD, "n": 2}
        assert (found["b"].column, found["b"].value) == ("c", BAD)
        assert found[BAD_KEY].row == {"id": BAD_KEY, "c": "key", "n": 3}
        assert (found[BAD_KEY].column, found[BAD_KEY].value, found[BAD_KEY].key) == ("id", BAD_KEY, {"id": BAD_KEY})
        reason = f"holds a character that the target's encoding, {name}, lacks"
        assert [found[key].reason for key in ("b", BAD_KEY)] == [reason, reason]
    file = tmp_path / "rejects.json"
    assert bulketl.export_rejects(full.config(), file) == told.rejects
    assert {row["row"]["id"]: row["row"]["c"] for row in json.loads(file.read_text("utf-8"))}["d"] == BAD
    full.mysql("UPDATE t SET c = 'good now', n = 9 WHERE id IN ('b', 'd')")
    (again,) = bulketl.retry_rejects(full.config(rules={"t": RULES}))
    assert (again.asked, again.loaded, again.gone, again.unreadable) == (told.rejects, 1 if takes_all else 2, 0, 0)
    assert (
        [item.key for item in bulketl.show_rejects(full.config()) if not item.settled]
        == (
            [] if takes_all else [{"id": BAD_KEY}, {"id": BAD_KEY}]  # once by its load, once by the retry
        )[: None if takes_all else 1]
    )
    assert full.pg("SELECT c, n FROM {s}.t WHERE id = 'd'") == [("good now", 9)]


@pytest.mark.parametrize("encoded", ["LATIN1", "EUC_JP", "SQL_ASCII"], indirect=True)
@pytest.mark.parametrize("what", ["table", "column", "neither"])
def test_a_name_that_an_encoding_lacks_fails_its_table_alone(
    encoded: Lab, request: pytest.FixtureRequest, what: str
) -> None:
    """With an exact error, on record too; the others are loaded, and the run ends as any other."""
    name = request.node.callspec.params["encoded"]
    odd, column = ("\U0001f600b", "c") if what == "table" else ("odd", "\U0001f600c" if what == "column" else "c")
    # utf8mb3, in which MySQL keeps names, has no emoji: a letter that neither encoding has stands for it.
    odd, column = odd.replace("\U0001f600", "\u0e01"), column.replace("\U0001f600", "\u0e01")
    encoded.mysql("CREATE TABLE a (id int PRIMARY KEY, c int)", "INSERT INTO a VALUES (1, 1)")
    encoded.mysql(f"CREATE TABLE `{odd}` (id int PRIMARY KEY, `{column}` int)", f"INSERT INTO `{odd}` VALUES (1, 1)")
    done = encoded.load()
    told = done.summary.tables
    assert told["a"].outcome == "loaded", told["a"].message
    fits = what == "neither" or name == "SQL_ASCII"
    assert told[odd].outcome == ("loaded" if fits else "failed"), told[odd].message
    if not fits:
        assert name in told[odd].message
        assert "\u0e01" in told[odd].message or "0xe0 0xb8 0x81" in told[odd].message
    assert len(encoded.pg("SELECT 1 FROM bulketl.table_load WHERE run = %s", (done.summary.run,))) == 2
    assert encoded.pg("SELECT outcome FROM bulketl.run") == [("done" if fits else "partly done",)]


CHANGES = {"extraction_strategy": "incremental", "incremental_column": "n"}
WAYS: dict[str, tuple[int, dict[str, Any]]] = {  # rows of a partition, 0 for a small table, and the rule
    "swap": (4, {}),
    "refill": (4, {"publish": "refill"}),
    "merge": (4, CHANGES),
    "mark": (4, {"deletes": "mark"}),
    "append": (4, {"table_importance": "audit"}),
    "chunks": (4, {**CHANGES, "extraction_strategy": "chunked_incremental", "lookback": 0}),
    "adbc": (0, {"casts": {"j": "jsonb"}}),
}


@pytest.mark.parametrize("encoded", ["LATIN1", "EUC_KR"], indirect=True)
@pytest.mark.parametrize("way", sorted(WAYS))
def test_in_every_way_of_writing_it_is_one_reject(encoded: Lab, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the second load, and all other rows are there; a comparison with the source finds nothing else."""
    size, rule = WAYS[way]
    if size:
        small_partitions(monkeypatch, size)
    encoded.mysql("CREATE TABLE t (id varchar(20) PRIMARY KEY, c varchar(99), n int UNIQUE, j longtext)")
    encoded.mysql("INSERT INTO t SELECT CONCAT('k', 100 + seq), 'plain', seq, '[]' FROM seq_1_to_20")
    rules = {"t": {"max_rejects": "50%", **rule}}
    encoded.load(rules=rules)
    encoded.insert("t", [("k200", "new", 41, "[]"), (BAD_KEY, BAD, 50, f'["{BAD[:7]}"]'), ("k201", "new", 60, "[]")])
    done = encoded.load(rules=rules)
    told = done.summary.tables["t"]
    assert (told.outcome, told.rejects) == ("loaded", 1), told.message
    assert encoded.pg("SELECT count(*), count(*) FILTER (WHERE n > 20) FROM {s}.t") == [(22, 2)]
    (found,) = bulketl.show_rejects(encoded.config(), ["t"], done.summary.run)
    assert (found.key, found.row["c"], found.row["n"]) == ({"id": BAD_KEY}, BAD, 50)
    verdict = bulketl.verify(encoded.config(rules=rules))
    assert verdict.equal, verdict.to_json()


@pytest.mark.parametrize("encoded", ["UTF8", "LATIN1"], indirect=True)
def test_a_plan_with_keys_that_its_ledger_cannot_hold_as_they_are_is_read_by_all(
    encoded: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between NUL and letters beyond LATIN1 lie the ranges: who asks for nights, judges, watches or resumes is answered."""
    small_partitions(monkeypatch, 4)
    encoded.mysql("CREATE TABLE t (id varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY)")
    encoded.insert("t", [(f"k\0{n}\u4e2d",) for n in range(100, 140)])
    config = encoded.config(rules={"t": {"max_rejects": "100%"}})
    for _ in range(2):
        bulketl.load(config, bulketl.make_plan(config))
    ((plan, tables),) = encoded.pg("SELECT document::text, summary -> 'tables' FROM bulketl.run ORDER BY started_at LIMIT 1")
    assert ("\\u0000" in plan, "\\u4e2d" in plan, tables) == (True, True, 1)
    assert find_anomalies(config) == []
    assert encoded.pg("SELECT count(*) FROM bulketl.run WHERE judged_at IS NOT NULL") == [(2,)]
    (seen,) = [next(looks(config, pause=lambda: None))]
    assert set(seen.usual) == {"t", ""}
    assert compare_with_last(config, bulketl.make_plan(config)).run


def test_no_statement_looks_into_the_json_of_a_plan() -> None:
    """Postgres reads none that has an escape of NUL, or of what the encoding of its database lacks."""
    looks_into = re.compile(r"\bdocument('|::json\w*)? *(->|#>|@>|\?)|\bjson_\w+\([^)]*\bdocument\b")
    texts = {file.name: file.read_text() for file in Path(bulketl.__file__).parent.rglob("*.py")}
    assert looks_into.search("json_array_elements(r.document -> 'groups')")
    assert [name for name, text in texts.items() if looks_into.search(text)] == []
