"""One text for a value on both servers, so that rows can be compared by hashes without being moved.

For each column there are two SQL expressions that give the same text for the same value, and NULL for NULL. Where the
texts of equal values may differ (exponents of very small or large floats) a comparison costs a second look at the row
and finds it equal; texts of different values never coincide. Text that is declared jsonb has no such pair and is left out
of the hash. A text of any length counts by its hash, so that no packet
limit cuts it. The hash is SHA-256, because MySQL 9 has MD5 only as a component that few have installed.
"""

from __future__ import annotations

from bulketl.casts import Cast, parse_target, parse_type, quoted

# Between values stands the byte 1, which is doubled inside texts; a value begins with `=`, NULL is `-`.
_SEPARATED = "CHAR(1 USING utf8mb4)"
_DURATION = (
    "CAST((TRUNCATE(ABS(TIME_TO_SEC({c})),0)*1000000+MICROSECOND({c}))*IF(LEFT(CAST({c} AS CHAR),1)='-',-1,1) AS CHAR)",
    "(extract(epoch FROM {column}) * 1000000)::bigint::text",
)
Pair = tuple[str, str]
_NUMBER, _FLOAT = "CAST(({read})+0 AS CHAR)", "CAST(({read})+0e0 AS CHAR)"
_EXPONENT = "replace({column}::float8::text, 'e+', 'e')"
_PAIRS: dict[str, Pair] = {
    "smallint": (_NUMBER, "{column}::text"),
    "integer": (_NUMBER, "{column}::text"),
    "bigint": (_NUMBER, "{column}::text"),
    "boolean": (_NUMBER, "{column}::int::text"),
    "numeric": (
        "CASE WHEN LOCATE('.',{text})>0 THEN TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {text})) ELSE {text} END",
        "trim_scale({column})::text",
    ),
    "real": (_FLOAT, _EXPONENT),
    "double precision": (_FLOAT, _EXPONENT),
    "bytea": ("SHA2({read},256)", "encode(sha256({column}), 'hex')"),
    "uuid": ("LOWER(HEX({read}))", "replace({column}::text, '-', '')"),
    "date": ("CAST({read} AS CHAR)", "to_char({column}, 'YYYY-MM-DD')"),
    "timestamptz": ("CAST({read} AS CHAR)", "(extract(epoch FROM {column}) * 1000000)::bigint::text"),
}
_SHORT = frozenset({"char", "varchar", "enum", "set", "inet4", "inet6", "date", "datetime", "timestamp", "time"})


def pair(item: Cast, column: str, nul_bytes: str = "strip") -> Pair | None:
    """Return the expressions for MySQL and for Postgres; `column` is the quoted name in Postgres. None: it has no pair."""
    base, sizes = parse_target(item.target)
    if base in _PAIRS:
        here, there = _PAIRS[base]
        # A decimal is read as text, and text + 0 would be a float.
        number = quoted(item.column) if parse_type(item.source).base == "decimal" else item.read
        return here.format(read=item.read, text=_NUMBER.format(read=number)), there.format(column=column)
    if base == "timestamp":
        digits = sizes[0] if sizes else 6
        text = f"to_char({column}, 'YYYY-MM-DD HH24:MI:SS.US')"
        return f"CAST({item.read} AS CHAR)", f"left({text}, {20 + digits if digits else 19})"
    if base in ("interval", "time"):
        return _DURATION[0].format(c=quoted(item.column)), _DURATION[1].format(column=column)
    if base == "jsonb" and parse_type(item.source).base != "json":
        return None
    return _text(item, column, nul_bytes)


def _text(item: Cast, column: str, nul_bytes: str) -> Pair:
    here = f"CONVERT({item.read} USING utf8mb4)"
    if nul_bytes == "strip":
        here = f"REPLACE({here},CHAR(0 USING utf8mb4),'')"
    there = f"{column}::text"
    if parse_type(item.source).base in _SHORT:
        doubled = f"REPLACE({here},{_SEPARATED},CHAR(1,1 USING utf8mb4))"
        return doubled, f"replace({there}, E'\\x01', E'\\x01\\x01')"
    return f"SHA2({here},256)", _hashed(there)


def digests(casts: tuple[Cast, ...], names: dict[str, str], nul_bytes: str = "strip") -> Pair:
    """Return the expressions of a row's hash over these columns; `names` are their quoted names in Postgres."""
    pairs = [found for item in casts if item.source and (found := pair(item, names[item.column], nul_bytes))]
    here = ",".join(f"IFNULL(CONCAT('=',{mysql}),'-')" for mysql, _ in pairs)
    there = ", ".join(f"COALESCE('=' || {postgres}, '-')" for _, postgres in pairs)
    # Not concat_ws on the Postgres side: a function takes a hundred arguments at most.
    return f"SHA2(CONCAT_WS({_SEPARATED},{here}),256)", _hashed(f"array_to_string(ARRAY[{there}], E'\\x01')")


def _hashed(text: str) -> str:
    return f"encode(sha256(convert_to({text}, 'UTF8')), 'hex')"
