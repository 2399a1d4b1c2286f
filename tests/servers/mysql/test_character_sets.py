"""Text of every type in every character set of the server, as value and as key; and every type name the server takes."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import pymysql
import pytest
from lab import Lab

import bulketl
import bulketl.tables.casts
import bulketl.tables.types
from bulketl import validate
from bulketl.mysql.source import MySQLSource

TYPES = ("char(12)", "varchar(40)", "tinytext", "text", "mediumtext", "longtext")
WORDS = ("plain", "", "é€ü", "Жя", "日本語", "😀", "שלום", "ｶﾅ", "trail ")
MEMBERS = "('a','é','b c','it''s, (x)','unsigned)')"


def sets(lab: Lab) -> list[str]:
    """Return every character set of the server but `filename`, which no column can have."""
    return [row[0] for row in lab.mysql("SHOW CHARACTER SET") if row[0] != "filename"]


@pytest.fixture
def texts(lab: Lab) -> Lab:
    """A table per character set with a column of each text type, and one with it in the key, with every word and byte."""
    with closing(lab.server.connect(lab.database)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = ''")
        for charset in sets(lab):
            columns = [f"c{n} {kind} CHARACTER SET {charset}" for n, kind in enumerate(TYPES)]
            columns.append(f"e enum{MEMBERS} CHARACTER SET {charset}")
            columns.append(f"s set('a','é','(x) unsigned') CHARACTER SET {charset}")
            columns.append("g varchar(60) GENERATED ALWAYS AS (CONCAT('<', c1, '>')) STORED")
            cursor.execute(f"CREATE TABLE v_{charset} (id int PRIMARY KEY AUTO_INCREMENT, {', '.join(columns)})")
            names = ", ".join(f"c{n}" for n in range(len(TYPES)))
            for n, word in enumerate(WORDS):
                values = ", ".join(["%s"] * len(TYPES))
                cursor.execute(
                    f"INSERT INTO v_{charset} ({names}, e, s) VALUES ({values}, %s, %s)",
                    [
                        *[word] * len(TYPES),
                        ("a", "é", "b c", "it's, (x)", "unsigned)", None)[n % 6],
                        ("a,é", "", None)[n % 3],
                    ],
                )
            cursor.execute(
                f"CREATE TABLE k_{charset} (w varchar(40) CHARACTER SET {charset}, e enum{MEMBERS} CHARACTER SET {charset},"
                " n int, PRIMARY KEY (w, e))"
            )
            bytes_ = ", ".join(f"(CONVERT(X'{byte:02x}' USING {charset}))" for byte in (*range(1, 32), *range(127, 256)))
            cursor.execute(f"INSERT IGNORE INTO v_{charset} (c1) VALUES {bytes_}")
            # Some sets have a character twice, and the server finds only one of the two by that character.
            there = f"CAST(CONVERT(CONVERT(c1 USING utf8mb4) USING {charset}) AS BINARY) = CAST(c1 AS BINARY)"
            cursor.execute(f"INSERT IGNORE INTO k_{charset} SELECT c1, 'é', id FROM v_{charset} WHERE {there}")
    return lab


def test_text_of_every_type_in_every_character_set_is_loaded_and_found_equal(
    texts: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As values and as keys; what is planted in a key or value of any of them is named by its key, and mended."""
    monkeypatch.setattr("bulketl.verifying.looks.PAUSE_SECONDS", 0)  # nobody writes here
    names = sets(texts)
    rules: dict[str, Any] = {f"{at}_{name}": {} for name in names for at in "vk"}
    done = texts.load(rules=rules)
    assert done.summary.outcome == "done", done.summary.failed
    for table in rules:
        assert texts.differences(table) == [], table
    assert [verdict.table for verdict in bulketl.verify(texts.config(rules=rules)).tables if not verdict.equal] == []
    for name in names:
        texts.pg(f"UPDATE {{s}}.v_{name} SET e = 'é ' WHERE id = 2; UPDATE {{s}}.k_{name} SET n = -1")
    found = {verdict.table: verdict for verdict in bulketl.verify(texts.config(rules=rules)).tables}
    for name in names:
        ((row,), keyed) = (found[f"v_{name}"].rows, found[f"k_{name}"])
        assert (row.key, row.columns) == (("2",), ("e",))
        assert {one.columns for one in keyed.rows} == {("n",)}
        assert keyed.differing == keyed.compared > 0
    bulketl.verify(texts.config(rules=rules), repair=True)
    for table in rules:
        assert texts.differences(table) == [], table


def test_members_that_are_no_text_are_rejects_that_say_so(lab: Lab) -> None:
    """An ENUM of character set binary holds bytes."""
    lab.mysql(
        "CREATE TABLE image (id int PRIMARY KEY, kind enum('a', X'FF41', 'é') CHARACTER SET binary)",
        "INSERT INTO image VALUES (1, 1), (2, 2), (3, 3), (4, NULL)",
    )
    done = lab.load(rules={"image": {"max_rejects": 5}})
    assert lab.pg("SELECT id, kind FROM {s}.image ORDER BY id") == [(1, "a"), (3, "é"), (4, None)]
    ((value, reason),) = lab.pg("SELECT value, reason FROM bulketl.reject WHERE run = %s", (done.summary.run,))
    assert (value, reason) == ("\\xff41", "holds bytes that are no UTF-8 text")
    lab.load(rules={"image": {"casts": {"kind": "bytea"}}})
    assert lab.pg("SELECT kind FROM {s}.image WHERE id = 2") == [(b"\xffA",)]


def test_a_mismatch_that_is_ours_is_said_to_be_and_no_row_is_rejected(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever may be rejected: the rows are not at fault, and nobody has altered the table."""
    monkeypatch.setattr("bulketl.mysql.discover.typed", lambda kind, charset: kind)
    lab.mysql("CREATE TABLE image (id int PRIMARY KEY, kind enum('a') CHARACTER SET binary)")
    lab.mysql("INSERT INTO image VALUES (1, 'a')")
    lab.mysql("CREATE TABLE fine (id int PRIMARY KEY)", "INSERT INTO fine VALUES (1)")
    done = lab.load(rules={"image": {"max_rejects": "100%"}})
    (failed,) = done.summary.failed
    assert (failed.table, failed.error, failed.rejects) == ("image", "MismatchError", 0)
    assert "'kind', enum('a'), arrives as large_binary, which cannot go into text" in failed.message
    assert "mistake in bulketl" in failed.hint
    assert "Report it" in failed.hint
    assert lab.pg("SELECT count(*) FROM bulketl.reject WHERE run = %s", (done.summary.run,)) == [(0,)]
    assert lab.tables() == {"fine"}


def test_a_column_altered_while_the_run_was_on_is_said_to_be(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is asked, so that it is no guess."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(9))", "INSERT INTO t VALUES (1, 'a')")
    read = MySQLSource.read

    def altered(self: MySQLSource, *args: Any) -> Any:
        lab.mysql("ALTER TABLE t MODIFY c varbinary(9)")
        return read(self, *args)

    monkeypatch.setattr(MySQLSource, "read", altered)
    (failed,) = lab.load(rules={"t": {"max_rejects": "100%"}}).summary.failed
    assert "altered at the source while the run was on: column 'c' was varchar(9) and is varbinary(9) now" in failed.message
    assert (failed.error, failed.rejects, failed.hint) == ("DataError", 0, "load the table again")


def test_every_type_the_server_names_is_loaded_or_refused_alike_by_plan_and_validate(lab: Lab) -> None:
    """Every word of its grammar is tried as a type, alone and with sizes, members and attributes."""
    words = [row[0] for row in lab.mysql("SELECT word FROM information_schema.keywords")]
    words += [
        row[0] for row in lab.mysql("SELECT plugin_name FROM information_schema.plugins WHERE plugin_type LIKE 'DATA%'")
    ]
    words += [rule.source for rule in bulketl.tables.casts.RULES] + [
        "xmltype",
        "double precision",
        "national varchar",
        "char varying",
    ]
    kinds: dict[str, str] = {}  # as the server shows it: as it was asked for
    with closing(lab.server.connect(lab.database)) as connection, connection.cursor() as cursor:
        for word in dict.fromkeys(words):
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_ ]*", word) or word.upper() == "SERIAL":
                continue
            for kind in (word, f"{word}(3)", f"{word}('a','b')"):
                try:
                    cursor.execute(f"CREATE TEMPORARY TABLE tried (c {kind} NULL)")
                except pymysql.MySQLError:
                    continue
                cursor.execute("SHOW COLUMNS FROM tried")
                kinds.setdefault(cursor.fetchall()[0][1], kind)
                cursor.execute("DROP TEMPORARY TABLE tried")
    assert {bulketl.tables.types.parse_type(kind).base for kind in kinds} >= {
        "int",
        "enum",
        "set",
        "multipolygon",
        "year",
        "decimal",
    }
    found = {f"t{n}": kind for n, kind in enumerate(kinds.values())}
    for table, kind in found.items():
        lab.mysql(f"CREATE TABLE {table} (id int PRIMARY KEY, c {kind} NULL)", f"INSERT INTO {table} VALUES (1, NULL)")
    done = lab.load()
    refused = {refusal.table for refusal in done.plan.refused}
    told = {item.table for item in validate(lab.config()) if item.severity == "error"}
    assert refused == told
    assert {name for name, item in done.summary.tables.items() if item.outcome == "loaded"} == set(found) - refused
    for refusal in done.plan.refused:
        assert "which no cast rule takes" in refusal.message, found[refusal.table]
    assert {found[table] for table in refused} <= {"xmltype"}


def test_a_type_that_no_rule_takes_is_refused_alike_by_plan_and_validate(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the types of servers to come: here one of today's, without its rules."""
    monkeypatch.setattr(
        "bulketl.tables.casts.RULES", tuple(rule for rule in bulketl.tables.casts.RULES if rule.source != "year")
    )
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c year)", "CREATE TABLE fine (id int PRIMARY KEY)")
    done = lab.load()
    (refusal,) = done.plan.refused
    assert "column 'c' has the type 'year" in refusal.message
    assert [item.message for item in validate(lab.config()) if item.severity == "error"] == [refusal.message]
    assert lab.tables() == {"fine"}
