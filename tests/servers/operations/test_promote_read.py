"""Readers and kills while tables change hands: nobody meets a missing or half-filled table, and either state is whole."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from handkills import killed
from heldup import held_up
from lab import Lab
from sidebyside import Beside, dropped
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.errors import TargetError
from bulketl.loading.record import recorded
from bulketl.plan.plan import TableLoad, in_turn
from bulketl.postgres.ledger.runs import Kind
from bulketl.postgres.server import Postgres
from bulketl.tables.spec import TableSpec

READERS = 20
TABLES = ("patient", "t", "visit")
OLD, NEW = (90, 90), (100, 100)  # rows of each of the tables, and what the views over them tell


@pytest.fixture
def chain(maria_lab: Lab) -> Iterator[Beside]:
    """Three tables of both pipelines, with a chain of views over them as dbt makes it."""
    for table in TABLES:
        maria_lab.mysql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, n int)", f"INSERT INTO {table} SELECT seq, 1 FROM seq_1_to_100"
        )
        maria_lab.pg(f"CREATE TABLE {{s}}.{table} (id bigint PRIMARY KEY, n numeric NOT NULL);"
                     f" INSERT INTO {{s}}.{table} SELECT n, 1 FROM generate_series(1, 90) n;"
                     f" CREATE VIEW {{s}}.stg_{table} AS SELECT id, n FROM {{s}}.{table};")  # fmt: skip
    maria_lab.pg("""
        CREATE VIEW {s}.int_all AS SELECT id, p.n AS p, c.n AS c, v.n AS v
            FROM {s}.stg_patient p FULL JOIN {s}.stg_t c USING (id) FULL JOIN {s}.stg_visit v USING (id);
        CREATE VIEW {s}.mart AS SELECT count(*) AS rows, count(p) AS p, count(c) AS c, count(v) AS v FROM {s}.int_all;
        CREATE VIEW {s}.board AS SELECT m.*, (SELECT count(*) FROM {s}.stg_t) AS again FROM {s}.mart m""")
    yield Beside(maria_lab)
    dropped(maria_lab)


def test_readers_meet_the_old_or_the_new_whole(chain: Beside) -> None:
    """Twenty of them, through five floors of views and in the tables themselves, while tables go over and back."""
    lab, config = chain.lab, chain.shadowed(TABLES)
    stop, wrong, reads = threading.Event(), list[Any](), [0] * READERS
    s = lab.schema
    asked = [f"SELECT rows, p, c, v, again FROM {s}.board", f"SELECT count(*) FROM {s}.patient",
             f"SELECT p, v FROM {s}.mart", f"SELECT count(*), count(*) FILTER (WHERE p = c) FROM {s}.int_all"]  # fmt: skip

    def read(n: int) -> None:
        try:
            with psycopg.connect(lab.target, autocommit=True, prepare_threshold=None) as connection:
                while not stop.is_set():
                    row = connection.execute(asked[n % len(asked)].encode()).fetchone() or ()
                    if {*row} not in ({90}, {100}):
                        wrong.append((n, row))
                    reads[n] += 1
        except psycopg.Error as error:
            wrong.append((n, error))

    threads = [threading.Thread(target=read, args=(n,)) for n in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            bulketl.promote(config, reason="x", force=True)
            bulketl.rollback(config, reason="x", act="demote")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert min(reads) > 0


_DURING, _AFTER = "postgres.write.exchange:_changed:after", "_carried_out:after"
PLACES = {
    "promote": ["postgres.ledger.kept:keep:after", _DURING,
                f"operations.migrate.promote:{_AFTER}", "operations.migrate.promote:tell:before"],
    "rollback": [_DURING, f"operations.migrate.rollback:{_AFTER}"],
}  # fmt: skip


def test_a_kill_leaves_one_of_two_states_and_the_command_can_be_given_again(chain: Beside, tmp_path: Path) -> None:
    """Wherever it comes: before the end of the transaction nothing has changed, after it everything has."""
    lab = chain.lab
    chain.shadowed(TABLES)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/bulketl.yaml").write_text(json.dumps({"migration": {"shadow": chain.shadow}}), encoding="utf-8")
    uri = f"postgresql:///?{'&'.join(lab.target.split())}"
    environ = {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": lab.schema}
    promoting = ["migrate", "promote", "--force", "--reason", "x", "--config", str(tmp_path / "config/bulketl.yaml")]
    back = ["migrate", "demote", "--reason", "x", "--config", str(tmp_path / "config/bulketl.yaml")]
    for command, words, (before, after) in (("promote", promoting, (90, 100)), ("rollback", back, (100, 90))):
        for place in PLACES[command]:
            done = place.endswith((_AFTER, "tell:before"))
            killed(environ, place, *words)
            _same(lab, after if done else before)
            given = CliRunner().invoke(app, words, env=environ)
            assert given.exit_code == 0, given.output
            assert ("nothing to" in given.output) == done, given.output
            _same(lab, after)
            if place != PLACES[command][-1]:  # the other way again, for the next place
                other = CliRunner().invoke(app, back if words is promoting else promoting, env=environ)
                assert other.exit_code == 0, other.output
                _same(lab, before)
    assert lab.pg("SELECT count(*) FROM bulketl.kept WHERE schema_name = '{s}' AND ended_at IS NULL") == [(0,)]


def _same(lab: Lab, rows: int) -> None:
    """See that all tables and views tell the same number of rows, and that the record says who serves them."""
    assert set(lab.pg("SELECT rows, p, c, v, again FROM {s}.board")[0]) == {rows}
    owners = lab.pg("SELECT DISTINCT ON (table_name) owner FROM bulketl.ownership WHERE schema_name = '{s}'"
                    " ORDER BY table_name, seq DESC")  # fmt: skip
    assert set(owners) == {("bulketl" if rows == 100 else "shadow",)}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("promote", "another promotion in schema '{s}' is under way: run {run} on .* since 20.*, user .*, pid "),
        ("undo", "table '{s}.patient' is undone by run {run} on .* since 20"),
    ],
)
def test_who_comes_second_reads_who_is_at_it_and_what_to_do(chain: Beside, kind: Kind, said: str) -> None:
    """Another promotion, or another act that has one of the tables: its run, user and host, and since when."""
    lab, config = chain.lab, chain.shadowed(TABLES)
    target = Postgres.of(config)
    plan = in_turn(
        "", lab.schema, "", [TableLoad(TableSpec("patient", lab.schema, (), (), "swap"), (), "critical", "", 0, 0)]
    )
    with recorded(target, kind, plan, config) as run:
        match = said.replace("{s}", lab.schema).replace("{run}", run.name)
        with pytest.raises(TargetError, match=match) as caught:
            bulketl.promote(config, reason="x", force=True)
        assert ("migrate status -v" in caught.value.hint) == (kind == "promote")
        assert "pg_stat_activity" in caught.value.hint
    assert chain.owner("patient") == "shadow"


def test_a_load_under_way_is_stopped_by_a_rollback_and_refuses_a_promotion(chain: Beside) -> None:
    """The rollback waits for its end, then brings the older tables back; a promotion names the run and changes nothing."""
    lab, config = chain.lab, chain.shadowed(TABLES)
    beside = Lab(lab.server, lab.database, lab.target, chain.shadow)
    lab.mysql("UPDATE t SET n = 2 WHERE id = 1")
    with held_up(beside) as (lock, process, run):
        with pytest.raises(TargetError, match=f"is loaded by run {run}"):
            bulketl.promote(config, reason="x", force=True)
        lock.execute("UNLOCK TABLES")
        process.communicate(timeout=60)
    assert lab.pg("SELECT rows FROM {s}.board") == [(90,)]
    bulketl.promote(config, reason="x", force=True)
    lab.mysql("UPDATE t SET n = 3 WHERE id = 1")
    with held_up(lab) as (lock, process, run):
        found = bulketl.rollback(config, reason="x")
        assert found.stopped == (run,)
        lock.execute("UNLOCK TABLES")
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert set(lab.pg("SELECT rows, p, c, v, again FROM {s}.board")[0]) == {90}
    assert lab.pg("SELECT outcome FROM bulketl.run WHERE run = %s", [run]) == [("stopped",)]
