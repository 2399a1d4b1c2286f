"""How each MySQL type becomes a Postgres type: one ordered list of rules.

A rule has three types. `source` is MySQL's; `wire` is the Arrow type handed to COPY BINARY, which converts nothing,
so it must fit `target`, the Postgres type, byte for byte. `read` is the SELECT expression (`{c}` is the quoted
column) and `clean` names the coercion in `bulketl.rows.coerce` that makes the wire type of what connectorx delivers.

An integer is the cheapest value to read, so a load takes many others as integers: `packed` is the SELECT expression for
that (`{unit}` is ten to the number of decimal places), and `unpack` names what makes the value whole again in
`bulketl.rows.unpack`. A verification reads by `read`, so a mistake in there does not hide behind itself.

The first rule that matches a column is its default. A declared target picks the first matching rule with that target
type instead, so the list holds every conversion there is: nothing else is ever done to a value. `bulketl casts`
prints it, the docs are made from it, and the type matrix in the tests runs over it. The reasons for each `read` were
measured against the libraries: see `docs/types.md`.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from dataclasses import dataclass, field
from typing import Literal

from bulketl.errors import PlanError
from bulketl.tables.catalog import Column
from bulketl.tables.enums import ENUM
from bulketl.tables.masks import Mask
from bulketl.tables.types import INTEGERS, RAW, RAW_TEXTS, TIMES, TypeName, parse_type

# NULL for every date that is none: 0000-00-00, 2024-00-00, 2024-05-00, and 2024-02-31 under ALLOW_INVALID_DATES.
# No shorter test works on both servers: NULLIF fails on MySQL, comparing DAYOFMONTH with 0 lets 2024-02-31 through.
VALID_DATE = "CASE WHEN DAYOFMONTH({c}) BETWEEN 1 AND DAYOFMONTH(LAST_DAY({c})) THEN %s END"
# A TIMESTAMP is an instant or zero, whatever the mode, and its parts cost more: each needs the session's zone.
VALID_TIMESTAMP = "CASE WHEN {c}<>0 THEN %s END"
GUARDED = VALID_DATE % "{c}"
# The digits of a date, a time or a decimal as one number, which no SQL mode and no invalid date changes.
PACKED = "CAST({c}*{unit} AS SIGNED)"
PACKED_INSTANT = "CAST(UNIX_TIMESTAMP({c})*{unit} AS SIGNED)"
AS_TEXT = "CAST({c} AS CHAR)"
# MySQL stores a geometry as a 4-byte SRID and then its WKB, little endian. EWKB is WKB with a flag and the SRID put in.
# Taken from the stored bytes because ST_AsBinary swaps the axes of SRID 4326 on MySQL.
RAW_GEOMETRY = "CAST({c} AS BINARY)"
EWKB = f"CONCAT(SUBSTR({RAW_GEOMETRY},5,4),X'20',SUBSTR({RAW_GEOMETRY},1,4),SUBSTR({RAW_GEOMETRY},10))"
WKB = f"IF(ST_SRID({{c}})=0,SUBSTR({RAW_GEOMETRY},5),{EWKB})"

Encoder = Literal["pgpq", "adbc"]


@dataclass(frozen=True, slots=True)
class CastRule:
    """How one MySQL type becomes one Postgres type.

    `size` bounds the type's first number (both ends included), `unsigned` None matches both kinds. In `target`,
    `{0}` and `{1}` stand for the type's numbers. Without `packed` a load reads as everybody does, by `read`.
    """

    source: str
    target: str
    wire: str
    read: str = "{c}"
    clean: str = ""
    unsigned: bool | None = None
    size: tuple[int, int] = (0, 1 << 62)
    packed: str = ""
    unpack: str = ""

    def matches(self, type_name: TypeName) -> bool:
        """Tell whether this rule takes columns of that type."""
        first = type_name.sizes[0] if type_name.sizes else 0
        return (
            self.source == type_name.base
            and self.unsigned in (None, type_name.unsigned)
            and self.size[0] <= first <= self.size[1]
        )

    def to_json(self) -> dict[str, object]:
        """Return it as plain values."""
        keys = ("source", "target", "wire", "read", "clean", "unsigned", "size", "packed", "unpack")
        return {key: getattr(self, key) for key in keys}


@dataclass(frozen=True, slots=True)
class Masked:
    """How the values of a column are masked, and the types that they have before: in Postgres, and in Arrow."""

    mask: Mask
    target: str
    wire: str


@dataclass(frozen=True, slots=True)
class Cast:
    """A rule applied to a column: all that reading, coercing and creating it need to know.

    `column` is its name at the source, `name` the one in the target, the same unless it is given another.
    """

    column: str
    source: str  # its type in MySQL; '' for a column that bulketl adds
    target: str  # its type in Postgres
    wire: str  # its type in Arrow
    read: str  # the expression in MySQL
    clean: str  # the coercion, '' for none
    nullable: bool  # at the source
    guarded: bool  # its invalid dates become NULL
    # What follows is not in a hash of how a table is loaded; another name is.
    name: str = field(default="", repr=False)
    packed: str = field(default="", repr=False)  # the expression in MySQL that makes an integer of it, '' for none
    unpack: str = field(default="", repr=False)  # what makes a value of that integer
    masked: Masked | None = field(default=None, repr=False)  # how it is masked; `target` and `wire` are what comes out
    labels: tuple[str, ...] = field(default=(), repr=False)  # of the source, where `target` is an enum type of the schema

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.column)

    @property
    def source_type(self) -> TypeName:
        """Its type in MySQL, taken apart."""
        return parse_type(self.source)

    @property
    def target_type(self) -> TypeName:
        """Its type in Postgres, taken apart; of an enum type of the schema the base is `enum`."""
        return TypeName(ENUM) if self.labels else TypeName(*parse_target(self.target))

    @property
    def hashable(self) -> bool:
        """Whether both servers have one text for each of its values, so that it is part of a row's hash."""
        return not self.masked and (self.target_type.base != "jsonb" or self.source_type.base == "json")

    @property
    def unmasked(self) -> Cast:
        """The same as the source's values are read, before they are masked."""
        if self.masked is None:
            return self
        return dataclasses.replace(self, target=self.masked.target, wire=self.masked.wire, masked=None)

    @property
    def written(self) -> Cast:
        """The same as what is written: a column of the target like any other."""
        return self if self.masked is None else dataclasses.replace(self, masked=None)


# A decimal or text column arrives as text because connectorx cuts decimals to ten places and fails beyond 18 digits.
_WIDER = (("smallint", "int16"), ("integer", "int32"), ("bigint", "int64"), ("numeric(20,0)", "int64"))
_TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set")
_BINARIES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_GEOMETRIES = (
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection",
)  # fmt: skip
_UNIX_MICROSECONDS = VALID_TIMESTAMP % "CAST(UNIX_TIMESTAMP({c})*1000000 AS SIGNED)"

RULES: tuple[CastRule, ...] = (
    CastRule("tinyint", "smallint", "int8", unsigned=False),
    CastRule("tinyint", "smallint", "uint8", unsigned=True),
    CastRule("smallint", "smallint", "int16", unsigned=False),
    CastRule("smallint", "integer", "uint16", unsigned=True),
    CastRule("mediumint", "integer", "int32", unsigned=False),
    CastRule("mediumint", "integer", "int32", clean="integer", unsigned=True),
    CastRule("int", "integer", "int32", unsigned=False),
    CastRule("int", "bigint", "uint32", unsigned=True),
    CastRule("bigint", "bigint", "int64", unsigned=False),
    CastRule("bigint", "numeric(20,0)", "uint64", unsigned=True),
    *(CastRule(source, "boolean", "bool", clean="boolean") for source in INTEGERS),
    *(CastRule(source, target, wire, clean="integer") for source in INTEGERS for target, wire in _WIDER),
    CastRule("year", "smallint", "int16"),
    CastRule("year", "integer", "int32", clean="integer"),
    CastRule("bit", "boolean", "bool", clean="bit", size=(1, 1), packed="CAST({c} AS UNSIGNED)", unpack="flag"),
    CastRule("bit", "bigint", "int64", read="CAST({c} AS UNSIGNED)", clean="integer", size=(1, 63)),
    CastRule("bit", "numeric(20,0)", "uint64", read="CAST({c} AS UNSIGNED)", clean="integer"),
    CastRule("bit", "bytea", "large_binary"),
    CastRule(
        "decimal",
        "numeric({0},{1})",
        "decimal128",
        read=AS_TEXT,
        clean="decimal",
        size=(1, 18),
        packed=PACKED,
        unpack="digits",
    ),
    CastRule("decimal", "numeric({0},{1})", "decimal128", read=AS_TEXT, clean="decimal", size=(19, 38)),
    CastRule("decimal", "numeric({0},{1})", "decimal256", read=AS_TEXT, clean="decimal"),
    CastRule("decimal", "text", "string", read=AS_TEXT),
    CastRule("float", "real", "float"),
    CastRule("float", "double precision", "double", clean="double"),
    CastRule("double", "double precision", "double"),
    CastRule("date", "date", "date32[day]", read=GUARDED, packed=PACKED, unpack="date"),
    # Four places more than the fourteen digits of a date and a time are all that 64 bits have room for.
    CastRule("datetime", "timestamp({0})", "timestamp[us]", read=GUARDED, size=(0, 4), packed=PACKED, unpack="moment"),
    CastRule("datetime", "timestamp({0})", "timestamp[us]", read=GUARDED),
    CastRule(
        "timestamp",
        "timestamp({0})",
        "timestamp[us]",
        read=VALID_TIMESTAMP % "{c}",
        size=(0, 4),
        packed=PACKED,
        unpack="moment",
    ),
    CastRule("timestamp", "timestamp({0})", "timestamp[us]", read=VALID_TIMESTAMP % "{c}"),
    CastRule(
        "timestamp",
        "timestamptz({0})",
        "timestamp[us, tz=UTC]",
        read=_UNIX_MICROSECONDS,
        clean="instant",
        packed=PACKED_INSTANT,
        unpack="instant",
    ),
    *(CastRule(source, "text", "string", read=AS_TEXT) for source in ("date", "datetime", "timestamp")),
    CastRule("time", "interval({0})", "duration[us]", read=AS_TEXT, clean="duration", packed=PACKED, unpack="span"),
    CastRule("time", "time({0})", "time64[us]", read=AS_TEXT, clean="time", packed=PACKED, unpack="clock"),
    CastRule("time", "text", "string", read=AS_TEXT),
    CastRule("char", "varchar({0})", "string", size=(1, 255)),
    CastRule("varchar", "varchar({0})", "string", size=(1, 65535)),
    *(CastRule(source, "text", "string") for source in _TEXTS),
    *(CastRule(source, "varchar", "string") for source in _TEXTS),
    *(CastRule(source, "jsonb", "extension<arrow.json>", clean="json") for source in _TEXTS),
    *(CastRule(source, "json", "string") for source in _TEXTS),
    CastRule("enum", ENUM, "string"),
    *(CastRule(source, target, "string", clean="text") for source in RAW_TEXTS for target in ("text", "varchar", "json")),
    *(CastRule(source, "bytea", "large_binary") for source in (*RAW_TEXTS, *_BINARIES)),
    CastRule("binary", "uuid", "large_binary", size=(16, 16)),
    CastRule("json", "jsonb", "extension<arrow.json>", read=AS_TEXT, clean="json"),
    CastRule("json", "json", "string", read=AS_TEXT),
    CastRule("json", "text", "string", read=AS_TEXT),
    CastRule("uuid", "uuid", "large_binary", read="UNHEX(REPLACE({c},'-',''))"),
    CastRule("uuid", "text", "string"),
    CastRule("inet4", "text", "string"),
    CastRule("inet6", "text", "string"),
    *(CastRule(source, "bytea", "large_binary", read=WKB) for source in _GEOMETRIES),
    *(CastRule(source, "text", "string", read=f"HEX({WKB})") for source in _GEOMETRIES),
    CastRule("vector", "bytea", "large_binary", read="CAST({c} AS BINARY)"),
)

_WIDTHS = {"smallint": 2, "integer": 4, "bigint": 8, "real": 4, "double precision": 8}
_TARGET = re.compile(r"^\s*([a-z][a-z0-9 ]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$")
_ALIASES = {
    "bool": "boolean", "int2": "smallint", "int4": "integer", "int": "integer", "int8": "bigint", "float4": "real",
    "float8": "double precision", "decimal": "numeric", "character varying": "varchar",
    "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
}  # fmt: skip
# What rules make. A target table may have columns of any type beside these, also of a person's own: `held_type`.
TARGETS = frozenset(rule.target.partition("(")[0] for rule in RULES)


def encoder_of(casts: tuple[Cast, ...]) -> Encoder:
    """Return which encoder copies a table: `pgpq`, unless a column has a pair of types that only `adbc` stores exactly."""
    return "adbc" if any(only_adbc(item) for item in casts) else "pgpq"


def only_adbc(item: Cast) -> bool:
    """Tell whether no encoder but `adbc` stores a column exactly."""
    # pgpq does not know the JSON extension, and writes integers as integers, also into numeric.
    into_numeric = item.target_type.base == "numeric" and not item.wire.startswith(("decimal", "uint64"))
    return item.wire.startswith("extension") or into_numeric


def unhashed(casts: tuple[Cast, ...]) -> tuple[str, ...]:
    """Return the columns of the source that are no part of a row's hash."""
    return tuple(item.column for item in casts if item.source and not item.hashable)


def typed(column_type: str, charset: str) -> str:
    """Return a column's type as `information_schema` spells it, with its character set where that changes what arrives."""
    raw = charset in ("", "binary") and column_type[:4].lower() in ("enum", "set(")  # MySQL leaves the name out
    return f"{column_type} {RAW}" if raw else column_type


@functools.lru_cache(maxsize=1024)
def parse_target(text: str) -> tuple[str, tuple[int, ...]]:
    """Take a type that a rule makes apart into its usual short name and its numbers; raise ValueError for any other.

    For what is to be written, which is always of such a type. What the target has is for `held_type`.
    """
    match = _TARGET.match(text.lower())
    name, *numbers = match.groups() if match else ("",)
    base = _ALIASES.get(name, name)
    if base not in TARGETS:
        raise ValueError(f"{text!r} is not a type that a cast rule makes; one of: {', '.join(sorted(TARGETS))}")
    return base, tuple(int(n) for n in numbers if n)


def held_type(text: str) -> tuple[str, tuple[int, ...]]:
    """Take the type of a column that the target has apart; a type that no rule makes is its own name, without numbers.

    `text` is as `format_type` prints it: an enum of a person's own, an array, `interval day to second(3)`.
    """
    try:
        return parse_target(text)
    except ValueError:
        return text, ()


def quoted(name: str) -> str:
    """Return a MySQL identifier in backticks."""
    return "`" + name.replace("`", "``") + "`"


def cast(column: Column, declared: str = "") -> Cast:
    """Return how `column` becomes a Postgres column.

    `declared` is the Postgres type a user asked for, or empty for the default. Raise PlanError for a type no rule
    takes, for a declared target no rule makes of it, and for a declared numeric that would round.
    """
    type_name = column.parsed
    base = type_name.base  # compared first, without a call: there are thousands of columns and a hundred rules
    matching = [rule for rule in RULES if rule.source == base and rule.matches(type_name)]
    if not matching:
        raise PlanError(
            f"column {column.name!r} has the type {column.type!r}, which no cast rule takes",
            hint="exclude the column with exclude_columns, or cast it in a view at the source and name that in tables.yaml",
        )
    rule, target = matching[0], ""
    if declared:
        rule, target = _declared(column, type_name, matching, declared)
    return Cast(
        column=column.name,
        source=column.type,
        target=target or rule.target.format(*type_name.sizes),
        wire=_sized(rule.wire, target or rule.target.format(*type_name.sizes)),
        read=rule.read.replace("{c}", quoted(column.name)),
        clean=rule.clean,
        nullable=column.nullable,
        guarded=type_name.base in TIMES and rule.read.startswith("CASE WHEN"),
        packed=rule.packed.replace("{c}", quoted(column.name)).replace("{unit}", str(10**type_name.places)),
        unpack=rule.unpack,
    )


def narrower(there: str, needed: str) -> bool:
    """Tell whether a column of type `there` cannot hold every value of type `needed`, both spelt as in the cast rules.

    A type that no rule makes holds nothing but its own values, as far as anybody knows here.
    """
    (base, sizes), (wanted, least) = held_type(there), held_type(needed)
    if base == wanted and base not in TARGETS:
        return False
    if base in _WIDTHS and wanted in _WIDTHS:
        return _WIDTHS[base] < _WIDTHS[wanted]
    if base != wanted:
        return base not in ("text", "numeric") and not (base == "varchar" and not sizes)
    if base == "numeric" and sizes and least:
        return sizes[0] - sizes[1] < least[0] - least[1] or sizes[1] < least[1]
    return bool(sizes) and (not least or sizes[0] < least[0])


def _declared(column: Column, type_name: TypeName, matching: list[CastRule], declared: str) -> tuple[CastRule, str]:
    base, numbers = parse_target(declared)
    for rule in matching:
        rule_base, rule_numbers = parse_target(rule.target.format(*type_name.sizes))
        if rule_base != base:
            continue
        if base == "numeric" and numbers:
            whole, places = numbers[0] - (numbers[1:] or (0,))[0], (numbers[1:] or (0,))[0]
            least = rule_numbers if type_name.base == "decimal" else (20, 0)
            if whole < least[0] - least[1] or places < least[1]:
                raise PlanError(
                    f"column {column.name!r} is {column.type}, which does not fit the declared {declared}",
                    hint=f"declare numeric({least[0]},{least[1]}) or wider: a narrower one would round or refuse values",
                )
            return rule, f"numeric({numbers[0]},{places})"
        shown = ",".join(str(n) for n in numbers or (rule_numbers if base != "varchar" else ()))
        return rule, f"{base}({shown})" if shown else base
    offered = sorted({parse_target(rule.target.format(*type_name.sizes))[0] for rule in matching})
    raise PlanError(
        f"column {column.name!r} is {column.type}, which no cast rule makes into {declared!r}",
        hint=f"declare one of: {', '.join(offered)}",
    )


def _sized(wire: str, target: str) -> str:
    if not wire.startswith("decimal"):
        return wire
    precision, scale = parse_target(target)[1]
    return f"decimal{128 if precision <= 38 else 256}({precision}, {scale})"
