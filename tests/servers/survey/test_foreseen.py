"""What keeps a load from beginning, or fails it at a table, is an error of validate before, and a load fails after each.

`Lab.load` asks validate after every load that failed; here what it found is looked at too, and before that there is none.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from lab import Lab, execute
from psycopg.conninfo import make_conninfo

import bulketl
from bulketl.errors import BulketlError
from bulketl.survey.findings import Finding

SMALL = ("CREATE TABLE t (id int PRIMARY KEY, c varchar(20), n int)", "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
FULL: dict[str, Any] = {"t": {}}
MERGED: dict[str, Any] = {"t": {"deletes": "mark"}}
AUDIT: dict[str, Any] = {"t": {"table_importance": "audit"}}


def errors(lab: Lab, **overrides: Any) -> list[Finding]:
    return [item for item in bulketl.validate(lab.config(**overrides)) if item.severity == "error"]


@pytest.fixture
def own(maria_lab: Lab) -> Iterator[tuple[Lab, str, str]]:
    """A lab whose target is a database of its own, a role that may create schemas there, and its connection string."""
    name = f"own_{secrets.token_hex(4)}"
    execute(maria_lab.target, f"CREATE DATABASE {name}")
    execute(maria_lab.target, f"CREATE ROLE {name} LOGIN PASSWORD 'p'")
    execute(maria_lab.target, f"GRANT CREATE, TEMPORARY ON DATABASE {name} TO {name}")
    inside = make_conninfo(maria_lab.target, dbname=name)
    lab = dataclasses.replace(maria_lab, target=inside)
    lab.mysql(*SMALL)
    yield lab, name, make_conninfo(inside, user=name, password="p")
    execute(maria_lab.target, f"DROP DATABASE {name} WITH (FORCE)")
    execute(maria_lab.target, f"DROP ROLE {name}")


TARGETS: dict[str, tuple[dict[str, Any], str, str]] = {
    "generated": (
        FULL, "ALTER TABLE {t} DROP COLUMN n; ALTER TABLE {t} ADD n int GENERATED ALWAYS AS (id * 2) STORED", "computes",
    ),
    "identity": (MERGED, "ALTER TABLE {t} ALTER id ADD GENERATED ALWAYS AS IDENTITY", "numbers column id"),
    "required": (FULL, "ALTER TABLE {t} ADD own int NOT NULL DEFAULT 1; ALTER TABLE {t} ALTER own DROP DEFAULT", "own"),
    "rule": (MERGED, "CREATE RULE r AS ON DELETE TO {t} DO INSTEAD NOTHING", "rules: r"),
    "rule of an audited table": (AUDIT, "CREATE RULE r AS ON INSERT TO {t} DO ALSO NOTHING", "rules: r"),
    "row security": (
        FULL, "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY; ALTER TABLE {t} FORCE ROW LEVEL SECURITY", "row level security",
    ),
    "no replica identity": (
        MERGED, "ALTER TABLE {t} REPLICA IDENTITY NOTHING; CREATE PUBLICATION p FOR TABLE {t}", "replica identity",
    ),
    "another owner": (FULL, "ALTER TABLE {t} OWNER TO postgres", "no right to SELECT, INSERT, TRUNCATE"),
    "no right to insert": (
        FULL, "ALTER TABLE {t} OWNER TO postgres; GRANT SELECT, TRUNCATE, UPDATE ON {t} TO {me}", "no right to INSERT",
    ),
    "no right to update": (
        MERGED, "ALTER TABLE {t} OWNER TO postgres; GRANT SELECT, INSERT, DELETE ON {t} TO {me}", "no right to UPDATE",
    ),
    "a read-only role": (FULL, "ALTER ROLE {me} SET default_transaction_read_only = on", "read-only"),
    "a read-only database": (FULL, "ALTER DATABASE {me} SET default_transaction_read_only = on", "read-only"),
    "a closed ledger": (FULL, "REVOKE INSERT ON bulketl.run FROM {me}", "may not write to the ledger: run"),
    "no temporary tables": (
        MERGED, "REVOKE TEMPORARY ON DATABASE {me} FROM {me}; REVOKE TEMPORARY ON DATABASE {me} FROM PUBLIC", "temporary",
    ),
    "a closed schema": (FULL, "DROP TABLE {t}; REVOKE CREATE ON SCHEMA {s} FROM {me}", "may not create tables in"),
    "another key": (FULL, "ALTER TABLE {t} DROP CONSTRAINT t_pkey; ALTER TABLE {t} ADD PRIMARY KEY (id, n)", "has the key"),
    "a view of its name": (FULL, "DROP TABLE {t}; CREATE VIEW {t} AS SELECT 1 AS id", "a view"),
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_what_of_the_target_stands_in_the_way_is_found_before_a_load_fails_for_it(
    own: tuple[Lab, str, str], name: str
) -> None:
    lab, me, target = own
    rules, statements, words = TARGETS[name]
    lab.load(rules=rules, target=target)
    assert errors(lab, rules=rules, target=target) == []
    table = f"{lab.schema}.t"
    lab.pg("SET client_min_messages = error; " + statements.replace("{t}", table).replace("{me}", me))
    lab.mysql("UPDATE t SET c = 'new' WHERE id = 1", "INSERT INTO t VALUES (3, 'c', 3)")
    found = errors(lab, rules=rules, target=target)
    assert any(words in item.message for item in found), [item.message for item in found]
    assert all(item.advice for item in found)
    try:
        done = lab.load(rules=rules, target=target)
    except BulketlError as error:
        assert words in error.message  # noqa: PT017 - a load may not begin, or fail at the table
        assert {item.otherwise for item in found} == {"no load begins"}
    else:
        assert [table.table for table in done.summary.failed] == ["t"]
        assert words in done.summary.failed[0].message


def test_schemas_that_are_missing_and_may_not_be_created_are_found(own: tuple[Lab, str, str]) -> None:
    """On the first day nothing is there."""
    lab, me, target = own
    execute(lab.target, f"REVOKE CREATE ON DATABASE {me} FROM {me}")
    (found,) = errors(lab, rules=FULL, target=target)
    assert f"user {me} may not create bulketl, bulketl_staging" in found.message
    with pytest.raises(BulketlError, match="may not create bulketl"):
        lab.load(rules=FULL, target=target)


@pytest.mark.parametrize("keep", [[], ["indexes", "comments", "defaults", "foreign_keys"]], ids=str)
def test_the_rights_that_a_load_needs_suffice(own: tuple[Lab, str, str], keep: list[str]) -> None:
    """A table of another owner is refilled by whoever has been given just that. What its rule keeps is not; that is said."""
    lab, me, target = own
    rules = {"t": {"keep": keep}}
    lab.mysql("ALTER TABLE t ADD KEY by_n (n), COMMENT 'a word', ALTER n SET DEFAULT 1")
    lab.load(rules=rules, target=target)
    lab.pg(f"ALTER TABLE {{s}}.t OWNER TO postgres; GRANT SELECT, INSERT, TRUNCATE ON {{s}}.t TO {me}")
    lab.mysql("INSERT INTO t VALUES (3, 'c', 3)", "ALTER TABLE t DROP KEY by_n, COMMENT 'another', ALTER n SET DEFAULT 2")
    assert errors(lab, rules=rules, target=target) == []
    summary = lab.load(rules=rules, target=target).summary
    assert summary.failed == []
    assert ("belongs to another user" in summary.tables["t"].unmet) is bool(keep)


@pytest.mark.parametrize("partitions", [0, 1, 2])
def test_a_table_without_partitions_is_refused_and_a_missing_one_warned_of(maria_lab: Lab, partitions: int) -> None:
    lab, rules = maria_lab, {"t": {"adopt": True}}
    lab.mysql(*SMALL)
    lab.pg("CREATE TABLE {s}.t (id int PRIMARY KEY, c varchar(20), n int) PARTITION BY RANGE (id)")
    if partitions:
        lab.pg("CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES FROM (0) TO (2)")
    if partitions > 1:
        lab.pg("CREATE TABLE {s}.t2 PARTITION OF {s}.t DEFAULT")
    found = [item for item in bulketl.validate(lab.config(rules=rules)) if "partition" in item.message]
    assert [item.severity for item in found] == (["error"], ["warning"], [])[partitions]
    assert len(lab.load(rules=rules).summary.failed) == (partitions < 2)


WIDE = {
    "too many columns": (1700, "int", "it would have 1,700 columns"),
    "rows too wide": (1100, "bigint NOT NULL DEFAULT 1", "each of its rows takes 8,824 bytes or more"),
}


@pytest.mark.parametrize("name", WIDE)
def test_a_table_that_postgres_has_no_room_for_is_refused_before_it_is_read(maria_lab: Lab, name: str) -> None:
    """In a few words, and not in those of the statement that fails."""
    count, kind, words = WIDE[name]
    engine = "ENGINE=MyISAM"
    columns = ", ".join(f"c{n} {kind}" for n in range(count))
    maria_lab.mysql(f"CREATE TABLE t ({columns}) {engine}", "INSERT INTO t () VALUES ()")
    (found,) = errors(maria_lab)
    assert words in found.message
    (failed,) = maria_lab.load().summary.failed
    assert failed.message == found.message
    assert len(failed.message) < 300


def test_a_zone_that_the_source_does_not_know_is_found_with_all_else(maria_lab: Lab) -> None:
    """And a load does not begin."""
    lab = maria_lab
    lab.mysql(*SMALL)
    rules = {"t": {"primary_key": ["none"]}}
    found = errors(lab, rules=rules, timestamp_zone="Mars/Olympus")
    assert {item.table for item in found} == {"bulketl.yaml", "t"}
    assert "does not know the zone 'Mars/Olympus'" in found[0].message
    with pytest.raises(BulketlError, match="does not know the zone"):
        lab.load(rules=rules, timestamp_zone="Mars/Olympus")


def test_that_no_target_is_set_is_an_error(maria_lab: Lab) -> None:
    """The rules cannot fit both servers then."""
    maria_lab.mysql(*SMALL)
    (found,) = errors(maria_lab, target="")
    assert "no target is set" in found.message
    with pytest.raises(BulketlError, match="no target is set"):
        maria_lab.load(target="")


@pytest.mark.parametrize("schema", ["pg_x", "bulketl", "information_schema", "ü" * 40])
def test_an_odd_schema_is_refused_by_validate_as_by_a_load(maria_lab: Lab, schema: str) -> None:
    maria_lab.mysql(*SMALL)
    lab = dataclasses.replace(maria_lab, schema=schema)
    with pytest.raises(BulketlError, match="the target schema cannot be"):
        lab.load()
    with pytest.raises(BulketlError, match="the target schema cannot be"):
        bulketl.validate(lab.config())


def test_what_depends_on_the_rows_is_a_warning(maria_lab: Lab) -> None:
    """A load tries, and fails only where rows are so."""
    lab = maria_lab
    lab.mysql(*SMALL)
    lab.load(rules=FULL)
    lab.pg("ALTER TABLE {s}.t ADD CHECK (n < 100), ADD UNIQUE (c), ALTER n SET NOT NULL,"
           " ADD EXCLUDE USING btree (n WITH =); CREATE TABLE {s}.other (id int REFERENCES {s}.t)")  # fmt: skip
    found = [item for item in bulketl.validate(lab.config(rules=FULL)) if item.table == "t"]
    assert {item.severity for item in found} == {"warning"}
    text = " ".join(item.message for item in found)
    assert all(
        word in text for word in ("CHECK", "UNIQUE", "EXCLUDE", "NOT NULL in the target", "foreign keys of other tables")
    )
    lab.mysql("INSERT INTO t VALUES (3, 'c', 3)")
    assert lab.load(rules=FULL).summary.failed == []
    lab.mysql("INSERT INTO t VALUES (4, 'd', NULL)")
    assert [table.table for table in lab.load(rules=FULL).summary.failed] == ["t"]


INDEXES = {  # the index, and a value of `c` that it refuses; None for none
    "unique": ("CREATE UNIQUE INDEX own ON {s}.t (c)", "'a'"),
    "of an expression": ("CREATE INDEX own ON {s}.t ((1 / (length(c) - 2)))", "'bb'"),
    "partial": ("CREATE INDEX own ON {s}.t (id) WHERE 1 / (length(c) - 2) > 0", "'bb'"),
    "of long values": ("CREATE INDEX own ON {s}.t (c)", None),
    "of numbers": ("CREATE INDEX own ON {s}.t (n)", None),
}


@pytest.mark.parametrize("way", ["refill", "swap", "merge"])
@pytest.mark.parametrize("name", INDEXES)
def test_an_index_of_a_persons_own_that_may_refuse_rows_is_warned_of(maria_lab: Lab, name: str, way: str) -> None:
    """Whether rows come into the table or it is built anew."""
    lab, (index, value) = maria_lab, INDEXES[name]
    kind = "text" if name == "of long values" else "varchar(20)"
    lab.mysql(SMALL[0].replace("varchar(20)", kind), SMALL[1])
    rules = {"t": {"deletes": "mark"} if way == "merge" else {"publish": way}}
    lab.load(rules=rules)
    assert [item for item in bulketl.validate(lab.config(rules=rules)) if item.severity != "note"] == []
    lab.pg(index)
    found = [item for item in bulketl.validate(lab.config(rules=rules)) if item.severity != "note"]
    assert [(item.table, item.severity, item.kind) for item in found] == [("t", "warning", "doubted")] * (
        name != "of numbers"
    )
    assert all("own" in item.message for item in found)
    if value:
        lab.mysql(f"INSERT INTO t VALUES (4, {value}, 1)")
        assert [table.table for table in lab.load(rules=rules).summary.failed] == ["t"]


TEXTS = {"varchar(9)": True, "text": True, "enum('a')": True, "varchar(9) CHARACTER SET ascii": False, "blob": False,
         "int": False, "json": True}  # fmt: skip


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1", "SQL_ASCII"])
@pytest.mark.parametrize("kind", TEXTS)
def test_an_encoding_that_lacks_characters_is_warned_of_once(maria_lab: Lab, encoding: str, kind: str) -> None:
    name = f"{maria_lab.schema}_e"
    execute(maria_lab.target, f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        lab = dataclasses.replace(maria_lab, target=make_conninfo(maria_lab.target, dbname=name, client_encoding="UTF8"))
        lab.mysql(*(f"CREATE TABLE {table} (id int PRIMARY KEY, c {kind})" for table in ("t", "u")))
        found = [item for item in bulketl.validate(lab.config()) if item.severity != "note"]
        assert [item.kind for item in found] == ["narrow encoding"] * (TEXTS[kind] and encoding == "LATIN1")
        assert all(item.message.startswith("the target's encoding is LATIN1: rows with") for item in found)
        assert all("2 tables" in item.otherwise and "ENCODING 'UTF8'" in item.advice for item in found)
    finally:
        execute(maria_lab.target, f"DROP DATABASE {name} WITH (FORCE)")


RULES: dict[str, tuple[dict[str, Any], str, str]] = {
    "waits for itself": ({"dependencies": ["t"]}, "warning", "its dependencies name itself"),
    "waits for nothing": ({"dependencies": ["gone"]}, "warning", "gone, which the source does not have"),
    "keeps rows by text": (
        {"retention": {"keep": "1y", "by": "c", "action": "delete"}},
        "error",
        "goes by c, which is varchar",
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_means_nothing_is_found(maria_lab: Lab, name: str) -> None:
    rule, severity, words = RULES[name]
    maria_lab.mysql(*SMALL)
    (found,) = [item for item in bulketl.validate(maria_lab.config(rules={"t": rule})) if item.severity != "note"]
    assert (found.table, found.severity) == ("t", severity)
    assert words in found.message


UNIQUE = {
    "MEMORY": "CREATE TABLE t (id int PRIMARY KEY, c varchar(20)) ENGINE=MEMORY",
    "ARCHIVE": "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, c varchar(20)) ENGINE=ARCHIVE",
    "prefix": "CREATE TABLE t (id varchar(20), c varchar(20), PRIMARY KEY (id(5)))",
    "long": "CREATE TABLE t (id text NOT NULL, c varchar(20), UNIQUE (id) USING HASH)",
}


@pytest.mark.parametrize("name", UNIQUE)
def test_a_hash_or_a_prefix_that_is_unique_keeps_a_key_unique(maria_lab: Lab, name: str) -> None:
    try:
        maria_lab.mysql(
            UNIQUE[name], "INSERT INTO t (c) VALUES ('a')" if name == "ARCHIVE" else "INSERT INTO t VALUES ('1', 'a')"
        )
    except Exception as error:
        pytest.skip(str(error))
    found = bulketl.validate(maria_lab.config(rules={"t": {"primary_key": ["id"]}}))
    assert [item.message for item in found if item.severity != "note"] == []


def test_a_timestamp_in_a_key_is_warned_of_where_an_hour_comes_twice(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two moments of the key are the same there; with an offset none are."""
    maria_lab.mysql("CREATE TABLE t (at timestamp NOT NULL PRIMARY KEY)", "INSERT INTO t VALUES ('2024-01-01')")

    def said(**settings: Any) -> list[str]:
        return [item.message for item in bulketl.validate(maria_lab.config(**settings)) if "comes twice" in item.message]

    assert said(timestamp_zone="+02:00") == []
    monkeypatch.setattr(
        "bulketl.mysql.zones._NOONS", ["2024-01-15 12:00:00", "2024-07-15 13:00:00"]
    )  # as clocks that are set
    assert len(said(timestamp_zone="+02:00")) == 1
