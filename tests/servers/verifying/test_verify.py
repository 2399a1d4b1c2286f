"""`bulketl verify`: whatever is wrong in a loaded table is found, named by key and column, and repaired; nothing else is."""

from __future__ import annotations

import json
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from lab import Lab
from matrix import CASES, create
from nights import INCREMENTAL

import bulketl
from bulketl.postgres.compare import digests as target_digests
from bulketl.verifying.verdicts import Level, TableVerdict, Verification

CREATE = (
    "CREATE TABLE t (id int PRIMARY KEY, word varchar(40), note text, raw varbinary(20), amount decimal(10,2),"
    " ratio double, small float, born date, seen datetime(6), stamped timestamp(3) NULL, lasts time, yes boolean,"
    " doc json, code char(5))"
)
ROW = (
    "({n}, 'Ada {n}', 'Zoë said: it''s {n}', X'00FF0A{n:02x}', {n}.50, {n}.125, {n}.1, '2024-03-1{n}', "
    "'2024-03-10 08:00:0{n}.123456', '2024-03-10 09:00:0{n}.500', '-10:00:0{n}', {n} % 2, '{{\"a\": {n}}}', 'c{n}')"
)
RULES = {"t": {"casts": {"doc": "jsonb", "yes": "boolean"}}}
NFC, NFD = "Zo\u00eb", "Zoe\u0308"

# What is done to the target, and what must be said of it: (kind, key, columns). {s} is the schema.
CORRUPTIONS: dict[str, tuple[str, list[tuple[str, str, tuple[str, ...]]]]] = {
    "a lost row": ("DELETE FROM {s}.t WHERE id = 3", [("missing", "3", ())]),
    "an extra row": ("INSERT INTO {s}.t (id) VALUES (99)", [("extra", "99", ())]),
    "one changed character": ("UPDATE {s}.t SET word = 'Ada 4' WHERE id = 3", [("differs", "3", ("word",))]),
    "one changed byte": ("UPDATE {s}.t SET raw = '\\x00FF0B03' WHERE id = 3", [("differs", "3", ("raw",))]),
    "bytes reversed": ("UPDATE {s}.t SET raw = '\\x030AFF00' WHERE id = 3", [("differs", "3", ("raw",))]),
    "a byte lost at the end": ("UPDATE {s}.t SET raw = '\\x00FF0A' WHERE id = 3", [("differs", "3", ("raw",))]),
    "a swapped pair": (
        "UPDATE {s}.t a SET word = b.word FROM {s}.t b WHERE (a.id, b.id) IN ((3, 4), (4, 3))",
        [("differs", "3", ("word",)), ("differs", "4", ("word",))],
    ),
    "two columns swapped": (
        "UPDATE {s}.t SET word = code, code = 'Ada 3' WHERE id = 3",
        [("differs", "3", ("word", "code"))],
    ),
    "NULL for a value": ("UPDATE {s}.t SET ratio = NULL WHERE id = 3", [("differs", "3", ("ratio",))]),
    "NULL for ''": ("UPDATE {s}.t SET word = NULL WHERE id = 8", [("differs", "8", ("word",))]),
    "'' for NULL": ("UPDATE {s}.t SET word = '' WHERE id = 9", [("differs", "9", ("word",))]),
    "an hour shifted": ("UPDATE {s}.t SET seen = seen + interval '1 hour' WHERE id = 3", [("differs", "3", ("seen",))]),
    "a zone shifted everywhere": (
        "UPDATE {s}.t SET stamped = stamped AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin'",
        [("differs", str(n), ("stamped",)) for n in range(1, 8)],
    ),
    "microseconds lost": ("UPDATE {s}.t SET seen = date_trunc('second', seen) WHERE id = 3", [("differs", "3", ("seen",))]),
    "a day off": ("UPDATE {s}.t SET born = born - 1 WHERE id = 3", [("differs", "3", ("born",))]),
    "a duration without its sign": ("UPDATE {s}.t SET lasts = -lasts WHERE id = 3", [("differs", "3", ("lasts",))]),
    "a text cut": ("UPDATE {s}.t SET note = left(note, 8) WHERE id = 3", [("differs", "3", ("note",))]),
    "a blank at the end": ("UPDATE {s}.t SET word = word || ' ' WHERE id = 3", [("differs", "3", ("word",))]),
    "changed case": ("UPDATE {s}.t SET word = lower(word) WHERE id = 3", [("differs", "3", ("word",))]),
    "a letter taken apart": ("UPDATE {s}.t SET note = normalize(note, NFD) WHERE id = 3", [("differs", "3", ("note",))]),
    "a rounded decimal": ("UPDATE {s}.t SET amount = round(amount) WHERE id = 3", [("differs", "3", ("amount",))]),
    "one off": ("UPDATE {s}.t SET amount = amount + 1 WHERE id = 3", [("differs", "3", ("amount",))]),
    "-0.0 for 0.0": ("UPDATE {s}.t SET ratio = '-0' WHERE id = 8", [("differs", "8", ("ratio",))]),
    "the next float": ("UPDATE {s}.t SET ratio = 3.1250000000000004 WHERE id = 3", [("differs", "3", ("ratio",))]),
    "true for false": ("UPDATE {s}.t SET yes = NOT yes WHERE id = 3", [("differs", "3", ("yes",))]),
    "a value in JSON": ("UPDATE {s}.t SET doc = '{\"a\": 4}' WHERE id = 3", [("differs", "3", ("doc",))]),
    "another's key": ("UPDATE {s}.t SET id = 33 WHERE id = 3", [("missing", "3", ()), ("extra", "33", ())]),
    "another's row under its key": (
        "UPDATE {s}.t SET (word, note, raw, amount) = (SELECT word, note, raw, amount FROM {s}.t WHERE id = 5) WHERE id = 3",
        [("differs", "3", ("word", "note", "raw", "amount"))],
    ),
    "all rows": ("TRUNCATE {s}.t", [("missing", str(n), ()) for n in range(1, 10)]),
}
# Which lower level finds it, as docs/verify.md says.
BY_COUNT = {"a lost row", "an extra row", "all rows"}
BY_KEYS = BY_COUNT | {"another's key"}
NOT_BY_SUMS = {"one changed character", "one changed byte", "bytes reversed", "a swapped pair", "changed case",
               "-0.0 for 0.0", "the next float", "a value in JSON"}  # fmt: skip


def fill(lab: Lab) -> None:
    """Nine rows; the eighth has nothing in its texts and zeros, the ninth NULLs."""
    lab.mysql(
        CREATE,
        f"INSERT INTO t VALUES {', '.join(ROW.format(n=n) for n in range(1, 8))}",
        "INSERT INTO t (id, word, note, raw, amount, ratio) VALUES (8, '', '', '', 0, 0), (9, NULL, NULL, NULL, NULL, 9)",
    )


def verify(lab: Lab, rules: dict[str, Any] | None = None, **options: Any) -> Verification:
    return bulketl.verify(lab.config(rules=RULES if rules is None else rules), **options)


def only(result: Verification) -> TableVerdict:
    (verdict,) = result.tables
    return verdict


def named(verdict: TableVerdict) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(row.kind, row.key[0], row.columns) for row in verdict.rows]


def test_every_corruption_is_found_by_key_and_column_and_repaired(lab: Lab) -> None:
    """At level rows; and by the levels below exactly where the docs say so."""
    fill(lab)
    lab.load(rules=RULES)
    assert verify(lab).equal
    wrong: dict[str, object] = {}
    for what, (statement, expected) in CORRUPTIONS.items():
        lab.pg(statement)
        found = only(verify(lab))
        if sorted(named(found)) != sorted(expected):
            wrong[what] = named(found), found.problem
        for level, finds in {"count": what in BY_COUNT, "keys": what in BY_KEYS, "sums": what not in NOT_BY_SUMS}.items():
            lower = only(verify(lab, level=level))
            if lower.problem or lower.equal == finds:
                wrong[f"{what} at level {level}"] = lower
        repaired = verify(lab, repair=True, allow_deletes=["t"])
        after = only(verify(lab))
        if not (repaired.equal and after.equal) or repaired.repaired[0].problem:
            wrong[f"{what}, repaired"] = repaired.repaired, after
        assert lab.differences("t") == [], what
    assert wrong == {}, "\n".join(f"{what}: {told}" for what, told in wrong.items())


def test_a_table_without_a_key_is_compared_as_a_multiset_and_loaded_whole(lab: Lab) -> None:
    """A lost row, one there twice, one that is too many, a changed one; equal rows are counted."""
    lab.mysql(
        "CREATE TABLE t (a int, b varchar(20), c varchar(20), d int)",
        "INSERT INTO t VALUES (1,'x','y',1),(1,'x','y',1),(1,'x','y',1),(2,'z',NULL,0),(3,'q','q',3),(NULL,NULL,NULL,NULL)",
    )
    lab.load(rules={})
    assert verify(lab, {}).equal
    for statement, counts, columns in (
        ("INSERT INTO {s}.t SELECT * FROM {s}.t WHERE a = 2", (0, 0, 0, 1), ()),
        ("INSERT INTO {s}.t VALUES (7, 'new', 'row', 7)", (0, 0, 1, 0), ()),
        ("DELETE FROM {s}.t WHERE a = 3", (1, 0, 0, 0), ()),
        ("DELETE FROM {s}.t WHERE ctid IN (SELECT ctid FROM {s}.t WHERE a = 1 LIMIT 1)", (1, 0, 0, 0), ()),
        ("UPDATE {s}.t SET c = '' WHERE a = 2", (0, 1, 0, 0), ("c",)),
        ("UPDATE {s}.t SET b = 'X' WHERE ctid IN (SELECT ctid FROM {s}.t WHERE a = 1 LIMIT 1)", (0, 1, 0, 0), ("b",)),
        ("UPDATE {s}.t SET b = 'X' WHERE a = 1", (2, 1, 2, 0), ("b",)),
    ):  # fmt: skip
        lab.pg(statement)
        found = only(verify(lab, {}))
        assert (found.missing, found.differing, found.extra, found.doubled) == counts, (statement, found)
        assert [row.columns for row in found.rows if row.kind == "differs"] == ([columns] if columns else []), statement
        repaired = verify(lab, {}, repair=True, allow_deletes=["t"])
        assert repaired.equal, repaired
        assert repaired.repaired[0].whole
        assert lab.differences("t") == []


def test_rows_changed_for_each_other_in_a_table_without_a_key_do_not_cancel(maria_lab: Lab) -> None:
    """Two equal rows that became two other equal ones leave every XOR and every count as it was."""
    maria_lab.mysql("CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (1), (2), (2)")
    maria_lab.load(rules={})
    maria_lab.pg("UPDATE {s}.t SET a = 3 WHERE a = 1")
    assert not verify(maria_lab, {}).equal


@pytest.mark.parametrize("kind", ["float", "double"])
def test_a_float_key_is_a_key(lab: Lab, kind: str) -> None:
    """Its rows are found and repaired by it, whatever its exponent."""
    values = ["0.1", "1e-5", "-1.17e-37", "-0.00012345679", "3e15", "123456.789", "1e30", "-2.5", "0"]
    lab.mysql(f"CREATE TABLE t (k {kind} PRIMARY KEY, c varchar(5))",
              *(f"INSERT INTO t VALUES ({value}, 'n{n}')" for n, value in enumerate(values)))  # fmt: skip
    lab.load(rules={})
    assert verify(lab, {}).equal
    lab.pg("DELETE FROM {s}.t WHERE c = 'n0'; UPDATE {s}.t SET c = 'x' WHERE c IN ('n1', 'n2', 'n3')")
    found = only(verify(lab, {}))
    assert (found.missing, found.differing, found.extra) == (1, 3, 0)
    assert verify(lab, {}, repair=True).equal
    assert lab.differences("t") == []


@pytest.mark.parametrize("way", ["hashed", "read"])
def test_no_type_gives_a_false_alarm(lab: Lab, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every case of the type matrix, at every level: equal but for the rows that were rejected, which are known."""
    refused: dict[int, str] = {}
    rules: dict[str, Any] = {}
    with closing(lab.server.connect(lab.database)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
        for n, case in enumerate(CASES):
            if case.only in (None, lab.server.kind):
                create(cursor, n, case, refused)
                rules[f"t{n}"] = {"max_rejects": 100, **({"casts": {"c": case.to}} if case.to else {})}
    rules = {table: rule for table, rule in rules.items() if int(table[1:]) not in refused}
    lab.load(rules=rules)
    if way == "read":
        in_pieces(monkeypatch, 1)
    wrong = {}
    levels: tuple[Level, ...] = ("count", "sums", "keys", "rows") if way == "hashed" else ("rows",)
    for level in levels:
        for found in verify(lab, rules, level=level).tables:
            case = CASES[int(found.table[1:])]
            ((rejected,),) = lab.pg(
                "SELECT count(*) FROM bulketl.reject WHERE table_name = %s AND schema_name = %s", (found.table, lab.schema)
            )
            if not found.equal or found.rejected != rejected:
                wrong[f"{case.type} -> {case.pg} at {level}"] = found
    assert wrong == {}, "\n".join(f"{kind}: {told}" for kind, told in list(wrong.items())[:10])


def in_pieces(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Have tables of more than twice so many rows read in pieces of so many, however slowly they come."""
    monkeypatch.setattr("bulketl.tables.partitions.MOST_ROWS", rows)
    monkeypatch.setattr("bulketl.verifying.ranges.SLOW", 0)


def asked_for_hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that will have the condition of each piece that the target hashes."""
    hashed: list[str] = []
    digests = target_digests.digests
    monkeypatch.setattr(
        target_digests,
        "digests",
        lambda *given: hashed.append(given[3]) or digests(*given),  # type: ignore[func-returns-value]
    )
    return hashed


PLAIN = {
    "word": "'x'", "note": "note || ' '", "raw": "'\\x00'", "amount": "amount + 0.01", "ratio": "ratio + 1e-9",
    "born": "born + 1", "seen": "seen + interval '1 microsecond'", "code": "lower(code)", "big": "big - 1",
    "yes": "NOT yes", "zero": "'-0'", "lasts": "-lasts", "ident": "gen_random_uuid()", "wide": "wide + 1",
}  # fmt: skip


def test_a_large_table_of_plain_types_is_read_and_not_hashed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are pieces that differ; every kind of column, lost and other rows are found so."""
    lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, word varchar(40), note text, raw blob, amount decimal(40,2), ratio double,"
        " zero float, born date, seen datetime(6), code char(5), big bigint unsigned, yes boolean,"
        " lasts time(3), ident binary(16), wide int) ENGINE=MyISAM",
        *(
            f"INSERT INTO t VALUES ({n * 5000}, 'Ä {n}', 'n\n{n}', X'00{n + 20:02x}', {n}.10, {n}.1, 0,"
            f" '2024-01-{n + 15}', '2024-01-01 00:00:{n + 15}.5', 'C{n}', 18446744073709551615, {n % 2},"
            f" '-10:00:{n + 15}.5', X'{n + 20:032x}', {n})"
            for n in range(-12, 13)
        ),
        "INSERT INTO t (id) VALUES (100000)",
    )
    rules = {"t": {"casts": {"yes": "boolean", "ident": "uuid", "wide": "numeric(20,0)"}}}
    lab.load(rules=rules)
    in_pieces(monkeypatch, 4)
    hashed = asked_for_hashes(monkeypatch)
    found = only(verify(lab, rules))
    assert (found.equal, found.compared, found.there, hashed) == (True, 26, 26, [])
    for column, changed in PLAIN.items():
        lab.pg(f"UPDATE {{s}}.t SET {column} = {changed} WHERE id = -15000")
        assert named(only(verify(lab, rules))) == [("differs", "-15000", (column,))], column
        assert hashed == [], column
        assert verify(lab, rules, repair=True).equal, column
        hashed.clear()
    lab.pg("DELETE FROM {s}.t WHERE id IN (-60000, 0, 100000); INSERT INTO {s}.t (id) VALUES (-99999), (7), (99999999)")
    found = only(verify(lab, rules))
    assert (found.missing, found.differing, found.extra) == (3, 0, 3)
    assert (found.compared, found.there) == (26, 26)
    assert verify(lab, rules, repair=True).equal
    assert lab.differences("t") == []


@pytest.mark.parametrize(("slow", "times", "pieces"), [(1e300, 0, 7), (1e300, 1e300, 1), (0, 0, 0)])
def test_over_a_slow_link_rows_are_hashed_where_they_are(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, slow: float, times: float, pieces: int
) -> None:
    """All pieces after the first, when it came slowly and hashing the second was much faster; what differs is found."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, word varchar(40)) ENGINE=MyISAM",
        *(f"INSERT INTO t VALUES ({n}, 'word {n}')" for n in range(30)),
    )
    maria_lab.load(rules={})
    in_pieces(monkeypatch, 4)
    monkeypatch.setattr("bulketl.verifying.ranges.SLOW", slow)
    monkeypatch.setattr("bulketl.verifying.ranges.FASTER", times)
    hashed = asked_for_hashes(monkeypatch)
    found = only(verify(maria_lab, {}))
    assert (found.equal, found.compared, found.there) == (True, 30, 30)
    assert len(set(hashed)) == pieces
    maria_lab.pg("UPDATE {s}.t SET word = upper(word) WHERE id IN (1, 5, 29); DELETE FROM {s}.t WHERE id = 17")
    found = only(verify(maria_lab, {}))
    assert sorted(named(found)) == [
        ("differs", "1", ("word",)), ("differs", "29", ("word",)), ("differs", "5", ("word",)), ("missing", "17", ()),
    ]  # fmt: skip
    assert (found.compared, found.there) == (30, 29)


def test_text_that_is_declared_jsonb_is_compared_although_no_hash_covers_it(lab: Lab) -> None:
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, doc text)",
              *(f"INSERT INTO t VALUES ({n}, '{{\"b\":{n}, \"aa\" : [1, 2.50,{n}]}}')" for n in range(20)))  # fmt: skip
    rules = {"t": {"casts": {"doc": "jsonb"}}}
    lab.load(rules=rules)
    assert verify(lab, rules).equal
    lab.pg("UPDATE {s}.t SET doc = jsonb_set(doc, '{aa,1}', '2.51') WHERE id = 7")
    assert named(only(verify(lab, rules))) == [("differs", "7", ("doc",))]
    assert verify(lab, rules, repair=True).equal
    assert lab.pg("SELECT doc->'aa'->>1 FROM {s}.t WHERE id = 7") == [("2.50",)]


def test_values_are_shown_only_when_asked_for(lab: Lab) -> None:
    fill(lab)
    lab.load(rules=RULES)
    lab.pg("UPDATE {s}.t SET word = 'Secret 1' WHERE id = 3")
    assert "Ada" not in json.dumps(verify(lab).to_json())
    assert "Secret" not in json.dumps(verify(lab).to_json())
    (row,) = only(verify(lab, show_values=True)).rows
    assert (row.columns, row.source, row.target) == (("word",), ("Ada 3",), ("Secret 1",))
    lab.pg("UPDATE {s}.t SET amount = 7 WHERE id = 3")
    sums = only(verify(lab, level="sums"))
    assert {(f.column, f.what, f.source) for f in sums.figures} >= {("amount", "sum", None), ("word", "length", None)}
    assert any(f.source is not None for f in only(verify(lab, level="sums", show_values=True)).figures)


def test_newer_rows_are_left_out_and_counted(lab: Lab) -> None:
    """Inserted and updated after the load: no difference; what is older and wrong is one all the same."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at datetime)",
              *(f"INSERT INTO t VALUES ({n}, 'n{n}', '2024-01-0{n}')" for n in range(1, 6)))  # fmt: skip
    rules = {"t": INCREMENTAL}
    lab.load(rules=rules)
    lab.mysql("INSERT INTO t VALUES (6, 'new', '2024-02-01')", "UPDATE t SET c = 'later', at = '2024-02-02' WHERE id = 2")
    for level in ("count", "sums", "keys", "rows"):
        found = only(verify(lab, rules, level=level))
        assert (found.equal, found.newer) == (True, 2), (level, found)
    lab.pg("UPDATE {s}.t SET c = 'wrong' WHERE id = 4; UPDATE {s}.t SET at = at + interval '1 hour' WHERE id = 5")
    found = only(verify(lab, rules))
    assert named(found) == [("differs", "4", ("c",)), ("differs", "5", ("at",))]
    assert verify(lab, rules, repair=True).equal
    assert lab.pg("SELECT c FROM {s}.t ORDER BY id") == [("n1",), ("n2",), ("n3",), ("n4",), ("n5",)]


def test_rows_that_the_rule_keeps_are_no_difference(lab: Lab) -> None:
    """Gone at the source: kept by an incremental table and by an audited one, marked by another, too many in the last."""
    for table in ("ignoring", "audited", "marking", "mirroring"):
        lab.mysql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, c varchar(20), at datetime)",
            f"INSERT INTO {table} VALUES (1, 'a', '2024-01-01'), (2, 'b', '2024-01-02'), (3, 'c', '2024-01-03')",
        )
    rules: dict[str, Any] = {
        "ignoring": INCREMENTAL,
        "audited": {**INCREMENTAL, "table_importance": "audit"},
        "marking": {**INCREMENTAL, "deletes": {"policy": "mark", "every": "1s"}},
        "mirroring": {**INCREMENTAL, "deletes": "mirror"},
    }
    lab.load(rules=rules)
    for table in rules:
        lab.mysql(f"DELETE FROM {table} WHERE id = 2")
    found = {item.table: item for item in verify(lab, rules).tables}
    assert {name: (v.extra, v.kept) for name, v in found.items()} == {
        "ignoring": (0, 1), "audited": (0, 1), "marking": (1, 0), "mirroring": (1, 0)
    }  # fmt: skip
    assert verify(lab, rules, repair=True, allow_deletes=["*"]).equal
    assert verify(lab, rules).equal
    assert lab.pg("SELECT id FROM {s}.marking WHERE _deleted_at IS NOT NULL") == [(2,)]
    assert lab.pg("SELECT count(*) FROM {s}.ignoring") == lab.pg("SELECT count(*) FROM {s}.audited") == [(3,)]
    assert lab.pg("SELECT count(*) FROM {s}.mirroring") == [(2,)]
    lab.mysql("UPDATE audited SET c = 'other', at = '2024-01-03' WHERE id = 1")
    lab.load(rules=rules)
    found = {item.table: item for item in verify(lab, rules).tables}
    assert (found["audited"].equal, found["audited"].kept) == (True, 2), found["audited"]


def test_sums_of_two_halves_are_those_of_the_whole(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large table is summed by two sessions at once; every figure is the same number then, on both sides."""
    fill(lab)
    lab.load(rules=RULES)
    lab.pg(
        "UPDATE {s}.t SET amount = 1, ratio = NULL, word = 'x', born = '1999-01-01', seen = NULL, lasts = '1 hour',"
        " yes = NULL"
    )
    whole = only(verify(lab, level="sums", show_values=True))
    assert {figure.column for figure in whole.figures} >= {"amount", "ratio", "word", "born", "seen", "lasts", "yes"}
    monkeypatch.setattr("bulketl.verifying.sums.HALVED_ROWS", 0)
    halved = only(verify(lab, level="sums", show_values=True))
    assert (halved.compared, halved.there, halved.missing, halved.extra) == (9, 9, 0, 0)
    assert [(f.column, f.what, *map(_number, (f.source, f.target))) for f in halved.figures] == [
        (f.column, f.what, *map(_number, (f.source, f.target))) for f in whole.figures
    ]


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
