"""Tables that are never shortened or rewritten: what is new is appended, what was changed or deleted at the source is noted.

`bulketl.audit_trail` holds every difference with the old and the new row. `bulketl.audit_chain` holds, for each
publish, the sum of the hashes of the rows it appended and of all rows so far, and a link over this and the link before
it; what is noted in the trail gets such an entry too. So a row that is changed, added or removed by anybody else, in
the table or in the trail, no longer fits the sum, and an entry that is changed no longer fits its link. A row's hash
leaves out NULLs, so a column that is added changes nothing until it is filled. JSON is hashed as its text: what is null
inside it counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from bulketl.postgres.ddl import alter_table, columns, name, rows_of, value
from bulketl.postgres.server import LEDGER, TAMPERED
from bulketl.postgres.write import written
from bulketl.postgres.write.merge import absent, differs, insert, matching, no_rejects
from bulketl.tables.spec import TableSpec

_PARTS = tuple(range(1, 61, 15))  # of a SHA-256 in hexadecimal: four numbers of 60 bits, whose sums are exact
_NOTHING = "ARRAY[0, 0, 0, 0]::numeric[]"
_JSON = ("json", "jsonb")
_TRAIL_JSON = ("key", "old_row", "new_row")
# The last entry says that the audit has ended, or there is none: what is in the table is not covered.
_OPEN = "p.seq IS NULL OR p.kind = 'end'"


def append(run: str, spec: TableSpec, stage: str) -> list[str]:
    """Return the statements that add the rows of `stage` (quoted) that the table lacks, and note those that differ."""
    table = rows_of(spec)
    statements = [_first(run, spec)]
    filled_in = [item.name for item in spec.casts if item.name in spec.added]
    if filled_in or spec.widened:
        # A column that is filled changes every hash, a wider one may, so what is there is held against the chain first.
        statements += [_held(spec), *alter_table(spec)]
        if filled_in:
            sets = ", ".join(f"{name(column)} = s.{name(column)}" for column in filled_in)
            statements.append(f"UPDATE {table} t SET {sets} FROM {stage} s WHERE {matching(spec, 's', 't')}")
            statements.append(written.set_in(spec, stage, filled_in))
        statements.append(_link(run, spec, "columns", f"SELECT * FROM {table}", whole=True))
    else:
        statements += alter_table(spec)
    if spec.key:
        statements.append(changed(run, spec, stage))
    if spec.whole and not spec.key:
        statements.append(_deleted_content(run, spec, stage))
    elif spec.whole:
        missing = f"NOT EXISTS (SELECT 1 FROM {stage} x WHERE {matching(spec, 'x', 't')})"
        statements.append(deleted(run, spec, f"{table} t WHERE {missing} AND {no_rejects(run, spec)}"))
    rows = f"{stage} s" if spec.key else f"{_numbered(spec, stage)} s"
    new = absent(spec, table) if spec.key else f"NOT EXISTS (SELECT 1 FROM {_numbered(spec, table)} o WHERE {_SAME})"
    adding = _link(run, spec, "append", f"{insert(run, spec, rows, new)} RETURNING *")
    appended = f"SELECT rows FROM {LEDGER}.audit_chain WHERE {_of(spec)} ORDER BY seq DESC LIMIT 1"
    left = f"(SELECT count(*) FROM {rows} WHERE {new})"
    statements.append(written.added(spec, stage, adding, f"({appended})", left))
    record = f"run = {value(run)} AND {_of(spec)}"
    statements.append(
        f"UPDATE {LEDGER}.published SET updated = 0, inserted = COALESCE(inserted, 0) + ({appended}) WHERE {record}"
    )
    return statements


def _first(run: str, spec: TableSpec) -> str:
    """Return the statement that begins the chain of a table that is there, where none is or the one there has ended.

    That is asked before a row is read: hashing all rows again would make each load as long as the table.
    """
    table = rows_of(spec)
    there = [column for column in _json_columns(spec) if column not in spec.added]
    rows = f"SELECT * FROM {table} WHERE (SELECT {_OPEN} FROM (SELECT) x LEFT JOIN ({_last(spec)}) p ON true)"
    return _link(run, spec, "create", rows, whole=True, only=_OPEN, json=there)


_SAME = "(o.bulketl_hash, o.bulketl_n) = (s.bulketl_hash, s.bulketl_n)"


def _numbered(spec: TableSpec, table: str) -> str:
    """Return a table's rows with a hash of their content, and a number among those of the same: what a key is elsewhere."""
    names = columns(item.name for item in spec.casts)
    content = f"md5(ROW({names})::text)"
    return f"(SELECT *, {content} AS bulketl_hash, row_number() OVER (PARTITION BY {content}) AS bulketl_n FROM {table})"


def _deleted_content(run: str, spec: TableSpec, stage: str) -> str:
    """Return the statement that notes rows of a table without a key that the source has no longer, once each."""
    key = "jsonb_build_object('md5', s.bulketl_hash, 'n', s.bulketl_n)"
    return _noting(
        run,
        spec,
        f"SELECT {value(run)}, {_at(spec)}, {key}, 'delete', {_json(spec, 's')}, NULL"
        f" FROM {_numbered(spec, rows_of(spec))} s LEFT JOIN ({_noted(spec)}) last ON last.key = {key}"
        f" WHERE NOT EXISTS (SELECT 1 FROM {_numbered(spec, stage)} o WHERE {_SAME})"
        f" AND last.kind IS DISTINCT FROM 'delete' AND {no_rejects(run, spec)}",
    )


def begun(run: str, spec: TableSpec) -> str:
    """Return the statement that begins the chain of a table that was just created and filled."""
    return _link(run, spec, "create", f"SELECT * FROM {rows_of(spec)}", whole=True)


def ended(run: str, spec: TableSpec) -> str:
    """Return the statement that ends the chain of a table, if it has one: its rows are not covered any more."""
    return _link(run, spec, "end", "SELECT 1 AS x WHERE false", only=f"NOT ({_OPEN})", json=())


def removed(run: str, spec: TableSpec, delete: str) -> str:
    """Return the statement that executes a DELETE (without RETURNING) and takes its rows out of the chain's sum."""
    return _link(run, spec, "retention", f"{delete} RETURNING *", sign=-1)


def changed(run: str, spec: TableSpec, stage: str) -> str:
    """Return the statement that notes rows of `stage` that differ from the table's, or from what was noted of them last."""
    # An outer join, so that rows of the stage are looked up in the table and never the other way round.
    join = f"{stage} s LEFT JOIN {rows_of(spec)} t ON {matching(spec, 't', 's')}"
    return _noting(
        run,
        spec,
        f"SELECT {value(run)}, {_at(spec)}, {_key(spec, 's')},"
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
        f"SELECT {value(run)}, {_at(spec)}, last.key,"
        " CASE WHEN last.kind = 'delete' THEN 'return' ELSE 'update' END, j.old, j.old"
        f" FROM ({_noted(spec)}) last JOIN {rows_of(spec)} t ON last.key = {_key(spec, 't')},"
        f" LATERAL (SELECT {_json(spec, 't')} AS old) j WHERE {_unlike('j.old', 'j.old')} AND NOT {here} AND NOT ({gone})",
    )


def deleted(run: str, spec: TableSpec, rows: str) -> str:
    """Return the statement that notes rows, `FROM` what follows with the table as `t`, as gone at the source, once."""
    return _noting(
        run,
        spec,
        f"SELECT {value(run)}, {_at(spec)}, d.key, 'delete', d.old, NULL"
        f" FROM (SELECT {_key(spec, 't')} AS key, {_json(spec, 't')} AS old FROM {rows}) d"
        f" {_with_noted(spec, 'd.key')} WHERE last.kind IS DISTINCT FROM 'delete'",
    )


def noted(spec: TableSpec, row: str) -> str:
    """Return the condition that the trail's last word on a row's key is this very row: it is so at the source since then."""
    alike = f"last.kind <> 'delete' AND last.new_row = {_json(spec, row)}"
    return f"EXISTS (SELECT 1 FROM ({_last_noted(spec, _key(spec, row))}) last WHERE {alike})"


# What an entry adds to the sums over the table: notes are no rows of it.
_ADDED_ROWS = "CASE WHEN kind = 'trail' THEN 0 ELSE rows END"
_ADDED_HASH = f"CASE WHEN kind = 'trail' THEN {_NOTHING} ELSE hash END"
# The link over an entry of the chain and the link before it.
_LINK = (
    "encode(sha256(convert_to(concat_ws('|', COALESCE(link_before, ''), schema_name, table_name, seq, kind, run, rows, hash,"
    " all_rows, all_hash, extract(epoch FROM at)), 'UTF8')), 'hex')"
)


def _summed(rows: str, sign: int = 1, json: Sequence[str] = ()) -> str:
    """Return the SELECT of the number of rows and the sum of their hashes; `rows` is a SELECT, or the name of a CTE's.

    `json` are its columns of JSON: NULLs inside them would be left out too, and SQL's be as JSON's own.
    """
    sums = ", ".join(f"{sign} * COALESCE(sum(('x' || substr(h, {at}, 15))::bit(60)::bigint), 0)" for at in _PARTS)
    texts = "".join(f" || jsonb_build_object({value(column)}, r.{name(column)}::text)" for column in json)
    text = f"jsonb_strip_nulls(to_jsonb(r.*){texts})::text"
    return (
        f"SELECT {sign} * count(*) AS n, ARRAY[{sums}]::numeric[] AS sums"
        f" FROM (SELECT encode(sha256(convert_to({text}, 'UTF8')), 'hex') AS h FROM ({rows}) r) hashed"
    )


def _sum(one: str, other: str, sign: str = "+") -> str:
    return "ARRAY[" + ", ".join(f"({one})[{n}] {sign} ({other})[{n}]" for n in range(1, 5)) + "]"


def _json_columns(spec: TableSpec) -> list[str]:
    """Return the columns of JSON that the table has."""
    types = [*((item.name, item.target) for item in spec.casts), *spec.kept]
    return [column for column, kind in types if kind in _JSON]


def _noting(run: str, spec: TableSpec, rows: str) -> str:
    """Return the statement that writes a SELECT's rows into the trail, and an entry of the chain over them, if any."""
    note = f"INSERT INTO {LEDGER}.audit_trail (run, schema_name, table_name, key, kind, old_row, new_row) {rows} RETURNING *"
    return _link(run, spec, "trail", note, only="n > 0", json=_TRAIL_JSON)


def _link(
    run: str,
    spec: TableSpec,
    kind: str,
    rows: str,
    *,
    whole: bool = False,
    sign: int = 1,
    only: str = "true",
    json: Sequence[str] | None = None,
) -> str:
    """Return the INSERT of the next entry: for the rows that a statement returns, or for the `whole` table as it is now.

    `only`: the condition on the entry before, `p`, and the number of rows, `n`, for there to be one. `json`: the columns of
    JSON that the rows have, when they are not the table's.
    """
    before = f"COALESCE(p.all_hash, {_NOTHING})"
    batch = ("n - COALESCE(p.all_rows, 0)", _sum("sums", before, "-")) if whole else ("n", "sums")
    total = ("n", "sums") if whole else ("n + COALESCE(p.all_rows, 0)", _sum("sums", before))
    if kind == "trail":
        total = ("COALESCE(p.all_rows, 0)", before)
    summed = _summed("SELECT * FROM fresh", sign, _json_columns(spec) if json is None else json)
    return (
        f"WITH fresh AS ({rows}), summed AS ({summed}),"
        f" entry AS (SELECT {_at(spec)}, COALESCE(p.seq, 0) + 1 AS seq, {value(kind)}::text AS kind, {value(run)}::text"
        " AS run,"
        f" {batch[0]} AS rows, {batch[1]} AS hash, {total[0]} AS all_rows, {total[1]} AS all_hash, clock_timestamp() AS at,"
        f" p.link AS link_before FROM summed LEFT JOIN ({_last(spec)}) p ON true WHERE {only})"
        f" INSERT INTO {LEDGER}.audit_chain SELECT schema_name, table_name, seq, kind, run, rows, hash, all_rows, all_hash,"
        f" {_LINK}, at FROM entry"
    )


def _last(spec: TableSpec) -> str:
    return f"SELECT * FROM {LEDGER}.audit_chain WHERE {_of(spec)} ORDER BY seq DESC LIMIT 1"


def _held(spec: TableSpec) -> str:
    """Return the statement that fails when the table's rows do not fit its chain."""
    table = rows_of(spec)
    last = f"SELECT all_hash FROM {LEDGER}.audit_chain WHERE {_of(spec)} ORDER BY seq DESC LIMIT 1"
    there = [column for column in _json_columns(spec) if column not in spec.added]
    return (
        f"IF (SELECT sums FROM ({_summed(f'SELECT * FROM {table}', json=there)}) x) IS DISTINCT FROM ({last}) THEN"
        f" RAISE EXCEPTION 'rows were changed in the target since they were loaded' USING ERRCODE = '{TAMPERED}'; END IF"
    )


def _noted(spec: TableSpec) -> str:
    return f"SELECT DISTINCT ON (key) key, kind, new_row FROM {LEDGER}.audit_trail WHERE {_of(spec)} ORDER BY key, seq DESC"


def _with_noted(spec: TableSpec, key: str) -> str:
    """Return the join with what was noted last of a key: all of the trail where the table is whole, else looked up."""
    if spec.whole:
        return f"LEFT JOIN ({_noted(spec)}) last ON last.key = {key}"
    return f"LEFT JOIN LATERAL ({_last_noted(spec, key)}) last ON true"


def _last_noted(spec: TableSpec, key: str) -> str:
    # By an expression: the order of the primary key would tempt Postgres to read the trail backwards until the key comes.
    found = f"SELECT kind, new_row FROM {LEDGER}.audit_trail n WHERE {_of(spec)} AND n.key = {key}"
    return f"{found} ORDER BY seq + 0 DESC LIMIT 1"


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


def _at(spec: TableSpec) -> str:
    return f"{value(spec.schema)}::text AS schema_name, {value(spec.table)}::text AS table_name"


def _of(spec: TableSpec) -> str:
    return f"(schema_name, table_name) = ({value(spec.schema)}, {value(spec.table)})"
