"""The record of a rejected row: which column is at fault, its value, the reason, and key and row as JSON.

Whatever a row holds has a record. A number that JSON has no form for is its text, bytes are hex digits as Postgres prints
them, times are spelt as MySQL spells them, and what is too long is cut and says how long it was. What an encoding lacks is
escaped where the record is written (`bulketl.postgres.ledger.escapes`).
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bulketl.tables.spec import TableSpec

MOST = 1_000_000  # characters or bytes of a value that are kept whole
MOST_OF_A_ROW = 8_000_000  # of all values of a row; jsonb ends at 256 MB, and a character may take twelve
BEGINNING = 1_000  # of a value that is cut
CUT, CHARACTERS, BYTES = "cut", "characters", "bytes"  # keys of what stands for a value that is cut


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not be loaded: the first column at fault, its value as text, the reason, key and row as JSON.

    `code`: the server's number, where the reason is in its words and so may quote the row.
    """

    column: str
    value: str | None
    reason: str
    key: str
    row: str
    code: str = ""


def reject(row: Mapping[str, object], spec: TableSpec, columns: Sequence[str], reason: str, code: str = "") -> Reject:
    """Return the record of a rejected row, its values as they were read; `columns` are those at fault.

    A value of more than MOST characters is cut, and so are all long ones of a row of more than MOST_OF_A_ROW: an object
    stands there, with the beginning of the value as `cut` and its length as `characters` or `bytes`.
    """
    size = sum(len(value) for value in row.values() if isinstance(value, (str, bytes)))
    most = MOST if size <= MOST_OF_A_ROW else BEGINNING
    plain = {name: _plain(value, most) for name, value in row.items()}
    key = {name: plain[name] for name in spec.key}
    texts = [_text(plain.get(column)) for column in columns]
    value = texts[0] if len(texts) == 1 else ", ".join(text or "NULL" for text in texts) if texts else None
    return Reject(", ".join(columns), value, reason, json.dumps(key), json.dumps(plain), code)


def _plain(value: object, most: int) -> object:
    """Return a value as JSON has it."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        # A number of jsonb has no -0.0, and one without decimals is read as an integer, of digits that the float has not.
        exact = abs(value) < _WHOLE and (value or math.copysign(1, value) > 0)
        return value if exact else _SPELT.get(value, "NaN" if math.isnan(value) else repr(value))
    if isinstance(value, bytes):
        if len(value) <= most:
            return "\\x" + value.hex()
        return {CUT: "\\x" + value[:BEGINNING].hex(), BYTES: len(value)}
    text = _time(value) if isinstance(value, dt.timedelta) else str(value)
    return text if len(text) <= most else {CUT: text[:BEGINNING], CHARACTERS: len(text)}


_WHOLE = 2.0**53
_SPELT = {math.inf: "Infinity", -math.inf: "-Infinity", 0.0: "-0.0"}


def _time(value: dt.timedelta) -> str:
    """Return a time as MySQL prints it, so that a key of one is found again."""
    micros = abs(value) // dt.timedelta(microseconds=1)
    seconds, part = divmod(micros, 1_000_000)
    text = f"{'-' if value < dt.timedelta(0) else ''}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{part:06}" if part else text


def _text(value: object) -> str | None:
    """Return a value of the record as text, with how long it was where it is cut."""
    if not isinstance(value, dict):
        return None if value is None else str(value)
    length, unit = next((value[unit], unit) for unit in (CHARACTERS, BYTES) if unit in value)
    return f"{value[CUT]}… (cut: {length:,} {unit})"
