"""The end of a publish, as the ledger has it."""

from __future__ import annotations

from bulketl.postgres.ledger import entries, states
from bulketl.postgres.ledger.made import registered
from bulketl.postgres.ledger.previous import replaced
from bulketl.postgres.write.chain import begun, ended
from bulketl.postgres.write.stage import BESIDE
from bulketl.tables.spec import TableSpec


def recording(run: str, spec: TableSpec, rows: int, score: float = 1.0, *, mark: str | None = None) -> list[str]:
    """Return the statements that complete the records of a publish: what it did, how far the table is now, its chain."""
    counted = spec.publish not in BESIDE or (spec.whole and spec.deletes == "mirror")
    chain = [begun(run, spec)] if spec.publish == "create" else []
    return [
        *registered(run, spec),
        *(chain if spec.audit else [ended(run, spec)]),
        entries.published(run, spec, rows, score),
        states.published(run, spec, rows=rows if counted else None, mark=mark),
        *replaced(run, spec),
    ]
