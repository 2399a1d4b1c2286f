"""The target: a Postgres server, as settings.

A connection lives inside one call, inside one thread of a run (`copy`), or from one call to the next (`kept`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from bulketl.connections import sockets
from bulketl.connections.tls import OPPORTUNISTIC, Protection, problem
from bulketl.connections.watch import ASK_SECONDS, HINT, STALL_SECONDS, StalledError, Talk, mark, new_mark, talk
from bulketl.errors import BugError, BulketlError, ConfigError, DataError, Ease, TargetError, runbook
from bulketl.postgres.health import by_backend
from bulketl.postgres.kept import keep, take
from bulketl.postgres.refusals import TWICE, about
from bulketl.postgres.session import FORM, POOLED, Driver, Session, described, opened, parameters
from bulketl.tables.printable import shortened
from bulketl.tables.spec import NAME_BYTES

if TYPE_CHECKING:  # workers have no configuration, and its models take time to load
    from bulketl.config.config import Config

DRIVERS = frozenset({"psycopg", "adbc_driver_manager", "adbc_driver_postgresql"})
Connection = psycopg.Connection[tuple[Any, ...]]
LEAST_VERSION = 150000
LEDGER = "bulketl"
STAGING = "bulketl_staging"
SUPERSEDED = "superseded"  # the outcome of a run that a later load has swept away
TAMPERED = "BK001"  # our own SQLSTATE: rows of an audited table no longer fit its chain
STRANGE = "BK002"  # our own SQLSTATE: what has a table's name is not what bulketl made
EATEN = "BK003"  # another: what was written is not what is there


@dataclass(frozen=True, slots=True)
class Postgres:
    """A database to write to, `postgresql://user:password@host:5432/database`; libpq's parameters and defaults hold.

    `guarded`: each transaction of a run asks first whether the run still has its locks: they go with a connection, and a
    worker may be in a process that goes on without it. `stall_seconds`: for how long nothing may move over a connection that
    is waited for, unless the server is at work. Raise ConfigError when libpq cannot read the URI.
    """

    uri: str = field(repr=False)
    guarded: bool = False
    stall_seconds: float = STALL_SECONDS

    @classmethod
    def of(cls, config: Config) -> Postgres:
        """Return the target of a configuration; a note on its TLS is a warning.

        Raise ConfigError when it is not set, or the schema is not one to load into.
        """
        schema = config.target_schema
        if schema in (LEDGER, STAGING, "information_schema") or schema.startswith("pg_"):
            whose = "bulketl's own" if schema in (LEDGER, STAGING) else "the system's"
            raise ConfigError(f"the target schema cannot be {schema!r}: it is {whose}", hint="choose another with --schema")
        if (size := len(schema.encode())) > NAME_BYTES:
            raise ConfigError(
                f"the target schema cannot be {schema!r}: it has {size} bytes, and Postgres cuts names at {NAME_BYTES}",
                hint="choose a shorter one with --schema",
            )
        target = cls(config.uri("target"), stall_seconds=config.stall_seconds)
        if target.protection.note:
            warnings.warn(target.protection.note, UserWarning, stacklevel=2)
        return target

    def __post_init__(self) -> None:
        parts = {key: str(value or "") for key, value in parameters(self.uri)[1].items()}
        ports = all(port.isdigit() for port in parts.get("port", "").split(",") if port)
        if "@" in parts.get("host", "") or not ports or "@" in parts.get("dbname", ""):
            raise ConfigError("the target URI has an invalid host or port", hint=FORM)  # a raw password, most likely

    @property
    def protection(self) -> Protection:
        """How the line is protected. Without a mode libpq prefers TLS and goes without it where the server has none."""
        found = parameters(self.uri)[0]
        if found.mode in OPPORTUNISTIC:
            note = f"{found.mode} in the target URI goes without TLS where the server offers none; require insists on it"
            return dataclasses.replace(found, note=note)
        return found

    @property
    def identity(self) -> str:
        """Which database this is, without user or password."""
        parts = parameters(self.uri)[1]
        return f"postgresql://{parts.get('host') or 'local'}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give a connection in autocommit mode, a new one or one that is kept; close or keep it. Raise TargetError."""
        try:
            with talk(self.talk(self.identity)) as one, contextlib.ExitStack() as stack:
                connection = stack.enter_context(self._kept(one) or self._opened(one))
                if connection.info.server_version < LEAST_VERSION:
                    raise TargetError(
                        f"target {self.identity} is Postgres {connection.info.server_version // 10000}",
                        hint=f"bulketl needs Postgres {LEAST_VERSION // 10000} or later, which has MERGE",
                    )
                yield connection
                if keep(self.uri, connection):
                    stack.pop_all()
        except StalledError as error:
            raise TargetError(f"{self.identity}: {error}", hint=HINT, transient=True) from error
        except psycopg.Error as error:
            if error.sqlstate is None and not isinstance(error, psycopg.OperationalError):
                raise  # not Postgres' word but a bug of ours
            raise failure(error.sqlstate, str(error), self.identity, constraint_of(error), forbidden_of(error)) from error

    def _kept(self, one: Talk) -> Connection | None:
        connection = take(self.uri)
        if connection is not None:
            one.number = connection.info.backend_pid
            one.found(connection.fileno())
        return connection

    def _opened(self, one: Talk) -> Connection:
        try:
            connection: Connection = self.opened(one)
        except (psycopg.Error, UnicodeError) as error:
            raise self._refusal(error) from None
        return connection

    def opened(self, one: Talk, driver: Driver = "psycopg") -> Any:
        """Open a session with one of the two drivers, to be closed by the caller, and let a talk be of it.

        The caller also frees the talk's mark, if it has one. Raise the driver's errors.
        """

        def tell(connection: Any, backend: int) -> None:
            one.number = backend
            if driver == "psycopg":
                one.found(connection.fileno())

        if driver == "adbc":
            one.mark = new_mark()
            return opened(self.uri, driver, one.mark, tell)
        with mark() as own:
            one.mark = own
            try:
                return opened(self.uri, driver, own, tell)
            finally:
                one.mark = 0

    def talk(self, what: str) -> Talk:
        """Return a talk about something, whose session is not known yet."""
        return Talk(what, self.stall_seconds, DRIVERS, by_backend(self.asking))

    @contextlib.contextmanager
    def asking(self) -> Iterator[Connection]:
        """Open a session for a question that is not worth waiting for, and that no watch is kept over; raise its errors."""
        with mark() as own:
            end = threading.Timer(ASK_SECONDS, sockets.shut_marked, (own,))
            end.daemon = True
            end.start()
            try:
                with opened(self.uri, mark=own) as connection:
                    yield connection
            finally:
                end.cancel()

    def session(self) -> Session:
        """Return what is known of the sessions of this target, from one that is opened for it. Raise TargetError."""
        with self.connect() as connection:
            return described(connection)

    def _refusal(self, error: Exception) -> TargetError:
        text, passing = str(error).strip(), True
        if found := problem(text):
            hint = f"{found[1]} (BULKETL_TARGET)"
            return TargetError(f"target {self.identity} {found[0]}: {text}", hint=hint, said=text)
        if "unsupported startup parameter" in text:
            return TargetError(f"target {self.identity} is behind a pooler that refuses us: {text}", hint=POOLED, said=text)
        hint = "check host and port in BULKETL_TARGET, and that the server runs"
        if "conversion between UTF8 and" in text:
            hint, passing = "load into a database that is made with ENCODING 'UTF8'", False
        elif any(words in text for words in _FULL):
            hint = "lower --workers, raise the connection limit of the role, the database or the server, or try again later"
        elif "authentication failed" in text or "no password supplied" in text or "role" in text:
            hint, passing = "check user and password in BULKETL_TARGET", False
        elif "database" in text and "does not exist" in text:
            hint, passing = "create the database, or correct the end of the URI in BULKETL_TARGET", False
        ease: Ease = "workers" if any(words in text for words in _FULL) else ""
        return TargetError(
            f"target {self.identity} does not let us in: {text}", hint=hint, transient=passing, ease=ease, said=text,
            away=passing and not ease,
        )  # fmt: skip


# libpq gives no SQLSTATE of a connection that it did not get.
_FULL = ("too many connections", "remaining connection slots", "too many clients", "no more connections allowed")
_FORM = "write it as postgresql://user:password@host:5432/database, special characters percent-encoded"
_FAULTY = "nothing was changed; correct the row at the source, or what refuses it in the target"
_BUG = "a mistake in bulketl; nothing was changed. Report it, with the types of the table's columns"
# Postgres' functions that compare rows of an index: as one is written, of an exclusion constraint, as an index is built.
_EXCLUDING = ("_bt_check_unique", "check_exclusion_or_unique_constraint", "comparetup_index_btree")
FORBIDDEN = "42501"
_QUOTED, _SAID = 200, 2_000  # characters of a statement, and of all that was said
_TWICE = "correct primary_key where a rule declares it; where stripped NUL bytes made them so, nul_bytes: reject names them"
_HINTS = {
    "23505": f"two rows have the same key in Postgres: {_TWICE}",
    "53200": "raise max_locks_per_transaction in the target: a run takes a lock per table; or load fewer tables at once",
    "53100": f"free space on the target's disk; what is there is as it was before; {runbook('disk-full')}",
    FORBIDDEN: "`bulketl grants --check` names the rights that this user lacks for a load, and `bulketl grants` prints the "
    "SQL that gives each role what it needs",
    "40P01": "another session locked the same tables in another order; nothing was changed, so give the command again",
    "57014": "somebody cancelled the statement in the target; give the command again",
    "25006": "the target is a read-only server: give the primary's address",
    "55P03": "somebody holds a lock on the table: end that session, or load again later",
    "2BP01": "something was made to depend on the table just now; load again",
    TAMPERED: "`bulketl audit verify` shows which tables; find out who did it before anything is "
    f"loaded into them; {runbook('audit-request')}",
    STRANGE: "nothing was changed; `bulketl plan` and `bulketl validate` say what is there now, and what can be done",
    "42P07": "something else has that name in the target: rename or drop it, or load into another schema with --schema",
    "42710": "something else has that name in the target: rename or drop it, or load into another schema with --schema",
    EATEN: "nothing was changed; what acts on the table in the target alters what is loaded: disable or drop it, or let it "
    "act on a view or on a copy of the table",
}
_PASSING = "the line or the server failed for a moment; give the command again: what is done stays done"
_UNKNOWN = "these are the target's words; `bulketl validate` says whether it can take what the rules ask for"
# Connection lost or refused, serialization, deadlock, lock not had, shutting down: 08, 40, 53300, 55P03, 57P.
_CROWDED = ("40P01", "53300")  # deadlock, no connection left
_TRANSIENT = ("08", "40", "53300", "55P03", "57P")


def said(text: str) -> str:
    """Return what Postgres or its driver said on one line, and of a statement that is quoted in it no more than a part."""
    # ADBC quotes the whole statement, with the values in it.
    text = re.sub(r"Failed to execute query '.*': ERROR: ", "ERROR: ", " ".join(text.split()))
    head, mark, quoted = text.partition(" QUERY: ")
    text = f"{head}{mark}{shortened(quoted, _QUOTED)}"
    return shortened(text, _SAID)


def constraint_of(error: BaseException) -> str:
    """Return the constraint or index by which Postgres itself finds two rows to exclude each other, '' for none.

    A trigger may name any text as one, a value of the row too, so who says it counts.
    """
    named, where = _diagnosed(error, "constraint_name"), _diagnosed(error, "source_function")
    return named if where.startswith(_EXCLUDING) else ""


def forbidden_of(error: BaseException) -> str:
    """Return the words with which Postgres itself refuses a right, which name a thing and quote no row; '' for others.

    A trigger may refuse one too, in words of its own.
    """
    own = getattr(error, "sqlstate", None) == FORBIDDEN and _diagnosed(error, "source_function").startswith("aclcheck_error")
    return _diagnosed(error, "message_primary") if own else ""


def _diagnosed(error: BaseException, what: str) -> str:
    """Return a part of what Postgres tells of an error, by either driver, '' for none."""
    diagnosis = getattr(error, "diag", None)
    if diagnosis is not None:
        return str(getattr(diagnosis, what) or "")
    told = dict(getattr(error, "details", None) or ()).get(f"PG_DIAG_{what.upper()}".encode(), b"")
    return str(told, "utf-8", "replace") if isinstance(told, bytes) else str(told)


def failure(sqlstate: str | None, text: str, what: str, constraint: str = "", forbidden: str = "") -> BulketlError:
    """Return the error to raise for what Postgres said: DataError for a value's fault, else TargetError.

    `constraint`: the constraint or index that it names, `forbidden`: the right that it refuses, in its words; '' for none.
    """
    text, state = said(forbidden or text), sqlstate or ""
    lost = any(words in text for words in ("server closed the connection", "connection to server", "could not receive"))
    if state in (TAMPERED, STRANGE, EATEN):  # our own words, and where in a block they were said is of no interest
        text = text.partition(" CONTEXT: ")[0]
    bare = text.removeprefix("ERROR:").strip()
    named = bare.startswith(what)  # our own words name the table already
    told, words = (bare, bare.removeprefix(what).lstrip(": ")) if named else (f"{what}: {text}", text)
    words = "" if forbidden or state in (TAMPERED, STRANGE, EATEN) else words  # of names and counts alone
    code = f"SQLSTATE {state}" if state else ""
    if about(state, text) == "bug":
        return BugError(told, hint=_BUG, said=words, code=code)
    if about(state, text) == "row" or state in (TAMPERED, EATEN):
        hint = _HINTS.get(state, _FAULTY)
        if constraint and state in TWICE:
            hint = (
                f"two rows exclude each other by {constraint!r} in the target. If that is an index or a constraint of your "
                f"own there, correct these rows at the source or drop it; if it is the primary key: {_TWICE}"
            )
        refused = DataError(told, hint=hint, said=words, code=code)
        refused.state = state
        return refused
    ease: Ease = "workers" if state in _CROWDED else "batch" if state == "53200" else ""
    passing = lost or state.startswith(_TRANSIENT)
    hint = _HINTS.get(state) or (_PASSING if passing else _UNKNOWN)
    return TargetError(told, hint=hint, transient=passing, ease=ease, said=words, code=code)
