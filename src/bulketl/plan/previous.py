"""Whether bulketl keeps the previous version of a table, and what that costs."""

from __future__ import annotations

import dataclasses

from bulketl.config.config import Config
from bulketl.plan.plan import TableLoad
from bulketl.tables.catalog import TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.printable import size


def with_previous(load: TableLoad, config: Config, existing: TargetTable | None, state: State | None) -> TableLoad:
    """Return the load with what it keeps of the table as it is.

    An audit table is only ever added to, so nothing of it is undone; nor of a table whose masks are others now, for what
    they cover must not stay.
    """
    spec, own = load.spec, config.rule(load.spec.table).keep_previous
    keeps = config.keep_previous if own is None else own
    if not keeps or existing is None or spec.publish == "create" or spec.audit or not existing.ours:
        return load
    if state is None or state.masking != spec.masking:
        return load
    more = f"about {size(existing.bytes)}" if existing.bytes else "its size, which Postgres has not counted yet,"
    reason = f"{load.reason}; the version before is kept, {more} more in the target"
    return dataclasses.replace(load, spec=dataclasses.replace(spec, previous=True), reason=reason)
