"""What the source had when tables.yaml was last written: `catalog.json` beside it, and what changed since.

Beside rules of another name it has theirs, `clinic.catalog.json` for clinic.yaml: sources in one folder have one each.
It lets a later look tell a table that is new from one that was left without a rule on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from bulketl.errors import ConfigError
from bulketl.tables.catalog import Absent, Catalog

Snapshot = dict[str, dict[str, str]]


def snapshot(catalog: Catalog) -> Snapshot:
    """Return the types of every column by table and name."""
    return {table.name: {column.name: column.type for column in table.columns} for table in catalog}


def snapshot_path(tables: Path) -> Path:
    """Return where the snapshot lies that belongs to a tables.yaml, or to rules of another name."""
    return tables.with_name("catalog.json" if tables.stem == "tables" else f"{tables.stem}.catalog.json")


def read_snapshot(tables: Path) -> Snapshot | None:
    """Return the snapshot beside a tables.yaml, or None when there is none.

    Raise ConfigError when there is one that cannot be read: without it every new table would pass for an old one.
    """
    path = snapshot_path(tables)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    except json.JSONDecodeError as error:
        raise _unreadable(path, f"line {error.lineno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"not UTF-8 text (byte {error.start})") from None
    except ValueError:  # of Python itself, which makes no number of so many digits
        raise _unreadable(path, "a number in it has thousands of digits") from None
    except RecursionError:
        raise _unreadable(path, "nested too deeply") from None
    columns = found.values() if isinstance(found, dict) else [None]
    if not all(isinstance(types, dict) and all(isinstance(kind, str) for kind in types.values()) for types in columns):
        raise _unreadable(path, "it is not a mapping of tables to the types of their columns")
    return cast(Snapshot, found)


def carried(before: Snapshot, now: Snapshot, absent: Iterable[Absent]) -> tuple[Snapshot, list[str]]:
    """Return the snapshot with what was there before and is only out of view, and lines that say so."""
    made, lines = {table: dict(columns) for table, columns in now.items()}, []
    for item in absent:
        old = before.get(item.table)
        if item.gone or old is None:
            continue
        if item.column is None:
            made[item.table] = dict(old)
            lines.append(f"? table {item.table} is not in view: {item.why}")
        elif item.column in old:
            made.setdefault(item.table, {})[item.column] = old[item.column]
            lines.append(f"? column {item.table}.{item.column} is not in view: {item.why}")
    return made, lines


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{path} cannot be read: {why}",
        hint="restore it, or delete it and run `bulketl discover --write` again, which writes it anew",
    )


def changes(before: Snapshot, now: Snapshot) -> list[str]:
    """Return what changed at the source as lines that begin with +, - or ~, as a diff does."""
    lines = []
    for table in sorted({*before, *now}):
        old, new = before.get(table), now.get(table)
        if old is None or new is None:
            lines.append(f"{'+' if old is None else '-'} table {table}")
            continue
        for column in (*old, *(name for name in new if name not in old)):
            if column not in new:
                lines.append(f"- column {table}.{column} {old[column]}")
            elif column not in old:
                lines.append(f"+ column {table}.{column} {new[column]}")
            elif old[column] != new[column]:
                lines.append(f"~ column {table}.{column} {old[column]} -> {new[column]}")
    return lines
