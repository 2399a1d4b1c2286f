"""A move from an older pipeline with four known faults, in the four steps of the guide, by the commands alone; and back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import legacy
import pytest
from heldup import environ
from lab import Lab
from sidebyside import dropped
from typer.testing import CliRunner

from bulketl.cli.app import app

TIERS = {"patient": "critical", "claim": "important", "log": "audit", "code": "reference"}
RULES = {"source_tables": {table: {"table_importance": tier} for table, tier in TIERS.items()}}
FAULTS = {"active": "boolean", "note": "empty-for-null", "seen": "seconds", "": "keeps-deleted"}
CHAIN = (
    "CREATE VIEW {s}.seen_by_day AS SELECT seen::date AS day, count(*) AS n FROM {s}.patient GROUP BY 1",
    "CREATE VIEW {s}.busy AS SELECT day FROM {s}.seen_by_day WHERE n > 1",
)


class Move:
    """The command line over a source, an older pipeline that it runs, and the target of both."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        run = [sys.executable, str(Path(legacy.__file__)), "--tables", "{tables}"]
        told = [sys.executable, "-c", f"import sys; open({str(folder / 'told')!r}, 'a').write(sys.stdin.read() + chr(10))"]
        settings = {"migration": {"legacy": {"run": run, "logs": str(folder / "logs"), "told": told},
                                  "promote_after": {"equal_nights": 1}}}  # fmt: skip
        (folder / "bulketl.yaml").write_text(json.dumps(settings))
        (folder / "tables.yaml").write_text(json.dumps(RULES))
        self.env = {**environ(lab), "LEGACY_SOURCE": lab.source, "LEGACY_TARGET": lab.target, "LEGACY_SCHEMA": lab.schema}

    def __call__(self, *words: str, code: int = 0) -> Any:
        """Run a command and return its document of JSON."""
        files = ["--config", str(self.folder / "bulketl.yaml"), "--rules", str(self.folder / "tables.yaml"), "--json"]
        done = CliRunner().invoke(app, [*words, *files], env=self.env, catch_exceptions=False)
        assert done.exit_code == code, f"{words}: {done.exit_code}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def waive(self, table: str, column: str, name: str) -> None:
        """Waive a class of differences."""
        words = [table, *([column] if column else []), "--class", name, "--reason", "known"]
        done = CliRunner().invoke(
            app, ["migrate", "waive", *words, "--config", str(self.folder / "bulketl.yaml")], env=self.env
        )
        assert done.exit_code == 0, done.stdout

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many tables the older pipeline serves, how many with bulketl beside it, and how many bulketl."""
        found = self("migrate", "status")["counts"]
        return found["legacy"], found["shadow"], found["bulketl"]


@pytest.fixture
def move(maria_lab: Lab, tmp_path: Path) -> Iterator[Move]:
    """Four tables, one of each tier, that the older pipeline has loaded; a row of each was deleted at the source since."""
    for table in TIERS:
        maria_lab.mysql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, active tinyint(1) NOT NULL, note text, seen datetime(6))",
            f"INSERT INTO {table} VALUES (1, 1, 'a', '2026-01-01 10:00:00'), (2, 0, NULL, '2026-01-01 11:00:00.5'),"
            " (3, 1, 'c', NULL)",
        )
    legacy.load(maria_lab.source, maria_lab.target, maria_lab.schema, list(TIERS))
    for table in TIERS:
        maria_lab.mysql(f"DELETE FROM {table} WHERE id = 3")
    for view in CHAIN:
        maria_lab.pg(view)
    yield Move(maria_lab, tmp_path)
    dropped(maria_lab)


def test_four_weeks_and_the_way_back(move: Move) -> None:
    lab = move.lab
    for week, (table, tier) in enumerate(TIERS.items(), start=1):
        assert move("migrate", "plan")[0]["step"] == "shadow"
        move("migrate", "shadow", "--tier", tier, "--reason", f"week {week}")
        night = move("load", "--hybrid")
        assert night["legacy"]["wrong"] == []
        assert table in night["legacy"]["tables"]
        (compared,) = move("migrate", "compare", code=1)["tables"]
        found = {one["column"]: one["class"] for one in compared["differences"]}
        assert found == FAULTS, compared
        refused = move("migrate", "promote", "--tables", table, "--reason", "now", code=2)
        assert "0 of 1 equal nights" in refused["message"]
        for column, name in FAULTS.items():
            move.waive(table, column, name)
        (compared,) = move("migrate", "compare")["tables"]
        assert compared["outcome"] == "waived"
        step = move("migrate", "plan")[0]
        assert (step["step"], step["tables"]) == ("promote", [table])
        (promoted,) = move("migrate", "promote", "--tier", tier, "--reason", f"week {week}")["tables"]
        assert (promoted["table"], promoted["how"]) == (table, "swapped")
        assert move.counts == (len(TIERS) - week, 0, week)
        assert lab.pg(f"SELECT id, active, note, seen::text FROM {{s}}.{table} ORDER BY id") == [
            (1, 1, "a", "2026-01-01 10:00:00"), (2, 0, None, "2026-01-01 11:00:00.5"),
        ]  # fmt: skip
        assert {row["table"] for row in move("load")["tables"] if row["outcome"] != "skipped"} == {*list(TIERS)[:week]}
    assert move("migrate", "plan") == []
    assert lab.pg("SELECT * FROM {s}.busy") == lab.pg("SELECT DATE '2026-01-01'")  # the chain reads bulketl's tables now
    told = [json.loads(line) for line in (move.folder / "told").read_text().splitlines()]
    assert [(one["act"], one["tables"]) for one in told] == [("promote", [table]) for table in TIERS]

    dry = move("rollback", "--reason", "figures are wrong", "--dry-run")
    assert {one["table"]: (one["rows"], one["now"]) for one in dry["tables"]} == dict.fromkeys(TIERS, (3, 2))
    back = move("rollback", "--reason", "figures are wrong")
    assert sorted(one["table"] for one in back["tables"]) == sorted(TIERS)
    assert move.counts == (4, 0, 0)
    assert lab.pg("SELECT id, active, seen::text FROM {s}.patient WHERE id = 3") == [(3, True, None)]
    skipped = move("load")["tables"]
    assert {row["table"]: row["outcome"] for row in skipped} == dict.fromkeys(TIERS, "skipped")
    assert move("rollback", "--reason", "again")["tables"] == []
    again = move("migrate", "promote", "--tables", "patient", "--reason", "mended", "--force", code=2)
    assert "is served by the older pipeline alone" in again["message"]
    ((report,),) = lab.pg("SELECT document::text FROM bulketl.incident_report WHERE number = %s", [back["report"]])
    assert "figures are wrong" in report
