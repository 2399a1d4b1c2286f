"""A column may have another name in the target than at the source: MySQL's statements use the one, Postgres' the other.

The names are hostile: who does not quote them sends another statement.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from faults import small_partitions
from lab import Lab

import bulketl
from bulketl import Config
from bulketl.verifying.verdicts import Level

TABLE = "CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at datetime(3))"
SHOWN = 'SELECT "the ""id""$$;--", "the ""c""$$;--", "the ""at""$$;--"::text FROM {s}.t ORDER BY 1'
ROWS = "INSERT INTO t VALUES (1, 'one', '2024-01-01 10:00:00'), (2, NULL, NULL), (3, 'three', '0000-00-00')"
CHANGES = {"extraction_strategy": "incremental", "incremental_column": "at", "lookback": "2h"}
NAMES = {name: f'the "{name}"$$;--' for name in ("id", "c", "at", "n", "parent", "more")}


class Renaming(Lab):
    """A source and a target whose columns have other names, by the rules of two tables."""

    def config(self, rules: dict[str, Any] | None = None, **overrides: Any) -> Config:
        """Return a Config that gives every column of two tables another name."""
        found = dict(rules or {})
        for table in ("t", "other"):
            columns = self.mysql(f"SELECT column_name FROM information_schema.columns WHERE table_schema = '{self.database}'"
                                 f" AND table_name = '{table}'")  # fmt: skip
            if names := {column: NAMES[column] for (column,) in columns}:
                found[table] = {**found.get(table, {}), "rename": names}
        return super().config(rules=found, **overrides)


@pytest.fixture
def empty(maria_lab: Lab) -> Lab:
    return Renaming(maria_lab.server, maria_lab.database, maria_lab.target, maria_lab.schema)


@pytest.fixture
def renamed(empty: Lab) -> Lab:
    """A table with rows, whose columns get other names in the target."""
    empty.mysql(TABLE, ROWS, mode="")
    return empty


@pytest.mark.parametrize("rule", [{}, {"deletes": "mirror"}, {"table_importance": "audit"}])
def test_a_table_is_created_and_written_again_by_the_targets_names(renamed: Lab, rule: dict[str, object]) -> None:
    """Whole, by a merge, and by an audit's append."""
    assert renamed.load(rules={"t": rule}).summary.outcome == "done"
    assert renamed.pg(SHOWN) == [
        (1, "one", "2024-01-01 10:00:00"), (2, None, None), (3, "three", None),
    ]  # fmt: skip
    renamed.mysql("UPDATE t SET c = 'two' WHERE id = 2", "INSERT INTO t VALUES (4, 'four', NULL)")
    done = renamed.load(rules={"t": rule}).summary
    assert done.outcome == "done", done.failed
    assert [row[:2] for row in renamed.pg(SHOWN) if row[0] != 2] == [(1, "one"), (3, "three"), (4, "four")]
    assert dict(row[:2] for row in renamed.pg(SHOWN))[2] == (None if rule.get("table_importance") else "two")


@pytest.mark.parametrize("level", ["count", "sums", "keys", "rows"])
def test_it_is_verified_by_them(renamed: Lab, level: Level) -> None:
    assert renamed.load().summary.outcome == "done"
    assert bulketl.verify(renamed.config(), level=level).equal
    renamed.pg('UPDATE {s}.t SET "the ""c""$$;--" = $$other$$ WHERE "the ""id""$$;--" = 1')
    assert bulketl.verify(renamed.config(), level=level).equal == (level in ("count", "keys"))
    if level == "rows":
        assert bulketl.verify(renamed.config(), repair=True).equal
        assert (1, "one") in [row[:2] for row in renamed.pg(SHOWN)]


@pytest.mark.parametrize("strategy", ["incremental", "chunked_incremental"])
@pytest.mark.parametrize("tier", ["reference", "audit"])
def test_its_changes_are_loaded_compared_and_repaired_by_them(renamed: Lab, strategy: str, tier: str) -> None:
    """A late row too: one that was written before the last load read its stamp is told from one that is lost."""
    rules = {"t": {**CHANGES, "extraction_strategy": strategy, "table_importance": tier}}
    assert renamed.load(rules=rules).summary.outcome == "done"
    renamed.mysql("INSERT INTO t VALUES (4, 'four', NOW(3)), (5, 'five', NOW(3) - INTERVAL 1 MINUTE)")
    done = renamed.load(rules=rules)
    assert (done.summary.outcome, done.plan.refused) == ("done", ())
    assert next(done.plan.loads).reason.startswith("incremental: at from")
    assert [row[0] for row in renamed.pg(SHOWN)] == [1, 2, 3, 4, 5]
    config = renamed.config(rules=rules)
    assert bulketl.verify(config).equal
    renamed.pg('DELETE FROM {s}.t WHERE "the ""id""$$;--" = 1')
    renamed.pg('UPDATE {s}.t SET "the ""c""$$;--" = $$x$$ WHERE "the ""id""$$;--" = 5')
    (found,) = bulketl.verify(config).tables
    assert (found.missing, [row.columns for row in found.rows if row.kind != "missing"]) == (1, [("c",)])
    if tier == "reference":
        assert bulketl.verify(config, repair=True).equal
        assert [row[:2] for row in renamed.pg(SHOWN)][4] == (5, "five")


def test_a_column_that_comes_goes_or_is_excluded_is_found_by_them(renamed: Lab) -> None:
    rules: dict[str, Any] = {"t": {**CHANGES}}
    renamed.load(rules=rules)
    renamed.mysql("ALTER TABLE t ADD more int DEFAULT 7")
    assert renamed.load(rules=rules).summary.outcome == "done"
    assert renamed.pg('SELECT DISTINCT "the ""more""$$;--" FROM {s}.t') == [(7,)]
    rules["t"]["exclude_columns"] = ["c"]
    (load,) = renamed.load(rules=rules).plan.loads
    assert f"{NAMES['c']} is to be dropped" in load.reason
    assert {column for (column,) in renamed.pg(
        "SELECT attname FROM pg_attribute WHERE attrelid = '{s}.t'::regclass AND attnum > 0 AND NOT attisdropped"
    )} == {NAMES["id"], NAMES["at"], NAMES["more"]}  # fmt: skip
    renamed.mysql("ALTER TABLE t DROP more")
    assert renamed.load(rules=rules).summary.outcome == "done"
    assert bulketl.verify(renamed.config(rules=rules)).equal


def test_checks_on_a_table_and_its_foreign_keys_are_made_by_them(empty: Lab) -> None:
    """Each kind finds its rows, in the words of the source; a foreign key also where only its own table is loaded."""
    empty.mysql(
        "CREATE TABLE other (id int PRIMARY KEY, n int)", "INSERT INTO other VALUES (1, 5), (2, 5)",
        "CREATE TABLE t (id int PRIMARY KEY, parent int, at datetime(3))",
        "INSERT INTO t VALUES (1, 1, '2024-01-01'), (2, 9, '2024-01-01'), (3, 2, NULL)",
    )  # fmt: skip
    rules = {
        "other": {"checks": [{"unique": "n"}, {"sum": "n", "min": 11}]},
        "t": {"checks": [{"foreign_key": "parent", "to": "other.id"}, {"fresh": "at", "within": "1h"},
                         {"row_count": {"min": 4}}]},
    }  # fmt: skip
    done = empty.load(rules=rules)
    assert (done.summary.outcome, done.plan.refused) == ("done", ())
    found = {label: figure for one in done.summary.tables.values() for label, figure in one.checks.get("warn", {}).items()}
    found.pop("fresh at within 1h")
    assert found == {"unique n": 2, "sum n 11..": 10, "foreign_key parent -> other.id": 1, "row_count 4..": 3}
    again = empty.load(rules=rules, tables=["t"])
    assert again.summary.tables["t"].checks["warn"]["foreign_key parent -> other.id"] == 1


def test_its_months_are_counted_by_them(renamed: Lab) -> None:
    renamed.mysql("ALTER TABLE t ADD n int DEFAULT 3")
    renamed.load()
    (found,) = bulketl.compare_history(renamed.config(), sums=True).tables
    assert (found.column, found.outcome, [month.month for month in found.months]) == ("at", "equal", [None, 202401])
    renamed.pg('UPDATE {s}.t SET "the ""n""$$;--" = 4')
    (found,) = bulketl.compare_history(renamed.config(), sums=True, by="at").tables
    assert [[name for name, *_ in month.sums] for month in found.differing] == [["n"], ["n"]]


@pytest.mark.parametrize("tier", ["reference", "audit"])
def test_its_rows_leave_by_retention_by_them_and_do_not_come_back(renamed: Lab, tier: str, tmp_path: Path) -> None:
    rules = {
        "t": {"retention": {"keep": "1y", "by": "at", "action": "archive"}, "deletes": "mirror", "table_importance": tier}
    }
    if tier == "audit":
        del rules["t"]["deletes"]
    renamed.load(rules=rules)
    config = renamed.config(rules=rules)
    ((would,), (found,)) = (bulketl.retain_tables(config, (), folder) for folder in (None, tmp_path))
    assert (would.rows, found.rows, found.column) == (1, 1, "at")
    assert pq.read_table(found.file).column_names == [NAMES[column] for column in ("id", "c", "at")]
    assert [row[0] for row in renamed.pg(SHOWN)] == [2, 3]
    assert renamed.load(rules=rules).summary.outcome == "done"
    assert [row[0] for row in renamed.pg(SHOWN)] == [2, 3]
    assert bulketl.verify(config).equal
    assert [verdict.problem for verdict in bulketl.verify_audit(config)] == ([""] if tier == "audit" else [])


def test_rows_that_were_rejected_are_retried_by_them(empty: Lab) -> None:
    empty.mysql("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT seq, seq % 2 FROM seq_1_to_20",
                "UPDATE t SET n = 7 WHERE id = 3")  # fmt: skip
    rules = {"t": {"casts": {"n": "boolean"}, "max_rejects": "50%"}}
    empty.load(rules=rules)
    ((shown),) = bulketl.show_rejects(empty.config(rules=rules))
    assert (shown.key, shown.column, shown.value) == ({"id": 3}, "n", "7")
    empty.mysql("UPDATE t SET n = 1 WHERE id = 3")
    ((done),) = bulketl.retry_rejects(empty.config(rules=rules))
    assert (done.loaded, done.rejected) == (1, 0)
    assert empty.pg('SELECT "the ""n""$$;--" FROM {s}.t WHERE "the ""id""$$;--" = 3') == [(True,)]


def test_a_table_that_is_adopted_is_compared_by_them(renamed: Lab) -> None:
    """The rows that would be lost are found by its key's name in the target."""
    renamed.pg('CREATE TABLE {s}.t ("the ""id""$$;--" int PRIMARY KEY, "the ""c""$$;--" text,'
               ' "the ""at""$$;--" timestamp(3));'
               " INSERT INTO {s}.t SELECT n FROM generate_series(1, 3) n")  # fmt: skip
    done = renamed.load(rules={"t": {"deletes": {"policy": "mirror", "guard": "0%"}}}, adopt=["t"])
    assert done.summary.outcome == "done", [table.message for table in done.summary.failed]


def test_every_statement_of_a_plan_names_columns_of_its_own_server(renamed: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """No statement to Postgres has a name of the source, whether the table is small, large or chunked."""
    small_partitions(monkeypatch, 2)
    for rule in ({}, CHANGES, {**CHANGES, "extraction_strategy": "chunked_incremental"}, {"table_importance": "audit"}):
        config = renamed.config(rules={"t": {**rule, "checks": [{"unique": "c"}]}})
        plan = bulketl.make_plan(config)
        own = r"SELECT .* FROM `t`|INSERT INTO bulketl\.state"  # the record tells of both names
        sent = [text for text in bulketl.statements(config, plan)["t"] if not re.match(own, text)]
        assert sent
        for text in sent:
            assert not re.search(r'(?<!")"(id|c|at)"(?!")|\bt\.(id|c|at)\b', text), text
        assert renamed.load(rules={"t": rule}).summary.outcome == "done"
        renamed.pg("DROP TABLE IF EXISTS {s}.t CASCADE")
