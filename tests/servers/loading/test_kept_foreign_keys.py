"""Foreign keys of the source, where rules keep them: there and valid when all tables are, and in the way of no load."""

from __future__ import annotations

from typing import Any

import pytest
from faults import no_pauses, small_partitions
from lab import Done, Lab

import bulketl
import bulketl.loading.run
from bulketl.errors import TargetError
from bulketl.postgres.server import Connection
from bulketl.postgres.write import referring

PARENT = "CREATE TABLE patient (PatNum int PRIMARY KEY, LName varchar(20), DateTStamp datetime(3))"
CHILD = """CREATE TABLE visit (id int PRIMARY KEY, PatNum int, b int, CONSTRAINT of_whom FOREIGN KEY (PatNum)
    REFERENCES patient (PatNum) ON DELETE CASCADE)"""
KEEP: dict[str, Any] = {"keep": ["foreign_keys"]}
RULES: dict[str, Any] = {"patient": KEEP, "visit": KEEP}
CHANGES = {"extraction_strategy": "incremental", "incremental_column": "DateTStamp"}


@pytest.fixture
def both(lab: Lab) -> Lab:
    lab.mysql(PARENT, CHILD, "INSERT INTO patient SELECT seq, 'x', NOW(3) FROM seq_1_to_200",
                    "INSERT INTO visit SELECT seq, seq, 1 FROM seq_1_to_200",
                    "INSERT INTO visit VALUES (500, NULL, 1)")  # fmt: skip
    return lab


def keys(lab: Lab, table: str = "visit") -> list[tuple[Any, ...]]:
    """Return the foreign keys of a table: their names, whether they are valid, and what they say."""
    return lab.pg(
        f"SELECT conname, convalidated, replace(pg_get_constraintdef(oid), '{{s}}.', '') FROM pg_constraint"
        f" WHERE conrelid = '{{s}}.\"{table}\"'::regclass AND contype = 'f' ORDER BY 1"
    )


def load(lab: Lab, **config: Any) -> Done:
    done = lab.load(rules={**RULES, **config.pop("rules", {})}, **config)
    assert done.summary.outcome == "done", [item.message for item in done.summary.failed]
    return done


OF_WHOM = ("of_whom", True, 'FOREIGN KEY ("PatNum") REFERENCES patient("PatNum")')


@pytest.mark.parametrize("way", ["refill", "swap", "merge"])
def test_a_foreign_key_is_there_after_each_load_and_in_the_way_of_none(
    both: Lab, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Parents that go with their children, and children that come with their parents, whichever table is first."""
    if way == "swap":
        small_partitions(monkeypatch, 50)
    rules = {"patient": {**KEEP, **CHANGES, "deletes": {"policy": "mirror", "every": "0s"}}} if way == "merge" else {}
    done = load(both, rules=rules)
    assert (keys(both), done.summary.foreign_keys, done.summary.notes) == ([OF_WHOM], 1, ())
    assert any("1 foreign key when all tables are there" in item.reason for item in done.plan.loads)
    both.mysql("DELETE FROM patient WHERE PatNum = 7", "INSERT INTO patient VALUES (900, 'new', NOW(3))",
               "INSERT INTO visit VALUES (900, 900, 1)")  # fmt: skip
    done = load(both, rules=rules)
    assert (keys(both), done.how("patient"), done.how("visit")) == ([OF_WHOM], way, way if way != "merge" else "refill")
    assert both.pg('SELECT count(*) FROM {s}.visit WHERE "PatNum" IN (7, 900)') == [(1,)]


def test_rows_that_point_to_nothing_are_counted_and_leave_it_not_valid(both: Lab) -> None:
    both.mysql("SET foreign_key_checks = 0", "INSERT INTO visit SELECT seq, 10 * seq, 1 FROM seq_600_to_602")
    done = load(both)
    told = "1 foreign key is not as at the source: of_whom of visit is not valid: 3 rows point to nothing"
    assert (done.summary.notes, done.summary.foreign_keys) == ((told,), 0)
    assert keys(both) == [("of_whom", False, f"{OF_WHOM[2]} NOT VALID")]
    both.mysql("DELETE FROM visit WHERE id BETWEEN 600 AND 602")
    assert load(both).summary.notes == ()
    assert keys(both) == [OF_WHOM]


def test_the_statements_of_a_plan_have_them(both: Lab) -> None:
    """Also of a table that is not loaded, whose foreign key is in the way."""
    both.mysql("CREATE TABLE other (id int PRIMARY KEY, up int, CONSTRAINT up FOREIGN KEY (up) REFERENCES other (id))")
    config = both.config(rules={**RULES, "other": KEEP})
    assert bulketl.load(config, bulketl.make_plan(config)).foreign_keys == 2
    for selected in (["patient"], ["visit"]):
        found = bulketl.statements(config, bulketl.make_plan(config, tables=selected, full=True))
        table = f'"{both.schema}"."visit"'
        taken, *_, added, noted, validated = found["visit"]
        assert taken == f'ALTER TABLE IF EXISTS {table} DROP CONSTRAINT IF EXISTS "of_whom"'
        assert added.startswith(f'ALTER TABLE {table} ADD CONSTRAINT "of_whom" FOREIGN KEY ("PatNum") REFERENCES ')
        assert noted.startswith(f'COMMENT ON CONSTRAINT "of_whom" ON {table} IS ')
        assert validated == f'ALTER TABLE {table} VALIDATE CONSTRAINT "of_whom"'
        assert "other" not in found


def test_one_whose_parent_is_not_loaded_is_named(both: Lab) -> None:
    rules = {"patient": {"exclude": True}}
    done = load(both, rules=rules)
    told = "1 foreign key is not kept: of_whom of visit: table patient is not loaded"
    assert (done.summary.notes, keys(both)) == ((told,), [])
    (found,) = [one for one in bulketl.validate(both.config(rules={**RULES, **rules})) if one.kind == "not kept"]
    assert "foreign key of_whom: table patient is not loaded" in found.message


def test_a_parent_alone_is_loaded_and_its_children_keep_their_keys(both: Lab) -> None:
    load(both)
    both.mysql("INSERT INTO patient VALUES (900, 'new', NOW(3))", "UPDATE patient SET LName = 'y'")
    load(both, tables=["patient"])
    assert keys(both) == [OF_WHOM]


def test_other_names_and_keys_of_several_columns(lab: Lab) -> None:
    lab.mysql("CREATE TABLE Pay (A int, B int, PRIMARY KEY (A, B))", "INSERT INTO Pay VALUES (1, 2)",
                    "CREATE TABLE Split (Id int PRIMARY KEY, PayA int, PayB int, Up int,"
                    " CONSTRAINT two FOREIGN KEY (PayA, PayB) REFERENCES Pay (A, B),"
                    " CONSTRAINT up FOREIGN KEY (Up) REFERENCES Split (Id))",
                    "INSERT INTO Split VALUES (1, 1, 2, NULL), (2, NULL, 3, 1)")  # fmt: skip
    rules = {"Pay": {"target_name": "payment"}, "Split": {**KEEP, "rename": {"Up": "above"}}}
    assert load(lab, names="snake_case", rules=rules).summary.foreign_keys == 2
    assert keys(lab, "split") == [
        ("two", True, "FOREIGN KEY (pay_a, pay_b) REFERENCES payment(a, b)"),
        ("up", True, "FOREIGN KEY (above) REFERENCES split(id)"),
    ]


def test_one_that_is_gone_goes_and_a_persons_stays(both: Lab) -> None:
    load(both)
    both.pg('ALTER TABLE {s}.visit ADD CONSTRAINT mine FOREIGN KEY (b) REFERENCES {s}.patient ("PatNum") NOT VALID')
    both.mysql("ALTER TABLE visit DROP FOREIGN KEY of_whom")
    load(both)
    assert [name for name, *_ in keys(both)] == ["mine"]


def test_a_key_without_a_unique_index_in_the_target_is_said(lab: Lab) -> None:
    lab.mysql("CREATE TABLE a (id int PRIMARY KEY, code varchar(9) UNIQUE)", "INSERT INTO a VALUES (1, 'x')",
                    "CREATE TABLE b (id int PRIMARY KEY, c varchar(9), CONSTRAINT k FOREIGN KEY (c) REFERENCES a (code))",
                    "INSERT INTO b VALUES (1, 'x')")  # fmt: skip
    (told,) = load(lab, rules={"b": KEEP}).summary.notes
    assert told.endswith("k of b is not there: no unique index of the parent keeps the columns that it points to")
    done = load(lab, rules={"a": {"keep": ["indexes"]}, "b": KEEP})
    assert (done.summary.notes, done.summary.foreign_keys) == ((), 1)


def test_a_repair_takes_it_away_and_puts_it_back(both: Lab) -> None:
    """As whatever writes to a table on record does."""
    load(both)
    both.pg('DELETE FROM {s}.visit WHERE "PatNum" = 3')
    config = both.config(rules=RULES)
    assert bulketl.verify(config, repair=True).equal
    assert keys(both) == [OF_WHOM]


def test_a_connection_that_is_lost_once_they_are_away_loses_none(both: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes them away is tried again then, and finds none any more."""
    load(both)
    both.pg('DELETE FROM {s}.visit WHERE "PatNum" = 3')
    no_pauses(monkeypatch)
    real, lost = referring.loosen, [True]

    def loosen(connection: Connection, one: referring.Tied) -> str:
        why = real(connection, one)
        if lost and lost.pop():
            raise TargetError("the line is gone", transient=True)
        return why

    monkeypatch.setattr(referring, "loosen", loosen)
    assert bulketl.verify(both.config(rules=RULES), repair=True).equal
    assert (keys(both), lost) == ([OF_WHOM], [])


def test_a_load_that_an_error_ends_names_those_that_are_away(
    both: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load(both)
    config = both.config(rules=RULES)

    def broken(*_: object) -> None:
        raise TargetError("the target is gone")

    with monkeypatch.context() as patch:
        patch.setattr(bulketl.loading.run, "measure", broken)
        with pytest.raises(TargetError):
            bulketl.load(config, bulketl.make_plan(config, full=True))
    assert "1 foreign key is away until the load is resumed or made anew: of_whom of visit" in caplog.text
    assert keys(both) == []
    load(both)
    assert keys(both) == [OF_WHOM]


def test_a_part_of_each_table_has_valid_foreign_keys(both: Lab) -> None:
    """For the rows that others refer to come with it; the next whole load has them too."""
    both.mysql("UPDATE visit SET PatNum = 201 - PatNum WHERE id <= 200")
    config = both.config(rules=RULES)
    summary = bulketl.load(config, bulketl.make_plan(config, limit=5))
    assert (summary.outcome, keys(both), summary.foreign_keys) == ("done", [OF_WHOM], 1)
    assert both.pg("SELECT (SELECT count(*) FROM {s}.visit), (SELECT count(*) FROM {s}.patient)") == [(5, 10)]
    assert (load(both).summary.tables["visit"].rows, keys(both)) == (201, [OF_WHOM])
