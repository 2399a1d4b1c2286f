"""A look at the ledger for pages: as the role `dashboard` has it, whoever the dashboard runs as.

What servers said may quote rows, so it is not read even by who may.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from bulketl.config.config import Config
from bulketl.postgres.ledger.looking import Look, looking
from bulketl.postgres.server import Postgres


@contextlib.contextmanager
def sight(config: Config) -> Iterator[Look]:
    """Open a look. Raise ConfigError or TargetError when the ledger cannot be used, also while its tables are locked."""
    with looking(Postgres.of(config)) as look:
        yield look._replace(all=False)
