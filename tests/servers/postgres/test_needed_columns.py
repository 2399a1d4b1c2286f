"""What needs a column of a target table that is dropped, or gets another type: said before, and nothing is lost.

Everything that Postgres lets depend on a column is in the list; the test holds the list against pg_depend itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from faults import small_partitions
from lab import Lab

import bulketl

TABLE = ("CREATE TABLE t (id int PRIMARY KEY, c varchar(20), n int)", "INSERT INTO t VALUES (1, 'a', 5), (2, 'b', 6)")
_FUNCTION = "CREATE FUNCTION {s}.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
# Of what needs column n of the table, with the name by which it is told; `{n}` is the column.
NEEDING: dict[str, tuple[str, str]] = {
    "view": ("CREATE VIEW {s}.v AS SELECT id, {n} FROM {t}", "view {s}.v"),
    "view with every column": ("CREATE VIEW {s}.v AS SELECT * FROM {t}", "view {s}.v"),
    "view that filters": ("CREATE VIEW {s}.v AS SELECT id FROM {t} WHERE {n} IS NULL", "view {s}.v"),
    "view that orders": ("CREATE VIEW {s}.v AS SELECT id FROM {t} ORDER BY {n}", "view {s}.v"),
    "view that joins": (
        "CREATE TABLE {s}.o ({n} int); CREATE VIEW {s}.v AS SELECT t.id FROM {t} t NATURAL JOIN {s}.o", "view {s}.v",
    ),
    "view on a view": (
        "CREATE VIEW {s}.v AS SELECT {n} FROM {t}; CREATE VIEW {s}.w AS SELECT * FROM {s}.v", "view {s}.v",
    ),
    "view of a field": (
        "CREATE VIEW {s}.v AS SELECT t FROM {t} t; CREATE VIEW {s}.w AS SELECT (t).{n} FROM {s}.v", "view {s}.w",
    ),
    "view that is written to": (("CREATE VIEW {s}.v AS SELECT id FROM {t};"
        " CREATE RULE r AS ON INSERT TO {s}.v DO INSTEAD INSERT INTO {t} (id, {n}) VALUES (NEW.id, 1)"),
        "rule r on view {s}.v"),
    "rule on a table": (("CREATE TABLE {s}.o (id int);"
        " CREATE RULE r AS ON INSERT TO {s}.o DO ALSO UPDATE {t} SET {n} = 1"), "rule r on table {s}.o"),
    "rule": (("CREATE TABLE {s}.o (n int);"
        " CREATE RULE r AS ON UPDATE TO {t} DO ALSO INSERT INTO {s}.o VALUES (NEW.{n})"), "rule r on table {s}.t"),
    "materialized view": ("CREATE MATERIALIZED VIEW {s}.m AS SELECT {n} FROM {t}", "materialized view {s}.m"),
    "generated column": ("ALTER TABLE {t} ADD g int GENERATED ALWAYS AS ({n} + 1) STORED", "column g of table {s}.t"),
    "policy": ("CREATE POLICY p ON {t} USING ({n} > 0)", "policy p on table {s}.t"),
    "policy of another table": (
        "CREATE TABLE {s}.o (id int); CREATE POLICY p ON {s}.o USING (id IN (SELECT {n} FROM {t}))",
        "policy p on table {s}.o",
    ),
    "trigger when": (
        _FUNCTION + "CREATE TRIGGER g AFTER INSERT ON {t} FOR EACH ROW WHEN (NEW.{n} = 0) EXECUTE FUNCTION {s}.f()",
        "trigger g on table {s}.t",
    ),
    "trigger of": (
        _FUNCTION + "CREATE TRIGGER g AFTER UPDATE OF {n} ON {t} FOR EACH ROW EXECUTE FUNCTION {s}.f()",
        "trigger g on table {s}.t",
    ),
    "foreign key": (("CREATE TABLE {s}.o (id int PRIMARY KEY); INSERT INTO {s}.o VALUES (5), (6);"
        " ALTER TABLE {t} ADD CONSTRAINT fk FOREIGN KEY ({n}) REFERENCES {s}.o"), "constraint fk on table {s}.t"),
    "foreign key to it": (
        "ALTER TABLE {t} ADD CONSTRAINT u UNIQUE ({n}); CREATE TABLE {s}.o (n int CONSTRAINT fk REFERENCES {t} ({n}))",
        "constraint fk on table {s}.o",
    ),
    "check": ("ALTER TABLE {t} ADD CONSTRAINT k CHECK ({n} > 0)", "constraint k on table {s}.t"),
    "unique": ("ALTER TABLE {t} ADD CONSTRAINT u UNIQUE ({n})", "constraint u on table {s}.t"),
    "exclusion": ("ALTER TABLE {t} ADD CONSTRAINT x EXCLUDE USING btree ({n} WITH =)", "constraint x on table {s}.t"),
    "not null": ("ALTER TABLE {t} ALTER {n} SET NOT NULL", "NOT NULL of {n}"),
    "index": ("CREATE INDEX i ON {t} ({n})", "index {s}.i"),
    "index of an expression": ("CREATE INDEX i ON {t} ((id + {n}))", "index {s}.i"),
    "index that includes": ("CREATE INDEX i ON {t} (id) INCLUDE ({n})", "index {s}.i"),
    "index of some rows": ("CREATE INDEX i ON {t} (id) WHERE {n} > 0", "index {s}.i"),
    "statistics": ("CREATE STATISTICS {s}.st ON id, {n} FROM {t}", "statistics object {s}.st"),
    "statistics of an expression": ("CREATE STATISTICS {s}.st ON ({n} + 1) FROM {t}", "statistics object {s}.st"),
    "publication": ("CREATE PUBLICATION pub_{s} FOR TABLE {t} (id, {n})", "publication pub_{s}"),
    "publication of some rows": (
        "CREATE PUBLICATION pub_{s} FOR TABLE {t} WHERE (id > 0 AND {n} > 0)", "publication pub_",
    ),
    "function": (
        "CREATE FUNCTION {s}.g() RETURNS bigint BEGIN ATOMIC SELECT sum({n}) FROM {t}; END", "function {s}.g()",
    ),
    "default": (
        "ALTER TABLE {t} ALTER {n} SET DEFAULT 1", "default value for column {n}",
    ),
    "sequence": ("CREATE SEQUENCE {s}.q OWNED BY {t}.{n}", "sequence {s}.q"),
    "partition key": (
        ("ALTER TABLE {t} RENAME TO old; CREATE TABLE {t} (id int, c varchar(20), {n} int) PARTITION BY LIST ({n});"
        " CREATE TABLE {s}.p PARTITION OF {t} DEFAULT; DROP TABLE {s}.old"), "its partitioning",
    ),
}  # fmt: skip
# Each catalog that names columns of a table, or has what depends on one, and what above is in it.
CATALOGS = {
    "pg_rewrite": "view", "pg_attrdef": "default", "pg_constraint": "check", "pg_index": "index", "pg_class": "index",
    "pg_policy": "policy", "pg_trigger": "trigger of", "pg_statistic_ext": "statistics", "pg_publication_rel": "publication",
    "pg_proc": "function", "pg_partitioned_table": "partition key",
}  # fmt: skip
NO_NEED = {"pg_statistic": "what ANALYZE writes, gone with the column"}
# All that a schema has, and the rows of the table.
EVERYTHING = """
SELECT pg_describe_object(d.classid, d.objid, d.objsubid), r.definition FROM pg_depend d
LEFT JOIN (SELECT oid, pg_get_ruledef(oid) AS definition FROM pg_rewrite) r ON r.oid = d.objid
WHERE pg_describe_object(d.classid, d.objid, d.objsubid) LIKE '%{s}%'
UNION ALL SELECT 'row', t::text FROM {s}.t ORDER BY 1, 2"""
ADOPTED = {"t": {"adopt": True}}  # one case makes the table anew


@pytest.fixture
def used(maria_lab: Lab) -> Iterator[Lab]:
    """A lab whose table is loaded, and whose publication goes with it."""
    maria_lab.mysql(*TABLE)
    maria_lab.load(rules=ADOPTED)
    yield maria_lab
    maria_lab.pg("DROP PUBLICATION IF EXISTS pub_{s}")


def make(lab: Lab, what: str) -> str:
    """Let something need column n of the table, and return how that is called."""
    statement, name = (text.replace("{t}", "{s}.t").replace("{n}", "n") for text in NEEDING[what])
    lab.pg(statement)
    return name.replace("{s}", lab.schema)


@pytest.mark.parametrize("what", NEEDING)
def test_what_needs_a_column_that_is_to_be_dropped_is_told_by_validate_in_the_words_of_the_load(
    used: Lab, what: str
) -> None:
    """And everything stays as it was."""
    name = make(used, what)
    used.mysql("ALTER TABLE t DROP COLUMN n", "INSERT INTO t VALUES (3, 'c')")
    before = used.pg(EVERYTHING)
    settings: dict[str, Any] = {"dropped_columns": "drop", "rules": ADOPTED}
    found = [item for item in bulketl.validate(used.config(**settings)) if item.severity == "error" and item.table == "t"]
    told = used.load(**settings).summary.tables["t"]
    assert (told.outcome, [(item.message, item.advice) for item in found]) == ("failed", [(told.message, told.hint)])
    assert name in told.message
    assert used.pg(EVERYTHING) == before


@pytest.mark.parametrize("publish", [{}, {"publish": "swap"}])
@pytest.mark.parametrize(
    ("left_out", "back"),
    [
        ({"exclude_columns": ["n"]}, "or take it out of exclude_columns"),
        ({"columns": ["id", "c"]}, "or name it under columns"),
    ],
)
def test_a_view_that_needs_an_excluded_column_is_told_with_the_way_back(
    used: Lab, left_out: dict[str, Any], publish: dict[str, Any], back: str
) -> None:
    rule = left_out | publish
    used.pg("CREATE VIEW {s}.v AS SELECT n FROM {s}.t; CREATE INDEX i ON {s}.t (n, id)")
    told = used.load(rules={"t": rule}).summary.tables["t"]
    assert told.message.endswith(f"without n: index {used.schema}.i needs n; view {used.schema}.v needs n")
    assert told.hint.endswith(back)
    used.pg("DROP VIEW {s}.v; DROP INDEX {s}.i")
    assert used.load(rules={"t": rule}).summary.tables["t"].outcome == "loaded"
    assert ("n",) not in used.pg("SELECT attname FROM pg_attribute WHERE attrelid = '{s}.t'::regclass")


def test_what_does_without_the_column_is_made_again(used: Lab) -> None:
    """A view, one on it, one of the whole row, an index."""
    used.pg(
        "CREATE VIEW {s}.v AS SELECT id, c FROM {s}.t; CREATE VIEW {s}.w AS SELECT * FROM {s}.v;"
        " CREATE INDEX i ON {s}.t (c); CREATE VIEW {s}.whole AS SELECT to_jsonb(t) AS j FROM {s}.t t"
    )
    used.mysql("ALTER TABLE t DROP COLUMN n", "INSERT INTO t VALUES (3, 'c')")
    assert used.load(dropped_columns="drop").how("t") == "swap"
    assert used.pg("SELECT (SELECT count(*) FROM {s}.w), (SELECT j::text FROM {s}.whole WHERE j->>'id' = '3')") == [
        (3, '{"c": "c", "id": 3}')
    ]


def test_a_rule_that_takes_the_writes_of_a_view_is_never_lost(used: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that is made again has no rules but its query, so the table under it is refilled where it could be swapped."""
    small_partitions(monkeypatch, 50)
    used.mysql("INSERT INTO t SELECT seq, 'x', seq FROM seq_10_to_300")
    assert used.load(rules=ADOPTED).how("t") == "swap"
    used.pg(
        "CREATE VIEW {s}.v AS SELECT id, n FROM {s}.t;"
        " CREATE RULE r AS ON INSERT TO {s}.v DO INSTEAD INSERT INTO {s}.t (id, n) VALUES (NEW.id, NEW.n)"
    )
    assert used.load(rules=ADOPTED).how("t") == "refill"
    used.pg("INSERT INTO {s}.v VALUES (1000, 1)")
    assert used.pg("SELECT n FROM {s}.t WHERE id = 1000") == [(1,)]


@pytest.mark.parametrize("fits", [True, False])
@pytest.mark.parametrize("what", ["VIEW {s}.v AS SELECT {s}.f(n) AS x FROM {s}.t", "INDEX v ON {s}.t ({s}.f(n))"])
def test_what_is_made_again_of_a_column_of_another_type_is_doubted_before(used: Lab, what: str, fits: bool) -> None:
    """Only the server can tell whether it fits; where it does not, all is as it was."""
    kind = "anyelement" if fits else "int"
    used.pg(f"CREATE FUNCTION {{s}}.f({kind}) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text'; CREATE {what}")
    used.mysql("ALTER TABLE t MODIFY n varchar(9)")
    before = used.pg(EVERYTHING)
    (found,) = (item for item in bulketl.validate(used.config(rules=ADOPTED)) if "made again" in item.message)
    assert found.severity == "warning"
    assert f"{used.schema}.v is made again of columns that get another type: n integer -> varchar(9)" in found.message
    told = used.load(rules=ADOPTED)
    assert (told.how("t"), told.summary.tables["t"].outcome) == ("swap", "loaded" if fits else "failed")
    if not fits:
        assert used.pg(EVERYTHING) == before


def test_every_catalog_that_names_a_column_is_in_the_list(used: Lab) -> None:
    """By the server's own catalogs of its catalogs, and by what depends on columns when all of the list is there."""
    for what, (statement, _) in NEEDING.items():
        schema = f"{used.schema}_{what.replace(' ', '_')}"
        used.pg(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.t (id int PRIMARY KEY, c varchar(20), n int)")
        used.pg(statement.replace("{t}", "{s}.t").replace("{n}", "n").replace("{s}", schema))
    listed = used.pg(
        "SELECT fktable::regclass::text FROM pg_get_catalog_foreign_keys() WHERE pktable = 'pg_attribute'::regclass"
        " UNION SELECT classid::regclass::text FROM pg_depend"
        " WHERE refclassid = 'pg_class'::regclass AND refobjsubid > 0 AND objid >= 16384"
    )
    for what in NEEDING:
        schema = f"{used.schema}_{what.replace(' ', '_')}"
        used.pg(f"SET client_min_messages = error; DROP SCHEMA {schema} CASCADE; DROP PUBLICATION IF EXISTS pub_{schema}")
    assert {name for (name,) in listed} == {*CATALOGS, *NO_NEED}
    assert {*CATALOGS.values()} <= {*NEEDING}
