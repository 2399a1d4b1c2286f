"""What Postgres limits of a table, whatever its rows: how many columns it has, and in which characters it is named."""

from __future__ import annotations

from bulketl.errors import PlanError
from bulketl.tables.spec import DELETED_AT, TableSpec

MOST_COLUMNS = 1600  # MaxHeapAttributeNumber; no setting raises it
# The encodings of databases as Python knows them: those of one byte as Postgres has them, of the others all but a few signs.
# In UTF8 is every character, SQL_ASCII takes any byte, and MULE_INTERNAL lets nobody in who speaks UTF-8.
_CODECS = {
    "EUC_JP": "euc_jp", "EUC_JIS_2004": "euc_jis_2004", "EUC_KR": "euc_kr", "EUC_CN": "gb2312", "EUC_TW": "big5",
    "KOI8R": "koi8_r", "KOI8U": "koi8_u", "WIN866": "cp866", "WIN874": "cp874",
    **{f"LATIN{n}": f"iso8859-{part}" for n, part in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), 1)},
    **{f"ISO_8859_{part}": f"iso8859-{part}" for part in (5, 6, 7, 8)},
    **{f"WIN{page}": f"cp{page}" for page in range(1250, 1259)},
}  # fmt: skip


def check_limits(spec: TableSpec, encoding: str) -> None:
    """Raise PlanError when the target, a database of that encoding by its name in Postgres, cannot have such a table."""
    own = {*spec.stamps, *(column for column, _ in spec.kept), *([DELETED_AT] if spec.deletes == "mark" else [])}
    names = [item.name for item in spec.casts]
    count = len(own.union(names))
    if count > MOST_COLUMNS:
        raise PlanError(
            f"table {spec.table!r} would have {count:,} columns, and a table of Postgres has at most {MOST_COLUMNS:,}",
            hint=f"name {count - MOST_COLUMNS:,} or more of them under exclude_columns, or split the table into views at "
            "the source and name these in tables.yaml",
        )
    where = f"which the target cannot spell: its database is in {encoding}"
    if _lacks(spec.table, encoding):
        raise PlanError(
            f"table name {spec.table!r} has characters {where}",
            hint="name a view with another name in tables.yaml, set exclude: true, or load into a database in UTF8",
        )
    wrong = next((name for name in names if _lacks(name, encoding)), None)
    if wrong is not None:
        raise PlanError(
            f"column name {wrong!r} of {spec.table!r} has characters {where}",
            hint="name it under exclude_columns, name a view with another name for it in tables.yaml, or load into a "
            "database in UTF8",
        )
    wrong = next((check.label for check in spec.checks if _lacks(check.label, encoding)), None)
    if wrong is not None:
        raise PlanError(
            f"the check `{wrong}` of table {spec.table!r} has characters {where}",
            hint="write it without them, as an expression perhaps, or load into a database in UTF8",
        )


def _lacks(name: str, encoding: str) -> bool:
    """Tell whether it is known that a database of an encoding cannot hold a name."""
    if name.isascii() or encoding not in _CODECS:
        return False
    try:
        name.encode(_CODECS[encoding])
    except UnicodeEncodeError:
        return True
    return False
