"""One text for a value on both servers, so that rows can be compared by hashes without being moved.

For each column there are two SQL expressions that give the same text for the same value, and NULL for NULL; texts of
different values never coincide. They are the servers' own spellings wherever these agree, because a comparison costs
what its expressions cost, and the hash itself next to nothing. Text that is declared jsonb has no such pair and is left
out of the hash, and so is what is masked. A text of any length counts by its hash, so that no packet limit cuts it. The hash
is SHA-256, because MySQL 9 has MD5 only as a component that few have installed.
"""

from __future__ import annotations

from bulketl.tables.casts import Cast, quoted
from bulketl.tables.types import TARGET_FLOATS

# Between values stands the byte 1, which is doubled inside texts; a text begins with `=`, and NULL is `-`, which is no
# number, date or hash.
_SEPARATED = "CHAR(1 USING utf8mb4)"
_ARGUMENTS = 90  # a function of Postgres takes a hundred at most
_DURATION = (
    "CAST((TRUNCATE(ABS(TIME_TO_SEC({c})),0)*1000000+MICROSECOND({c}))*IF(LEFT(CAST({c} AS CHAR),1)='-',-1,1) AS CHAR)"
)
# Which values of a type the source can have at all: neither infinite, nor with days or months, which are no hours.
_POSSIBLE = {
    "date": "isfinite({column})",
    "timestamp": "isfinite({column})",
    "timestamptz": "isfinite({column})",
    "interval": "extract(year FROM {column}) = 0 AND extract(month FROM {column}) = 0 AND extract(day FROM {column}) = 0",
}
# Microseconds, not as bigint: that ends in the year 294247, and Postgres' timestamps do not.
_MICROSECONDS = "trunc(extract(epoch FROM {column}) * 1000000)"
# What MySQL calls the year 0 is 1 BC in Postgres; and it has a 29th of February there.
_YEAR_0 = "{column} < '0001-01-01' AND {column} >= '0001-01-01 BC'"
_BEFORE_MARCH_0 = "({column} < '0001-03-01 BC')::int"
Expressions = tuple[str, str]  # the same for MySQL and for Postgres
# Both servers write floats in these bounds alike; beyond, sign, digits and the exponent of the first digit are taken out.
_PLAIN = "({x}=0 OR ({x}>=1e-4 AND {x}<1e15) OR ({x}<=-1e-4 AND {x}>-1e15))"
_DIGITS = "TRIM(TRAILING '0' FROM TRIM(LEADING '0' FROM REPLACE(REPLACE(SUBSTRING_INDEX({t},'e',1),'.',''),'-','')))"
_FRACTION = "SUBSTRING_INDEX({t},'.',-1)"
_EXPONENT = (
    "CASE WHEN LOCATE('e',{t})>0 THEN SUBSTRING_INDEX({t},'e',-1)+0"
    f" WHEN ABS({{x}})<1 THEN LENGTH(TRIM(LEADING '0' FROM {_FRACTION}))-LENGTH({_FRACTION})-1"
    " ELSE LENGTH(REPLACE(SUBSTRING_INDEX({t},'.',1),'-',''))-1 END"
)
_THERE = " || rtrim(replace(ltrim(split_part({t}, 'e', 1), '-'), '.', ''), '0') || 'e' || split_part({t}, 'e', 2)::int END"
_FLOAT = (
    f"CASE WHEN {_PLAIN} THEN {{t}} ELSE CONCAT(IF({{x}}<0,'-',''),{_DIGITS},'e',{_EXPONENT}) END",
    f"CASE WHEN {_PLAIN} OR {{x}} IN ('NaN', 'Infinity', '-Infinity') THEN {{t}}"
    " ELSE CASE WHEN {x} < 0 THEN '-' ELSE '' END" + _THERE,
)
_PAIRS: dict[str, Expressions] = {
    "smallint": ("{number}", "{column}::text"),
    "integer": ("{number}", "{column}::text"),
    "bigint": ("{number}", "{column}::text"),
    "boolean": ("{number}", "{column}::int::text"),
    "bytea": ("SHA2({read},256)", "encode(sha256({column}), 'hex')"),
    "uuid": ("LOWER(HEX({read}))", "replace({column}::text, '-', '')"),
    "date": ("{read}", f"CASE WHEN {_YEAR_0} THEN to_char({{column}}, '0000-MM-DD') ELSE {{column}}::text END"),
}
_SHORT = frozenset({"char", "varchar", "enum", "set", "inet4", "inet6", "date", "datetime", "timestamp", "time"})


def pair(item: Cast, column: str, nul_bytes: str = "strip") -> Expressions | None:
    """Return the expressions for MySQL and for Postgres; `column` is the quoted name in Postgres. None: it has no pair."""
    if item.masked:  # the servers hold different values of it
        return None
    base, sizes = item.target_type.base, item.target_type.sizes
    if base in _PAIRS:
        here, there = _PAIRS[base]
        return here.format(read=item.read, number=number(item)), there.format(column=column)
    if base == "numeric":
        return _decimal(item, column, sizes)
    if base in TARGET_FLOATS:
        # A float is widened, for it is shown with six digits; a double(10,2) is freed of the zeros it is shown with.
        source = item.source_type
        x, t, y = item.read, f"CAST({item.read} AS CHAR)", f"{column}::float8"
        if source.base == "float" or source.sizes:
            # MySQL has 22 characters for what it has reckoned, one too few for some numbers and their sign.
            x = f"({item.read}*1e0)"
            t = f"(CASE WHEN {x}<0 THEN CONCAT('-',CAST(-{x} AS CHAR)) ELSE CAST({x} AS CHAR) END)"
        return _FLOAT[0].format(x=x, t=t), _FLOAT[1].format(x=y, t=f"{y}::text")
    if base == "timestamp":
        # Postgres leaves out zeros at the end of a fraction; and to_char the era, and infinity.
        digits = sizes[0] if sizes else 6
        shown = f"to_char({column}, 'YYYY-MM-DD HH24:MI:SS{f'.FF{digits}' if digits else ''}')"
        plain = f"WHEN isfinite({column}) AND {column} >= '0001-01-01' THEN {shown}" if digits else ""
        year_0 = f"WHEN {_YEAR_0.format(column=column)} THEN {shown.replace('YYYY', '0000')}"
        return item.read, f"CASE {plain} {year_0} ELSE {column}::text END"
    if base in ("timestamptz", "interval", "time"):
        here = item.read if base == "timestamptz" else _DURATION.format(c=quoted(item.column))
        text, is_possible = f"{microseconds(column)}::text", possible(base, column)
        return here, f"CASE WHEN {is_possible} THEN {text} ELSE {column}::text END" if is_possible else text
    if not item.hashable:
        return None
    return _text(item, column, nul_bytes)


def possible(base: str, column: str) -> str:
    """Return the condition that a value of Postgres is one that the source can have; '' where all are."""
    return _POSSIBLE.get(base, "").format(column=column)


def days_ahead(column: str) -> str:
    """Return by how many days MySQL's number of a day is ahead of Postgres': its year 0 has no 29th of February."""
    return _BEFORE_MARCH_0.format(column=column)


def microseconds(column: str) -> str:
    """Return the microseconds of a moment or duration in Postgres, a whole numeric."""
    return _MICROSECONDS.format(column=column)


def number(item: Cast) -> str:
    """Return a number as MySQL writes it, without the zeros of zerofill."""
    source = item.source_type
    plain = source.base not in ("year", "bit") and "zerofill" not in item.source.lower()
    # A decimal is read as text, and text + 0 would be a float.
    number = quoted(item.column) if source.base == "decimal" else item.read
    return number if plain else f"({number})+0"


def _decimal(item: Cast, column: str, sizes: tuple[int, ...]) -> Expressions:
    source, text = item.source_type, number(item)
    scale = source.sizes[1] if source.base == "decimal" else 0
    if (sizes[1:] or (0,))[0] == scale:
        return text, f"{column}::text"
    if scale:
        text = f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CAST({text} AS CHAR)))"
    return text, f"trim_scale({column})::text"


def _text(item: Cast, column: str, nul_bytes: str) -> Expressions:
    # As bytes, because to replace by the rules of a collation costs more than all the rest.
    here, there = f"CAST(CONVERT({item.read} USING utf8mb4) AS BINARY)", f"{column}::text"
    if nul_bytes == "strip":
        here = f"REPLACE({here},X'00','')"
    if item.source_type.base in _SHORT:
        return f"CONCAT('=',REPLACE({here},X'01',X'0101'))", f"'=' || replace({there}, E'\\x01', E'\\x01\\x01')"
    return f"SHA2({here},256)", _hashed(there)


def hash_expressions(casts: tuple[Cast, ...], names: dict[str, str], nul_bytes: str = "strip") -> Expressions:
    """Return the expressions of a row's hash over these columns; `names` are their quoted names in Postgres."""
    pairs = [found for item in casts if item.source and (found := pair(item, names[item.column], nul_bytes))]
    here = ",".join(f"IFNULL({mysql},'-')" for mysql, _ in pairs)
    there = [f"COALESCE({postgres}, '-')" for _, postgres in pairs]
    joined = [_joined(there[n : n + _ARGUMENTS]) for n in range(0, len(there), _ARGUMENTS)]
    return f"SHA2(CONCAT_WS({_SEPARATED},{here}),256)", _hashed(joined[0] if len(joined) == 1 else _joined(joined))


def _joined(texts: list[str]) -> str:
    return f"concat_ws(E'\\x01', {', '.join(texts)})"


def _hashed(text: str) -> str:
    return f"encode(sha256(convert_to({text}, 'UTF8')), 'hex')"
