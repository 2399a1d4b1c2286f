"""Every act that a notebook needs, in the order of a first night: `python examples/first_night.py`, away from production.

BULKETL_SOURCE and BULKETL_TARGET say where; the configuration is looked for in ./config. It loads, verifies and reports.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import polars as pl

import bulketl


def main(tables: Path | None, settings: Path | None) -> pl.DataFrame:
    """Go from a configuration to a verified load, and return what became of each table."""
    config = bulketl.load_config(tables, settings, os.environ)
    _, proposals = bulketl.propose(config)
    print(f"{len(proposals)} tables at the source, {len(bulketl.validate(config))} findings")

    plan = bulketl.make_plan(config)
    print(sum(map(len, bulketl.statements(config, plan).values())), "statements")
    summary: bulketl.Summary = bulketl.load(config, plan)
    if summary.unfinished:  # it was interrupted, or cancelled
        summary = bulketl.resume(config, summary.run)

    verification: bulketl.Verification = bulketl.verify(config)
    print("equal" if verification.equal else "not equal")
    print(bulketl.frame(verification).select("table", "compared", "wrong"))
    print(bulketl.frame(bulketl.status(config)).select("table", "word", "rows"))
    print(bulketl.frame(bulketl.runs(config, first=5)).select("run", "kind", "outcome", "rows"))
    print(bulketl.frame(bulketl.list_rejects(config)))
    print(bulketl.run_report(config, summary.run))
    return bulketl.frame(summary)


def rarely(config: bulketl.Config, checks: Path) -> None:
    """Call what most nights do not need: months side by side, pairs, retention, and a move from an older pipeline."""
    print(bulketl.compare_history(config))
    print(bulketl.run_pairs(config, checks))
    print(bulketl.retain_tables(config))  # without a folder nothing leaves: what would is returned
    print(bulketl.compare_pipelines(config))
    print(bulketl.promote(config, reason="a look at what would be promoted", dry_run=True))
    print(bulketl.rollback(config, reason="a look at what would come back", dry_run=True))


def without_a_target(table: str) -> pl.DataFrame:
    """Return how many rows a table of the source has, and its first ones are printed; no Postgres is needed."""
    print(bulketl.read(table, limit=3))
    return bulketl.scan(table).select(pl.len()).collect()


if __name__ == "__main__":
    found = [path if path.exists() else None for path in (Path("config/tables.yaml"), Path("config/bulketl.yaml"))]
    print(main(*found))
    for name in sys.argv[1:]:
        print(without_a_target(name))
