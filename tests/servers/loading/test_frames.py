"""Tables of the source as frames: the values that a load writes, exactly, with no Postgres anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import struct
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from faults import small_partitions
from lab import Lab
from matrix import CASES, REJECT, create

import bulketl
from bulketl import AlteredValuesWarning
from bulketl.errors import ConfigError, DataError, DataQualityError, PlanError, SourceError
from bulketl.loading import frames
from bulketl.loading.reading import Reading

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def sourced(lab: Lab, **more: Any) -> bulketl.Config:
    """A configuration whose target is not there."""
    return lab.config(**more).model_copy(update={"target": NOWHERE})


def people(lab: Lab, rows: int = 500) -> None:
    lab.mysql(
        "CREATE TABLE patient (id int PRIMARY KEY, name varchar(20), born date, balance decimal(8,2), note text)",
        "INSERT INTO patient SELECT seq * 3, CONCAT('n', seq), '1970-01-01' + INTERVAL seq DAY, seq / 4, NULL "
        f"FROM seq_1_to_{rows}",
    )


def test_a_frame_has_the_values_that_a_load_writes_of_every_type(lab: Lab) -> None:
    """Every case of the type matrix that is loaded without a reject, read as a frame, is the same there."""
    rules: dict[str, Any] = {}
    refused: dict[int, str] = {}
    with lab.server.connect(lab.database) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
        for n, case in enumerate(CASES):
            if case.only in (None, lab.server.kind) and all(text != REJECT for _, text in case.values):
                create(cursor, n, case, refused)
                rules[f"t{n}"] = {"casts": {"c": case.to} if case.to else {}}
    rules = {name: rule for name, rule in rules.items() if int(name[1:]) not in refused}
    told = lab.load(rules=rules).summary.tables
    config = sourced(lab, rules=rules)
    for table in rules:
        with pytest.warns(AlteredValuesWarning) if told[table].changed else contextlib.nullcontext():
            frame = bulketl.read(table, config=config)
        case = CASES[int(table[1:])]
        shown = "c::text" if case.pg in ("json", "jsonb") else "c"
        if case.pg.startswith(("date", "timestamp")):  # Python has no year 0
            shown = "(extract(epoch FROM c) * 1000000)::bigint"
            frame = frame.with_columns(pl.col("c").cast(pl.Datetime("us")).cast(pl.Int64))
        there = lab.pg(f"SET timezone = 'UTC'; SELECT id, {shown} FROM {{s}}.{table}")
        assert {key: plain(value, case.pg) for key, value in frame.select("id", "c").rows()} == {
            key: plain(value, case.pg) for key, value in there
        }, case
    assert len(rules) > 100


def plain(value: object, kind: str) -> object:
    """Return a value as both a frame and psycopg have it."""
    if isinstance(value, uuid.UUID):
        return value.bytes
    if kind == "real" and isinstance(value, float):
        return struct.pack("f", value)
    if kind in ("json", "jsonb") and isinstance(value, str):
        return json.loads(value)
    if kind.startswith("numeric") and value is not None:
        return Decimal(str(value))
    return value


def test_condition_columns_and_limit_narrow_what_is_read(maria_lab: Lab) -> None:
    """In the source's SQL, in the order asked for, and never more rows than asked for; no target is needed."""
    people(maria_lab)
    config = sourced(maria_lab)
    some = bulketl.read("patient", where="balance > 120 -- of the clinic", columns=["name", "id"], config=config)
    assert some.schema == {"name": pl.String, "id": pl.Int32}
    assert some["id"].to_list() == [seq * 3 for seq in range(481, 501)]
    assert bulketl.read("patient", limit=7, config=config).height == 7
    assert bulketl.read("patient", limit=0, config=config).height == 0
    nobody = bulketl.read("patient", where="FALSE", config=config)
    assert (nobody.height, nobody.schema) == (0, bulketl.read("patient", config=config).schema)


def test_many_ranges_make_one_frame_in_the_order_of_the_key(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read side by side, with a condition too, and all of them there."""
    small_partitions(monkeypatch, 40)
    people(maria_lab)
    for where, least in (("", 1), ("id > 600", 201)):
        frame = bulketl.read("patient", where=where, config=sourced(maria_lab))
        assert frame["id"].to_list() == [seq * 3 for seq in range(least, 501)]
    assert bulketl.read("patient", limit=55, config=sourced(maria_lab))["id"].to_list() == [n * 3 for n in range(1, 56)]


def test_a_lazy_frame_reads_only_the_columns_and_ranges_that_are_needed(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the statements that the source is sent."""
    small_partitions(monkeypatch, 40)
    people(maria_lab)
    asked: list[tuple[str, ...]] = []
    reading = Reading

    def noted(source: Any, spec: Any, part: Any, sign: str) -> Any:
        asked.append(tuple(item.column for item in spec.casts))
        return reading(source, spec, part, sign)

    monkeypatch.setattr(frames, "Reading", noted)
    lazy = bulketl.scan("patient", config=sourced(maria_lab))
    assert asked == []
    assert lazy.head(10).select("name").collect()["name"].to_list() == [f"n{n}" for n in range(1, 11)]
    assert set(asked) == {("id", "name")}
    assert len(asked) == 1
    found = lazy.filter(pl.col("balance") > 120).select(pl.col("id").sum()).collect().item()
    assert found == sum(seq * 3 for seq in range(481, 501))
    assert lazy.collect().equals(bulketl.read("patient", config=sourced(maria_lab)))


def test_views_and_tables_without_a_key_are_read(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view is named by who asks for it; a table without a key is streamed where it is large."""
    small_partitions(monkeypatch, 40)
    people(maria_lab, 200)
    maria_lab.mysql(
        "CREATE VIEW rich AS SELECT name, balance FROM patient WHERE balance >= 49.75",
        "CREATE TABLE loose AS SELECT id, name FROM patient",
    )
    assert bulketl.read("rich", config=sourced(maria_lab)).rows() == [("n199", Decimal("49.75")), ("n200", Decimal("50.00"))]
    assert sorted(bulketl.read("loose", config=sourced(maria_lab))["id"]) == [n * 3 for n in range(1, 201)]


def test_what_is_masked_is_masked_and_what_is_excluded_is_not_there(maria_lab: Lab) -> None:
    """A frame is another place to which values go."""
    people(maria_lab, 3)
    rules = {"patient": {"mask": {"name": {"method": "constant", "value": "x"}}, "exclude_columns": ["note"]}}
    frame = bulketl.read("patient", config=sourced(maria_lab, rules=rules))
    assert set(frame["name"]) == {"x"}
    assert "note" not in frame.columns
    with pytest.raises(PlanError, match="no column 'note' to read"):
        bulketl.read("patient", columns=["note"], config=sourced(maria_lab, rules=rules))


def test_what_cannot_be_read_exactly_is_an_error_or_a_warning(maria_lab: Lab) -> None:
    """Never a silent NULL or a row less."""
    maria_lab.mysql(
        "CREATE TABLE visit (id int PRIMARY KEY, at date)",
        "INSERT INTO visit VALUES (1, '0000-00-00'), (2, '2024-05-06')",
        mode="",
    )
    with pytest.warns(AlteredValuesWarning, match="'visit': 1 × invalid date to NULL in at"):
        frame = bulketl.read("visit", config=sourced(maria_lab))
    assert frame["at"].to_list() == [None, dt.date(2024, 5, 6)]
    maria_lab.mysql("CREATE TABLE flag (id int PRIMARY KEY, f int)", "INSERT INTO flag VALUES (1, 1), (2, 7)")
    with pytest.raises(DataError, match="'flag': 1 row cannot be read; of the first, f does not fit boolean"):
        bulketl.read("flag", config=sourced(maria_lab, rules={"flag": {"casts": {"f": "boolean"}}}))


def test_rows_that_are_lost_on_the_way_are_an_error(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source counts them as for a load."""
    people(maria_lab, 20)
    coerced = Reading.__iter__

    def losing(self: Any) -> Any:
        for batch in coerced(self):
            yield batch.__class__(batch.good.slice(1), batch.read - 1)

    monkeypatch.setattr(Reading, "__iter__", losing)
    with pytest.raises(DataQualityError, match="19 rows for 20 of the source"):
        bulketl.read("patient", config=sourced(maria_lab))


def test_what_is_not_there_is_named(maria_lab: Lab) -> None:
    """Table, column, condition and configuration."""
    people(maria_lab, 3)
    config = sourced(maria_lab)
    with pytest.raises(PlanError, match="no table or view 'Patient'"):
        bulketl.read("Patient", config=config)
    with pytest.raises(PlanError, match="no column 'nmae' to read"):
        bulketl.read("patient", columns=["nmae"], config=config)
    with pytest.raises(SourceError, match="nmae"):
        bulketl.read("patient", where="nmae = 3", config=config)


def test_without_a_configuration_the_folder_and_the_environment_have_it(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As for a command."""
    people(maria_lab, 3)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BULKETL_SOURCE", raising=False)
    with pytest.raises(ConfigError, match="no source is set"):
        bulketl.read("patient")
    monkeypatch.setenv("BULKETL_SOURCE", maria_lab.source)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tables.yaml").write_text("source_tables: {patient: {exclude_columns: [note]}}")
    assert bulketl.read("patient").columns == ["id", "name", "born", "balance"]


def test_frames_are_read_inside_an_event_loop_and_two_at_once(maria_lab: Lab) -> None:
    """As in a notebook, whose cells run inside one."""
    people(maria_lab, 50)
    config = sourced(maria_lab)

    async def cell() -> list[int]:
        two = (asyncio.to_thread(bulketl.read, "patient", config=config) for _ in range(2))
        return [bulketl.read("patient", config=config).height, *(frame.height for frame in await asyncio.gather(*two))]

    assert asyncio.run(cell()) == [50, 50, 50]
