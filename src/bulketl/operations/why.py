"""Why a value is what it is: one row looked at on both sides, with everything that is on record of it.

bulketl asks each server by the row's key alone, so the size of the table does not matter. If a side does not answer, the
story has the rest, and says what is not known. Nothing is changed.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.retrying import patient
from bulketl.errors import DataError, PlanError, SourceError, TargetError
from bulketl.mysql import row as source_row
from bulketl.mysql.read import null_bits
from bulketl.mysql.row import SourceRow
from bulketl.mysql.server import MySQL
from bulketl.plan.partial import part_of
from bulketl.postgres.compare import row as target_row
from bulketl.postgres.compare.examine import examine
from bulketl.postgres.compare.row import KeyTexts, TargetRow
from bulketl.postgres.ledger.rowrecords import RowRecord, read_record
from bulketl.postgres.locks import new_run
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.copy import close
from bulketl.rows.coerce import Batch, coerce
from bulketl.rows.masking import pseudonyms
from bulketl.tables.catalog import Column
from bulketl.tables.keytext import read_key, spread, words_of
from bulketl.tables.partitions import KeyTuple, Partition
from bulketl.verifying.because import explained
from bulketl.verifying.details import read_all
from bulketl.verifying.rowcolumns import Values, columns_of, hidden
from bulketl.verifying.rowsight import RowSight, as_problem, key_columns, look_at
from bulketl.verifying.rowstory import RowStory

_PSEUDONYM = "its key is masked, and a pseudonym does not tell whose it is; ask by the key that the source has"


def why(config: Config, table: str, key: object, column: str | None = None) -> RowStory:
    """Return why the row of a table with this key, or one column of it, is in the target what it is; change nothing.

    `key`: the value of the primary key as the source or the target spells it; for a key of several columns, a sequence in
    their order, a mapping by column, or a text such as `a=1,b=2`. `column`: its name at the source. The story has
    `equal`, and one sentence as `because`. If one server does not answer, the story has what the other one and the ledger
    know. Raise SourceError or TargetError when neither answers, ConfigError for a wrong configuration, PlanError when
    there is no such table or column, when the key is not one of the table, or when nobody knows a row with it.
    """
    return _told(config, table, words_of(key), column or "")


def why_words(config: Config, table: str, words: Sequence[str]) -> RowStory:
    """Return the same for words of a command line: those of the key, and then perhaps a column. Raise as `why`."""
    return _told(config, table, tuple(words), None)


def _told(config: Config, table: str, words: tuple[str, ...], column: str | None) -> RowStory:
    check_libraries()
    sight = look_at(config, table)
    keys = key_columns(sight)
    if column is None:
        words, column = _split(table, words, keys)
    texts = spread(table, words, keys)
    key = read_key(table, words, keys)
    story = RowStory(
        database=sight.catalog.identity if sight.catalog else MySQL.of(config).identity,
        schema=config.target_schema, table=table, key=tuple(zip((c.name for c in keys), texts, strict=True)), column=column,
        table_gone=sight.catalog is not None and sight.table is None and "source" not in sight.problems,
        in_target=sight.existing is not None, part=part_of(sight.known.states.get(table)),
        tier=config.rule(table).table_importance, next=sight.next,
        deletes=sight.next.deletes if sight.next else config.rule(table).deletes.policy or "",
    )  # fmt: skip
    return _with_rows(sight, story, key)


def _split(table: str, words: tuple[str, ...], keys: Sequence[Column]) -> tuple[tuple[str, ...], str]:
    """Return the words of the key, and the column that comes after them, '' where the words are a key by themselves."""
    try:
        spread(table, words, keys)
    except PlanError:
        if len(words) > 1:
            return words[:-1], words[-1]
    return words, ""


def _with_rows(sight: RowSight, story: RowStory, key: KeyTuple) -> RowStory:
    """Return the story with what both sides have of the row, and what is on record."""
    _check_column(sight, story.column)
    ours, theirs, batch, record = None, None, None, RowRecord()
    try:
        ours, batch = _at_source(sight, key)
    except SourceError as error:
        sight = dataclasses.replace(sight, problems={**sight.problems, "source": as_problem(error)})
    try:
        theirs, record, pseudonym = _found(sight, story, _spellings(sight, batch, key), ours)
        if pseudonym:
            sight = dataclasses.replace(sight, problems={**sight.problems, "source": _PSEUDONYM})
    except TargetError as error:
        sight = dataclasses.replace(sight, problems={**sight.problems, "target": as_problem(error)})
    source_problem, target_problem = sight.problems.get("source", ""), sight.problems.get("target", "")
    story = dataclasses.replace(story, source_problem=source_problem, target_problem=target_problem)
    if sight.spec and "source" not in sight.problems:
        story = dataclasses.replace(story, source="there" if ours else "absent")
    elif story.table_gone:
        story = dataclasses.replace(story, source="absent")
    if "target" not in sight.problems:
        story = dataclasses.replace(story, target="there" if theirs else "absent")
    if ours is None and theirs is None and not (record.rejects or record.trail or sight.problems):
        told = ", ".join(f"{column}={text}" for column, text in story.key)
        raise PlanError(
            f"no row of table {sight.name!r} has the key {told}: neither side has it, and nothing is on record of it",
            hint="check the key. A row that was deleted at the source and removed by deletes: mirror leaves no record",
        )
    values = _values(sight, ours, batch, theirs)
    refused = [f"{reject.column} {reject.reason}" for reject in batch.rejects] if batch else []
    stamp = sight.task.mark.column if sight.task and sight.task.mark else ""
    casts = sight.spec.casts if sight.spec else ()
    secret = hidden(sight.config, sight.name)
    story = dataclasses.replace(
        story,
        columns=columns_of(sight.config, sight.table, casts, sight.existing, values),
        refused=refused[0] if refused else "", noted=values.noted,
        stamp=(stamp, (ours.texts.get(stamp) or "NULL") if ours and stamp not in secret else "") if stamp else ("", ""),
        watermark=sight.task.mark.value if sight.task and sight.task.mark else "",
        record=_discreet(record, secret),
    )  # fmt: skip
    if ours:
        story = dataclasses.replace(story, newer=ours.newer, within=ours.within, stays=ours.stays)
    if theirs:
        story = dataclasses.replace(story, stamped_run=theirs.run, loaded_at=theirs.loaded_at, deleted_at=theirs.deleted_at)
    return explained(story)


def _check_column(sight: RowSight, column: str) -> None:
    """Raise PlanError when neither side has the column."""
    names = [one.name for one in sight.table.columns] if sight.table else []
    names += [name for name, _ in sight.existing.columns if name not in names] if sight.existing else []
    if column and column not in names:
        close_to = difflib.get_close_matches(column, names, 1, 0.6)
        raise PlanError(
            f"table {sight.name!r} has no column {column!r}",
            hint=f"{close_to[0]} is there; case counts" if close_to else f"its columns are {', '.join(names[:12])}",
        )


def _at_source(sight: RowSight, key: KeyTuple) -> tuple[SourceRow | None, Batch | None]:
    """Return the row of the source, and what a load would make of it."""
    spec = sight.spec
    if spec is None or not spec.key:
        return None, None
    source, secret = MySQL.of(sight.config), hidden(sight.config, sight.name)
    shown = [item for item in spec.casts if item.source and (item.column not in secret or item.column in spec.key)]
    mark = sight.task.mark if sight.task else None
    since = sight.next.since if sight.next else None
    found = patient(source_row.find_row, source, spec, key, shown, mark, since)
    if found is None:
        return None, None
    plain = dataclasses.replace(spec, retained=())
    for rows in patient(read_all, source, plain, Partition(0, columns=spec.key, only=(key,))):
        if rows.num_rows:
            return found, coerce(rows, plain, null_bits(plain), source.mask_key)
    return None, None  # it went while it was looked at


def _spellings(sight: RowSight, batch: Batch | None, key: KeyTuple) -> tuple[tuple[object, ...], ...]:
    """Return the key as a load writes it, when the source has the row and a load can take it; else as it was given.

    Where it is masked, it may have been given as the source has it, or else as the target does: as a pseudonym.
    """
    spec = sight.spec
    if spec is None:
        return (key,)
    if batch is not None and batch.good.num_rows:
        return (tuple(batch.good.column(name)[0].as_py() for name in spec.key),)
    if not {item.column for item in spec.masked}.intersection(spec.key):
        return (key,)
    return pseudonyms(spec, key, MySQL.of(sight.config).mask_key), key


def _found(
    sight: RowSight, story: RowStory, spellings: Sequence[tuple[object, ...]], ours: SourceRow | None
) -> tuple[TargetRow | None, RowRecord, bool]:
    """Return the row of the target by the first spelling of its key that it has, and whether that is a pseudonym."""
    first, *others = spellings
    theirs, record = patient(_in_target, sight, story, first, ours)
    for parts in others if theirs is None else ():
        theirs, record = patient(_in_target, sight, story, parts, ours)
        if theirs is not None:
            return theirs, record, True
    return theirs, record, False


def _in_target(
    sight: RowSight, story: RowStory, parts: tuple[object, ...], ours: SourceRow | None
) -> tuple[TargetRow | None, RowRecord]:
    """Return the row of the target, and what is on record of it."""
    if "target" in sight.problems:
        return None, RowRecord()
    schema, existing = sight.config.target_schema, sight.existing
    names = sight.config.target_names(sight.name, [column for column, _ in story.key])
    rejected = [
        (column, ((ours.texts.get(column) if ours else None) or text).replace("\0", "\\0"))  # as their record spells it
        for column, text in story.key
    ]
    with Postgres.of(sight.config).connect() as connection:
        found, noted, texts = None, "", KeyTexts()
        if existing and set(names) <= {column for column, _ in existing.columns}:
            texts = target_row.key_texts(parts, names, existing)
            found = target_row.find_row(connection, schema, existing, texts)
            if found:
                noted = target_row.json_key(existing, [column for column, _ in story.key], texts)
        xid = found.xid if found else ""
        record = read_record(connection, schema, sight.name, xid, rejected, noted, [text for _, text in texts])
    return found, record


def _values(sight: RowSight, ours: SourceRow | None, batch: Batch | None, theirs: TargetRow | None) -> Values:
    """Return the values of both sides, compared by the way of a load."""
    altered: dict[str, tuple[str, ...]] = {}
    for column, kind in batch.changed if batch else ():
        altered[column] = (*altered.get(column, ()), kind)
    faulty = [column for reject in (batch.rejects if batch else ()) for column in reject.column.split(", ")]
    values = Values(ours.texts if ours else None, theirs.texts if theirs else None, None, altered, faulty=faulty)
    task = sight.task
    if not (ours and theirs and batch and batch.good.num_rows and task and task.comparable) or theirs.deleted_at:
        return values
    casts = tuple(item for item in task.spec.casts if item.column in batch.good.column_names)
    # Both sides are as they are written by then, a key that is masked too.
    spec = dataclasses.replace(task.spec, casts=casts, key=sight.spec.key if sight.spec else ()).written
    good = batch.good.select([item.column for item in spec.casts])
    run = new_run()
    try:
        batch, target = dataclasses.replace(batch, good=good), Postgres.of(sight.config)
        seen, _ = patient(examine, target, run, spec, batch, None, values=True)
    except (TargetError, DataError):  # it may not make temporary tables; then equal texts are what is known
        return values
    finally:
        close(run)
    if not seen or not seen[0].in_target:
        return values
    written = dict(zip(seen[0].columns, seen[0].source, strict=True))
    columns = [item.column for item in spec.casts]
    return dataclasses.replace(values, written=written, compared=columns, noted=seen[0].in_trail)


def _discreet(record: RowRecord, secret: frozenset[str]) -> RowRecord:
    """Return the record without values of columns that are shown to nobody."""
    if not secret:
        return record
    kept = (
        one if secret.isdisjoint(one.column.split(", ")) else dataclasses.replace(one, value=None) for one in record.rejects
    )
    return dataclasses.replace(record, rejects=tuple(kept))
