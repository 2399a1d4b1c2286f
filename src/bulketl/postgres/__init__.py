"""The target: a Postgres server, as settings. A connection lives inside one call, or inside one thread of a run (`copy`)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bulketl.errors import BulketlError, ConfigError, DataError, Ease, TargetError

CONNECT_SECONDS = 5
Connection = psycopg.Connection[tuple[Any, ...]]
LOCK_SECONDS = 30  # for any lock: longer, and every reader queues behind us; the step is tried again
# The server notices a client that is gone, and ends what it left behind. Hashes are of values as text, so that how they
# are shown must not depend on what somebody has set for a role or a database.
_OPTIONS = (
    f"-c lock_timeout={LOCK_SECONDS}s -c idle_session_timeout=0"  # the locks of a run are held by an idle session
    " -c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
    " -c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c bytea_output=hex -c extra_float_digits=1"
)
LEAST_VERSION = 150000
LEDGER = "bulketl"
STAGING = "bulketl_staging"
SUPERSEDED = "superseded"  # the outcome of a run that a later load has swept away
TAMPERED = "BK001"  # our own SQLSTATE: rows of an audited table no longer fit its chain
EATEN = "BK002"  # another: what was written is not what is there


@dataclass(frozen=True, slots=True)
class Postgres:
    """A database to write to, `postgresql://user:password@host:5432/database`; libpq's parameters and defaults hold.

    `guarded`: each transaction of a run asks first whether the run still has its locks: they go with a connection, and a
    worker may be in a process that goes on without it. Raise ConfigError when libpq cannot read the URI.
    """

    uri: str = field(repr=False)
    guarded: bool = False

    def __post_init__(self) -> None:
        try:
            conninfo_to_dict(self.uri)
        except psycopg.Error as error:
            reason = str(error).split('"')[0].strip()  # the rest quotes the URI, password and all
            raise ConfigError(f"the target URI cannot be read: {reason}", hint=_FORM) from None
        parts = {key: str(value or "") for key, value in conninfo_to_dict(self.uri).items()}
        ports = all(port.isdigit() for port in parts.get("port", "").split(",") if port)
        if "@" in parts.get("host", "") or not ports or "@" in parts.get("dbname", ""):
            raise ConfigError("the target URI has a host or port that is none", hint=_FORM)  # a raw password, most likely

    @property
    def identity(self) -> str:
        """Which database this is, without user or password."""
        parts = conninfo_to_dict(self.uri)
        return f"postgresql://{parts.get('host') or 'local'}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"

    @property
    def conninfo(self) -> str:
        """The connection string for both drivers: UTF-8 whatever the environment says, and no wait without an end."""
        given = conninfo_to_dict(self.uri)
        ours: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "bulketl",
            "keepalives_idle": 20,
        }
        options = f"{given.get('options') or ''} {_OPTIONS}".strip()
        return make_conninfo(**{**ours, **given, "options": options, "client_encoding": "UTF8"})

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        """Open a connection in autocommit mode, give it, close it. Raise TargetError."""
        try:
            connection = psycopg.connect(self.conninfo, autocommit=True)
        except (psycopg.Error, UnicodeError) as error:
            raise self._refusal(error) from None
        try:
            with connection:
                if connection.info.server_version < LEAST_VERSION:
                    raise TargetError(
                        f"target {self.identity} is Postgres {connection.info.server_version // 10000}",
                        hint=f"bulketl needs Postgres {LEAST_VERSION // 10000} or later, which has MERGE",
                    )
                yield connection
        except psycopg.Error as error:
            if error.sqlstate is None and not isinstance(error, psycopg.OperationalError):
                raise  # not Postgres' word but a bug of ours
            raise failure(error.sqlstate, str(error), self.identity) from error

    def _refusal(self, error: Exception) -> TargetError:
        text, passing = str(error).strip(), True
        hint = "check host and port in BULKETL_TARGET, and that the server runs"
        if "authentication failed" in text or "no password supplied" in text or "role" in text:
            hint, passing = "check user and password in BULKETL_TARGET", False
        elif "database" in text and "does not exist" in text:
            hint, passing = "create the database, or correct the end of the URI in BULKETL_TARGET", False
        return TargetError(f"target {self.identity} does not let us in: {text}", hint=hint, transient=passing)


_FORM = "write it as postgresql://user:password@host:5432/database, special characters percent-encoded"
_FAULTY = "the value and its row are named above; correct it at the source, or choose another cast for the column"
_HINTS = {
    "23505": "two rows have the same key in Postgres: correct primary_key where a rule declares it; "
    "where stripped NUL bytes made them so, nul_bytes: reject names them",
    "53200": "raise max_locks_per_transaction in the target: a run takes a lock per table; or load fewer tables at once",
    "53100": "free space on the target's disk; what is there is as it was before",
    "42501": "grant the target user CREATE on the database, and ownership of the tables it replaces",
    "25006": "the target is a read-only server: give the primary's address",
    "55P03": "somebody holds a lock on the table: end that session, or load again later",
    "2BP01": "something was made to depend on the table just now; load again",
    TAMPERED: "`bulketl audit verify` shows which tables; find out who did it before anything is loaded into them",
    EATEN: "nothing was changed; what acts on the table in the target alters what is loaded: disable or drop it, or let it "
    "act on a view or on a copy of the table",
    "54000": "a value of the key is too long for a Postgres index: exclude that column from the key at the source",
}
# Connection lost or refused, serialization, deadlock, lock not had, shutting down: 08, 40, 53300, 55P03, 57P.
_CROWDED = ("40P01", "53300")  # deadlock, no connection left
_TRANSIENT = ("08", "40", "53300", "55P03", "57P")


def failure(sqlstate: str | None, text: str, what: str) -> BulketlError:
    """Return the error to raise for what Postgres said: DataError for a value's fault, else TargetError."""
    # ADBC quotes the whole statement, with the values in it.
    text = re.sub(r"Failed to execute query '.*': ERROR: ", "ERROR: ", " ".join(text.split()))
    state = sqlstate or ""
    lost = any(words in text for words in ("server closed the connection", "connection to server", "could not receive"))
    if state in (TAMPERED, EATEN):  # our own words, and where in a block they were said is of no interest
        text = text.partition(" CONTEXT: ")[0]
    if state.startswith(("22", "23")) or state in (TAMPERED, EATEN):
        return DataError(f"{what}: {text}", hint=_HINTS.get(state, _FAULTY))
    ease: Ease = "workers" if state in _CROWDED else "batch" if state == "53200" else ""
    passing = lost or state.startswith(_TRANSIENT)
    return TargetError(f"{what}: {text}", hint=_HINTS.get(state, ""), transient=passing, ease=ease)
