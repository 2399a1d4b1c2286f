"""Tables that are never shortened or rewritten: what is new is appended, what was changed or deleted at the source is noted.

`bulketl.audit_trail` holds every difference with the old and the new row. `bulketl.audit_chain` holds, for each
publish, the sum of the hashes of the rows it appended and of all rows so far, and a link over this and the link before
it; what is noted in the trail gets such an entry too. So a row that is changed, added or removed by anybody else, in
the table or in the trail, no longer fits the sum, and an entry that is changed no longer fits its link. A row's hash
leaves out NULLs, so a column that is added changes nothing until it is filled. JSON is hashed as its text: what is null
inside it counts.
"""

from __future__ import annotations

from bulketl.postgres.ddl import alter_table, columns, name, rows_of, value
from bulketl.postgres.ledger import chains, entries
from bulketl.postgres.ledger.chains import Covered, entry
from bulketl.postgres.server import TAMPERED
from bulketl.postgres.write import written
from bulketl.postgres.write.aging import aging
from bulketl.postgres.write.merge import absent, differs, insert, matching
from bulketl.tables.spec import TableSpec

JSON = ("json", "jsonb")
# The last entry says that the audit has ended, or there is none: what is in the table is not covered.
_OPEN = "p.seq IS NULL OR p.kind = 'end'"


def append(run: str, spec: TableSpec, stage: str) -> list[str]:
    """Return the statements that add the rows of `stage` (quoted) that the table lacks, and note those that differ."""
    table = rows_of(spec)
    statements = [_first(run, spec)]
    filled_in = [item.name for item in spec.casts if item.name in spec.added]
    if filled_in or spec.widened or spec.aged:
        # A column that is filled changes every hash, a wider one may, and so do years that are brought to a later one: so
        # what is there is compared with the chain first.
        statements += [_held(spec), *alter_table(spec), *aging(spec)]
        if filled_in:
            sets = ", ".join(f"{name(column)} = s.{name(column)}" for column in filled_in)
            statements.append(f"UPDATE {table} t SET {sets} FROM {stage} s WHERE {matching(spec, 's', 't')}")
            statements.append(written.set_in(spec, stage, filled_in))
        statements.append(entry(run, spec, Covered("columns", f"SELECT * FROM {table}", _json_columns(spec), whole=True)))
    else:
        statements += alter_table(spec)
    if spec.key:
        statements.append(changed(run, spec, stage))
    if spec.whole and not spec.key:
        statements.append(_deleted_content(run, spec, stage))
    elif spec.whole:
        missing = f"NOT EXISTS (SELECT 1 FROM {stage} x WHERE {matching(spec, 'x', 't')})"
        statements.append(deleted(run, spec, f"{table} t WHERE {missing} AND {entries.none_rejected(run, spec)}"))
    rows = f"{stage} s" if spec.key else f"{_numbered(spec, stage)} s"
    new = absent(spec, table) if spec.key else f"NOT EXISTS (SELECT 1 FROM {_numbered(spec, table)} o WHERE {_SAME})"
    adding = entry(run, spec, Covered("append", f"{insert(run, spec, rows, new)} RETURNING *", _json_columns(spec)))
    appended = chains.last_rows(spec)
    left = f"(SELECT count(*) FROM {rows} WHERE {new})"
    statements.append(written.checked_insert(spec, stage, adding, f"({appended})", left))
    return [*statements, entries.appended(run, spec, appended)]


def _first(run: str, spec: TableSpec) -> str:
    """Return the statement that begins the chain of a table that is there, where none is or the one there has ended.

    That is asked before a row is read: hashing all rows again would make each load as long as the table.
    """
    table = rows_of(spec)
    there = [column for column in _json_columns(spec) if column not in spec.added]
    rows = f"SELECT * FROM {table} WHERE (SELECT {_OPEN} FROM (SELECT) x LEFT JOIN ({chains.last(spec)}) p ON true)"
    return entry(run, spec, Covered("create", rows, there, whole=True, only=_OPEN))


_SAME = "(o.bulketl_hash, o.bulketl_n) = (s.bulketl_hash, s.bulketl_n)"


def _numbered(spec: TableSpec, table: str) -> str:
    """Return a table's rows with a hash of their content, and a number among equal ones: what a key is elsewhere."""
    names = columns(item.name for item in spec.casts)
    content = f"md5(ROW({names})::text)"
    return f"(SELECT *, {content} AS bulketl_hash, row_number() OVER (PARTITION BY {content}) AS bulketl_n FROM {table})"


def _deleted_content(run: str, spec: TableSpec, stage: str) -> str:
    """Return the statement that notes rows of a table without a key that the source has no longer, once each."""
    key = "jsonb_build_object('md5', s.bulketl_hash, 'n', s.bulketl_n)"
    return _noting(
        run,
        spec,
        f"SELECT {value(run)}, {chains.at(spec)}, {key}, 'delete', {_json(spec, 's')}, NULL"
        f" FROM {_numbered(spec, rows_of(spec))} s LEFT JOIN ({chains.last_notes(spec)}) last ON last.key = {key}"
        f" WHERE NOT EXISTS (SELECT 1 FROM {_numbered(spec, stage)} o WHERE {_SAME})"
        f" AND last.kind IS DISTINCT FROM 'delete' AND {entries.none_rejected(run, spec)}",
    )


def begun(run: str, spec: TableSpec) -> str:
    """Return the statement that begins the chain of a table that was just created and filled."""
    return entry(run, spec, Covered("create", f"SELECT * FROM {rows_of(spec)}", _json_columns(spec), whole=True))


def ended(run: str, spec: TableSpec) -> str:
    """Return the statement that ends the chain of a table, if it has one: its rows are not covered any more."""
    return entry(run, spec, Covered("end", "SELECT 1 AS x WHERE false", only=f"NOT ({_OPEN})"))


def removed(run: str, spec: TableSpec, delete: str) -> str:
    """Return the statement that executes a DELETE (without RETURNING) and takes its rows out of the chain's sum."""
    return entry(run, spec, Covered("retention", f"{delete} RETURNING *", _json_columns(spec), sign=-1))


def changed(run: str, spec: TableSpec, stage: str) -> str:
    """Return the statement that notes rows of `stage` that differ from the table's, or from what was noted of them last."""
    # An outer join, so that rows of the stage are looked up in the table and never the other way round.
    join = f"{stage} s LEFT JOIN {rows_of(spec)} t ON {matching(spec, 't', 's')}"
    return _noting(
        run,
        spec,
        f"SELECT {value(run)}, {chains.at(spec)}, {_key(spec, 's')},"
        " CASE WHEN last.kind = 'delete' THEN 'return' ELSE 'update' END, j.old, j.new"
        f" FROM {join} {_with_noted(spec, _key(spec, 's'))},"
        f" LATERAL (SELECT {_json(spec, 't')} AS old, {_json(spec, 's')} AS new) j WHERE CASE WHEN t.ctid IS NULL THEN false"
        f" WHEN last.kind IS NULL THEN {differs(spec, 't', 's')} ELSE {_unlike('j.old', 'j.new')} END",
    )


def reverted(run: str, spec: TableSpec, stage: str, gone: str) -> str:
    """Return the statement that notes rows that are again as the table has them, as the source has all of it but `stage`.

    `gone`: the condition that a row of the table, `t`, is gone at the source.
    """
    here = f"EXISTS (SELECT 1 FROM {stage} s WHERE {matching(spec, 's', 't')})"
    return _noting(
        run,
        spec,
        f"SELECT {value(run)}, {chains.at(spec)}, last.key,"
        " CASE WHEN last.kind = 'delete' THEN 'return' ELSE 'update' END, j.old, j.old"
        f" FROM ({chains.last_notes(spec)}) last JOIN {rows_of(spec)} t ON last.key = {_key(spec, 't')},"
        f" LATERAL (SELECT {_json(spec, 't')} AS old) j WHERE {_unlike('j.old', 'j.old')} AND NOT {here} AND NOT ({gone})",
    )


def deleted(run: str, spec: TableSpec, rows: str) -> str:
    """Return the statement that notes rows, `FROM` what follows with the table as `t`, as gone at the source, once."""
    return _noting(
        run,
        spec,
        f"SELECT {value(run)}, {chains.at(spec)}, d.key, 'delete', d.old, NULL"
        f" FROM (SELECT {_key(spec, 't')} AS key, {_json(spec, 't')} AS old FROM {rows}) d"
        f" {_with_noted(spec, 'd.key')} WHERE last.kind IS DISTINCT FROM 'delete'",
    )


def in_trail(spec: TableSpec, row: str) -> str:
    """Return the condition that the trail's last word on a row's key is this very row: it is so at the source since then."""
    alike = f"last.kind <> 'delete' AND last.new_row = {_json(spec, row)}"
    return f"EXISTS (SELECT 1 FROM ({chains.last_noted(spec, _key(spec, row))}) last WHERE {alike})"


def _json_columns(spec: TableSpec) -> list[str]:
    """Return the columns of JSON that the table has."""
    types = [*((item.name, item.target) for item in spec.casts), *spec.kept]
    return [column for column, kind in types if kind in JSON]


def _noting(run: str, spec: TableSpec, rows: str) -> str:
    """Return the statement that writes a SELECT's rows into the trail, and an entry of the chain over them, if any."""
    return entry(run, spec, Covered("trail", chains.noting(rows), chains.TRAIL_JSON, only="n > 0"))


def _held(spec: TableSpec) -> str:
    """Return the statement that fails when the table's rows do not fit its chain."""
    table = rows_of(spec)
    there = [column for column in _json_columns(spec) if column not in spec.added]
    return (
        f"IF (SELECT sums FROM ({chains.summed(f'SELECT * FROM {table}', there)}) x)"
        f" IS DISTINCT FROM ({chains.last_hash(spec)}) THEN"
        f" RAISE EXCEPTION 'rows were changed in the target since they were loaded' USING ERRCODE = '{TAMPERED}'; END IF"
    )


def _with_noted(spec: TableSpec, key: str) -> str:
    """Return the join with what was noted last of a key: all of the trail where the table is whole, else looked up."""
    if spec.whole:
        return f"LEFT JOIN ({chains.last_notes(spec)}) last ON last.key = {key}"
    return f"LEFT JOIN LATERAL ({chains.last_noted(spec, key)}) last ON true"


def _unlike(old: str, new: str) -> str:
    """Return the condition that the row `new` is not what was noted last, which knew the columns of that day only."""
    known = f"({old} || last.new_row)"
    differing = f"SELECT 1 FROM jsonb_each({new}) n WHERE n.value IS DISTINCT FROM {known} -> n.key"
    return f"(last.kind = 'delete' OR EXISTS ({differing}))"


def _key(spec: TableSpec, row: str) -> str:
    pairs = zip(spec.key, spec.target_key, strict=True)
    return "jsonb_build_object(" + ", ".join(f"{value(key)}, {row}.{name(there)}" for key, there in pairs) + ")"


def _json(spec: TableSpec, row: str) -> str:
    names = ", ".join(f"{row}.{name(item.name)}" for item in spec.casts)
    return f"(SELECT to_jsonb(x.*) FROM (SELECT {names}) x)"
