"""Whether discover says of tables what a careful person would say, counted over databases that were labelled before.

`python tests/servers/survey/test_labels.py` prints the table, and every table that is not as its label says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Server
from labels import Labelled, Score, every_foreign, every_invented, fill, score, table, total

import bulketl
from bulketl.cli.demo.servers import MariaDB
from bulketl.config.read import load_config

FOREIGN = Path(__file__).parents[4] / "shared" / "foreign"
AS_MANY = 0.95  # of the labels have to be met


def measured(server: Server, labelled: Labelled, database: str, *, doubted: bool = False) -> Score:
    """Return how discover does with a database that is there; drop it."""
    try:
        config = load_config(None, None, {"BULKETL_SOURCE": server.database(database)})
        return score(labelled, bulketl.propose(config)[1], doubted=doubted)
    finally:
        server.execute(f"DROP DATABASE IF EXISTS {database}")


def invented(server: Server) -> Iterator[Score]:
    """Yield the score of each invented schema."""
    for one in every_invented():
        fill(server, f"labels_{one.name}", one)
        yield measured(server, one, f"labels_{one.name}")


def foreign(server: Server, *, filled: bool) -> Iterator[Score]:
    """Yield the score of each database of other people's, as it is or with rows of edge values, which refute many stamps."""
    parts = urllib.parse.urlsplit(server.uri)
    client = f"-h{parts.hostname} -P{parts.port} -uroot"
    for one in every_foreign():
        with (FOREIGN / f"{one.name}.sql").open("rb") as script:
            subprocess.run(["mariadb", *client.split()], stdin=script, check=True, capture_output=True)
        if filled:
            words = [sys.executable, str(FOREIGN / "fill.py"), f"case_{one.name}", "120"]
            subprocess.run(words, env={**os.environ, "FILL_CLIENT": client}, check=True, capture_output=True)
        yield measured(server, one, f"case_{one.name}", doubted=filled)


def held(scores: list[Score]) -> None:
    """Fail when too few tables are as their labels say, or one whose rows are edited is proposed as audit."""
    every = total("all", scores)
    wrong = [line for one in scores for line in one.wrong]
    assert every.tier >= AS_MANY * every.tables, wrong
    assert every.cursor >= AS_MANY * every.tables, wrong
    assert [name for one in scores for name in one.edited_audit] == []


def test_invented_schemas_are_understood_also_those_that_nothing_was_tuned_by(mariadb: Server) -> None:
    """Tier and cursor of 95 % of the tables, of all schemas and of those held out; none that is edited is audit."""
    scores = list(invented(mariadb))
    assert len(scores) >= 10
    held([one for one in scores if not one.held_out])
    held([one for one in scores if one.held_out])


@pytest.mark.skipif(not FOREIGN.is_dir() or not shutil.which("mariadb"), reason="no other databases are beside the checkout")
@pytest.mark.parametrize("filled", [False, True])
def test_other_peoples_databases_are_understood(mariadb: Server, filled: bool) -> None:
    """As they are, most tables empty, and with rows of random values, which agree with no reference."""
    held(list(foreign(mariadb, filled=filled)))


def main() -> None:
    """Print the scores on a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        started = MariaDB(Path(folder))
        try:
            server = Server("mariadb", started.uri(""))
            every = list(invented(server))
            groups = {
                "invented": [one for one in every if not one.held_out],
                "invented, held out": [one for one in every if one.held_out],
            }
            if FOREIGN.is_dir():
                groups["other people's, as they are"] = list(foreign(server, filled=False))
                groups["other people's, with random rows"] = list(foreign(server, filled=True))
        finally:
            started.stop()
    print(table(one for name, scores in groups.items() for one in (*scores, total(f"**{name}**", scores))))
    for scores in groups.values():
        for one in scores:
            print(*(f"{one.name}: {line}" for line in one.wrong), sep="\n", file=sys.stderr)


if __name__ == "__main__":
    main()
