"""What `verify` found is on record: of each table, when, by whom, before and after a repair; or a note says why not."""

from __future__ import annotations

import datetime as dt

import pytest
from dashboards import config_of, pages, role, said
from lab import Lab, execute
from psycopg.conninfo import make_conninfo

import bulketl
from bulketl.connections.person import person

FOUND = (
    "SELECT table_name, level, outcome, compared, missing, differing, by, run <> '' FROM bulketl.verification"
    " WHERE schema_name = '{s}' ORDER BY at, table_name"
)


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """Two tables of a hundred rows."""
    for table in ("t", "u"):
        maria_lab.mysql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, c int)", f"INSERT INTO {table} SELECT seq, 0 FROM seq_1_to_100"
        )
    maria_lab.load()
    return maria_lab


def test_each_table_is_on_record_with_what_was_found_before_and_after_a_repair(lab: Lab) -> None:
    me = person()
    bulketl.verify(lab.config(), level="count")
    assert lab.pg(FOUND) == [(table, "count", "equal", 100, 0, 0, me, False) for table in ("t", "u")]
    lab.pg("DELETE FROM bulketl.verification WHERE schema_name = '{s}'")
    lab.pg("DELETE FROM {s}.t WHERE id < 4")
    lab.pg("UPDATE {s}.t SET c = 1 WHERE id = 9")
    bulketl.verify(lab.config(), repair=True)
    assert lab.pg(FOUND) == [
        ("t", "rows", "differs", 100, 3, 1, me, False),
        ("u", "rows", "equal", 100, 0, 0, me, False),
        ("t", "rows", "equal", 100, 0, 0, me, True),
    ]


def test_a_table_that_could_not_be_compared_is_on_record_as_such(lab: Lab) -> None:
    lab.pg("DROP TABLE {s}.u")
    bulketl.verify(lab.config(), tables=["u"])
    assert [row[2] for row in lab.pg(FOUND)] == ["not compared"]


def test_who_may_not_write_the_ledger_verifies_and_is_told(lab: Lab) -> None:
    """And nothing is on record."""
    user = f"r_{lab.schema}"
    execute(lab.target, f"CREATE ROLE {user} LOGIN")
    for schema in (lab.schema, "bulketl"):
        execute(lab.target, f"GRANT USAGE ON SCHEMA {schema} TO {user}")
        execute(lab.target, f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {user}")
    found = bulketl.verify(lab.config(target=make_conninfo(lab.target, user=user)))
    assert found.equal
    assert found.notes == ("this verification is not on record: this role may not add to the ledger",)
    assert lab.pg(FOUND) == []
    execute(lab.target, f"DROP OWNED BY {user}; DROP ROLE {user}")


def test_the_page_about_a_table_shows_them_to_the_role_of_the_dashboard(lab: Lab) -> None:
    lab.pg("DELETE FROM {s}.t WHERE id < 4")
    bulketl.verify(lab.config(), level="keys")
    with role(lab.target, lab.schema) as reader, pages(config_of(reader, lab.schema)) as asked:
        text = said(asked.get("/table?name=t").text)
    assert "Verifications" in text
    assert f"differskeys1003{person()}" in text.replace(" ", "")


def test_a_verification_leaves_with_what_is_old_unless_its_table_is_audited(lab: Lab) -> None:
    rules = {"t": {"table_importance": "audit"}}
    lab.load(rules=rules)
    bulketl.verify(lab.config(rules=rules), level="count")
    lab.pg("UPDATE bulketl.verification SET at = at - interval '500 days' WHERE schema_name = '{s}'")
    config = lab.config(rules=rules, ledger={"keep": dt.timedelta(days=400)})
    bulketl.load(config, bulketl.make_plan(config))
    assert [row[0] for row in lab.pg(FOUND)] == ["t"]
