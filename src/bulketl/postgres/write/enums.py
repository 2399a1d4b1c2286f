"""Enum types that bulketl makes for columns: there before any row of theirs is copied, and gone when nothing needs them.

A label that a type gets can only be used once that is committed, so types are made in a transaction of their own. A load
that ends afterwards leaves them: the next one knows them by their comment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bulketl.postgres.ddl import batch, name, value
from bulketl.postgres.server import STRANGE, Postgres
from bulketl.postgres.write.copy import transaction
from bulketl.tables.casts import Cast
from bulketl.tables.enums import note_of, split_name
from bulketl.tables.spec import TableSpec


def make_types(target: Postgres, run: str, specs: Sequence[TableSpec]) -> None:
    """Have each enum type that the tables need there with all its labels, in a transaction of its own."""
    if statements := typing(specs):
        with transaction(target, run, ", ".join(spec.table for spec in specs), specs[0].encoder) as cursor:
            cursor.execute(batch(statements))


def typing(specs: Iterable[TableSpec]) -> list[str]:
    """Return the statements after which each enum type that the tables need is there with all its labels.

    They fail where something else has the name of a type.
    """
    return [_making(spec, item) for spec in specs for item in spec.casts if item.labels]


def untyping(spec: TableSpec) -> list[str]:
    """Return the statements that drop the types that were made for a table and that nothing needs any more."""
    return [
        f"IF {_comment(name(spec.schema, called))} = {value(note)} THEN\nBEGIN DROP TYPE {name(spec.schema, called)};"
        " EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL; END;\nEND IF"
        for called, note in spec.untyped
    ]


def _comment(place: str) -> str:
    return f"obj_description(to_regtype({value(place)})::oid, 'pg_type')"


def _making(spec: TableSpec, item: Cast) -> str:
    """Return the statement that makes the type of a column, or gives it the labels that it lacks, where they belong."""
    place = name(*split_name(item.target))
    note = value(note_of(spec.table, item.name))
    labels = ", ".join(map(value, item.labels))
    strange = value(f"{place} has appeared in the target, where the load was to create an enum type".replace("%", "%%"))
    lacking = (
        "SELECT w.label, lag(w.label) OVER (ORDER BY w.n) AS before, w.n FROM"
        f" unnest(ARRAY[{labels}]::text[]) WITH ORDINALITY w(label, n)"
    )
    has = f"SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = to_regtype({value(place)})::oid"
    adding = f"format('ALTER TYPE %s ADD VALUE IF NOT EXISTS %L %s %L', {value(place)}, bulketl_one.label,"
    first = f"({has} ORDER BY e.enumsortorder LIMIT 1)"
    return f"""IF to_regtype({value(place)}) IS NULL THEN
BEGIN CREATE TYPE {place} AS ENUM ({labels}); COMMENT ON TYPE {place} IS {note};
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END;
END IF;
DECLARE bulketl_one record;
BEGIN
IF {_comment(place)} IS DISTINCT FROM {note} THEN RAISE EXCEPTION {strange} USING ERRCODE = '{STRANGE}'; END IF;
FOR bulketl_one IN SELECT * FROM ({lacking}) l WHERE l.label NOT IN ({has}) ORDER BY l.n LOOP
EXECUTE {adding} CASE WHEN bulketl_one.before IS NULL THEN 'BEFORE' ELSE 'AFTER' END, COALESCE(bulketl_one.before, {first}));
END LOOP;
END"""
