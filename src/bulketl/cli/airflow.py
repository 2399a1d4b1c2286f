"""The line that a DAG reads: `###AIRFLOW_RESULT###` and a document of JSON, always the last on standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bulketl.cli.exits import worst
from bulketl.cli.oneload import Done
from bulketl.cli.sources import Turn
from bulketl.errors import DONE, FAILED

PREFIX = "###AIRFLOW_RESULT###"


def result_line(tiers: Sequence[str], done: Mapping[str, Done], turns: Sequence[Turn]) -> str:
    """Return the line for loads that came to an end, whatever became of the others: one line for all sources."""
    of = [f"{turn.source}: " if turn.source else "" for turn in turns]
    told = [turn.error.public if turn.error else "interrupted" if turn.stopped else "" for turn in turns]
    told = ["not begun" if turn.code is None else text for turn, text in zip(turns, told, strict=True)]
    error = "; ".join(f"{source}{text}" for source, text in zip(of, told, strict=True) if text)
    code = worst(FAILED if turn.code is None else turn.code for turn in turns)
    words = [word.strip() for text in tiers for word in text.split(",") if word.strip()]
    return f"{PREFIX}{json.dumps(result(words, done, error, code))}"


def result(tiers: Sequence[str], done: Mapping[str, Done], error: str, code: int) -> dict[str, object]:
    """Return what a DAG reads: counts and names of tables, and whether what comes after may run.

    `done`: by source; of several, a table is named with its source before it. `category` has the tiers that were asked for,
    or `all`. A table that was left out counts in `skipped` alone. What is loaded beside an older pipeline counts like the
    rest. `error` and `code`: why there is no load, and the exit code; of a night of both pipelines, what went wrong beside
    the tables.
    """
    tables = {
        f"{source}.{table.table}" if source else table.table: table
        for source, one in done.items() for summary in one.summaries for table in summary.tables.values()
    }  # fmt: skip
    well = {name: table for name, table in tables.items() if table.outcome in ("loaded", "shortened", "unchanged")}
    skipped = [name for name, table in tables.items() if table.outcome == "skipped"]
    failed = sorted(tables.keys() - well.keys() - set(skipped))
    problems = [f"{source}: {found}" if source else found for source, one in done.items() for found in one.problems]
    error = "; ".join(filter(None, (error, *problems)))
    return {
        "category": ",".join(tiers) or "all", "pipeline_success": code == DONE,
        "exit_code": code, "runs": [summary.run for one in done.values() for summary in one.summaries],
        "success_count": len(well), "failure_count": len(failed), "total_count": len(tables) - len(skipped),
        "failed_tables": failed, "skipped": len(skipped), "rows": sum(table.rows for table in well.values()), "error": error,
    }  # fmt: skip
