"""The kinds of alterations that a value may need on its way, in the words that count them per column."""

from __future__ import annotations

INVALID_DATE = "invalid date to NULL"
NUL_BYTE = "NUL byte stripped"
MINUS_ZERO = "-0 in JSON to 0"
DOUBLE_KEY = "double key in JSON, the last stays"
NO_OFFSET = "date whose owner is unknown to NULL"  # by the mask `shift`
OF_JSON = (MINUS_ZERO, DOUBLE_KEY)
KINDS = (INVALID_DATE, NUL_BYTE, *OF_JSON, NO_OFFSET)
