"""The type matrix as data: for each cast rule the values to write at the source, and by hand what Postgres must then show.

A value is a pair: an SQL expression for the source, and the text Postgres prints for what arrived; None is NULL, REJECT says
that the row must be among the rejects instead. A row with NULL is added to every case whose column takes it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pymysql
from lab import Kind

REJECT: Final = "<the row is rejected>"
Values = list[tuple[str, str | None]]


@dataclass(frozen=True)
class Case:
    """A column of type `type`, declared `to` (empty: the default), that becomes `pg` in the words of format_type.

    `{s}` and `{t}` in `pg` are the schema and the table.
    """

    type: str
    to: str
    pg: str
    values: Values
    nuls: int = 0  # NUL bytes stripped, and invalid dates that became NULL, as the summary must count them
    invalid: int = 0
    only: Kind | None = None

    @property
    def nullable(self) -> bool:
        return "NOT NULL" not in self.type


INTEGERS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
DEFAULTS = {
    "tinyint": "smallint", "tinyint unsigned": "smallint", "smallint": "smallint", "smallint unsigned": "integer",
    "mediumint": "integer", "mediumint unsigned": "integer", "int": "integer", "int unsigned": "bigint",
    "bigint": "bigint", "bigint unsigned": "numeric(20,0)",
}  # fmt: skip
WIDTHS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63, "numeric(20,0)": 10**20}


def integers() -> Iterator[Case]:
    """Every integer type with its limits, into its default and into every other whole number and boolean."""
    for base, bits in INTEGERS.items():
        for name, low, high in ((base, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1), (base + " unsigned", 0, 2**bits - 1)):
            numbers = sorted({low, high, 0, 1, 2, *([-1] if low else []), high - 1})
            for target, limit in WIDTHS.items():
                fits: Values = [(str(n), str(n) if -limit <= n < limit else REJECT) for n in numbers]
                yield Case(name, "" if DEFAULTS[name] == target else target, target, fits)
            truths = {0: "false", 1: "true"}
            yield Case(name, "boolean", "boolean", [(str(n), truths.get(n, REJECT)) for n in numbers])
    yield Case("int(7) unsigned zerofill", "", "bigint", [("5", "5"), ("0", "0")])
    yield Case("tinyint(1)", "", "smallint", [("0", "0"), ("1", "1"), ("127", "127"), ("-1", "-1")])


NINES = "9" * 65
OTHER_NUMBERS = [
    Case("year", "", "smallint", [("0", "0"), ("1901", "1901"), ("2155", "2155")]),
    Case("year", "integer", "integer", [("0", "0"), ("1901", "1901"), ("2155", "2155")]),
    Case("bit(1)", "", "boolean", [("b'0'", "false"), ("b'1'", "true")]),
    Case("bit(1)", "bigint", "bigint", [("b'0'", "0"), ("b'1'", "1")]),
    Case("bit(8)", "", "bigint", [("0", "0"), ("255", "255"), ("b'1010'", "10")]),
    Case("bit(33)", "", "bigint", [("8589934591", "8589934591")]),
    Case("bit(63)", "", "bigint", [("9223372036854775807", "9223372036854775807"), ("0", "0")]),
    Case("bit(64)", "", "numeric(20,0)", [("18446744073709551615", "18446744073709551615"), ("5", "5"), ("0", "0")]),
    Case("bit(9)", "numeric", "numeric(20,0)", [("511", "511"), ("0", "0")]),
    Case("bit(10)", "bytea", "bytea", [("1023", "\\x03ff"), ("0", "\\x0000")]),
    Case("decimal(10,2)", "", "numeric(10,2)", [
        ("10000.50", "10000.50"), ("99999999.99", "99999999.99"), ("-99999999.99", "-99999999.99"), ("0.01", "0.01"),
        ("0", "0.00"), ("-0.01", "-0.01"),
    ]),
    Case("decimal(10,2) unsigned", "", "numeric(10,2)", [("10000.50", "10000.50"), ("0", "0.00")]),
    Case("decimal(10,2) unsigned zerofill", "", "numeric(10,2)", [("10000.50", "10000.50"), ("0", "0.00")]),
    Case("decimal(10)", "", "numeric(10,0)", [("9999999999", "9999999999"), ("-1", "-1")]),
    Case("decimal(20,15)", "", "numeric(20,15)", [("12345.123456789012345", "12345.123456789012345")]),
    Case("decimal(30,30)", "", "numeric(30,30)", [
        ("0.123456789012345678901234567891", "0.123456789012345678901234567891"), ("0", "0." + "0" * 30),
    ]),
    Case("decimal(38,10)", "", "numeric(38,10)", [
        ("9" * 28 + "." + "9" * 10, "9" * 28 + "." + "9" * 10), ("-0.0000000001", "-0.0000000001"),
    ]),
    Case("decimal(39,2)", "", "numeric(39,2)", [("9" * 37 + ".99", "9" * 37 + ".99"), ("0", "0.00"), ("-1.1", "-1.10")]),
    Case("decimal(65,0)", "", "numeric(65,0)", [(NINES, NINES), ("-" + NINES, "-" + NINES), ("0", "0"), ("1", "1")]),
    Case("decimal(65,30)", "", "numeric(65,30)", [
        (f"{'9' * 35}.{'9' * 30}", f"{'9' * 35}.{'9' * 30}"), ("0.000000000000000000000000000001", f"0.{'0' * 29}1"),
        ("-12345678901234567890123456789012345.5", f"-12345678901234567890123456789012345.5{'0' * 29}"),
        ("0", f"0.{'0' * 30}"),
    ]),
    Case("decimal(10,2)", "numeric(12,4)", "numeric(12,4)", [
        ("10000.50", "10000.5000"), ("-99999999.99", "-99999999.9900"),
    ]),
    Case("decimal(38,0)", "numeric(40,2)", "numeric(40,2)", [("9" * 38, "9" * 38 + ".00"), ("-1", "-1.00")]),
    Case("decimal(10,2)", "text", "text", [("10000.50", "10000.50"), ("-0.01", "-0.01"), ("0", "0.00")]),
    Case("decimal(65,30)", "text", "text", [("0.000000000000000000000000000001", f"0.{'0' * 29}1")]),
    Case("float", "", "real", [
        ("0.1", "0.1"), ("16777217", "1.6777216e+07"), ("3.4028234663852886e38", "3.4028235e+38"), ("1.4e-45", "1e-45"),
        ("-1.17549435e-38", "-1.1754944e-38"), ("123456.789", "123456.79"), ("0", "0"), ("-2.5", "-2.5"),
    ]),
    Case("float unsigned", "", "real", [("0.1", "0.1"), ("0", "0")]),
    Case("float(7,3)", "", "real", [("3.14159", "3.142"), ("0", "0")]),
    Case("float", "", "real", [("-0e0", "-0")], only="mysql"),
    Case("float", "double precision", "double precision", [
        ("0.1", "0.10000000149011612"), ("16777216", "16777216"), ("3.4028234663852886e38", "3.4028234663852886e+38"),
    ]),
    Case("double", "", "double precision", [
        ("0.1", "0.1"), ("1.7976931348623157e308", "1.7976931348623157e+308"), ("5e-324", "5e-324"), ("1e22", "1e+22"),
        ("2.2250738585072014e-308", "2.2250738585072014e-308"), ("123456789.12345679e0", "123456789.12345679"), ("0", "0"),
        ("9007199254740993", "9.007199254740992e+15"), ("-0.30000000000000004e0", "-0.30000000000000004"),
    ]),
    Case("double", "", "double precision", [("-0e0", "-0")], only="mysql"),
    Case("double unsigned", "", "double precision", [("0.1e0", "0.1")]),
]  # fmt: skip

DATES: Values = [
    ("'0000-00-00'", None), ("'2024-00-00'", None), ("'2024-05-00'", None), ("'2024-02-31'", None), ("'2023-02-29'", None),
    ("'0000-02-29'", None), ("'0000-01-01'", "0001-01-01 BC"), ("'0000-05-01'", "0001-05-01 BC"),
    ("'0001-01-01'", "0001-01-01"), ("'1900-01-01'", "1900-01-01"), ("'1969-12-31'", "1969-12-31"),
    ("'2024-02-29'", "2024-02-29"), ("'2024-12-31'", "2024-12-31"), ("'9999-12-31'", "9999-12-31"),
]  # fmt: skip
MOMENTS: Values = [
    ("'0000-00-00 00:00:00'", None), ("'2024-00-00 10:00:00'", None), ("'2024-05-00 00:00:00'", None),
    ("'2024-02-31 23:59:59'", None), ("'0000-02-28 00:00:00'", "0001-02-28 00:00:00 BC"),
    ("'0000-12-31 23:59:59'", "0001-12-31 23:59:59 BC"),
    ("'0001-01-01 00:00:00'", "0001-01-01 00:00:00"),
    ("'1900-01-01 00:00:00'", "1900-01-01 00:00:00"), ("'1969-12-31 23:59:59'", "1969-12-31 23:59:59"),
    ("'2024-02-29 12:34:56'", "2024-02-29 12:34:56"), ("'9999-12-31 23:59:59'", "9999-12-31 23:59:59"),
]  # fmt: skip
STAMPS: Values = [
    ("'0000-00-00 00:00:00'", None), ("'1970-01-03 00:00:01'", "1970-01-03 00:00:01"),
    ("'2024-01-15 12:34:56'", "2024-01-15 12:34:56"), ("'2038-01-17 03:14:07'", "2038-01-17 03:14:07"),
]  # fmt: skip
TIMES = [
    Case("date", "", "date", DATES, invalid=6),
    Case("date NOT NULL", "", "date", DATES, invalid=6),
    Case("date", "text", "text", [(sql, sql.strip("'")) for sql, _ in DATES]),
    Case("datetime", "", "timestamp(0) without time zone", MOMENTS, invalid=4),
    Case("datetime NOT NULL", "", "timestamp(0) without time zone", MOMENTS, invalid=4),
    Case("datetime(3)", "", "timestamp(3) without time zone", [
        ("'2024-01-15 10:00:00.120'", "2024-01-15 10:00:00.12"), ("'1900-01-01 00:00:00.001'", "1900-01-01 00:00:00.001"),
    ]),
    Case("datetime(6)", "", "timestamp(6) without time zone", [
        ("'9999-12-31 23:59:59.999999'", "9999-12-31 23:59:59.999999"),
        ("'1969-12-31 23:59:59.999999'", "1969-12-31 23:59:59.999999"), ("'0000-00-00 00:00:00.000000'", None),
    ], invalid=1),
    Case("datetime(3)", "text", "text", [
        ("'2024-01-15 10:00:00.120'", "2024-01-15 10:00:00.120"), ("'0000-00-00'", "0000-00-00 00:00:00.000"),
    ]),
    Case("timestamp", "", "timestamp(0) without time zone", STAMPS, invalid=1),
    Case("timestamp(6)", "", "timestamp(6) without time zone", [
        ("'2024-01-15 12:34:56.000001'", "2024-01-15 12:34:56.000001"), ("'0000-00-00'", None),
    ], invalid=1),
    Case("timestamp", "timestamptz", "timestamp(0) with time zone", [
        ("FROM_UNIXTIME(1709208000)", "2024-02-29 12:00:00+00"), ("FROM_UNIXTIME(1)", "1970-01-01 00:00:01+00"),
        ("FROM_UNIXTIME(2147483647)", "2038-01-19 03:14:07+00"), ("'0000-00-00 00:00:00'", None),
    ], invalid=1),
    Case("timestamp(6)", "timestamptz", "timestamp(6) with time zone", [
        ("FROM_UNIXTIME(1709208000.000001)", "2024-02-29 12:00:00.000001+00"),
        ("FROM_UNIXTIME(1709208000.999999)", "2024-02-29 12:00:00.999999+00"),
    ]),
    Case("timestamp", "text", "text", [(sql, sql.strip("'")) for sql, _ in STAMPS]),
    Case("time", "", "interval(0)", [
        ("'00:00:00'", "00:00:00"), ("'23:59:59'", "23:59:59"), ("'24:00:00'", "24:00:00"), ("'-01:02:03'", "-01:02:03"),
        ("'838:59:59'", "838:59:59"), ("'-838:59:59'", "-838:59:59"), ("'30:00:00'", "30:00:00"),
    ]),
    Case("time(6)", "", "interval(6)", [
        ("'-00:00:00.000001'", "-00:00:00.000001"), ("'23:59:59.999999'", "23:59:59.999999"),
        ("'837:59:59.999999'", "837:59:59.999999"), ("'01:00:00.500000'", "01:00:00.5"),
    ]),
    Case("time", "time", "time(0) without time zone", [
        ("'00:00:00'", "00:00:00"), ("'23:59:59'", "23:59:59"), ("'30:00:00'", REJECT), ("'24:00:00'", REJECT),
        ("'-01:00:00'", REJECT), ("'100:00:00'", REJECT), ("'838:59:59'", REJECT),
    ]),
    Case("time(6)", "time", "time(6) without time zone", [
        ("'23:59:59.999999'", "23:59:59.999999"), ("'00:00:00.000001'", "00:00:00.000001"), ("'-00:00:00.000001'", REJECT),
    ]),
    Case("time(3)", "text", "text", [("'-838:59:59'", "-838:59:59.000"), ("'10:11:12.13'", "10:11:12.130")]),
]  # fmt: skip

NUL = "CONCAT('a', CHAR(0), 'b', CHAR(0))"
TEXTS: Values = [
    ("'abc'", "abc"), ("''", ""), ("'😀é中'", "😀é中"), (NUL, "ab"), (r"'a\r\n\tb\\c'", "a\r\n\tb\\c"),
    ("'  lead'", "  lead"), ("'quote '' \" %'", "quote ' \" %"),
]  # fmt: skip
JSONS: Values = [
    ("'{\"b\":1,\"a\":[null,true,2.50]}'", '{"a": [null, true, 2.50], "b": 1}'),
    ("'12345678901234567890'", "12345678901234567890"),
    (r"""'"\\u0000"'""", REJECT), ("'not json'", REJECT), ("''", REJECT), (r"""'"😀\\u00e9"'""", '"😀é"'),
]  # fmt: skip
LENGTHS = {"char(90)": "character varying(90)", "varchar(100)": "character varying(100)"}


def enums() -> Iterator[Case]:
    """ENUM as a type of the schema, and one that stays text because the source does not show its labels."""
    yield Case("enum('é','','it''s','a\\\\b')", "enum", "{s}.{t}_c", [
        ("'é'", "é"), ("''", ""), ("'it''s'", "it's"), ("'a\\\\b'", "a\\b"), ("'unknown'", ""),
    ])  # fmt: skip
    for charset in ("latin1", "utf16", "cp1250"):
        yield Case(f"enum('á','b') CHARACTER SET {charset}", "enum", "{s}.{t}_c", [("'á'", "á"), ("'unknown'", REJECT)])
    yield Case("enum('é','😀') CHARACTER SET utf8mb4", "enum", "text", [("'é'", "é"), ("'😀'", "😀"), ("'unknown'", "")])


def texts() -> Iterator[Case]:
    """Every text type, into its default, text, varchar without length, json and jsonb."""
    for kind in ("char(90)", "varchar(100)", "tinytext", "text", "mediumtext", "longtext"):
        trailing = ("'trail  '", "trail" if kind.startswith("char") else "trail  ")
        values: Values = [*TEXTS, trailing]
        yield Case(kind, "", LENGTHS.get(kind, "text"), values, nuls=1)
        if kind in LENGTHS:
            yield Case(kind, "text", "text", values, nuls=1)
        yield Case(kind, "varchar(1000)", "character varying(1000)", values, nuls=1)
        yield Case(kind, "varchar", "character varying", values, nuls=1)
        yield Case(kind, "varchar(5)", "character varying(5)", [("'abcde'", "abcde"), ("'abcdef'", REJECT)])
        yield Case(kind, "jsonb", "jsonb", JSONS)
        yield Case(kind, "json", "json", [("'{\"b\":1, \"a\":2}'", '{"b":1, "a":2}'), (r"""'"\\u0000"'""", r'"\u0000"'),
                                          ("'nope'", REJECT)])  # fmt: skip
    members: Values = [("'é'", "é"), ("''", ""), ("'😀'", "😀")]
    for kind in ("enum('é','','😀')", "set('é','😀')"):
        more: Values = [("'é,😀'", "é,😀")] if kind.startswith("set") else [("'unknown'", "")]
        yield Case(kind, "", "text", [*members, *more])
        yield Case(kind, "varchar", "character varying", [*members, *more])
    for kind in ("enum('é','','x')", "set('é','x')"):
        raw = f"{kind} CHARACTER SET binary"
        words = ["é", "x", ""] if kind.startswith("enum") else ["é", "x", "é,x", ""]
        for target in ("", "text", "varchar"):
            yield Case(raw, target, LENGTHS.get(target, "character varying" if target == "varchar" else "text"),
                       [(f"'{word}'", word) for word in words])  # fmt: skip
        yield Case(raw, "bytea", "bytea", [(f"'{word}'", "\\x" + word.encode().hex()) for word in words])
        numbers = raw.replace("é", "1").replace("x", "no")
        yield Case(numbers, "json", "json", [("'1'", "1"), ("'no'", REJECT)])
    for kind in ("enum('1','{\"a\": 2}','no')", "set('1','{\"a\": 2}','no')"):
        for target in ("jsonb", "json"):
            yield Case(kind, target, target, [("'1'", "1"), ("'{\"a\": 2}'", '{"a": 2}'), ("'no'", REJECT)])
    for charset, text in {
        "latin1": "é€ü",
        "utf8mb3": "é中",
        "ucs2": "é中",
        "ascii": "~a",
        "utf16": "😀",
        "cp1250": "š",
    }.items():
        yield Case(f"varchar(20) CHARACTER SET {charset}", "", "character varying(20)", [(f"'{text}'", text), ("''", "")])
    yield Case("text CHARACTER SET latin1", "", "text", [("'é€'", "é€"), (NUL, "ab")], nuls=1)
    for kind in ("char(0)", "varchar(0)"):
        yield Case(kind, "", "text", [("''", "")])
        yield Case(kind, "varchar", "character varying", [("''", "")])
    yield Case("char(1)", "", "character varying(1)", [("'é'", "é"), ("''", "")])
    yield Case("varchar(20) COLLATE utf8mb4_bin", "", "character varying(20)", [("'É'", "É"), ("'é'", "é")])


BYTES: Values = [("X'00FF80FE'", "\\x00ff80fe"), ("''", "\\x"), ("'abc'", "\\x616263")]
BINARIES = [
    *(Case(kind, "", "bytea", BYTES) for kind in ("varbinary(100)", "tinyblob", "blob", "mediumblob", "longblob")),
    Case("binary(4)", "", "bytea", [("X'00FF80FE'", "\\x00ff80fe"), ("''", "\\x00000000"), ("'a'", "\\x61000000")]),
    Case("binary(16)", "", "bytea", [("X'00112233445566778899AABBCCDDEEFF'", "\\x00112233445566778899aabbccddeeff")]),
    Case("binary(16)", "uuid", "uuid", [
        ("X'00112233445566778899AABBCCDDEEFF'", "00112233-4455-6677-8899-aabbccddeeff"),
        ("''", "00000000-0000-0000-0000-000000000000"),
    ]),
    Case("json", "", "text", [("'{\"b\":1,  \"a\":2}'", '{"b":1,  "a":2}'), ("'null'", "null")], only="mariadb"),
    Case("json", "", "jsonb", [
        ("'{\"b\":1,\"a\":[1,2.5,null,\"é😀\"]}'", '{"a": [1, 2.5, null, "é😀"], "b": 1}'), ("'null'", "null"),
        ("JSON_OBJECT('n', 12345678901234567890)", '{"n": 12345678901234567890}'), (r"""'"\\u0000"'""", REJECT),
        ("JSON_OBJECT('d', 1.234567890123456789012345678901)", '{"d": 1.234567890123456789012345678901}'),
    ], only="mysql"),
    *(Case("json", to, to, [
        ("'{\"b\":1,\"a\":2}'", '{"a": 2, "b": 1}'), (r"""'"\\u0000"'""", r'"\u0000"'),
    ], only="mysql") for to in ("json", "text")),
    *(Case("uuid", to, to or "uuid", [
        ("'123e4567-e89b-12d3-a456-426655440000'", "123e4567-e89b-12d3-a456-426655440000"),
        ("'00000000-0000-0000-0000-000000000000'", "00000000-0000-0000-0000-000000000000"),
    ]) for to in ("", "text")),
    Case("inet4", "", "text", [("'255.0.0.1'", "255.0.0.1"), ("'0.0.0.0'", "0.0.0.0")]),
    Case("inet6", "", "text", [("'2001:db8::1'", "2001:db8::1"), ("'::'", "::")]),
    Case("vector(3)", "", "bytea", [("STRING_TO_VECTOR('[1,2,-0.5]')", "\\x0000803f00000040000000bf")], only="mysql"),
]  # fmt: skip


def wkb(kind: int, *parts: int | float | bytes) -> bytes:
    """Return little-endian WKB: a type, and then counts (int), coordinates (float) and inner geometries (bytes)."""
    packed = (p if isinstance(p, bytes) else struct.pack("<I" if isinstance(p, int) else "<d", p) for p in parts)
    return b"\x01" + struct.pack("<I", kind) + b"".join(packed)


POINT = wkb(1, 1.0, 2.0)
LINE = wkb(2, 2, 0.0, 0.0, 1.0, 1.0)
SQUARE = wkb(3, 1, 4, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0)
SHAPES: dict[str, tuple[str, bytes]] = {
    "geometry": ("POINT(1 2)", POINT),
    "point": ("POINT(1 2)", POINT),
    "linestring": ("LINESTRING(0 0,1 1)", LINE),
    "polygon": ("POLYGON((0 0,1 0,1 1,0 0))", SQUARE),
    "multipoint": ("MULTIPOINT(1 2,3 4)", wkb(4, 2, POINT, wkb(1, 3.0, 4.0))),
    "multilinestring": ("MULTILINESTRING((0 0,1 1))", wkb(5, 1, LINE)),
    "multipolygon": ("MULTIPOLYGON(((0 0,1 0,1 1,0 0)))", wkb(6, 1, SQUARE)),
    "geometrycollection": ("GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))", wkb(7, 2, POINT, LINE)),
    "geomcollection": ("GEOMETRYCOLLECTION(POINT(1 2))", wkb(7, 1, POINT)),
}


POINT_CODE, WITH_SYSTEM = 1, 0x20000000  # in the second to fifth byte of WKB


def geometries() -> Iterator[Case]:
    """Every geometry as WKB; with a reference system as EWKB, longitude first whatever the server's functions say."""
    for kind, (text, expected) in SHAPES.items():
        literal = f"ST_GeomFromText('{text}')"
        yield Case(kind, "", "bytea", [(literal, "\\x" + expected.hex())])
        yield Case(kind, "text", "text", [(literal, expected.hex().upper())])
    # Written as the server stores it: what functions take first, latitude or longitude, depends on server and version.
    system, ten_twenty = struct.pack("<I", 4326), struct.pack("<dd", 10.0, 20.0)
    stored = (system + b"\x01" + struct.pack("<I", POINT_CODE) + ten_twenty).hex()
    ewkb = b"\x01" + struct.pack("<I", POINT_CODE | WITH_SYSTEM) + system + ten_twenty
    yield Case("point", "", "bytea", [(f"x'{stored}'", "\\x" + ewkb.hex())])
    yield Case("geometry", "text", "text", [(f"x'{stored}'", ewkb.hex().upper())])


CASES: list[Case] = [*integers(), *OTHER_NUMBERS, *TIMES, *texts(), *enums(), *BINARIES, *geometries()]


MAY_BE_UNKNOWN = {"uuid", "inet4", "inet6", "vector", "geomcollection"}  # types that only some servers have


def create(cursor: pymysql.cursors.Cursor, n: int, case: Case, refused: dict[int, str]) -> None:
    """Create the table of a case with its values; note what the server says where it does not know the type."""
    null = " NULL" if case.nullable else ""
    try:
        cursor.execute(f"CREATE TABLE t{n} (id int PRIMARY KEY, c {case.type}{null})")
    except (pymysql.err.ProgrammingError, pymysql.err.OperationalError) as error:
        if case.type.partition("(")[0] not in MAY_BE_UNKNOWN:
            raise
        refused[n] = str(error.args[1])
        return
    expressions = [sql for sql, _ in case.values] + (["NULL"] if case.nullable else [])
    cursor.execute(f"INSERT INTO t{n} VALUES " + ", ".join(f"({i}, {sql})" for i, sql in enumerate(expressions)))
