"""`migrate status`: how the move from an older pipeline stands, from rules and ledger alone."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import Any

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.operations.migrate.ready import Readiness, ready
from bulketl.operations.migrate.weeks import Seen, Week, weeks
from bulketl.plan.ownership import owner_of
from bulketl.postgres.inspect import read_tables
from bulketl.postgres.ledger import goals, handovers, legacyruns, ownership, tableloads, verifications
from bulketl.postgres.ledger import weeks as ledger_weeks
from bulketl.postgres.ledger.handovers import Handover
from bulketl.postgres.ledger.legacyruns import LegacyRun
from bulketl.postgres.ledger.looking import looking
from bulketl.postgres.server import Postgres
from bulketl.tables.measured import Known
from bulketl.tables.owner import Owner

BACK = dt.timedelta(days=30)
RUNS = 14  # of the older pipeline


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """How the move stands at `now`: the weeks, and the owner of every table that the rules or the ledger name.

    `ready`: how near each table that is loaded beside the older pipeline is to being promoted. `untold`: handovers of which
    the older pipeline has not heard. `older`: the last run of the older pipeline that bulketl started, None for none.
    """

    schema: str
    shadow_schema: str
    now: dt.datetime
    owners: dict[str, Owner]
    weeks: tuple[Week, ...]
    ready: dict[str, Readiness]
    untold: tuple[Handover, ...]
    older: LegacyRun | None
    note: str

    @property
    def counts(self) -> dict[Owner, int]:
        """How many tables each serves."""
        found = Counter(self.owners.values())
        return {owner: found[owner] for owner in ("legacy", "shadow", "bulketl")}

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        older = self.older.to_json() if self.older else None
        return {
            "schema": self.schema, "shadow_schema": self.shadow_schema, "now": self.now.isoformat(timespec="seconds"),
            "counts": self.counts, "owners": self.owners, "weeks": [week.to_json() for week in self.weeks],
            "ready": {
                name: {"ready": one.ready, "nights": one.nights, "needed": one.needed, "last": one.last,
                       "at": one.at.isoformat(timespec="seconds") if one.at else None}
                for name, one in self.ready.items()
            },
            "untold": [{"run": one.run, "act": one.act, "tables": one.tables} for one in self.untold],
            "older": older, "note": self.note,
        }  # fmt: skip


def migration_status(config: Config, *, now: dt.datetime | None = None) -> MigrationStatus:
    """Return how the move from an older pipeline stands; the source is not asked. Raise ConfigError or TargetError."""
    return patient(_status, config, now or dt.datetime.now(dt.UTC))


def _status(config: Config, now: dt.datetime) -> MigrationStatus:
    of, beside, since = config.target_schema, config.shadow_schema, now - BACK
    with looking(Postgres.of(config)) as look:
        known = Known(read_tables(look.connection, of), {}, owners=ownership.owners(look.connection, of))
        served, shadowed = ({one.table: one for one in tableloads.last_loads(look, schema)} for schema in (of, beside))
        older = legacyruns.last(look.connection, of, RUNS)
        asked = older[0].tables if older else ()
        named = {*(config.known or ()), *config.tables, *known.owners, *served, *shadowed, *asked}
        names = sorted(name for name in named if not config.rule(name).exclude)
        owners = {name: owner_of(config, known, name) for name in names}
        loads = ledger_weeks.load_ends(look, of, since, now)
        runs = [one.run for one in (*loads, *ledger_weeks.load_ends(look, beside, since, now))]
        places = {"bulketl": of, "shadow": beside}
        seen = Seen(
            config=config, now=now, tiers={name: config.rule(name).table_importance for name in names}, owners=owners,
            last={name: one for name in names if (one := (served if owners[name] == "bulketl" else shadowed).get(name))},
            loads=loads, nights={one.table: one for one in ledger_weeks.table_nights(look, (of, beside), runs)},
            again=goals.again(look, runs), slower=ledger_weeks.slower(look, of, runs),
            incremental=set().union(*(goals.incremental(look, schema) for schema in places.values())),
            chained=set().union(*(goals.chained(look, schema) for schema in places.values())),
            delivered=goals.deliveries(look, of, since), raised=goals.raised(look, of, since),
            verified={
                one.table: one for schema in places.values()
                for one in verifications.since(look.connection, schema, since, now + BACK)
                if places.get(owners.get(one.table, "legacy")) == schema
            },
            older=older,
        )  # fmt: skip
        ruled = "" if config.ruled else "there are no rules, so only tables that the ledger names are counted"
        note = "; ".join(filter(None, (look.note, ruled)))
        near = ready(look.connection, config, [name for name in names if owners[name] == "shadow"])
        untold = tuple(handovers.untold(look.connection, of))
    return MigrationStatus(of, beside, now, owners, weeks(seen), near, untold, older[0] if older else None, note)
