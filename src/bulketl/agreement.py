"""Whether both servers say the same: pairs of SQL that a person wrote, and the history of the tables by months.

A part of what a notebook imports; nothing here changes anything on either server.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bulketl.config.config import Config
from bulketl.config.pairs import Pair, load_checks
from bulketl.connections.patience import patient
from bulketl.errors import DataError, PlanError, SourceError, TargetError
from bulketl.history import History, TableHistory, date_column, held
from bulketl.mysql import months as mysql_history
from bulketl.mysql import query as mysql_query
from bulketl.mysql.read import retained_condition
from bulketl.mysql.server import MySQL
from bulketl.pairs import PairResult, compare
from bulketl.plan.incremental import Choice
from bulketl.plan.selection import select
from bulketl.plan.specify import specify
from bulketl.postgres import query as postgres_query
from bulketl.postgres.compare import months as postgres_history
from bulketl.postgres.ddl import name as quoted_name
from bulketl.postgres.inspect import read_tables
from bulketl.postgres.ledger.states import read_states
from bulketl.postgres.server import Postgres
from bulketl.rows.months import DATED, Asked, Counted, Month, month_of, sum_of
from bulketl.survey import look
from bulketl.tables.casts import held_type
from bulketl.tables.catalog import Catalog, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.spec import DELETED_AT, Tier


def run_pairs(config: Config, path: Path, names: Sequence[str] = ()) -> tuple[PairResult, ...]:
    """Run the pairs of a file of checks on both servers and return what became of each, in the file's order.

    `names`: only those. What one pair meets, a wrong column or its time limit, stands in its result and the others go on.
    Raise ConfigError for a wrong file, with all its mistakes, or a name that is not in it; SourceError or TargetError when a
    server cannot be used at all.
    """
    pairs = load_checks(path, names)
    source, target = MySQL.of(config), Postgres.of(config)
    patient(_reached, target)
    zone = config.session_zone
    today = patient(mysql_query.today, source, zone)
    return tuple(
        _run(source, target, config.target_schema, name, pair, pair.window(today), zone) for name, pair in pairs.items()
    )


def _reached(target: Postgres) -> None:
    with target.connect():
        pass


def _run(
    source: MySQL, target: Postgres, schema: str, name: str, pair: Pair, window: Mapping[str, dt.date], zone: str
) -> PairResult:
    try:
        ours = patient(mysql_query.answer, source, pair.source, window, pair.time_limit, zone)
        there = patient(postgres_query.answer, target, schema, pair.target, window, pair.time_limit)
        compared, differences = compare(pair, ours, there)
    except (SourceError, TargetError, DataError) as error:
        return PairResult(name, pair.severity, pair.key, window, error=error)
    return PairResult(name, pair.severity, pair.key, window, compared, differences)


def compare_history(
    config: Config, *, tiers: Sequence[Tier] = (), tables: Sequence[str] = (), by: str = "", sums: bool = False
) -> History:
    """Count every table's rows per month of a date column on both servers and return them side by side.

    `by`: that column for all tables; else each table's own cursor, what says when a row was written, or its first date.
    `sums`: also the sums of all numeric columns, exact. One query per table and server, both servers at once. Rows that
    retention or `deletes: mark` has taken away count on neither side. Raise ConfigError, SourceError or TargetError when a
    server cannot be used, PlanError when nothing fits `tiers` and `tables`, or no table has the column `by`.
    """
    source, target = MySQL.of(config), Postgres.of(config)
    existing, states = patient(_known, target, config.target_schema)
    catalog, skipped, hidden = select(config, patient(look, source, config, states, existing, tables), tiers, tables)
    found = {skip.table: TableHistory(skip.table, skipped=skip.reason) for skip in skipped}
    found |= {refusal.table: TableHistory(refusal.table, error=refusal.message) for refusal in hidden}
    asked: list[Asked] = []
    for table in catalog:
        try:
            one = _asked(config, catalog, table, existing.get(table.name), states.get(table.name), by, sums)
        except PlanError as error:
            found[table.name] = TableHistory(table.name, error=error.message)
            continue
        if isinstance(one, Asked):
            asked.append(one)
        else:
            found[table.name] = one
    if by and not any(column.name == by for table in catalog for column in table.columns):
        raise PlanError(f"no table has a column {by!r}", hint="check the spelling; case counts")
    zone = config.session_zone
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(patient, mysql_history.months, source, asked, zone)
        theirs = patient(postgres_history.months, target, config.target_schema, asked)
        ours = waiting.result()
    for one in asked:
        found[one.table] = _history(one, ours[one.table], theirs[one.table])
    at = dt.datetime.now().astimezone().replace(microsecond=0)
    return History(at, catalog.identity, config.target_schema, tuple(found[name] for name in sorted(found)))


def _known(target: Postgres, schema: str) -> tuple[dict[str, TargetTable], dict[str, State]]:
    with target.connect() as connection:
        return read_tables(connection, schema), read_states(connection, schema)


def _asked(
    config: Config,
    catalog: Catalog,
    table: Table,
    existing: TargetTable | None,
    state: State | None,
    by: str,
    sums: bool,
) -> Asked | TableHistory:
    """Return what to ask about a table, or why nothing is; raise PlanError when it cannot be loaded at all."""
    spec = specify(config, catalog, table, Choice(state=state))
    if existing is None:
        return TableHistory(table.name, error="the target has no such table; was it ever loaded?")
    casts = {item.column: item for item in spec.casts if item.source}
    column = date_column(table, config.rule(table.name), list(casts), by)
    if not column:
        return TableHistory(table.name, skipped=f"no date column {by!r}" if by else "no date column")
    there = dict(existing.columns)
    if column not in there:
        return TableHistory(table.name, error=f"the target has no column {column!r}; load the table again")
    if held_type(there[column])[0] not in DATED:
        return TableHistory(table.name, error=f"the target has {column!r} as {there[column]}; load the table again")
    totals = []
    for name, item in casts.items() if sums else ():
        if name in there and (found := sum_of(item, quoted_name(name), there[name])):
            totals.append((name, *found))
    marked = spec.deletes == "mark" and DELETED_AT in there
    return Asked(
        table=table.name,
        column=column,
        month=month_of(casts[column], quoted_name(column), there[column]),
        sums=tuple(totals),
        where=(retained_condition(spec), f"{quoted_name(DELETED_AT)} IS NULL" if marked else "TRUE"),
        utc=there[column].startswith("timestamptz"),
    )


def _history(asked: Asked, source: dict[Month, Counted] | str, target: dict[Month, Counted] | str) -> TableHistory:
    if isinstance(source, str) or isinstance(target, str):
        words = source if isinstance(source, str) else str(target)
        return TableHistory(asked.table, asked.column, error=words)
    return TableHistory(asked.table, asked.column, held(source, target, [name for name, *_ in asked.sums]))
