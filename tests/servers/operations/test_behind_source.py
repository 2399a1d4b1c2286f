"""How far tables are behind the newest value of their cursors at the source, which `status --source` asks for."""

from __future__ import annotations

import json
import time
from contextlib import closing

from lab import Lab
from rich.console import Console
from web import closed

import bulketl
from bulketl.cli.screens.status import status as screen
from bulketl.mysql.newest import NO_INDEX, TOO_SLOW
from bulketl.operations.history.behind import NO_CURSOR, NOT_REACHED, Behind

COLUMNS = "id int PRIMARY KEY, n bigint, at datetime NOT NULL, ts timestamp(3) NOT NULL, d date NOT NULL"
CURSORS = {"by_time": "at", "by_stamp": "ts", "by_date": "d", "by_count": "n", "by_key": "id", "unindexed": "at"}
RULES = {name: {"extraction_strategy": "incremental", "incremental_column": cursor} for name, cursor in CURSORS.items()}


def loaded(lab: Lab) -> bulketl.Config:
    """Load a table for each kind of cursor, and one without; then a row comes to each."""
    for name, cursor in CURSORS.items():
        index = f", KEY ({cursor})" if name not in ("by_key", "unindexed") else ""
        lab.mysql(f"CREATE TABLE {name} ({COLUMNS}{index})")
        lab.mysql(f"INSERT INTO {name} VALUES (1, 10, '2024-05-01 10:00:00', '2024-05-01 10:00:00.250', '2024-05-01')")
    lab.mysql("CREATE TABLE whole (id int PRIMARY KEY)", "INSERT INTO whole VALUES (1)")
    lab.load(rules=RULES)
    for name in CURSORS:
        lab.mysql(f"INSERT INTO {name} VALUES (2, 25, '2024-05-01 12:30:00', '2024-05-01 10:00:01.500', '2024-05-03')")
    lab.mysql("INSERT INTO by_time VALUES (3, 26, '2099-01-01', '2037-01-01', '2099-01-01')")  # a date to come
    return lab.config(rules=RULES)


def printed(shown: object) -> str:
    console = Console(width=160, color_system=None)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def found(config: bulketl.Config) -> dict[str, Behind | None]:
    return {item.table: item.lag.source for item in bulketl.status(config, source=True).tables}


def test_each_table_is_as_far_behind_as_the_newest_value_of_its_cursor(lab: Lab) -> None:
    """A row that is dated into the future is none that a load would have brought; what is not known has its reason."""
    config = loaded(lab)
    assert found(config) == {
        "by_time": Behind("2024-05-01 12:30:00", seconds=9000.0),
        "by_stamp": Behind("2024-05-01 10:00:01.500", seconds=1.25),
        "by_date": Behind("2024-05-03", seconds=172_800.0),
        "by_count": Behind("25", values=15),
        "by_key": Behind("2", values=1),
        "unindexed": Behind(unknown=NO_INDEX),
        "whole": Behind(unknown=NO_CURSOR),
    }
    assert all(item.lag.source is None for item in bulketl.status(config).tables)
    lab.load(rules=RULES)
    after = found(config)
    assert all(one is not None and not (one.seconds or one.values) for one in after.values())


def test_a_source_that_is_away_is_told_and_the_rest_is_as_ever(maria_lab: Lab) -> None:
    """On the screen, in JSON and as values; with a source that is another one, or none, too."""
    loaded(maria_lab)
    url = f"mysql://nobody@{closed().removeprefix('http://')}/{maria_lab.database}"
    another = bulketl.status(maria_lab.config(source=url), source=True)
    said = {item.lag.source.unknown[:11] for item in another.tables if item.lag.source}
    assert said == {"loaded from", NO_CURSOR}
    maria_lab.pg("UPDATE bulketl.state SET source = %s WHERE schema_name = '{s}'", [url.replace("nobody@", "")])
    away = bulketl.status(maria_lab.config(source=url), source=True)
    assert {item.word for item in away.tables} == {"well"}
    why = {item.table: item.lag.source and item.lag.source.unknown for item in away.tables}
    assert why == dict.fromkeys(CURSORS, NOT_REACHED) | {"whole": NO_CURSOR}
    shown = printed(screen(away))
    assert f"{NOT_REACHED}: by_count, by_date, by_key and 3 more" in shown
    assert {"unknown": NOT_REACHED, "newest": "", "seconds": None, "values": None} in [
        table["lag"]["source"] for table in json.loads(json.dumps(away.to_json()))["tables"]
    ]


def test_a_locked_table_costs_no_more_than_a_few_seconds(lab: Lab) -> None:
    config = loaded(lab)
    with closing(lab.server.connect(lab.database)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES by_time WRITE")
        began = time.monotonic()
        asked = found(config)
        took = time.monotonic() - began
    assert asked["by_time"] in (Behind(unknown=TOO_SLOW), Behind(unknown=NOT_REACHED))
    assert took < 8
