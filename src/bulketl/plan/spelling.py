"""Names that the target cannot spell, because its database is in an encoding that lacks a character of them."""

from __future__ import annotations

from bulketl.errors import PlanError
from bulketl.tables.spec import TableSpec

# The encodings of databases as Python knows them: those of one byte as Postgres has them, of the others all but a few signs.
# In UTF8 is every character, SQL_ASCII takes any byte, and MULE_INTERNAL lets nobody in who speaks UTF-8.
_CODECS = {
    "EUC_JP": "euc_jp", "EUC_JIS_2004": "euc_jis_2004", "EUC_KR": "euc_kr", "EUC_CN": "gb2312", "EUC_TW": "big5",
    "KOI8R": "koi8_r", "KOI8U": "koi8_u", "WIN866": "cp866", "WIN874": "cp874",
    **{f"LATIN{n}": f"iso8859-{part}" for n, part in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), 1)},
    **{f"ISO_8859_{part}": f"iso8859-{part}" for part in (5, 6, 7, 8)},
    **{f"WIN{page}": f"cp{page}" for page in range(1250, 1259)},
}  # fmt: skip

TAKING_ALL = ("UTF8", "SQL_ASCII")  # encodings that lack no character


def check_spelling(spec: TableSpec, encoding: str) -> None:
    """Raise PlanError when a database of that encoding, by its name in Postgres, lacks characters of a name or a check."""
    names = [item.name for item in spec.casts]
    where = f"which the target cannot spell: its database is in {encoding}"
    if lacks(spec.table, encoding):
        raise PlanError(
            f"table name {spec.table!r} has characters {where}",
            hint="name a view with another name in tables.yaml, set exclude: true, or load into a database in UTF8",
        )
    wrong = next((name for name in names if lacks(name, encoding)), None)
    if wrong is not None:
        raise PlanError(
            f"column name {wrong!r} of {spec.table!r} has characters {where}",
            hint="name it under exclude_columns, name a view with another name for it in tables.yaml, or load into a "
            "database in UTF8",
        )
    wrong = next((check.label for check in spec.checks if lacks(check.label, encoding)), None)
    if wrong is not None:
        raise PlanError(
            f"the check `{wrong}` of table {spec.table!r} has characters {where}",
            hint="write it without them, as an expression perhaps, or load into a database in UTF8",
        )


def lacks(name: str, encoding: str) -> bool:
    """Tell whether it is known that a database of an encoding cannot hold a name."""
    if name.isascii() or encoding not in _CODECS:
        return False
    try:
        name.encode(_CODECS[encoding])
    except UnicodeEncodeError:
        return True
    return False
