"""`doctor`: whether this machine and both servers are fit for a load, without changing anything.

It looks at each side separately. If one side is away, it says so and tells the rest.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from bulketl.config.config import Config
from bulketl.config.libraries import LEAST_VERSIONS, check_libraries
from bulketl.connections.retrying import patient
from bulketl.errors import BulketlError, ConfigError
from bulketl.mysql import condition as at_source
from bulketl.mysql.condition import SourceCondition
from bulketl.mysql.server import MySQL
from bulketl.mysql.zones import check_zone, doubles
from bulketl.plan.footing import LACKS, Start
from bulketl.plan.obstacle import met
from bulketl.plan.plan import Plan
from bulketl.postgres import condition as at_target
from bulketl.postgres.demands import read_footing
from bulketl.postgres.server import Postgres
from bulketl.survey.checked import VERDICTS, Checked, Checkup, Side
from bulketl.survey.grants import check_grants
from bulketl.survey.here import missing_here
from bulketl.survey.lines import line_to
from bulketl.survey.symptoms import of_source, of_target
from bulketl.tables.demands import Footing
from bulketl.tables.printable import count_of, size
from bulketl.tables.rights import Held, Role

LIBRARIES = ("polars", "pyarrow", "psycopg", "pymysql", "pgpq", *LEAST_VERSIONS)
LEAST_TEMPORARY = 1 << 30  # bytes that the temporary folder has to have, where nobody knows what passes through it
GRANTS: dict[Side, Role] = {"source": "source", "target": "loader"}


def doctor(config: Config) -> Checkup:
    """Look at this machine, the source and the target, and return what was found; change nothing, and read no row.

    If a server cannot be used, that is one of the findings and raises no error.
    """
    found = [*_of_here(config)]
    sees = _Source()
    found += _of_side("source", _of_source(config, sees))
    found += _of_side("target", _of_target(config, sees))
    found += _temporary(sees.condition)
    order = {verdict: n for n, verdict in enumerate(VERDICTS)}
    return Checkup(tuple(sorted(found, key=lambda one: order[one.verdict])))


class _Source:
    """What the look at the source has found, for those after it; None where it did not answer."""

    condition: SourceCondition | None = None


def _of_side(side: Side, looks: Iterator[Checked]) -> Iterator[Checked]:
    """Yield what is found on a side, up to where it cannot be asked."""
    try:
        yield from looks
    except BulketlError as error:
        yield Checked(side, "connection", "wrong", error.message, error.hint)


def _of_here(config: Config) -> Iterator[Checked]:
    yield Checked(
        "here", "version", "fine", f"bulketl {version('bulketl')}, Python {platform.python_version()}, {platform.platform()}"
    )
    yield Checked("here", "libraries", "fine", ", ".join(f"{name} {_installed(name)}" for name in LIBRARIES))
    try:
        check_libraries()
    except ConfigError as error:
        yield Checked("here", "libraries", "wrong", error.message, error.hint)
    yield Checked("here", "zone", "fine", f"this machine's clock is in {'/'.join(dict.fromkeys(time.tzname))}")
    for what, then, mend in missing_here(config):
        yield Checked("here", "bulketl.yaml", "doubtful", f"{what}: {then}", mend)


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not there"


def _of_source(config: Config, sees: _Source) -> Iterator[Checked]:
    source = MySQL.of(config)
    yield _connected("source", source)
    found = sees.condition = patient(at_source.condition, source)
    doubled = False
    try:
        patient(check_zone, source, config.session_zone)
        doubled = patient(doubles, source, config.session_zone)
    except ConfigError as error:
        yield Checked("source", "zone", "wrong", error.message, error.hint)
    yield from of_source(config, found, doubled)
    yield from _rights("source", config)


def _of_target(config: Config, sees: _Source) -> Iterator[Checked]:
    target = Postgres.of(config)
    yield _connected("target", target)
    found = patient(at_target.condition, target)
    yield from of_target(config, found, sees.condition.bytes if sees.condition else None)
    start = Start(patient(_footing, target, config.target_schema), Plan("", config.target_schema, "", ()))
    yield from (Checked("target", one.name, "wrong", text, mend) for one, (text, mend) in met(LACKS, start))
    yield from _rights("target", config)


def _footing(target: Postgres, schema: str) -> Footing:
    with target.connect() as connection:
        return read_footing(connection, schema)


def _connected(side: Side, server: MySQL | Postgres) -> Checked:
    """Return how a server is reached: which one answers, over which TLS."""
    line = line_to(server)
    said = f"{line.identity} answers, {line.server}, {line.tls}{f', {line.cipher}' if line.cipher else ''}"
    if line.open:
        return Checked(
            side, "TLS", "doubtful", f"{said}: whoever is on the way reads every row, and may alter it",
            f"add ssl-mode=verify-full and ssl-ca to the URI in BULKETL_{side.upper()}",
        )  # fmt: skip
    if line.cipher and "not verified" in line.tls:
        return Checked(
            side, "TLS", "doubtful", f"{said}: nobody has checked that it is the right server that answers",
            f"add ssl-mode=verify-full and ssl-ca to the URI in BULKETL_{side.upper()}",
        )  # fmt: skip
    return Checked(side, "connection", "fine", said)


def _rights(side: Side, config: Config) -> Iterator[Checked]:
    for one in check_grants(config, (GRANTS[side],)):
        yield _held(side, one)


def _held(side: Side, one: Held) -> Checked:
    user = f"user {one.user}"
    if one.missing:
        names = ", ".join(map(str, one.missing[:3])) + (" …" if len(one.missing) > 3 else "")
        return Checked(
            side, "rights", "wrong", f"{user} lacks {count_of(len(one.missing), 'right')}: {names}",
            f"`bulketl grants --role {one.role}` prints what grants them",
        )  # fmt: skip
    if one.excess:
        return Checked(
            side, "rights", "doubtful", f"{user} has {count_of(len(one.excess), 'right')} that no load needs",
            "`bulketl grants --check` names them",
        )  # fmt: skip
    return Checked(side, "rights", "fine", f"{user} has exactly what a load needs")


def _temporary(source: SourceCondition | None) -> Iterator[Checked]:
    """Yield whether the temporary folder has room: tables without a key pass through it, one beside the other."""
    try:
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Checked("here", "temporary folder", "wrong", f"cannot be used: {error.strerror}", "set TMPDIR to another one")
        return
    needed = source.keyless[1] if source and source.keyless else 0 if source else LEAST_TEMPORARY
    said = f"{folder} has {size(free)} free"
    if source and source.keyless:
        said += f"; the largest table without a primary key, {source.keyless[0]}, has {size(needed)} and passes through it"
    if free < needed:
        yield Checked("here", "temporary folder", "doubtful", said, "make room there, or set TMPDIR to another folder")
    else:
        yield Checked("here", "temporary folder", "fine", said)
