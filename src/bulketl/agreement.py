"""Whether both servers say the same: pairs of SQL that a person wrote, and the history of the tables by months.

A part of what a notebook imports; nothing here changes anything on either server.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

from bulketl.config import Config
from bulketl.endpoints import endpoints
from bulketl.errors import DataError, SourceError, TargetError
from bulketl.mysql import MySQL
from bulketl.mysql import query as mysql_query
from bulketl.pairs import Pair, PairResult, compare, load_checks
from bulketl.postgres import Postgres
from bulketl.postgres import query as postgres_query


def run_pairs(config: Config, path: Path, names: Sequence[str] = ()) -> tuple[PairResult, ...]:
    """Run the pairs of a file of checks on both servers and return what became of each, in the file's order.

    `names`: only those. What one pair meets, a wrong column or its time limit, stands in its result and the others go on.
    Raise ConfigError for a wrong file, with all its mistakes, or a name that is not in it; SourceError or TargetError when a
    server cannot be used at all.
    """
    pairs = load_checks(path, names)
    source, target = endpoints(config)
    with target.connect():
        pass
    zone = "" if config.timestamp_zone == "server" else config.timestamp_zone
    today = mysql_query.today(source, zone)
    return tuple(
        _run(source, target, config.target_schema, name, pair, pair.window(today), zone) for name, pair in pairs.items()
    )


def _run(
    source: MySQL, target: Postgres, schema: str, name: str, pair: Pair, window: Mapping[str, dt.date], zone: str
) -> PairResult:
    try:
        ours = mysql_query.answer(source, pair.source, window, pair.time_limit, zone)
        there = postgres_query.answer(target, schema, pair.target, window, pair.time_limit)
        compared, differences = compare(pair, ours, there)
    except (SourceError, TargetError, DataError) as error:
        return PairResult(name, pair.severity, pair.key, window, error=error)
    return PairResult(name, pair.severity, pair.key, window, compared, differences)
