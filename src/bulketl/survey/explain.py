"""The SQL of a plan: what each load sends to both servers."""

from __future__ import annotations

from bulketl.config.config import Config
from bulketl.connections.patience import patient
from bulketl.mysql.read import select as select_text
from bulketl.plan.plan import Plan
from bulketl.postgres.server import Postgres
from bulketl.survey import statements as explain


def statements(config: Config, plan: Plan) -> dict[str, list[str]]:
    """Return, per table, every statement a load would send: the SELECTs to the source, then all to the target."""
    return patient(_statements, Postgres.of(config), plan)


def _statements(target: Postgres, plan: Plan) -> dict[str, list[str]]:
    with target.connect() as connection:
        return {
            load.spec.table: [
                *(select_text(load.spec, partition) for partition in load.partitions),
                *explain.statements(connection, load),
            ]
            for load in plan.loads
        }
