"""The results of verifications on record, so that people can see later what was verified and when."""

from __future__ import annotations

import datetime as dt

from bulketl.connections.person import person
from bulketl.connections.retrying import patient
from bulketl.errors import BulketlError
from bulketl.postgres.ledger import verifications
from bulketl.postgres.ledger.verifications import Verified
from bulketl.postgres.server import Postgres
from bulketl.verifying.verdicts import TableVerdict, Verification


def keep(target: Postgres, found: Verification, now: dt.datetime) -> str:
    """Put a verification on record as of a moment; return why it is not, '' when it is: it is worth no less for that."""
    try:
        return patient(_keep, target, found, now)
    except BulketlError as error:
        return error.public


def _keep(target: Postgres, found: Verification, now: dt.datetime) -> str:
    with target.connect() as connection:
        if why := verifications.may_keep(connection):
            return why
        by, before = person(), now - dt.timedelta(microseconds=1) if found.again else now
        kept = [_verified(one, found, before, by) for one in found.tables]
        kept += [_verified(one, found, now, by, found.run) for one in found.again]
        verifications.keep(connection, found.schema, found.source, kept)
    return ""


def _verified(one: TableVerdict, of: Verification, at: dt.datetime, by: str, run: str = "") -> Verified:
    return Verified(
        one.table, at, by, one.level, of.sample, "not compared" if one.problem else "equal" if one.equal else "differs",
        one.compared, one.missing, one.differing, one.extra, one.doubled, len(one.figures), run,
    )  # fmt: skip
