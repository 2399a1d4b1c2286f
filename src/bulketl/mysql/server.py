"""The source: a MySQL or MariaDB server, as settings. A connection lives inside one call and is never kept.

Everything here only reads. How a session begins, of whichever driver, is in `bulketl.mysql.session`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import ssl
import urllib.parse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pymysql
import pymysql.cursors
from pymysql.constants import ER

from bulketl.connections.sockets import FIRST_MARK
from bulketl.connections.tls import OPPORTUNISTIC, Protection, check_file, context, problem, protection
from bulketl.connections.tls import known as known_parameters
from bulketl.connections.watch import ASK_SECONDS, HINT, STALL_SECONDS, StalledError, Talk, talk
from bulketl.errors import ConfigError, Ease, SourceError
from bulketl.mysql.health import by_number
from bulketl.mysql.session import CONNECT_SECONDS, Session, known, opened, preparation

if TYPE_CHECKING:  # workers have no configuration, and its models take time to load
    from bulketl.config.config import Config

DRIVERS = frozenset({"pymysql"})
GREETING_SECONDS = 30  # for a server to let us in and to set what a session begins with
os.environ.setdefault("RUST_LOG", "off")  # connectorx would print what it raises, amid the progress; it reads this once
_POSTGRES = ("postgresql", "postgres")
_SCHEMES = ("mysql", "mariadb", "mysql+pymysql")
_KNOWN = ("socket", "compress")  # parameters of the URI beside those for TLS
_CONNECTORX_MODES = {"require": "required", "verify-ca": "verify-ca", "verify-full": "verify-identity"}


@dataclass(frozen=True, slots=True)
class MySQL:
    """A database to read, `mysql://user:password@host:3306/database?ssl-mode=require`.

    Parameters: ssl-mode (disable, require, verify-ca, verify-full), ssl-ca, ssl-cert, ssl-key, ssl-password, socket,
    compress. Without any there is no TLS. Special characters of the password are percent-encoded. `stall_seconds`: for how
    long nothing may move over a connection that is waited for, unless the server is at work. Raise ConfigError when the URI
    is not of this form.
    """

    uri: str = field(repr=False)
    stall_seconds: float = STALL_SECONDS
    mask_key: str = field(default="", repr=False)  # of the masks of what is read, which is masked where it is read

    @classmethod
    def of(cls, config: Config) -> MySQL:
        """Return the source of a configuration; raise ConfigError when it is not set. A note on its TLS is a warning."""
        source = cls(config.uri("source"), stall_seconds=config.stall_seconds, mask_key=config.mask_key)
        if source.protection.note:
            warnings.warn(source.protection.note, UserWarning, stacklevel=2)
        return source

    def __post_init__(self) -> None:
        try:
            parts = urllib.parse.urlsplit(self.uri)
            port, database = parts.port, parts.path.strip("/")
        except ValueError:  # its text quotes the URI, password and all
            raise ConfigError("the source URI cannot be read: its host or port is invalid", hint=_FORM) from None
        if parts.scheme in _POSTGRES:
            raise ConfigError(
                "the source URI is of Postgres, and a source is MySQL or MariaDB",
                hint="is it the target's? BULKETL_SOURCE begins with mysql://, BULKETL_TARGET with postgresql://",
            )
        lacks = [what for what, there in (
            ("scheme mysql://", parts.scheme in _SCHEMES),
            ("host", parts.hostname and "@" not in parts.hostname and port != 0),
            ("database", database),
        ) if not there]  # fmt: skip
        if lacks:
            raise ConfigError(f"the source URI lacks its {' and its '.join(lacks)}", hint=_FORM)
        if "@" in parts.path or "/" in database or parts.fragment:  # of a raw password, most likely
            raise ConfigError("the source URI has an invalid database, or a character that is not encoded", hint=_FORM)
        _ = self.protection, self._parameters  # for what they raise

    def beside(self, database: str) -> MySQL:
        """Return another database of the same server, for the same user."""
        return dataclasses.replace(self, uri=self._parts._replace(path=f"/{urllib.parse.quote(database)}").geturl())

    @property
    def protection(self) -> Protection:
        """How the line is protected. A mode that takes what it gets is none of these drivers': it means `require`."""
        found = self._read_parameters()[0]
        if found.mode in OPPORTUNISTIC:
            note = f"the source URI says {found.mode}, which means require here: bulketl never goes without TLS silently"
            return dataclasses.replace(found, mode="verify-ca" if found.ca else "require", note=note)
        return found if found.mode else dataclasses.replace(found, mode="disable")

    @property
    def identity(self) -> str:
        """Which database this is, without user or password."""
        return f"mysql://{self._parts.hostname}:{self._parts.port or 3306}/{self.database}"

    @property
    def database(self) -> str:
        """The database's name."""
        return urllib.parse.unquote(self._parts.path.strip("/"))

    @property
    def user(self) -> str:
        """The user's name."""
        return urllib.parse.unquote(self._parts.username or "root")

    @property
    def connectorx_uri(self) -> str:
        """The URI for connectorx: no silent move to a local socket, and keep-alives so that a dead peer is noticed."""
        return self.connectorx_uri_with(FIRST_MARK)

    def connectorx_uri_with(self, mark: int, socket: str = "") -> str:
        """Return the same, with `mark` seconds until the first keep-alive: they tell which socket it is.

        Through a local `socket`, whose other end has the line to the server, it is without TLS and without a mark.
        """
        parameters = {
            "prefer_socket": "false",
            "stmt_cache_size": "0",
            "tcp_connect_timeout_ms": str(CONNECT_SECONDS * 1000),
            **self._parameters,
            "tcp_keepalive_time_ms": str(mark * 1000),
        }
        if socket:
            parameters |= {"socket": socket, "prefer_socket": "true"}
            parameters.pop("tcp_keepalive_time_ms")
        elif mode := _CONNECTORX_MODES.get(self.protection.mode):
            parameters["ssl-mode"] = mode
        if self.protection.verified and not socket:
            parameters["ssl-ca"] = self._authority()
        host = self._parts.netloc.rpartition("@")[2]
        login = urllib.parse.quote(self.user, safe="") + (f":{self._parts.password}" if self._parts.password else "")
        parts = self._parts._replace(scheme="mysql", netloc=f"{login}@{host}", query=urllib.parse.urlencode(parameters))
        return parts.geturl()

    @property
    def over_tcp(self) -> bool:
        """Whether it is reached over TCP, and not by a local socket."""
        return "socket" not in self._parameters

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port of the server."""
        return self._parts.hostname or "", self._parts.port or 3306

    def tls_context(self) -> ssl.SSLContext:
        """Return what Python's TLS has to know of this line. Raise ConfigError."""
        return context(self.protection, self._authority() if self.protection.verified else "", "source")

    @contextlib.contextmanager
    def connect(self) -> Iterator[pymysql.cursors.Cursor]:
        """Open a control connection, give a cursor that returns tuples, and close it.

        Raise SourceError, within CONNECT_SECONDS when the server does not answer, and for every error of a statement.
        """
        with self._opened() as (cursor, _):
            yield cursor

    def session(self) -> Session:
        """Return what is known of the sessions of this source, from one that is opened for it. Raise SourceError."""
        with self._opened() as (_, session):
            return session

    def before(self, *further: str) -> list[str]:
        """Return the statements with which connectorx begins a session, those `further` ones last. Raise SourceError."""
        return preparation(known(self.uri) or self.session(), self.database, *further)

    @contextlib.contextmanager
    def asking(self) -> Iterator[pymysql.cursors.Cursor]:
        """Do the same for a question that is not worth waiting for, and that no watch is kept over. Raise SourceError."""
        with self._opened(ASK_SECONDS) as (cursor, _):
            yield cursor

    @contextlib.contextmanager
    def _opened(self, seconds: float = 0) -> Iterator[tuple[pymysql.cursors.Cursor, Session]]:
        one = Talk(self.identity, self._greeting, DRIVERS, by_number(self.asking))
        try:
            with contextlib.nullcontext() if seconds else talk(one):
                connection, session = self._login(one, seconds or self._greeting)
                with connection, connection.cursor() as cursor:
                    if not seconds:  # a statement takes what it takes: the watch tells
                        connection._read_timeout = connection._write_timeout = None
                        connection._sock.settimeout(None)
                        one.number, one.seconds = connection.thread_id(), self.stall_seconds
                    yield cursor, session
        except StalledError as error:
            raise SourceError(f"{self.identity}: {error}", hint=HINT, transient=True) from error
        except pymysql.MySQLError as error:
            raise source_error(f"{self.identity}: {text_of(error)}", "", code_of(error), text_of(error)) from error

    @property
    def _greeting(self) -> float:
        """How many seconds the server may take to let us in, and to set what a session begins with."""
        return min(self.stall_seconds, GREETING_SECONDS)

    def _login(self, one: Talk, seconds: float) -> tuple[Any, Session]:
        """Open a session, to be closed by the caller, and let a talk be of it from its first byte on. Raise SourceError."""
        password = urllib.parse.unquote(self._parts.password or "")
        try:
            return opened(
                self.uri,
                self.protection.verified,
                one.found,
                host=self._parts.hostname,
                port=self._parts.port or 3306,
                user=self.user,
                password=password.encode(),  # as connectorx sends it; as text it would be latin-1
                database=self.database,
                unix_socket=self._parameters.get("socket"),
                read_timeout=seconds,
                write_timeout=seconds,
                **self._tls(),
            )
        except (pymysql.MySQLError, OSError, RuntimeError, UnicodeError) as error:
            raise self._refusal(error) from None

    @property
    def _parts(self) -> urllib.parse.SplitResult:
        return urllib.parse.urlsplit(self.uri)

    @property
    def _parameters(self) -> dict[str, str]:
        return known_parameters(self._read_parameters()[1], _KNOWN, "source")

    def _read_parameters(self) -> tuple[Protection, dict[str, str]]:
        return protection(dict(urllib.parse.parse_qsl(self._parts.query, keep_blank_values=True)), "source")

    def _authority(self) -> str:
        """Return the file of the authorities that are trusted: the one given, or the system's, for both drivers."""
        found = self.protection.ca or ssl.get_default_verify_paths().cafile or ""
        if not found:
            raise ConfigError(
                "this system has no file of certificate authorities", hint="name one as ssl-ca in the source URI"
            )
        check_file(found, "source")
        return found

    def _tls(self) -> dict[str, Any]:
        if self.protection.mode == "disable":
            return {"ssl_disabled": True}
        return {"ssl": self.tls_context()}

    def _wants_tls(self) -> bool:
        """Tell, of a user who was refused without TLS, whether it is let in with it, as with REQUIRE SSL."""
        try:
            with MySQL(self.uri + ("&" if self._parts.query else "?") + "ssl-mode=require").connect():
                return True
        except (SourceError, ConfigError):
            return False

    def _refusal(self, error: Exception) -> SourceError:
        if found := problem(text_of(error)):
            return SourceError(f"source {self.identity} {found[0]}", hint=f"{found[1]} (BULKETL_SOURCE)")
        if code_of(error) == 1045 and self.protection.mode == "disable" and self._wants_tls():
            return SourceError(
                f"source {self.identity} lets user {self.user!r} in with TLS only",
                hint="add ?ssl-mode=require to the URI in BULKETL_SOURCE, or verify-full with ssl-ca",
            )
        if self.protection.cert and any(words in text_of(error) for words in _CUT):
            return SourceError(
                f"source {self.identity} ended the session during the TLS handshake, in which bulketl shows its client "
                "certificate",
                hint="it may not know its authority: use one that the server's authority signed as ssl-cert; or something "
                "on the line cuts it",
                transient=True,
            )
        message, hint = {
            1045: (
                f"refuses user {self.user!r}",
                "check user and password in BULKETL_SOURCE; percent-encode special characters"
                + ("" if self.protection.cert else "; a user who must show a certificate takes ssl-cert and ssl-key"),
            ),
            1698: (f"refuses user {self.user!r}", "this account logs in by socket only: create one with a password"),
            1044: (
                f"does not let user {self.user!r} into {self.database!r}",
                f"GRANT SELECT ON `{self.database}`.* to it",
            ),
            1049: (f"has no database {self.database!r}", "check the end of the URI in BULKETL_SOURCE"),
            1130: ("does not accept connections from this host", "create the user for this host at the source"),
            1040: ("has no connection left", "lower --workers, or try again later"),
        }.get(code_of(error), ("", ""))
        if not message:
            hint = "check host and port in BULKETL_SOURCE, that the server runs, and the VPN or tunnel to it"
            passing = code_of(error) in _NO_ANSWER or isinstance(error, OSError)
            said, code = text_of(error), numbered(code_of(error))
            return SourceError(
                f"source {self.identity} does not answer: {said}", hint=hint, transient=passing, said=said, code=code,
                away=passing,
            )  # fmt: skip
        return source_error(f"source {self.identity} {message}", hint, code_of(error))


_CUT = ("EOF occurred", "Connection reset", "Broken pipe")  # how a line ends that the server does not want to begin
_FORM = "write it as mysql://user:password@host:3306/database, special characters percent-encoded"
_CROWDED = frozenset({1040, 1203, 1213, 1226})  # no connection left, on the server or for this user; deadlock
_MEMORY = frozenset({1037, 1038, 1041, 5})
_NO_ANSWER = frozenset({0, 1053, 2002, 2003, 2006, 2013})  # nobody there, or a server that comes or goes
# A lock not had, the connection lost, killed or cut, the server shutting down.
_TRANSIENT = frozenset({1205, 1053, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 2055}) | _CROWDED
_TOO_LARGE = 1153  # a packet
_STOPPED = frozenset({1969, 3024})  # longer than the session allows
_ALTERED = "the table was changed or dropped while it was being asked about; give the command again"
_HINTS = {
    1146: _ALTERED, 1054: _ALTERED, 1205: "somebody holds a lock on the table: end that session, or come again later",
    1213: "other sessions lock the same tables in another order; give the command again",
    1317: "somebody ended the statement at the source; give the command again",
}  # fmt: skip
_PASSING = "the line or the server failed for a moment; give the command again: what is done stays done"
_UNKNOWN = "these are the source's words; `bulketl validate` says whether it has what the rules ask for"


def source_error(message: str, hint: str, code: int, said: str = "") -> SourceError:
    """Return the error for one of the server's numbers, 0 when there is none; it always says what to do.

    `said` is the server's part of the message.
    """
    if code == _TOO_LARGE or "max_allowed_packet" in message:
        hint = (
            "raise max_allowed_packet of the source's server, up to 1 GB, above its longest value: it is read once per "
            "connection, and no session may change it; until then exclude_columns leaves the column out"
        )
    if code in _STOPPED:
        hint = "it took longer than its rule's stop_after_minutes; raise that, or find out what held it up"
    hint = hint or _HINTS.get(code) or (_PASSING if code in _TRANSIENT else _UNKNOWN)
    ease: Ease = "workers" if code in _CROWDED else "batch" if code in _MEMORY else ""
    return SourceError(message, hint=hint, transient=code in _TRANSIENT, ease=ease, said=said, code=numbered(code))


def numbered(code: int) -> str:
    """Return one of the server's numbers as the code of an error, '' for none."""
    return f"MySQL {code}" if code else ""


def number_of(error: BaseException) -> str:
    """Return the server's number and its name for it, where its words would be kept or shown to others."""
    code = code_of(error)
    name = next((name for name, number in vars(ER).items() if number == code and name.isupper()), "")
    return f"MySQL's error {code}{name and ', '}{name.lower().replace('_', ' ')}"


def code_of(error: BaseException) -> int:
    """Return the server's number of an error, or 0."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection itself is gone, so that the next statement would fail too."""
    return isinstance(error, pymysql.err.InterfaceError) or code_of(error) in _TRANSIENT


def text_of(error: BaseException) -> str:
    """Return the server's words."""
    return str(error.args[1]) if len(error.args) > 1 else str(error)
