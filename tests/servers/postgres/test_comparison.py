"""The comparison of a table with its source: no difference where there is none, for any type, and every one for any key."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from lab import Lab
from matrix import CASES, create
from nights import INCREMENTAL, a_day_later, night

MIRROR = {**INCREMENTAL, "deletes": {"policy": "mirror", "every": "1s"}}
NONE = {"missing": 0, "differing": 0, "gone": 0}

KEYS: dict[str, tuple[str, list[str]]] = {
    "int": ("k int", ["0", "1", "-1", "-5000", "2147483647", "-2147483648", "4096", "4095", "-4096"]),
    "tinyint": ("k tinyint", ["-128", "-1", "0", "1", "127", "2", "3", "4"]),
    "bigint": ("k bigint", ["-9223372036854775808", "9223372036854775807", "0", "5", "6", "-7", "-8"]),
    "bigint unsigned": ("k bigint unsigned", ["0", "18446744073709551615", "9223372036854775808", "7", "8", "9"]),
    "int unsigned": ("k int unsigned", ["0", "4294967295", "7", "8", "9", "10"]),
    "text": ("k varchar(40)", ["'a'", "'B'", "'Öä'", "'ß'", "'日本'", "'😀'", "'it''s'", "'back\\\\slash'", "''", "'50%'"]),
    "text with case": ("k varchar(40) COLLATE utf8mb4_bin", ["'a'", "'A'", "'ä'", "'Ä'", "' a'", "'á'", "'\\''", "'$x$'"]),
    "char": ("k char(5)", ["'a'", "'b'", "'abcde'", "''", "'é'", "'x y'", "'1'"]),
    "date": ("k date", ["'2024-01-01'", "'1000-01-01'", "'9999-12-31'", "'2024-02-29'", "'1999-01-01'", "'2000-01-01'"]),
    "datetime": ("k datetime(6)", [f"'2024-01-01 00:00:00.00000{n}'" for n in range(8)]),
    "timestamp": ("k timestamp(3)", [f"'2024-01-01 00:00:0{n}.5'" for n in range(8)]),
    "decimal": ("k decimal(20,4)", ["0", "-0.0001", "1.5", "1.6", "9999999999999999.9999", "-3", "100"]),
    "binary": ("k binary(4)", ["X'00000000'", "X'FFFFFFFF'", "X'5C275C27'", "X'61626300'", "X'00010203'", "X'0A0D0900'"]),
    "varbinary": ("k varbinary(10)", ["X''", "X'00'", "X'0000'", "X'5C'", "X'FF'", "X'27'"]),
    "year": ("k year", ["1901", "2155", "2024", "2000", "1970", "2001"]),
    "enum": ("k enum('x','y','ä','1')", ["'x'", "'y'", "'ä'", "'1'"]),
    "time": ("k time", ["'00:00:00'", "'-10:00:00'", "'838:59:59'", "'10:00:00'", "'11:00:00'", "'12:00:00'"]),
    "bit": ("k bit(8)", ["0", "1", "2", "255", "77", "92"]),
    "composite": ("k int, k2 varchar(10), k3 date", [f"{n % 3 - 1}, 'Ö{n}', '2024-01-0{n + 1}'" for n in range(8)]),
}


@pytest.mark.parametrize("kind", KEYS)
def test_rows_that_are_missing_differ_or_are_gone_are_found_by_a_key_of_any_kind(lab: Lab, kind: str) -> None:
    """One row each; the others are left alone."""
    columns, values = KEYS[kind]
    names = "k, k2, k3" if kind == "composite" else "k"
    lab.mysql(
        f"CREATE TABLE t ({columns}, c varchar(20), at datetime, PRIMARY KEY ({names}))",
        *(f"INSERT INTO t VALUES ({value}, 'n{n}', '2024-01-01')" for n, value in enumerate(values)),
    )
    rule = {**MIRROR, "lookback": "0s"}
    night(lab, rule)
    lab.mysql("UPDATE t SET at = '2023-01-01' WHERE c <> 'n0'")
    night(lab, rule, full=True)
    lab.pg("DELETE FROM {s}.t WHERE c = 'n1'; UPDATE {s}.t SET c = 'altered' WHERE c = 'n2'")
    lab.mysql("DELETE FROM t WHERE c = 'n3'")
    a_day_later(lab)
    done = night(lab, rule)
    assert done.summary.tables["t"].compared == {"missing": 1, "differing": 1, "gone": 1}
    assert lab.differences("t") == []
    a_day_later(lab)
    assert night(lab, rule).summary.tables["t"].compared == NONE


def test_equal_tables_have_no_differences_whatever_their_types(lab: Lab) -> None:
    """Every case of the type matrix: both servers make the same text of every value, or leave the column out."""
    refused: dict[int, str] = {}
    rules: dict[str, Any] = {}
    with closing(lab.server.connect(lab.database)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
        for n, case in enumerate(CASES):
            if case.only in (None, lab.server.kind):
                create(cursor, n, case, refused)
                rules[f"t{n}"] = {**MIRROR, "incremental_column": "id", "max_rejects": 100}
                rules[f"t{n}"] |= {"casts": {"c": case.to}} if case.to else {}
    rules = {table: rule for table, rule in rules.items() if int(table[1:]) not in refused}
    lab.load(rules=rules)
    a_day_later(lab)
    done = lab.load(rules=rules)
    failed = [(table.table, table.message) for table in done.summary.failed]
    assert failed == []
    wrong = {}
    for table, told in done.summary.tables.items():
        case = CASES[int(table[1:])]
        ((rejected,),) = lab.pg(
            "SELECT count(*) FROM bulketl.reject WHERE run = %s AND table_name = %s AND schema_name = %s",
            (done.summary.run, table, lab.schema),
        )
        if case.pg in ("real", "double precision"):  # the smallest of all have another exponent in MySQL's words
            told.compared["differing"] = max(0, told.compared["differing"] - 1)
        again = {"rejected": rejected // 2} if rejected else {}  # by the load, and by the comparison once more
        if told.compared != {"missing": rejected // 2, "differing": 0, "gone": 0, **again}:
            wrong[f"{case.type} -> {case.pg}"] = told.compared, rejected, [sql for sql, _ in case.values]
    assert wrong == {}, "\n".join(f"{kind}: {told}" for kind, told in wrong.items())


def test_a_table_of_more_than_a_hundred_columns_is_compared(lab: Lab) -> None:
    """Functions of Postgres take a hundred arguments."""
    columns = ", ".join(f"c{n} int" for n in range(150))
    lab.mysql(
        f"CREATE TABLE t (id int PRIMARY KEY, at datetime, {columns})", "INSERT INTO t (id, at, c149) VALUES (1, NOW(), 5)"
    )
    night(lab, MIRROR)
    lab.mysql("UPDATE t SET c149 = 6, at = at - INTERVAL 0 DAY")
    a_day_later(lab)
    night(lab, MIRROR)
    assert lab.differences("t") == []


@pytest.mark.parametrize("other", ["'\\x01'", "'\\x02'", "'-'", "'='", "''", "'a\\x01=b'", "'a\\x01'"])
def test_any_text_is_told_from_null_and_from_its_neighbours(lab: Lab, other: str) -> None:
    """Whatever stands between values in the hash."""
    text = eval(other).encode().hex()
    rows = "(1, NULL, 'b', '2020-01-01'), (2, 'a', 'b', '2020-01-01'), (3, 'z', 'z', NOW())"
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, a varchar(9) NULL, b varchar(9) NULL, at datetime)",
              f"INSERT INTO t VALUES {rows}")  # fmt: skip
    night(lab, {**MIRROR, "lookback": "0s"})
    lab.mysql(f"UPDATE t SET a = X'{text}' WHERE id = 1", f"UPDATE t SET a = X'{text}', b = '' WHERE id = 2")
    a_day_later(lab)
    night(lab, {**MIRROR, "lookback": "0s"})
    assert lab.differences("t") == []


def test_keys_of_times_with_fractions_are_compared(lab: Lab) -> None:
    """Negative ones too."""
    rows = ", ".join(f"('{k}', 1, NOW())" for k in ("-00:00:00.500", "00:00:00.500", "838:00:00.001"))
    lab.mysql("CREATE TABLE t (k time(3) PRIMARY KEY, c int, at datetime)", f"INSERT INTO t VALUES {rows}")
    night(lab, MIRROR)
    a_day_later(lab)
    compared = night(lab, MIRROR).summary.tables["t"].compared
    assert compared == {"missing": 0, "differing": 0, "gone": 0}
    lab.mysql("DELETE FROM t WHERE k > 0 AND c = 1 LIMIT 1")
    a_day_later(lab)
    night(lab, MIRROR)
    assert lab.pg("SELECT count(*) FROM {s}.t") == [(2,)]


def test_a_key_that_is_a_float_is_not_compared(maria_lab: Lab) -> None:
    """Nothing is taken for gone that is there."""
    maria_lab.mysql(
        "CREATE TABLE t (k double PRIMARY KEY, at datetime)", "INSERT INTO t SELECT seq * 1e-9, NOW() FROM seq_1_to_100"
    )
    rule = {**MIRROR, "table_importance": "audit"}
    night(maria_lab, rule)
    a_day_later(maria_lab)
    assert night(maria_lab, rule).summary.tables["t"].compared == {}
    assert maria_lab.pg("SELECT count(*) FROM bulketl.audit_trail WHERE schema_name = '{s}'") == [(0,)]
