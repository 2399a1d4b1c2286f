"""The line that a DAG reads: `###AIRFLOW_RESULT###` and a document of JSON, always the last on standard output."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence

from bulketl.cli.oneload import Done
from bulketl.errors import DONE, FAILED, INTERRUPTED, BulketlError

PREFIX = "###AIRFLOW_RESULT###"


@contextlib.contextmanager
def telling_airflow(tiers: Sequence[str]) -> Iterator[list[Done]]:
    """Give a list for what was done, and print the line at the end, whatever became of that: no error keeps it away."""
    done: list[Done] = []
    error, code = "", FAILED
    try:
        yield done
    except BulketlError as problem:
        error, code = problem.public, problem.exit_code
        raise
    except KeyboardInterrupt:
        error, code = "interrupted", INTERRUPTED
        raise
    finally:
        print(f"{PREFIX}{json.dumps(result(tiers, done, error, code))}")
        sys.stdout.flush()


def result(tiers: Sequence[str], done: Sequence[Done], error: str, code: int) -> dict[str, object]:
    """Return what a DAG reads: counts and names of tables, and whether what comes after may run.

    `category` has the tiers that were asked for, or `all`. A table that was left out counts in `skipped` alone. What is
    loaded beside an older pipeline counts like the rest. `error` and `code`: why there is no load, and the exit code then;
    of a night of both pipelines, what went wrong beside the tables.
    """
    tables = [table for one in done for summary in one.summaries for table in summary.tables.values()]
    well = [table for table in tables if table.outcome in ("loaded", "shortened", "unchanged")]
    skipped = [table for table in tables if table.outcome == "skipped"]
    failed = sorted({table.table for table in tables} - {table.table for table in (*well, *skipped)})
    code = code if error else max((one.exit_code for one in done), default=code)
    error = "; ".join(problem for problem in (error, *(found for one in done for found in one.problems)) if problem)
    return {
        "category": ",".join(tiers) or "all", "pipeline_success": code == DONE,
        "exit_code": code, "runs": [summary.run for one in done for summary in one.summaries],
        "success_count": len(well), "failure_count": len(failed), "total_count": len(tables) - len(skipped),
        "failed_tables": failed, "skipped": len(skipped), "rows": sum(table.rows for table in well), "error": error,
    }  # fmt: skip
