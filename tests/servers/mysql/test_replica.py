"""A replica as the source, as whoever spares a primary has it: a second MariaDB that follows the first, read-only."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator

import pytest
from conftest import fresh
from lab import Lab, Server
from waiting import until

from bulketl.cli.demo.servers import MariaDB
from bulketl.config.settings import SourceLimits
from bulketl.mysql.pressure import Strain
from bulketl.mysql.server import MySQL

PATIENCE = 30.0  # seconds until the replica has what the primary has


class Replicated:
    """A primary and its replica; `channel` is the name of the connection between the two, which may be ''."""

    def __init__(self, primary: Server, replica: Server) -> None:
        self.primary, self.replica, self.channel = primary, replica, ""

    def follow(self, channel: str = "") -> None:
        """Have the replica follow the primary by GTID, through a connection of that name."""
        self.stop("ALL SLAVES")
        self.replica.execute(f"RESET SLAVE '{self.channel}' ALL")
        self.channel = channel
        port = self.primary.uri.rpartition(":")[2].strip("/")
        self.replica.execute(
            f"CHANGE MASTER '{channel}' TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='follower',"
            " MASTER_PASSWORD='follower', MASTER_USE_GTID=slave_pos"
        )
        self.replica.execute(f"START SLAVE '{channel}'")

    def stop(self, what: str) -> None:
        """Stop what the words say."""
        self.replica.execute(f"STOP {what}")

    def delay(self, seconds: int) -> None:
        """Have the replica stay so far behind."""
        self.stop(f"SLAVE '{self.channel}'")
        self.replica.execute(f"CHANGE MASTER '{self.channel}' TO MASTER_DELAY={seconds}")
        self.replica.execute(f"START SLAVE '{self.channel}'")

    def caught_up(self) -> None:
        """Wait until the replica has what the primary has."""
        ((position,),) = self.primary.execute("SELECT @@gtid_current_pos")
        assert self.replica.execute("SELECT MASTER_GTID_WAIT(%s, %s)", (position, PATIENCE)) == [(0,)]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicated]:
    """A primary with a log and a replica that may not be written to."""
    started: list[MariaDB] = []
    for number, options in ((1, ()), (2, ("--read-only=1",))):
        words = (f"--server-id={number}", "--log-bin", "--gtid-strict-mode=1", "--slave-net-timeout=5", *options)
        started.append(MariaDB(tmp_path_factory.mktemp(f"server{number}"), *words))
    primary, replica = (Server("mariadb", one.uri("")) for one in started)
    primary.execute("CREATE USER follower@'%' IDENTIFIED BY 'follower'")
    primary.execute("GRANT REPLICATION SLAVE ON *.* TO follower@'%'")
    made = Replicated(primary, replica)
    made.follow()
    made.caught_up()
    yield made
    for one in started:
        one.stop()


@pytest.fixture
def both(servers: Replicated, postgres: str) -> Iterator[tuple[Lab, Lab]]:
    """The same database at the primary and, to be loaded from, at the replica, where a user may only read."""
    for lab in fresh(servers.primary, postgres):
        servers.caught_up()
        yield lab, Lab(servers.replica, lab.database, lab.target, lab.schema)


def reader(servers: Replicated, database: str) -> str:
    """Make a user who may read one database and ask for the lag, and return the URI for it at the replica."""
    name, password = f"r_{secrets.token_hex(4)}", secrets.token_hex(8)
    servers.primary.execute(f"CREATE USER {name}@'%' IDENTIFIED BY '{password}'")
    servers.primary.execute(f"GRANT SELECT, LOCK TABLES ON {database}.* TO {name}@'%'")
    servers.primary.execute(f"GRANT REPLICA MONITOR ON *.* TO {name}@'%'")
    servers.caught_up()
    return servers.replica.database(database, name, password)


def lag(servers: Replicated, most: float = 1.0) -> str:
    """Return why the replica should be left alone."""
    return Strain(MySQL(servers.replica.database("mysql")), SourceLimits(replica_lag_seconds=most)).look()


@pytest.mark.parametrize("consistency", ["", "snapshot", "locked", "re-read"])
def test_a_read_only_replica_is_loaded_from_as_any_source(
    servers: Replicated, both: tuple[Lab, Lab], consistency: str
) -> None:
    """Promise 8: SELECT suffices, and LOCK TABLES where a rule asks for locks; nothing is written there."""
    primary, replica = both
    primary.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at timestamp(3) NOT NULL DEFAULT NOW(3), KEY (at))",
        "INSERT INTO t (id, c) SELECT seq, CONCAT('row ', seq) FROM seq_1_to_500",
    )
    uri = reader(servers, primary.database)
    rules = {"t": {"consistency": consistency}} if consistency else {}
    for number in (1, 2):
        servers.caught_up()
        done = replica.load(source=uri, rules=rules, source_limits={"replica_lag_seconds": 60})
        assert done.summary.outcome == "done", [one.message for one in done.summary.failed]
        assert replica.differences("t") == []
        primary.mysql(f"UPDATE t SET c = 'changed' WHERE id % 7 = {number}", "DELETE FROM t WHERE id % 50 = 1")


@pytest.mark.parametrize("channel", ["", "clinic"])
def test_a_replica_that_lags_is_left_alone(servers: Replicated, channel: str) -> None:
    """Whatever the connection to its primary is called: SHOW REPLICA STATUS has only the one without a name."""
    servers.follow(channel)
    servers.primary.execute("CREATE DATABASE IF NOT EXISTS lagging")
    servers.caught_up()
    assert lag(servers) == ""
    servers.delay(3600)
    try:
        servers.primary.execute("CREATE OR REPLACE TABLE lagging.t (id int)")
        until(lambda: lag(servers))
        assert "behind its primary, and replica_lag_seconds is 1" in lag(servers)
    finally:
        servers.delay(0)
    servers.caught_up()


def test_a_replica_that_stands_still_is_told(
    servers: Replicated, both: tuple[Lab, Lab], caplog: pytest.LogCaptureFixture
) -> None:
    """Its lag is not known, which is no small one: the load goes on, for some stop it on purpose, and says what it reads."""
    primary, replica = both
    primary.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    servers.caught_up()
    servers.stop(f"SLAVE '{servers.channel}'")
    primary.mysql("INSERT INTO t VALUES (2)")
    with caplog.at_level(logging.WARNING, "bulketl"):
        assert replica.load(source_limits={"replica_lag_seconds": 60}).summary.outcome == "done"
    servers.replica.execute(f"START SLAVE '{servers.channel}'")
    servers.caught_up()
    assert replica.pg("SELECT id FROM {s}.t") == [(1,)]
    assert "does not follow its primary now" in caplog.text
