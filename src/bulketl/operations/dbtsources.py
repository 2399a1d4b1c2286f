"""`sources.yml` for dbt: the tables that bulketl loads, with their types, the tests that their checks imply, and freshness.

The types are those of the target, so no source has to be up. dbt asks the ledger for freshness, one record by an index,
instead of scanning each table for its greatest stamp. A table that is proved unchanged is fresh too, which no stamp in it
could tell.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError
from bulketl.postgres.ddl import name as name_of
from bulketl.postgres.known import known
from bulketl.postgres.ledger.lastloads import when_well
from bulketl.postgres.server import Postgres
from bulketl.tables.catalog import TargetTable
from bulketl.tables.checks import Check
from bulketl.tables.enums import is_type_name
from bulketl.tables.patterns import fitting

HEADER = "# Made by `bulketl dbt sources`, which writes it anew: changes belong into tables.yaml.\n"
_SEVERITY = {"warn": "warn", "reject": "error", "fail": "error"}
_PLAIN, _ODD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*"), re.compile(r"[^A-Za-z0-9]+")
_JINJA = re.compile(r"\{(?=[{%#])")
_SPELLING = "check the spelling (case counts); `bulketl state list` names the tables that are loaded"
# Tests of dbt that compare a value with others as Postgres does, which takes an enum only for what is a label of it.
_UNFIT = frozenset({"accepted_values", "relationships"})
_PERIODS = ((86400, "day"), (3600, "hour"), (60, "minute"))


class _Dumper(yaml.SafeDumper):
    """Writes every text in one line: a name with a line feed must not begin one of its own."""


def _in_a_line(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _in_a_line)


def document_of(text: str) -> object:
    """Return what a properties file that `dbt_sources` made says, as plain values."""
    return yaml.safe_load(text)


def dbt_sources(config: Config, tables: Sequence[str] = (), *, certified: bool = False) -> str:
    """Return a properties file for dbt (1.10 or later) with one source, named after the target schema.

    `tables`: names or patterns, by default every table on record that is in the target. `certified`: a table is fresh
    only by a certified load, or by one that proved that it had not changed since a certified load. Raise TargetError when
    the target does not answer, PlanError when no table fits.
    """
    found = patient(known, Postgres.of(config), config.target_schema)
    loaded = {name: table for name, table in found.existing.items() if name in found.states}
    chosen = sorted(fitting(loaded, tables, config.target_schema, _SPELLING))
    if not chosen:
        raise PlanError(
            f"no table in schema {config.target_schema!r} is on record as loaded",
            hint="run `bulketl load` first; a role other than the loader's needs SELECT on the ledger",
        )
    names = dbt_names(loaded)
    document = {
        "version": 2,
        "sources": [
            {
                "name": config.target_schema,
                "schema": config.target_schema,
                "loader": "bulketl",
                "tables": [_table(config, loaded[name], names, certified) for name in chosen],
            }
        ],
    }
    return HEADER + yaml.dump(_still(document), Dumper=_Dumper, sort_keys=False, width=1000)


def _table(config: Config, table: TargetTable, names: Mapping[str, str], certified: bool) -> dict[str, Any]:
    rule = config.rule(table.name)
    enums = {name for name, kind in table.columns if is_type_name(kind)}
    tests: dict[str, list[Any]] = {name: [] for name, _ in table.columns}
    if len(table.primary_key) == 1:
        tests[table.primary_key[0]] += [{"unique": {}}, {"not_null": {}}]
    for check in rule.all_checks:
        columns = config.target_names(table.name, check.columns)
        for column, test in _tests(config, check, columns, names):
            if column in tests and test not in tests[column] and not (column in enums and _UNFIT.intersection(test)):
                tests[column].append(test)
    within = rule.expect.loaded_within(rule.table_importance)
    level = "error_after" if rule.table_importance in ("critical", "important") else "warn_after"
    asked = {"loaded_at_query": when_well(config.target_schema, table.name, certified=certified)}
    return {
        "name": names[table.name],
        "identifier": table.name,
        "config": {"freshness": {level: _span(within)} if within else None, **asked},
        "columns": [_column(names[table.name], name, kind, tests[name]) for name, kind in table.columns],
    }


def _column(table: str, name: str, kind: str, tests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a column; dbt writes its name with quotation marks around it, so one that has some itself gets no tests."""
    if tests and not _PLAIN.fullmatch(name):  # dbt makes the test's name of the column's, and takes no blanks there
        tests = [
            {what: {"name": f"source_{what}_{table}_{_plainly(name)}", **told}}
            for test in tests
            for what, told in test.items()
        ]
    told = {"data_tests": [what if not more else {what: more} for test in tests for what, more in test.items()]}
    return {"name": name, "quote": True, "data_type": kind, **(told if tests and '"' not in name else {})}


def dbt_names(tables: Iterable[str]) -> dict[str, str]:
    """Return the name that dbt has for each table: its own, unless that is more than letters, digits and underscores."""
    return {name: name if _PLAIN.fullmatch(name) else _plainly(name) for name in tables}


def _plainly(name: str) -> str:
    """Return a name of letters, digits and underscores; a hash keeps two apart."""
    return f"{_ODD.sub('_', name).strip('_') or 'x'}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _tests(config: Config, check: Check, columns: Sequence[str], names: Mapping[str, str]) -> list[tuple[str, Any]]:
    """Return what dbt's own tests can say of a check, with the column each stands at; nothing of what they cannot.

    `names`: the tables that are sources, by the names that dbt has for them.
    """
    severity = {"config": {"severity": _SEVERITY[check.severity]}}
    if check.kind == "not_null":
        return [(name, {"not_null": severity}) for name in columns]
    if len(columns) != 1:
        return []
    (name,) = columns
    if check.kind == "unique":
        return [(name, {"unique": severity})]
    if check.kind == "one_of":
        quote = all(isinstance(value, str) for value in check.values)
        arguments = {"values": [_plain(value) for value in check.values], **({} if quote else {"quote": False})}
        return [(name, {"accepted_values": {"arguments": arguments, **severity}})]
    if check.kind == "foreign_key" and check.table in names:
        (key,) = config.target_names(check.table, check.keys)
        to = f"source({config.target_schema!r}, {names[check.table]!r})"
        return [(name, {"relationships": {"arguments": {"to": to, "field": name_of(key)}, **severity}})]
    return []


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.date) else value


def _span(within: dt.timedelta) -> dict[str, object]:
    """Return a time as dbt has it, in the largest unit in which it is a whole number."""
    seconds = max(60, round(within.total_seconds()))
    size, period = next((size, word) for size, word in (*_PERIODS, (1, "minute")) if seconds % size == 0 or size == 1)
    return {"count": seconds // size if size > 1 else -(-seconds // 60), "period": period}


def _still(value: Any) -> Any:
    """Return the same with nothing that dbt's templates would act on: a name may hold two braces."""
    if isinstance(value, str):
        return _JINJA.sub("{{ '{' }}", value)
    if isinstance(value, list):
        return [_still(one) for one in value]
    return {key: _still(one) for key, one in value.items()} if isinstance(value, dict) else value
