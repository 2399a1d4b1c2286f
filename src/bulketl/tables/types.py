"""Names of types taken apart, and their families: MySQL's, and Postgres' as far as cast rules make them."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

# Of MySQL.
INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
FLOATS = ("float", "double")
TIMES = ("date", "datetime", "timestamp")  # that name a day
MOMENTS = ("datetime", "timestamp")  # that name an hour too
RAW_TEXTS = ("enum binary", "set binary")  # of character set binary: their members are bytes
# Of Postgres.
TARGET_INTEGERS = ("smallint", "integer", "bigint")
TARGET_FLOATS = ("real", "double precision")
TARGET_TIMES = ("date", "timestamp", "timestamptz")

RAW = "character set binary"
_TYPE = re.compile(r"^([a-z0-9]+)(?:\((.*?)\))?(.*)$", re.DOTALL)
# What a bare MySQL name means; information_schema always writes the numbers of the others.
_IMPLIED_SIZES = {"decimal": (10, 0), "datetime": (0,), "timestamp": (0,), "time": (0,), "bit": (1,), "char": (1,)}


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type taken apart: `decimal(10,2) unsigned` is base `decimal`, sizes (10, 2), unsigned."""

    base: str
    sizes: tuple[int, ...] = ()
    unsigned: bool = False

    @property
    def places(self) -> int:
        """Decimal places of a number, or of the seconds of a time."""
        return self.sizes[-1] if self.sizes and self.base in ("decimal", *MOMENTS, "time") else 0


@functools.lru_cache(maxsize=4096)  # a catalogue has thousands of columns and some fifty types
def parse_type(text: str) -> TypeName:
    """Take a MySQL type apart, as `information_schema.columns.column_type` spells it, or `casts.typed`."""
    plain = text.strip().lower()
    match = _TYPE.match(plain)
    if not match:
        return TypeName(text)
    base, inside, rest = match.groups()
    if base in ("enum", "set"):
        return TypeName(f"{base} binary" if plain.endswith(RAW) else base)  # its members may be spelt like anything
    numbers = tuple(int(n) for n in inside.split(",")) if inside and re.fullmatch(r"\d+(,\d+)?", inside) else ()
    if base == "decimal" and len(numbers) == 1:
        numbers = (*numbers, 0)
    return TypeName(base, numbers or _IMPLIED_SIZES.get(base, ()), "unsigned" in rest)
