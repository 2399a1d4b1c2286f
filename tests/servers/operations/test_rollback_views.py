"""Views that cannot be made over the older tables: a rollback names them, sets them aside, and brings the tables back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from lab import Lab
from sidebyside import Beside, dropped, role

import bulketl
from bulketl.operations.migrate.trials import VIEWS_UNTRIED
from bulketl.postgres.compare import views

WHY: dict[str, Any] = {"reason": "seven equal nights", "force": True}


@pytest.fixture
def beside(maria_lab: Lab) -> Iterator[Beside]:
    """A table of which the older pipeline makes a boolean, with two views over it."""
    maria_lab.mysql("CREATE TABLE claim (id int PRIMARY KEY, paid int)", "INSERT INTO claim SELECT seq, 1 FROM seq_1_to_9")
    maria_lab.pg("""CREATE TABLE {s}.claim (id integer PRIMARY KEY, paid boolean); INSERT INTO {s}.claim VALUES (1, true);
        CREATE VIEW {s}.low AS SELECT id, paid FROM {s}.claim WHERE id < 5;
        CREATE VIEW {s}.high AS SELECT count(*) AS n FROM {s}.low""")
    yield Beside(maria_lab)
    dropped(maria_lab)


def test_a_view_made_since_goes_aside_and_reads_what_it_did(beside: Beside) -> None:
    """With what it needs and what stands on it, each with its rights; whatever can be made over the older table is."""
    lab, reader, shadow = beside.lab, role(beside.lab), beside.shadow
    try:
        config = beside.shadowed(["claim"])
        bulketl.promote(config, **WHY)
        lab.pg(f"""CREATE VIEW {{s}}.sums AS SELECT sum(paid) AS paid FROM {{s}}.low; COMMENT ON VIEW {{s}}.sums IS 'mine';
            CREATE VIEW {{s}}.board AS SELECT paid * 2 AS twice FROM {{s}}.sums; GRANT SELECT ON {{s}}.sums TO {reader};
            CREATE VIEW {shadow}.sums AS SELECT 1 AS one""")
        looked = bulketl.rollback(config, reason="x", dry_run=True)
        names = {f'"{lab.schema}"."{view}"' for view in ("sums", "board")}
        assert {one.view for one in looked.spared} == names
        assert lab.pg("SELECT paid FROM {s}.sums") == [(4,)]
        back = bulketl.rollback(config, reason="x")
        assert [one.table for one in back.tables] == ["claim"]
        assert {one.view: one.now for one in back.spared} == {
            f'"{lab.schema}"."sums"': f'"{shadow}"."sums_1"', f'"{lab.schema}"."board"': f'"{shadow}"."board"',
        }  # fmt: skip
        assert "sum(boolean)" in next(one.why for one in back.spared if one.view.endswith('"sums"'))
        assert lab.pg("SELECT n FROM {s}.high") == [(1,)]
        assert lab.pg("SELECT paid FROM {s}.low") == [(True,)]
        assert lab.pg(f"SELECT twice, one FROM {shadow}.board, {shadow}.sums") == [(8, 1)]
        at = f"'{shadow}.sums_1'"
        told = f"SELECT obj_description({at}::regclass), has_table_privilege('{reader}', {at}, 'SELECT')"
        assert lab.pg(told) == [("mine", True)]
        assert lab.pg("SELECT to_regclass('{s}.sums'), to_regclass('{s}.board')") == [(None, None)]
        lab.pg(f"DROP VIEW {shadow}.board, {shadow}.sums_1, {shadow}.low")
        assert [one.table for one in bulketl.promote(beside.shadowed(["claim"]), **WHY).tables] == ["claim"]
        assert lab.pg("SELECT n FROM {s}.high") == [(4,)]
    finally:
        lab.pg(f"DROP OWNED BY {reader} CASCADE; DROP ROLE {reader}")


def test_a_view_altered_since_is_again_as_it_was(beside: Beside) -> None:
    """Its readers have what they had before the promotion; the new definition is kept aside."""
    lab, shadow = beside.lab, beside.shadow
    config = beside.shadowed(["claim"])
    bulketl.promote(config, **WHY)
    lab.pg("DROP VIEW {s}.high; CREATE OR REPLACE VIEW {s}.low AS SELECT id, paid FROM {s}.claim WHERE paid > 0 AND id < 8")
    (view,) = bulketl.rollback(config, reason="x", dry_run=True).spared
    assert view.again
    (view,) = bulketl.rollback(config, reason="x").spared
    assert (view.view, view.now, view.again) == (f'"{lab.schema}"."low"', f'"{shadow}"."low"', True)
    assert lab.pg("SELECT id, paid FROM {s}.low") == [(1, True)]
    assert lab.pg(f"SELECT count(*) FROM {shadow}.low") == [(7,)]
    assert lab.pg("SELECT to_regclass('{s}.high')") == [(None,)]


def test_names_that_others_have_are_in_nobodys_way(beside: Beside) -> None:
    """An index of either table gets a name that is free, which is said before; so does a table that something hangs on."""
    lab, shadow = beside.lab, beside.shadow
    lab.pg("CREATE TABLE {s}.other (id int); CREATE INDEX tall ON {s}.claim (paid)")
    config = beside.shadowed(["claim"])
    (own,) = lab.pg("SELECT indexrelid::regclass::text, relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
                    f" WHERE indrelid = '{shadow}.claim'::regclass")[0][1:]  # fmt: skip
    lab.pg(f'ALTER INDEX {{s}}.claim_pkey RENAME TO older; CREATE INDEX "{own}" ON {{s}}.other (id);'
           f" CREATE INDEX tall ON {shadow}.claim (id); ALTER TABLE {shadow}.claim RENAME TO c;"
           f" CREATE TABLE {shadow}.x (id int); ALTER INDEX {shadow}.tall RENAME TO short;"
           f" CREATE INDEX tall ON {shadow}.x (id); ALTER TABLE {shadow}.c RENAME TO claim")  # fmt: skip
    (looked,) = bulketl.promote(config, **WHY, dry_run=True).tables
    assert f"its index {own} is called {own}_1, for something else has that name" in looked.told
    (done,) = bulketl.promote(config, **WHY).tables
    assert f"its index {own} is called {own}_1, for something else has that name" in done.told
    assert "index tall is built as tall_1, for something else has that name" in done.told
    lab.pg(
        f"CREATE INDEX older ON {{s}}.other (id); CREATE TABLE {shadow}.y (id int); CREATE INDEX short ON {shadow}.y (id)"
    )
    told = [bulketl.rollback(config, reason="x", dry_run=dry_run).tables[0].told for dry_run in (True, False)]
    for words in told:
        assert "its index older is called older_1, for something else has that name" in words
        assert "its index short is called short_1, for something else has that name" in words
    assert lab.pg("SELECT count(*) FROM {s}.claim") == [(1,)]


def test_what_hangs_on_the_table_beside_keeps_none_from_coming_back(beside: Beside) -> None:
    """A load beside may have gone on into a table of its own, with a view of somebody's: it gets another name."""
    lab, shadow = beside.lab, beside.shadow
    config = beside.shadowed(["claim"])
    bulketl.promote(config, **WHY)
    beside.load_beside()
    lab.pg(f"CREATE VIEW {shadow}.mine AS SELECT count(*) AS n FROM {shadow}.claim")
    (back,) = bulketl.rollback(config, reason="x").tables
    assert any("is called claim_1 now, because something hangs on it" in words for words in back.told)
    assert lab.pg(f"SELECT n FROM {shadow}.mine") == [(9,)]


def test_who_may_make_no_temporary_table_reads_that_views_are_not_tried(
    beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The promotion and the rollback themselves need none."""

    def forbidden(*_: object) -> None:
        raise psycopg.errors.InsufficientPrivilege

    config = beside.shadowed(["claim"])
    monkeypatch.setattr(views, "_unmade", forbidden)
    (looked,) = bulketl.promote(config, **WHY, dry_run=True).tables
    assert VIEWS_UNTRIED in looked.told
    bulketl.promote(config, **WHY)
    (back,) = bulketl.rollback(config, reason="x", dry_run=True).tables
    assert VIEWS_UNTRIED in back.told
