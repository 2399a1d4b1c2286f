"""A look at the ledger for pages: it reads what the role `dashboard` may read, whichever role the dashboard has.

Words of servers may quote rows, so it never reads them, even if its role may.
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
