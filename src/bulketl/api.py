"""What a notebook imports and the command line calls: make a plan, load it.

import bulketl
config = bulketl.load_config(tables=None, settings=None, environ=os.environ)
plan = bulketl.make_plan(config)
summary = bulketl.load(config, plan)
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import pyarrow as pa

from bulketl import engine
from bulketl.casts import parse_type
from bulketl.catalog import Catalog, Column, Table, TargetTable
from bulketl.classify import Proposal, classify, cursor_candidates
from bulketl.config import Config
from bulketl.decision import decide, select
from bulketl.errors import ConfigError, PlanError
from bulketl.events import Event, Observer
from bulketl.findings import Finding, examine
from bulketl.incremental import Span
from bulketl.mysql import MySQL, compare
from bulketl.mysql.discover import read_bounds, read_catalog, read_profiles
from bulketl.mysql.read import masked, read
from bulketl.mysql.read import select as select_text
from bulketl.partitions import Bound, Partition
from bulketl.plan import Plan, Refusal, TableSpec, differences
from bulketl.postgres import LEDGER, STAGING, Postgres, explain, ledger
from bulketl.postgres.inspect import missing_rights, read_tables
from bulketl.postgres.state import count_rows, read_states
from bulketl.postgres.steps import PostgresTarget
from bulketl.reconcile import Buckets, Digest, Row
from bulketl.rules import Tier
from bulketl.summary import Summary
from bulketl.survey import choices, unchanged

# Older ones lose rows or corrupt money without an error (docs/types.md).
LEAST_VERSIONS = {"connectorx": (0, 4, 6), "adbc-driver-postgresql": (1, 13, 0)}


@dataclasses.dataclass(frozen=True, slots=True)
class MySQLSource:
    """The source as the engine sees it."""

    mysql: MySQL

    def read(self, spec: TableSpec, partition: Partition) -> Iterator[pa.Table]:
        """Yield the partition's rows in Arrow."""
        return read(self.mysql, spec, partition)

    def digests(self, spec: TableSpec, buckets: Buckets) -> Mapping[str, Digest]:
        """Return rows and hash per bucket."""
        return compare.digests(self.mysql, spec, buckets)

    def rows(self, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> Mapping[str, Row]:
        """Return key and hash of every row in some buckets."""
        return compare.rows(self.mysql, spec, buckets, which)

    def masked(self, spec: TableSpec) -> list[list[str]]:
        """Return the columns of each mask at the end of a row."""
        return masked(spec)


def make_plan(
    config: Config,
    *,
    tiers: Sequence[Tier] = (),
    tables: Sequence[str] = (),
    full: bool = False,
    since: str = "",
    until: str = "",
    allow_deletes: Sequence[str] = (),
) -> Plan:
    """Look at both servers and return what a load would do; change nothing on either.

    `tiers` and `tables` (names, or patterns with `*` and `?`) narrow the load; empty means all. `full` loads tables
    whole that have another strategy. `since` and `until`: load again the rows whose cursor lies there, `since`
    included. Tables that fit `allow_deletes` may lose any share of their rows. Raise ConfigError, SourceError or
    TargetError when a server cannot be used, PlanError when nothing fits `tiers` and `tables`.
    """
    check_libraries()
    source, target = endpoints(config)
    with target.connect() as connection:  # asked first: nothing is read for a target that is not there
        existing = read_tables(connection, config.target_schema)
        states = read_states(connection, config.target_schema)
        history = ledger.seconds_per_row(connection, config.target_schema)
    catalog, skipped = select(config, read_catalog(source), tiers, tables)
    span = Span(since, until) if since or until else None
    if not (full or span):
        catalog, same = unchanged(config, catalog, states, existing, lambda names: _count(config, target, names))
        skipped += same
    known = choices(source, config, catalog, states, existing, full=full, span=span)
    whole = [t for t in catalog if not known[t.name].refusal and known[t.name].whole]
    by = {name: rule.partition_by for name, rule in config.tables.items() if rule.partition_by}
    bounds = read_bounds(source, whole, by)
    return decide(config, catalog, bounds, existing, choices=known, skipped=skipped, history=history, allowed=allow_deletes)


def _count(config: Config, target: Postgres, tables: Sequence[str]) -> dict[str, int]:
    if not tables:
        return {}
    with target.connect() as connection:
        return count_rows(connection, config.target_schema, tables)


def statements(config: Config, plan: Plan) -> dict[str, list[str]]:
    """Return, per table, every statement a load would send: the SELECTs to the source, then all to the target."""
    with endpoints(config)[1].connect() as connection:
        return {
            load.spec.table: [
                *(select_text(load.spec, partition) for partition in load.partitions),
                *explain.statements(connection, load),
            ]
            for load in plan.loads
        }


def compare_with_last(config: Config, plan: Plan) -> tuple[str, list[str]]:
    """Return the name of the last run into the schema, or '', and how the plan differs from that run's."""
    with endpoints(config)[1].connect() as connection:
        last = ledger.last_plan(connection, plan.schema)
    return ("", []) if last is None else (last[0], differences(last[1], plan))


def propose(config: Config) -> tuple[Catalog, tuple[Proposal, ...]]:
    """Look at the source and return its catalogue, and what tables.yaml should say of each table and why.

    A handful of queries, however many tables there are; nothing is changed. Raise ConfigError or SourceError.
    """
    check_libraries()
    source = MySQL(_uri(config.source, "source"))
    catalog = read_catalog(source)
    candidates = {table: found for table in catalog if table.rows and (found := cursor_candidates(table))}
    return catalog, classify(catalog, read_profiles(source, candidates), config.classify)


def validate(config: Config) -> tuple[Finding, ...]:
    """Hold the configuration against both live servers and return what is wrong or doubtful; change nothing.

    Without a target only the source is looked at. Raise ConfigError, SourceError or TargetError when a server that is
    set cannot be used.
    """
    check_libraries()
    source = MySQL(_uri(config.source, "source"))
    catalog = read_catalog(source)
    looked_at = {table: found for table in catalog if table.rows and (found := _cursors(config, table))}
    profiles = read_profiles(source, looked_at)
    proposals = {proposal.table: proposal for proposal in classify(catalog, profiles, config.classify)}
    target: dict[str, TargetTable] | None = None
    missing: tuple[tuple[str, str], ...] = ()
    if config.target:
        with Postgres(config.target).connect() as connection:
            target = read_tables(connection, config.target_schema)
            missing = missing_rights(connection, config.target_schema)
    rights = (Finding(config.target_schema, "error", text, "nothing is loaded", advice) for text, advice in missing)
    refused = _refused(config, catalog, target or {})
    return (*rights, *examine(config, catalog, proposals, profiles, target, refused))


def _refused(config: Config, catalog: Catalog, target: Mapping[str, TargetTable]) -> tuple[Refusal, ...]:
    """Return what a load would refuse, as far as it can be told without measuring the tables."""
    try:
        wanted, _ = select(config, catalog, (), ())
    except PlanError as error:
        return (Refusal(catalog.identity, "reference", error.message, error.hint),)
    return decide(config, wanted, {table.name: Bound(table.rows) for table in wanted}, target).refused


def _cursors(config: Config, table: Table) -> tuple[Column, ...]:
    named = config.rule(table.name).incremental_column
    times = (c for c in table.columns if c.name == named and parse_type(c.type).base in ("date", "datetime", "timestamp"))
    return tuple(dict.fromkeys((*cursor_candidates(table), *times)))


def load(config: Config, plan: Plan, observers: Sequence[Observer] = ()) -> Summary:
    """Carry out a plan; return what became of each table, also when some failed.

    Observers are called with every event, in order; one that raises is not called again, and the load goes on. Raise
    SourceError or TargetError when the run could not begin or record itself. A run that is interrupted leaves every table
    as it was or complete, and no staging tables.
    """
    check_libraries()
    source, postgres = endpoints(config)
    run = new_run()
    target = PostgresTarget(postgres, run)
    summary = Summary()
    with postgres.connect() as connection:
        ledger.create(connection, plan.schema)
        ledger.start_run(
            connection,
            run,
            source=plan.source,
            schema=plan.schema,
            zone=plan.zone,
            plan=plan.fingerprint,
            version=version("bulketl"),
            document=plan.to_json(),
        )
    reasons = {item.spec.table: item.reason for item in plan.loads}
    outcome, watching = "interrupted", list(observers)
    try:
        with ThreadPoolExecutor(config.at_once, thread_name_prefix="bulketl") as executor:
            for event in engine.run(plan, MySQLSource(source), target, executor, workers=config.at_once):
                summary.add(event)
                watching = [observer for observer in watching if _told(observer, event)]
        outcome = summary.outcome
    finally:
        target.close()
        target.sweep()
        with postgres.connect() as connection:
            ledger.record_tables(
                connection,
                run,
                [
                    {
                        **dataclasses.asdict(table),
                        "reason": reasons.get(table.table, ""),
                        "drift": list(table.drift),
                        "error": table.message or None,
                        "hint": table.hint or None,
                    }
                    for table in summary.tables.values()
                ],
            )
            ledger.finish_run(connection, run, outcome, dict(summary.totals))
    return summary


def _told(observer: Observer, event: Event) -> bool:
    try:
        observer(event)
    except Exception as error:  # a closed pipe, a bug of a notebook's: nothing of that may stop a load
        warnings.warn(f"an observer failed and is not called again: {error!r}", RuntimeWarning, stacklevel=2)
        return False
    return True


def endpoints(config: Config) -> tuple[MySQL, Postgres]:
    """Return source and target; raise ConfigError naming what is not set."""
    return MySQL(_uri(config.source, "source")), target_of(config)


def target_of(config: Config) -> Postgres:
    """Return the target; raise ConfigError when it is not set, or the schema cannot be loaded into."""
    if config.target_schema in (LEDGER, STAGING) or config.target_schema.startswith("pg_"):
        raise ConfigError(
            f"the target schema cannot be {config.target_schema!r}", hint="that schema is taken: choose another"
        )
    return Postgres(_uri(config.target, "target"))


def _uri(value: str, name: str) -> str:
    if not value:
        raise ConfigError(
            f"no {name} is set",
            hint=f"set BULKETL_{name.upper()} to its URI, or {name}: in config/bulketl.yaml",
        )
    return value


def check_libraries() -> None:
    """Raise ConfigError when a library is installed that would lose rows or corrupt values silently."""
    for name, least in LEAST_VERSIONS.items():
        found = version(name)
        numbers = tuple(int(part) for part in found.split("+")[0].split(".")[:3] if part.isdigit())
        if numbers < least:
            wanted = ".".join(map(str, least))
            raise ConfigError(
                f"{name} {found} is installed, and versions before {wanted} lose rows or corrupt values silently",
                hint=f"pip install '{name}>={wanted}'",
            )


def new_run() -> str:
    """Return a run's name: UTC time and four random hex digits, 20 characters that sort by time."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
