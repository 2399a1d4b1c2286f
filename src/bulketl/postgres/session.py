"""Every session at the target begins here: what is set in it, for both drivers, and what is known of it afterwards.

What a statement does depends on parameters that anybody may have set for the role or the database. One SELECT, one round
trip, gives each the value in SETTINGS after the connection is made, and not with its start-up packet, which a pooler such as
pgbouncer refuses or drops. Some only a superuser may set; those must have their value already, or the target is refused. A
pooler shows itself by another backend's number than the one it gave us, and is asked whether it keeps a session together.
"""

from __future__ import annotations

import dataclasses
import sys
import urllib.parse
from collections.abc import Callable
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bulketl.connections.sockets import FIRST_MARK, stays_here
from bulketl.connections.tls import Protection, check_certificate, check_file, known, protection
from bulketl.errors import ConfigError, TargetError

CONNECT_SECONDS = 5
LOCK_SECONDS = 30  # for any lock: longer, and every reader queues behind us; the step is tried again
Driver = Literal["psycopg", "adbc"]
# Hashes are of values as text, so how these are written is set as much as what statements do.
SETTINGS: dict[str, str] = {
    # How values are written and read.
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "xmlbinary": "base64",
    "xmloption": "content",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "quote_all_identifiers": "off",
    "transform_null_equals": "off",
    "timezone_abbreviations": "Default",
    # Which rows a statement sees, and which functions it means.
    "row_security": "off",  # a policy that would hide rows is an error then
    "gin_fuzzy_search_limit": "0",
    "restrict_nonsystem_relation_kind": "",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    # When the server gives up on us; the locks of a run are held by an idle session.
    "lock_timeout": f"{LOCK_SECONDS}s",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "exit_on_error": "off",
    # When it notices that we are gone, and ends what we left behind.
    "tcp_keepalives_idle": "20",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    # With costs of 0 a join is as good as another: a question about the catalogue did not end within a minute.
    "cpu_tuple_cost": "0.01",
    "cpu_index_tuple_cost": "0.005",
    "cpu_operator_cost": "0.0025",
    "jit": "off",  # compiling takes longer than any question that a session of ours asks
    "client_min_messages": "notice",  # nobody reads more, and each would be a packet
}
# Only a superuser may set these.
REQUIRED = {"session_replication_role": "origin", "zero_damaged_pages": "off", "ignore_checksum_failure": "off"}
_PATH = "pg_temp, pg_catalog"  # before what the role has, so that nobody's function or table is taken for the server's
_SET = (
    "SELECT pg_backend_pid()"
    + "".join(f", current_setting('{name}')" for name in REQUIRED)
    + f", set_config('search_path', concat_ws(', ', '{_PATH}', nullif(current_setting('search_path'), '')), false),"
    " (SELECT count(set_config(n, v, false)) FROM (VALUES "
    + ", ".join(f"('{name}', '{value}')" for name, value in SETTINGS.items())
    + ") w(n, v) WHERE current_setting(n, true) IS NOT NULL)"  # not every version has all
)
_LINE = "SELECT ssl, version, COALESCE(cipher, '') FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
FORM = "write it as postgresql://user:password@host:5432/database, special characters percent-encoded"
POOLED = "give the port of Postgres itself, or of a pool with pool_mode = session"
_LIBPQ = tuple(item.keyword.decode() for item in psycopg.pq.Conninfo.get_defaults())
_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword")
_keeping: set[str] = set()  # the poolers that are known to keep a session together
# ADBC finds out as it connects how types are called, and knows none of them when their names are quoted.
_UNQUOTED = "-c quote_all_identifiers=off"
_TRIES = 3  # by then a pooler has given one of two sessions the other's backend


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """What is known of a target's sessions: the server, what protects the line, the zone, and what could not be set.

    `cipher`: what was negotiated, '' without TLS. `here`: whether the line stays on this machine.
    """

    server: str
    tls: str
    zone: str
    unset: tuple[str, ...]
    cipher: str = ""
    here: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it as plain values, for events and the ledger."""
        return {"server": self.server, "tls": self.tls, "zone": self.zone, "unset": list(self.unset)}


def opened(
    uri: str,
    driver: Driver = "psycopg",
    mark: int = FIRST_MARK,
    tell: Callable[[Any, int], None] = lambda _connection, _backend: None,
) -> Any:
    """Open a session in which everything is set; psycopg's is in autocommit mode, ADBC's is not.

    Its socket has the `mark`. `tell` is called with the connection as soon as there is one, and then with its backend's
    number. Raise the driver's errors, and TargetError when something cannot be set that rows depend on, or a pooler is in
    between that gives each transaction another session.
    """
    info = conninfo(uri, mark)
    if driver == "psycopg":
        connection: Any = psycopg.connect(info, autocommit=True)
    else:
        from adbc_driver_postgresql import dbapi  # few tables need it, and its libraries take a tenth of a second

        connection = dbapi.connect(info)
    tell(connection, 0)
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SET)
            backend, *values = cursor.fetchall()[0][: 1 + len(REQUIRED)]
            if values and isinstance(values[0], bytes):
                connection.close()
                return opened(make_conninfo(info, options=_UNQUOTED), driver, mark, tell)
            tell(connection, backend)
            for (name, wanted), value in zip(REQUIRED.items(), values, strict=True):
                if value != wanted:
                    _require(cursor, name, wanted, value)
        if driver == "adbc":
            connection.commit()
        elif connection.info.backend_pid != backend and uri not in _keeping:
            _refuse_pooled_transactions(connection, info, backend)
            _keeping.add(uri)
    except BaseException:
        connection.close()
        raise
    return connection


def adbc_errors() -> tuple[type[Exception], ...]:
    """Return what ADBC raises, nothing as long as nobody has loaded it."""
    loaded = sys.modules.get("adbc_driver_manager")
    return (loaded.Error,) if loaded else ()


def parameters(uri: str) -> tuple[Protection, dict[str, Any]]:
    """Return how the line is protected, and what else the URI or connection string says; raise ConfigError, quoting none."""
    head, mark, query = uri.partition("?")
    scheme = head.partition("://")[0] if "://" in head else ""
    if scheme in ("mysql", "mariadb", "mysql+pymysql"):
        raise ConfigError(
            "the target URI is of MySQL, and a target is Postgres",
            hint="is it the source's? BULKETL_SOURCE begins with mysql://, BULKETL_TARGET with postgresql://",
        )
    if scheme not in ("postgresql", "postgres", "") or not (scheme or "=" in uri):
        raise ConfigError("the target URI lacks its scheme postgresql://", hint=FORM)
    found = Protection("", "")
    if "://" in head and mark:
        found, others = protection(dict(urllib.parse.parse_qsl(query, keep_blank_values=True)), "target")
        uri = f"{head}?{urllib.parse.urlencode(known(others, _LIBPQ, 'target'), quote_via=urllib.parse.quote)}"
    try:
        given = conninfo_to_dict(uri)
    except psycopg.Error as error:
        reason = str(error).split('"')[0].strip()  # the rest quotes the URI, password and all
        raise ConfigError(f"the target URI cannot be read: {reason}", hint=FORM, said=reason) from None
    if not found.mode:  # a connection string
        tls = {key: str(given.pop(key)) for key in _TLS if given.get(key)}
        found = protection(tls, "target")[0]
    return found, given


def conninfo(uri: str, mark: int = FIRST_MARK) -> str:
    """Return the connection string for both drivers: UTF-8 whatever the environment says, and no wait without an end.

    The `mark`, seconds until the first keep-alive, tells which socket it is (`bulketl.connections.sockets`).
    """
    line, given = parameters(uri)
    ours: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "application_name": "bulketl"}
    values = (line.mode, line.ca, line.cert, line.key, line.password)
    tls = {key: found or None for key, found in zip(_TLS, values, strict=True)}
    check_file(line.ca, "target")
    check_certificate(line, "target")
    marked: dict[str, Any] = {"keepalives": 1, "keepalives_idle": mark}
    return make_conninfo(**{**ours, **given, **tls, **marked, "client_encoding": "UTF8"})


def described(connection: psycopg.Connection[Any]) -> Session:
    """Return what is known of the sessions of a target, from one of them."""
    number = connection.info.server_version
    protected, version, cipher = connection.execute(_LINE).fetchone() or (False, "", "")
    mode = connection.info.get_parameters().get("sslmode", "")
    verified = "verified" if mode.startswith("verify") else "not verified"
    tls = f"{str(version).replace('TLSv', 'TLS ')}, {verified}" if protected else "no TLS"
    if connection.info.host.startswith("/") or not connection.info.host:
        tls = "a local socket"
    server, here = f"Postgres {number // 10000}.{number % 10000}", stays_here(connection.fileno())
    return Session(server, tls, SETTINGS["TimeZone"], (), cipher, here)


def _require(cursor: Any, name: str, wanted: str, value: str) -> None:
    try:
        cursor.execute(f"SET {name} = {wanted}")
    except Exception as error:
        if getattr(error, "sqlstate", None) != "42501":
            raise
        raise TargetError(
            f"the target's sessions have {name} = {value}, and its user may not set it to {wanted}",
            hint=f"a load would not be what it seems: ALTER ROLE ... RESET {name}, or ALTER DATABASE ... RESET {name}",
        ) from None


def _refuse_pooled_transactions(connection: psycopg.Connection[Any], info: str, backend: int) -> None:
    """Raise TargetError when two sessions at once have one backend, or one session has two."""
    seen = {(id(connection), backend)}
    with psycopg.connect(info, autocommit=True) as other:
        for _ in range(_TRIES):
            for session in (connection, other):
                seen.add((id(session), *(session.execute("SELECT pg_backend_pid()").fetchone() or ())))
    if len(seen) != 2 or len({number for _, number in seen}) != 2:
        raise TargetError(
            "the target is behind a pooler that gives each transaction another session, so locks and settings are lost",
            hint=POOLED,
        )
