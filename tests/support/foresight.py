"""Whether `validate` foresaw what became of a load: asked after each failing load, when both servers are as before.

A table that failed has its old rows, so what kept it from being loaded is still there to be found.
"""

from __future__ import annotations

from collections.abc import Sequence

from refusals import kind_of

import bulketl
from bulketl import BulketlError, Config
from bulketl.loading.summary import TableSummary

FORESEEN = ("plan", "begin", "lack", "server")  # kinds of which validate has to say something


def check_load(config: Config, failed: Sequence[TableSummary]) -> None:
    """Fail when tables failed for what can be known before, and validate finds nothing wrong with them."""
    told = [(table.table, f"{table.error}: {table.message}") for table in failed if _knowable(table.error, table.message)]
    if not told:
        return
    try:
        findings = bulketl.validate(config)
    except BulketlError:
        return
    # A warning is of what depends on the rows; an error of no table is of all of them.
    named = {item.table for item in findings if item.severity == "error" or item.kind == "doubted"}
    tables = {item.table for item in findings if item.severity != "note"}
    everywhere = any(item.otherwise == "no load begins" or item.kind == "lacking" for item in findings)
    silent = [text for table, text in told if not (everywhere or table in named)]
    assert silent == [], f"validate foresaw none of these (it found something of {sorted(tables)})"


def check_error(config: Config, error: BulketlError) -> None:
    """Fail when a load could not begin for what can be known before, and validate finds no error at all."""
    if not _knowable(type(error).__name__, error.message):
        return
    try:
        findings = bulketl.validate(config)
    except BulketlError:
        return
    assert any(item.severity == "error" for item in findings), f"validate did not foresee: {error.message}"


def _knowable(error: str, message: str) -> bool:
    return kind_of(error, message) in FORESEEN
