"""An older pipeline's tables in a schema, and bulketl's beside them in the shadow schema, as a migration has them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab import Done, Lab, load

from bulketl import Config
from bulketl.postgres.ledger import ownership, schema
from bulketl.postgres.server import Postgres

ABOUT = {"by": "tests", "reason": "a test", "run": ""}


@dataclass(frozen=True)
class Beside:
    """A lab in which tables are loaded beside an older pipeline's."""

    lab: Lab

    @property
    def shadow(self) -> str:
        """The schema in which bulketl's tables are."""
        return f"{self.lab.schema}_shadow"

    def config(self, told: Sequence[str] = (), **overrides: Any) -> Config:
        """Return the Config of a migration; `told`: the words of the command that hears of tables that change hands."""
        migration = {"shadow": self.shadow, "legacy": {"told": list(told)}, **overrides.pop("migration", {})}
        return self.lab.config(migration=migration, **overrides)

    def shadowed(self, tables: Sequence[str], **overrides: Any) -> Config:
        """Load tables beside the older pipeline's, and return the Config."""
        config = self.config(**overrides)
        with Postgres.of(config).connect() as connection:
            schema.create(connection, self.lab.schema)
            ownership.own(connection, self.lab.schema, tables, "shadow", ABOUT)
        assert self.load_beside(**overrides).summary.outcome == "done"
        return config

    def load_beside(self, **overrides: Any) -> Done:
        """Load into the shadow schema, as an ordinary load into it does."""
        overrides = {name: value for name, value in overrides.items() if name not in ("migration", "told")}
        return load(Lab(self.lab.server, self.lab.database, self.lab.target, self.shadow).config(**overrides))

    def owner(self, table: str) -> str:
        """Return who serves a table by the record."""
        rows = self.lab.pg("SELECT owner FROM bulketl.ownership WHERE schema_name = '{s}' AND table_name = %s"
                           " ORDER BY seq DESC LIMIT 1", [table])  # fmt: skip
        return str(rows[0][0])


def dropped(lab: Lab) -> None:
    """Drop what a migration leaves beside the schema of a lab."""
    rows = lab.pg("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'bulketl_legacy%%' OR nspname = %s",
                  [f"{lab.schema}_shadow"])  # fmt: skip
    for (place,) in rows:
        lab.pg(f'SET client_min_messages = warning; DROP SCHEMA "{place}" CASCADE')


def role(lab: Lab) -> str:
    """Make a role of the target and return its name."""
    name = f"role_{secrets.token_hex(4)}"
    lab.pg(f"CREATE ROLE {name}")
    return name
