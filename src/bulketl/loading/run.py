"""A load: carrying out a plan, and resuming a run that was interrupted."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError, SourceError, place_of
from bulketl.loading import engine
from bulketl.loading.brakes import AtOnce, Brakes
from bulketl.loading.events import Event, Observer
from bulketl.loading.measuring import measure
from bulketl.loading.memory import resident_mb
from bulketl.loading.pruning import prune_ledger
from bulketl.loading.record import Run, recorded
from bulketl.loading.summary import Summary
from bulketl.loading.threads import Crew
from bulketl.loading.throttle import Sparing
from bulketl.mysql.counters import Counters, counters
from bulketl.mysql.held import held_up
from bulketl.mysql.pressure import Strain
from bulketl.mysql.server import MySQL
from bulketl.mysql.source import MySQLSource
from bulketl.plan.incremental import choice_of
from bulketl.plan.partial import as_part
from bulketl.plan.plan import Plan
from bulketl.plan.resumption import changed_since, plan_from_json, remaining
from bulketl.plan.specify import specify
from bulketl.postgres.kept import close_kept, keeping
from bulketl.postgres.ledger import cancels, runs, strangewrites
from bulketl.postgres.ledger.states import read_states
from bulketl.postgres.locks import alive
from bulketl.postgres.server import SUPERSEDED, Connection, Postgres
from bulketl.postgres.session import described
from bulketl.postgres.target import PostgresTarget
from bulketl.survey.look import look_for
from bulketl.tables.cursor import State
from bulketl.tables.measured import Cursor
from bulketl.tables.partitions import Changes
from bulketl.tables.printable import in_a_line

_log = logging.getLogger("bulketl")
RESUMABLE = ("", "interrupted", "stopped")
# Gives, for a run and a number of steps at once, what carries these out; steps that are under way are not cancelled.
Executors = Callable[[str, int], contextlib.AbstractContextManager[Executor]]


def threads(_run: str, at_once: int) -> contextlib.AbstractContextManager[Executor]:
    """Return the executor of a run in this process."""
    return Crew(at_once)


@keeping()
def load(
    config: Config,
    plan: Plan,
    observers: Sequence[Observer] = (),
    *,
    closed: Callable[[], bool] | None = None,
    executor: Executors = threads,
) -> Summary:
    """Carry out a plan; return what became of each table, also if some failed.

    Observers are called with every event, in order; one that raises is not called again, and the load goes on. When
    `closed` returns true, or somebody cancels the run, the steps under way are finished, complete tables are published,
    and the run ends. `executor`: where steps run, in threads of this process or on the cluster of `bulketl.dask`. Raise
    SourceError or TargetError when the run could not begin or be recorded, or when another run holds a lock that it
    needs; ClusterError when the cluster goes away. An interrupted run leaves every table as it was or complete, and can
    be resumed until the next load.
    """
    check_libraries()

    def begin(connection: Connection, run: str) -> None:
        _still_gone(read_states(connection, plan.schema), plan)
        runs.sweep(connection, run, plan.schema)
        for one in strangewrites.written(connection, plan.schema) if config.migration else ():
            _log.warning("table %r: %s; have the older pipeline stop writing it", one.table, one.words)

    with recorded(Postgres.of(config), "load", plan, config, before=begin) as run:
        listening = _carry_out(config, run, plan, observers, closed, executor)
        measure(config, run, plan)
        prune_ledger(config, run)
    _look_after(config, run.name)
    _tell_hooks(run, listening)
    return run.summary


@keeping()
def resume(
    config: Config,
    run: str = "",
    observers: Sequence[Observer] = (),
    *,
    closed: Callable[[], bool] | None = None,
    executor: Executors = threads,
) -> Summary:
    """Continue an interrupted run, by default the last one into the schema, with the steps that are not on record.

    It carries out the plan with which the run began. Raise PlanError when there is no such run, when it ended or is being
    carried out, when a later load has removed what it had staged, or when the tables that are left have changed; also
    raise as `load` does.
    """
    check_libraries()
    target = Postgres.of(config)
    name, left = patient(_left, target, config, run)
    _still_so(config, name, left)
    with recorded(target, "load", left, config, before=_reopen, resumed=name) as resumed:
        listening = _carry_out(config, resumed, left, observers, closed, executor)
        measure(config, resumed, left)
        prune_ledger(config, resumed)
    _look_after(config, resumed.name)
    _tell_hooks(resumed, listening)
    return resumed.summary


def _look_after(config: Config, run: str) -> None:
    """See to what a migration has left to do, where there is one."""
    if config.migration is not None:
        from bulketl.loading.handovers import look_after  # which no other load needs

        look_after(config, run)


def _left(target: Postgres, config: Config, run: str) -> tuple[str, Plan]:
    """Return the name of a run that was interrupted, and what its plan has left to do."""
    with target.connect() as connection:
        name, plan = _interrupted(connection, config, run)
        return name, remaining(plan, *runs.progress(connection, name, plan.schema))


def _reopen(connection: Connection, run: str) -> None:
    if not runs.reopen_run(connection, run):
        raise _taken(run)
    cancels.forget(connection, run)


def _still_gone(states: Mapping[str, State], plan: Plan) -> None:
    """Raise PlanError when rows left a table by its retention after the plan was made: it would bring them back."""
    for item in plan.loads:
        state = states.get(item.spec.table)
        now = tuple((column, dt.datetime.fromisoformat(limit)) for column, limit in state.retained) if state else ()
        if now != item.spec.retained:
            raise PlanError(
                f"retention has removed rows of table {item.spec.table!r} since the load was planned",
                hint="plan it again: the new plan leaves them out",
            )


def _interrupted(connection: Connection, config: Config, run: str) -> tuple[str, Plan]:
    found = runs.find_run(connection, config.target_schema, run, ("load",))
    if found is None:
        which = f"no run {run!r}" if run else "no run"
        raise PlanError(
            f"there is {which} into schema {config.target_schema!r} on record",
            hint="bulketl.run in the target lists them; without a name bulketl takes the last one",
        )
    name, kind, outcome, document, began = found
    if kind != "load":
        raise _over(name, f"it is a {kind}, which leaves each table as it was or done")
    if alive(connection, name):
        raise PlanError(f"run {name} is still running", hint="wait until it ends")
    if (outcome or "") not in RESUMABLE:
        raise _taken(name) if outcome == SUPERSEDED else _over(name, f"it ended: {outcome}")
    last = "" if run else ", the last on record; a load that was killed before it was on record left nothing to go on with"
    _log.warning("going on with run %s, which began at %s%s", name, began, last)
    return name, plan_from_json(document)


def _taken(run: str) -> PlanError:
    return _over(run, "a later load has taken its place")


def _over(run: str, reason: str) -> PlanError:
    return PlanError(f"run {run} cannot be resumed: {reason}", hint="start a new one with `bulketl load`")


def _still_so(config: Config, run: str, plan: Plan) -> None:
    """Raise PlanError when a table that is left would be loaded otherwise now."""
    sight = look_for(config, [load.spec.table for load in plan.loads])
    catalog = sight.everything
    tables = {table.name: table for table in catalog}
    lines = []
    if catalog.identity != plan.source:
        lines.append(f"the source was {plan.source} and is {catalog.identity}")
    for load in plan.loads:
        name = load.spec.table
        if name not in tables:
            lines.append(f"table {name} is gone, or not in view")
            continue
        rule = config.rule(name)
        if rule.exclude:
            lines.append(f"table {name} is excluded now")
        # Whether it is loaded whole was decided when the run was planned, and stays.
        cursor = None if load.spec.whole else Cursor("", "", Changes(""))
        now = specify(config, catalog, tables[name], dataclasses.replace(choice_of(sight.known, name), cursor=cursor))
        now = as_part(now, load.spec.part) if load.spec.part else now
        lines += [f"table {name}: {line}" for line in changed_since(load, now, rule)]
    if lines:
        raise PlanError(
            f"run {run} cannot be resumed, because what it was planned for has changed:\n  "
            + "\n  ".join(map(in_a_line, lines)),
            hint="start a new one with `bulketl load`",
        )


def _note_sessions(source: MySQL, target: Postgres, run: str) -> dict[str, dict[str, object]]:
    """Note in the ledger what is known of both sides' sessions, and return it."""
    with target.connect() as connection:
        sessions = {"source": source.session().to_json(), "target": described(connection).to_json()}
        runs.note_sessions(connection, run, sessions)
        return sessions


@contextlib.contextmanager
def _counted(source: MySQL, summary: Summary) -> Iterator[None]:
    """Note what the source's server counts meanwhile, also when the run is interrupted; none fails for want of that."""
    before = _look(source)
    try:
        yield
    finally:
        after = _look(source) if before else None
        if before and after:
            summary.source_work = after.since(before)


def _look(source: MySQL) -> Counters | None:
    try:
        return counters(source)
    except SourceError:
        return None


def _carry_out(
    config: Config,
    run: Run,
    plan: Plan,
    observers: Sequence[Observer],
    closed: Callable[[], bool] | None,
    executors: Executors,
) -> Sequence[Observer]:
    """Carry out the plan of a run, and return the observers that still listen."""
    source, postgres = MySQL.of(config), Postgres.of(config)
    strain = Strain(source, config.source_limits) if config.source_limits.watched else None
    if strain is not None:
        patient(strain.look)  # a limit that cannot be looked at is an error now, and not silence all night
        if still := patient(strain.standing):
            _log.warning("%s; how long ago that was nobody knows, and replica_lag_seconds does not hold the load up", still)
    sessions = patient(_note_sessions, source, postgres, run.name)
    close_kept()  # nobody needs them while rows are loaded, which may take hours
    target = PostgresTarget(dataclasses.replace(postgres, guarded=True), run.name)
    brakes = Brakes(
        closed=closed or (lambda: False),
        cancelled=lambda: run.journal.cancel,
        full=lambda: resident_mb() > config.memory_mb,
        tend=run.locks.keep,
        held=functools.partial(_held_up, source, {load.spec.origin: load.spec.table for load in plan.loads}),
        sparing=Sparing(strain, config.source_limits.mb_per_second),
    )
    try:
        with _counted(source, run.summary), executors(run.name, config.at_once) as executor:
            watching = _observe(engine.decided(run.name, plan, sessions), run, observers)
            at_once = AtOnce(config.at_once, config.tables_at_once)
            events = engine.run(plan, MySQLSource(source), target, executor, at_once, brakes)
            with contextlib.closing(events):
                watching = _observe(events, run, watching)
    finally:
        target.close()
    if run.summary.outcome != "stopped":
        patient(target.sweep)
    return watching


def _observe(events: Iterator[Event], run: Run, watching: Sequence[Observer]) -> Sequence[Observer]:
    """Tell every event, and return the observers that still listen."""
    for event in events:
        run.summary.add(event)
        run.note(event)
        watching = _tell_hooks(run, [observer for observer in watching if _told(observer, event)])
    return watching


def _tell_hooks(run: Run, watching: Sequence[Observer]) -> Sequence[Observer]:
    """Tell what came of hooks meanwhile, and return the observers that still listen."""
    while run.told:
        ran = run.told.popleft()
        watching = [observer for observer in watching if _told(observer, ran)]
    return watching


def _told(observer: Observer, event: Event) -> bool:
    try:
        observer(event)
    except Exception as error:  # a closed pipe, a bug of a notebook's: nothing of that may stop a load
        what = place_of(error)  # its text may quote what it was told
        warnings.warn(f"an observer failed and is not called again: {what}", RuntimeWarning, stacklevel=2)
        return False
    return True


def _held_up(source: MySQL, names: Mapping[str, str], tables: Collection[str]) -> dict[str, str]:
    """Return of these tables those that wait at the source, which has other names for some."""
    found = held_up(source, [origin for origin, table in names.items() if table in tables])
    return {names[origin]: what for origin, what in found.items()}
