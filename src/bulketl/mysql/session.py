"""Every session at the source begins here: what is set in it, for both drivers, and what is known of it afterwards.

What a SELECT gives depends on some fifty variables of its session, and anybody may have set them: in the server's options,
with SET GLOBAL, or in `init_connect`, which runs in every session of an ordinary user. So none is left to chance. One SET,
one round trip, gives each the value in SETTINGS. Which of them a server has, it is asked once per process; what it does not
let us set must have that value already, or the source is refused. The database is chosen once more, for a USE in
`init_connect` comes after the one of the connection. connectorx keeps a pool of its own, of one connection, and executes
the same statements on it right before it reads.
"""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pymysql
import pymysql.connections
from pymysql.constants import CLIENT, CR
from pymysql.cursors import Cursor

from bulketl.connections.sockets import stays_here
from bulketl.errors import SourceError

CONNECT_SECONDS = 5
MOST = "18446744073709551615"
CHARSET = "utf8mb4"
EMPTY = "LEFT('x', 0)"  # to sql_mode EMPTY_STRING_IS_NULL '' is no text
# In SQL, in the order in which they are set. DEFAULT would be the global value, so nothing is set to it but what has none.
SETTINGS: dict[str, str] = {
    # The bytes of texts.
    "character_set_client": CHARSET,
    "character_set_results": CHARSET,
    "collation_connection": "utf8mb4_general_ci",  # every version has it
    "character_set_collations": EMPTY,
    "default_collation_for_utf8mb4": "utf8mb4_0900_ai_ci",
    # How statements and values are read, and what functions give.
    "sql_mode": "'NO_ENGINE_SUBSTITUTION'",
    "old_mode": EMPTY,
    "sql_auto_is_null": "0",
    "div_precision_increment": "4",
    "default_regex_flags": EMPTY,
    "default_week_format": "0",
    "lc_time_names": "'en_US'",
    "group_concat_max_len": "1073741824",
    "max_sort_length": "1024",
    "time_zone": "@@GLOBAL.time_zone",  # and so `timestamp_zone: server` means the server's
    "timestamp": "DEFAULT",
    # Which rows there are.
    "sql_select_limit": MOST,
    "max_join_size": MOST,
    "sql_big_selects": "1",
    "max_recursive_iterations": "4294967295",
    "cte_max_recursion_depth": "4294967295",
    "system_versioning_asof": "DEFAULT",
    "tx_isolation": "'REPEATABLE-READ'",
    "transaction_isolation": "'REPEATABLE-READ'",
    "tx_read_only": "0",
    "transaction_read_only": "0",
    "completion_type": "0",
    "wsrep_dirty_reads": "0",
    "use_secondary_engine": "OFF",
    "pseudo_slave_mode": "0",
    "pseudo_replica_mode": "0",
    # What there must be room for.
    "sort_buffer_size": "2097152",
    "tmp_disk_table_size": MOST,
    # What the catalogue says.
    "information_schema_stats_expiry": "0",
    "show_gipk_in_create_table_and_information_schema": "1",
    "show_old_temporals": "0",
    "sql_quote_show_create": "1",
    "default_master_connection": EMPTY,
    # When the server gives up on us.
    "max_statement_time": "0",
    "max_execution_time": "0",
    "lock_wait_timeout": "300",
    "net_read_timeout": "600",
    "net_write_timeout": "600",
    "wait_timeout": "28800",
    "idle_transaction_timeout": "0",
    "idle_readonly_transaction_timeout": "0",
    "idle_write_transaction_timeout": "0",
    # What the server sends along.
    "resultset_metadata": "FULL",
    "session_track_schema": "1",
    "session_track_system_variables": EMPTY,
    "session_track_state_change": "0",
    "session_track_transaction_info": "OFF",
}
# Not every user may set these, and where one may not, nothing read depends on them.
HARMLESS = frozenset({"default_collation_for_utf8mb4"})
_FIRST = (
    "character_set_client", "character_set_results", "collation_connection", "sql_mode", "sql_select_limit", "max_join_size",
    "sql_big_selects",
)  # fmt: skip
_BEGAN = "@bulketl_began"


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """What is known of a source's sessions: the server, what protects the line, the zone, and what could not be set.

    `cipher`: what was negotiated, '' without TLS. `here`: whether the line stays on this machine.
    """

    server: str
    tls: str
    zone: str
    unset: tuple[str, ...]
    statement: str
    cipher: str = ""
    here: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it as plain values, for events and the ledger."""
        return {"server": self.server, "tls": self.tls, "zone": self.zone, "unset": list(self.unset)}


_known: dict[str, Session] = {}


if TYPE_CHECKING:
    _Base = pymysql.connections.Connection[Cursor]
else:  # its types are somebody else's work
    _Base = pymysql.connections.Connection


class _Connection(_Base):
    """A connection that does not set its character set by a statement of its own: `opened` does, with all else.

    `met` is called with the descriptor of its socket before the server has said a word.
    """

    def __init__(self, met: Callable[[int], None], **options: Any) -> None:
        self._met = met
        super().__init__(**options)

    def _get_server_information(self) -> None:
        self._met(self._sock.fileno())  # type: ignore[attr-defined]
        super()._get_server_information()  # type: ignore[misc]

    def set_character_set(self, charset: str, collation: str | None = None) -> None:
        """Set nothing."""

    def _request_authentication(self) -> None:
        if self.ssl and not self.server_capabilities & CLIENT.SSL:  # type: ignore[attr-defined]  # PyMySQL would go on
            raise pymysql.OperationalError(CR.CR_SSL_CONNECTION_ERROR, "the server doesn't support TLS")
        super()._request_authentication()  # type: ignore[misc]


def opened(key: str, verified: bool, met: Callable[[int], None], **options: Any) -> tuple[_Connection, Session]:
    """Open a session in which everything is set, and not in autocommit mode; return it, and what is known of its like.

    `key` stands for server and user, and `options` are PyMySQL's; `met` is called with the descriptor of the socket before
    the server has said a word. Raise pymysql's errors, and SourceError when something
    cannot be set that rows depend on.
    """
    connection = _Connection(met, charset=CHARSET, connect_timeout=CONNECT_SECONDS, autocommit=None, **options)
    try:
        with connection.cursor() as cursor:
            found = _known.get(key)
            if found is not None:
                try:
                    cursor.execute(f"{found.statement}, @@SESSION.autocommit=0")
                except pymysql.MySQLError:  # another version by now, perhaps: it is asked again
                    found = None
            if found is None:
                found = _known[key] = _on_line(_asked(cursor, _tls(connection, verified)), connection)
                cursor.execute("SET @@SESSION.autocommit=0")
        connection.select_db(options["database"])
    except BaseException:
        connection._force_close()  # type: ignore[attr-defined]
        raise
    return connection, found


def known(key: str) -> Session | None:
    """Return what is known of the sessions of a server and user from earlier ones."""
    return _known.get(key)


def preparation(session: Session, database: str, *further: str) -> list[str]:
    """Return the statements with which connectorx begins a session, so that it is like those that `opened` makes."""
    use = "USE `" + database.replace("`", "``") + "`"
    return [f"{session.statement}, @@SESSION.autocommit=1", use, *further]


def _asked(cursor: Cursor, tls: str) -> Session:
    """Ask the server what there is to set, set it, and return what is known of this and every further session."""
    # So that the answer is whole, and can be read.
    began = ("@@character_set_connection", "IFNULL(@@character_set_results, 'binary')", "@@sql_select_limit = 0")
    cursor.execute(f"SET {_BEGAN}=CONCAT_WS(' ', {', '.join(began)})")
    cursor.execute(_set(_FIRST))
    names = ", ".join(f"'{name}'" for name in SETTINGS)
    cursor.execute(f"SHOW SESSION VARIABLES WHERE Variable_name IN ({names})")
    there = {str(name) for name, _ in cursor.fetchall()}
    wanted = [name for name in SETTINGS if name in there]
    unset: tuple[str, ...] = ()
    try:
        cursor.execute(_set(wanted))
    except pymysql.MySQLError:
        unset = tuple(name for name in wanted if not _settable(cursor, name))
        wanted = [name for name in wanted if name not in unset]
        cursor.execute(_set(wanted))
    cursor.execute(f"SELECT VERSION(), @@SESSION.time_zone, @@system_time_zone, {_BEGAN}, @@GLOBAL.init_connect")
    version, zone, system, at_first, began_with = map(str, cursor.fetchall()[0])
    _usable(*at_first.split(), temporary="TEMPORARY" in began_with.upper())
    kind = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    shown = f"SYSTEM ({system})" if zone == "SYSTEM" else zone
    return Session(f"{kind} {version.partition('-')[0]}", tls, shown, unset, _set(wanted))


def _usable(connection: str, results: str, no_rows: str, *, temporary: bool) -> None:
    """Raise SourceError when sessions begin so that connectorx, which asks something before all is set, is lost there.

    Or when they begin with temporary tables, which would be read in the place of those whose names they have.
    """
    what = ""
    if "binary" in (connection, results):
        what = "in the character set binary, in which texts cannot be told from bytes"
    elif no_rows == "1":
        what = "with sql_select_limit = 0, so that nothing can be asked"
    elif temporary:
        what = "with temporary tables, which stand before the real ones of their names"
    if what:
        raise SourceError(f"the source's sessions begin {what}", hint="take it out of init_connect and the server's options")


def _set(names: Iterable[str]) -> str:
    return "SET " + ", ".join(f"@@SESSION.{name}={SETTINGS[name]}" for name in names)


def _settable(cursor: Cursor, name: str) -> bool:
    """Tell whether this user may set the variable; raise SourceError when not, and it matters what it is."""
    try:
        cursor.execute(_set([name]))
    except pymysql.MySQLError as error:
        if name not in HARMLESS and not _as_wanted(cursor, name):
            said = str(error.args[-1])
            raise SourceError(
                f"the source does not let us set {name} in its sessions, where it is not {SETTINGS[name]}: {said}",
                hint=f"what is read depends on it: take {name} out of init_connect and the server's options",
                said=said,
            ) from error
        return False
    return True


def _as_wanted(cursor: Cursor, name: str) -> bool:
    if name == "timestamp":  # it runs with the clock unless somebody stopped it
        cursor.execute("SELECT ABS(UNIX_TIMESTAMP(SYSDATE()) - @@SESSION.timestamp) < 5")
        return bool(cursor.fetchall()[0][0])
    cursor.execute(f"SELECT @@SESSION.{name}")
    words = {"on": "1", "off": "0", "yes": "1", "no": "0", "none": ""}
    value = str(cursor.fetchall()[0][0]).lower()
    return words.get(value, value) == SETTINGS[name].replace(EMPTY, "").strip("'").lower()


def _on_line(session: Session, connection: _Connection) -> Session:
    """Return what is known with what was negotiated for the line, and where it leads."""
    sock: Any = connection._sock  # type: ignore[attr-defined]
    cipher = sock.cipher() if isinstance(sock, ssl.SSLSocket) else None
    return dataclasses.replace(session, cipher=cipher[0] if cipher else "", here=stays_here(sock.fileno()))


def _tls(connection: _Connection, verified: bool) -> str:
    """Return the protocol that protects the line, and whether the server proved who it is, or that there is none."""
    sock: Any = connection._sock  # type: ignore[attr-defined]
    if not isinstance(sock, ssl.SSLSocket):
        return "a local socket" if connection.unix_socket else "no TLS"
    return f"{(sock.version() or 'TLS').replace('TLSv', 'TLS ')}, {'verified' if verified else 'not verified'}"
