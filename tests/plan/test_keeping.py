"""Which indexes and comments of the source a table is to have, by which names, and what is said of the others."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ways import wanted

from bulketl.config.tables import TableRule
from bulketl.mysql.discover import _keys
from bulketl.plan.keeping import INDEX_BYTES, Kept, kept, placed, reserved
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column, Key, KeyPart, Table, TargetTable
from bulketl.tables.secondary import Index, IndexPart, is_note
from bulketl.tables.spec import NAME_BYTES

COLUMNS = (
    Column("id", "int(11)", False),
    Column("c", "varchar(20)", True, charset="utf8mb4", comment="a word"),
    Column("wide", "varchar(700)", True, charset="utf8mb4"),
    Column("narrow", "varchar(1000)", True, charset="latin1"),
    Column("t", "text", True, charset="utf8mb4"),
    Column("raw", "blob", True),
    Column("j", "json", True),
    Column("f", "enum('a','b')", True, charset="utf8mb4"),
)
BOTH = TableRule(keep=("indexes", "comments"))


def index(*parts: KeyPart, unique: bool = False, kind: str = "BTREE") -> Key:
    return Key("ix", tuple(part.column for part in parts if part.column), unique, parts=parts, kind=kind)


def found(*indexes: Key, rule: TableRule = BOTH, comment: str = "", encoding: str = "UTF8") -> Kept:
    table = Table("t", COLUMNS, ("id",), indexes=indexes, comment=comment)
    return kept(rule, table, [cast(column) for column in COLUMNS if rule.takes(column.name)], "11.4-MariaDB", encoding)


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        (index(KeyPart("c"), KeyPart("id", descending=True)), (IndexPart("c"), IndexPart("id", descending=True))),
        (index(KeyPart("c", 5)), (IndexPart("c"),)),
        (index(KeyPart("wide", 100)), (IndexPart("wide", 100),)),
        (index(KeyPart("narrow")), (IndexPart("narrow"),)),
        (index(KeyPart("t", 100)), (IndexPart("t", 100),)),
        (index(KeyPart("raw", 100)), (IndexPart("raw", 100, binary=True),)),
        (index(KeyPart("f")), (IndexPart("f"),)),
        (index(KeyPart("c"), kind="HASH"), (IndexPart("c"),)),
    ],
)
def test_an_index_that_postgres_can_have(key: Key, parts: tuple[IndexPart, ...]) -> None:
    """A prefix is kept only where all of a value might not fit."""
    assert found(key) == Kept((Index("ix", parts),), (("c", "a word"),))


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (index(KeyPart("c"), kind="FULLTEXT"), "a full-text index of MySQL has no equivalent"),
        (index(KeyPart("c", 32), kind="SPATIAL"), "a spatial index of MySQL has no equivalent"),
        (index(KeyPart("c"), KeyPart("")), "it holds an expression of MySQL"),
        (index(KeyPart("t"), kind="HASH"), "t may have values too long for an index of Postgres"),
        (index(KeyPart("wide")), f"its values may take 2,800 bytes, and an entry of Postgres has room for {INDEX_BYTES:,}"),
        (index(KeyPart("j")), "j is of type jsonb"),
        (Key("ix", ("c",), False), "the source does not say what it holds"),
    ],
)
def test_an_index_that_postgres_cannot_have_is_said(key: Key, why: str) -> None:
    assert (found(key).indexes, found(key).lost) == ((), (f"index ix: {why}",))


def test_an_index_of_a_column_that_is_not_loaded_is_said() -> None:
    rule = TableRule(keep=("indexes",), exclude_columns=("c",))
    assert found(index(KeyPart("c")), rule=rule).lost == ("index ix: c is not loaded",)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"table_importance": "audit"}, "rows of tier audit stay when they are gone at the source"),
        ({"deletes": "mark"}, "rows stay when they are gone at the source"),
        ({"extraction_strategy": "incremental"}, "rows that are gone at the source stay until they are found"),
        ({"deletes": "mirror"}, ""),
    ],
)
def test_an_index_is_unique_only_where_a_load_cannot_fail_for_it(keys: dict[str, Any], why: str) -> None:
    rule = TableRule.model_validate({"keep": ["indexes"], **keys})
    one = found(index(KeyPart("c"), unique=True), rule=rule)
    assert one.indexes[0].unique is (not why)
    assert one.changed == ((f"index ix without UNIQUE, because {why}",) if why else ())


def test_nothing_is_kept_that_is_not_asked_for() -> None:
    assert found(index(KeyPart("c")), rule=TableRule(), comment="x") == Kept()
    assert found(index(KeyPart("c")), rule=TableRule(keep=("comments",)), comment="x").comments[0] == ("", "x")


def test_what_the_encoding_of_the_target_lacks_is_said() -> None:
    one = found(dataclasses.replace(index(KeyPart("c")), name="é€"), comment="日本", encoding="LATIN1")
    assert one.lost == (
        "index é€: the target cannot spell its name: its database is in LATIN1",
        "comment of the table: the target's database is in LATIN1",
    )


def test_the_catalogues_of_both_servers_are_read() -> None:
    """MariaDB says A and D as MySQL does; an expression has no column on MySQL, a full-text index no order."""
    rows = [
        ("t", "PRIMARY", 0, "id", None, "BTREE", "A"),
        ("t", "down", 1, "c", 5, "BTREE", "D"),
        ("t", "down", 1, None, None, "BTREE", "A"),
        ("t", "words", 1, "t", None, "FULLTEXT", None),
    ]
    assert _keys(rows)["t"] == (
        Key("PRIMARY", ("id",), True, parts=(KeyPart("id"),)),
        Key("down", ("c",), False, False, (KeyPart("c", 5, descending=True), KeyPart(""))),
        Key("words", ("t",), False, False, (KeyPart("t"),), "FULLTEXT"),
    )


NAMES = st.text(st.sampled_from("ab_é日"), min_size=1, max_size=64)


@given(st.dictionaries(NAMES, st.sets(NAMES, max_size=4), max_size=4), st.sets(NAMES, max_size=3))
def test_no_two_indexes_get_the_same_name_and_all_keep_it(sources: dict[str, set[str]], others: set[str]) -> None:
    """Whatever tables and indexes are called; and a load that finds them by their notes gives them no other names."""
    part = (KeyPart("c"),)
    tables = [
        Table(name, COLUMNS, ("id",), indexes=tuple(Key(one, ("c",), False, parts=part) for one in sorted(keys)))
        for name, keys in sources.items()
    ]
    target = {name: TargetTable(name, (), kind="view") for name in others}
    taken = reserved(tables, target)
    given_to: dict[str, dict[str, str]] = {}
    for table in tables:
        spec, _ = placed(wanted(table=table.name), kept(BOTH, table, [cast(c) for c in COLUMNS], "8.4"), None, taken)
        given_to[table.name] = {one.name: one.note for one in spec.indexes}
    made = [name for names in given_to.values() for name in names]
    assert len(made) == len({*made}) == sum(map(len, sources.values()))
    assert not {*made} & {*others, *sources}
    assert all(len(name.encode()) <= NAME_BYTES for name in made)
    assert all(is_note(note) for names in given_to.values() for note in names.values())
    target |= {name: TargetTable(name, (), kind="index") for name in made}
    again = reserved(tables, target)
    for table in tables:
        existing = TargetTable(table.name, (), indexes=tuple(given_to[table.name].items()))
        spec = dataclasses.replace(wanted(table=table.name), publish="merge")
        spec, lines = placed(spec, kept(BOTH, table, [cast(c) for c in COLUMNS], "8.4"), existing, again)
        assert ({one.name for one in spec.indexes}, spec.unindexed, lines) == ({*given_to[table.name]}, (), ())
