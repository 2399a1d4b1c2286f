"""The rights of the user of the source: each that is taken is found missing, and each that is added to be too many."""

from __future__ import annotations

import contextlib
import secrets
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from lab import Server

from bulketl.mysql import grants as at_source
from bulketl.mysql.grants import Source
from bulketl.mysql.server import MySQL
from bulketl.tables.rights import Held

PRIVILEGES = ("SELECT", "LOCK TABLES")
BEYOND = [
    ("GRANT INSERT ON {d}.* TO {u}", "INSERT on database {n}"),
    ("GRANT SELECT ON *.* TO {u}", "SELECT on server"),
    ("GRANT ALL ON *.* TO {u} WITH GRANT OPTION", "ALL PRIVILEGES on server|SUPER on server"),
    ("GRANT SELECT ON {d}.* TO {u} WITH GRANT OPTION", "GRANT OPTION on database {n}"),
    ("GRANT SELECT (id) ON {raw}.small TO {u} WITH GRANT OPTION", "GRANT OPTION on table {n}.small"),
    ("CREATE ROLE via; GRANT via TO {u} WITH ADMIN OPTION", "ADMIN OPTION on role via"),
    ("CREATE ROLE via; GRANT DELETE ON {d}.* TO via; GRANT via TO {u}; SET DEFAULT ROLE via {to} {u}",
     "DELETE on database {n}"),
    ("GRANT PROCESS, RELOAD ON *.* TO {u}", "PROCESS on server"),
    ("GRANT SELECT ON `mysql`.* TO {u}", "SELECT on database mysql"),
    ("GRANT SELECT ON `cli%`.* TO {u}", "SELECT on database cli%"),
    ("GRANT SELECT ON {raw}.* TO {u}", "SELECT on database {n}"),
    ("GRANT UPDATE (id, `c`) ON {raw}.small TO {u}", "UPDATE on column {n}.small.c"),
    ("GRANT SELECT ON mysql.user TO {u}", "SELECT on table mysql.user"),
    ("GRANT PROXY ON {u2} TO {u}", "PROXY on server"),
    ("CREATE ROLE via; GRANT DELETE ON {d}.* TO via; GRANT via TO {u}", "DELETE on database {n}"),
    ("CREATE ROLE via; CREATE ROLE other; GRANT other TO via; GRANT DROP ON *.* TO other; GRANT via TO {u}",
     "DROP on server"),
]  # fmt: skip


@pytest.mark.parametrize(("add", "told"), BEYOND, ids=[told for _, told in BEYOND])
def test_each_right_that_the_user_of_the_source_has_beyond_is_named(source_server: Server, add: str, told: str) -> None:
    """Wherever it comes from: of the server, of other databases, of a pattern that fits more, of roles, active or not."""
    if "ROLE" in add and not has_roles(source_server):
        pytest.skip("this server has no roles")
    with spare(source_server) as one:
        assert one.checked().exact
        source_server.execute("CREATE USER somebody")
        try:
            for statement in add.format(**one.names).split("; "):
                source_server.execute(statement)
            found = one.checked()
            said = [str(right) for right in found.excess]
            assert any(words in said for words in told.format(**one.names).split("|")), said
            assert not found.missing
        finally:
            drop_roles(source_server, "via", "other")
            source_server.execute("DROP USER somebody")


@pytest.mark.parametrize(
    ("privilege", "instead"),
    [(one, two) for one in PRIVILEGES for two in ("", "role", "active role", "server", "like")] + [("SELECT", "table")],
)
def test_each_right_that_is_taken_from_the_user_of_the_source_is_named(
    source_server: Server, privilege: str, instead: str
) -> None:
    """A role helps where it is active; rights on a table or a database of a like name do not."""
    if "role" in instead and not has_roles(source_server):
        pytest.skip("this server has no roles")
    with spare(source_server) as one:
        source_server.execute("REVOKE {p} ON {d}.* FROM {u}".format(p=privilege, **one.names))
        try:
            if "role" in instead:
                source_server.execute("CREATE ROLE via")
                source_server.execute("GRANT {p} ON {d}.* TO via".format(p=privilege, **one.names))
                source_server.execute("GRANT via TO {u}".format(**one.names))
                if "active" in instead:
                    source_server.execute("SET DEFAULT ROLE via {to} {u}".format(**one.names))
            if instead in ("table", "server", "like"):
                on = {"table": "{raw}.small", "server": "*.*", "like": r"`cli\_nicX`.*"}[instead]
                source_server.execute(f"GRANT {privilege} ON {on} TO {{u}}".format(**one.names))
            missing = [right.privilege for right in one.checked().missing]
            assert missing == ([] if instead in ("active role", "server") else [privilege])
        finally:
            drop_roles(source_server, "via")


def has_roles(server: Server) -> bool:
    """Tell whether a server has roles: MySQL before 8 has none."""
    return not str(server.execute("SELECT VERSION()")[0][0]).startswith("5.")


def drop_roles(server: Server, *names: str) -> None:
    """Drop roles that a test may have made."""
    for name in names if has_roles(server) else ():
        server.execute(f"DROP ROLE IF EXISTS {name}")


@dataclass(frozen=True)
class Spare:
    """A database whose name has characters that patterns have, and a user with what `grants` prints."""

    server: Server
    database: str

    @property
    def names(self) -> dict[str, str]:
        """What statements of tests are filled with."""
        return {"u": "spare_reader", "u2": "somebody", "n": self.database, "raw": f"`{self.database}`",
                "to": "FOR" if self.server.kind == "mariadb" else "TO", "d": at_source.pattern(self.database)}  # fmt: skip

    def checked(self) -> Held:
        """Return what is found of its user."""
        uri = self.server.database(urllib.parse.quote(self.database), "spare_reader", "pw")
        return at_source.held(MySQL(uri), Source(self.database, locks=True))


@contextlib.contextmanager
def spare(server: Server) -> Iterator[Spare]:
    """Make a database and a user, and drop both."""
    one = Spare(server, f"cli_nic%{secrets.token_hex(2)}")
    server.execute(f"CREATE DATABASE `{one.database}`")
    server.execute(f"CREATE TABLE `{one.database}`.small (id int, c int)")
    try:
        for statement, _ in at_source.grants(Source(one.database, locks=True), "spare_reader").statements:
            server.execute(statement.replace("choose a password", "pw"))
        yield one
    finally:
        server.execute(f"DROP DATABASE `{one.database}`")
        server.execute("DROP USER IF EXISTS spare_reader")


def test_the_limits_of_the_source_need_a_right_that_the_server_calls_by_its_own_name(source_server: Server) -> None:
    """REPLICATION CLIENT is REPLICA MONITOR on MariaDB, and does for what is needed."""
    source = Source("mysql", lag=True)
    source_server.execute("CREATE USER lag_reader IDENTIFIED BY 'pw'")
    try:
        source_server.execute("GRANT SELECT ON mysql.* TO lag_reader")
        server = MySQL(source_server.database("mysql", "lag_reader", "pw"))
        assert [str(right) for right in at_source.held(server, source).missing] == ["REPLICATION CLIENT on server"]
        name = "REPLICA MONITOR" if source_server.kind == "mariadb" else "REPLICATION CLIENT"
        source_server.execute(f"GRANT {name} ON *.* TO lag_reader")
        assert at_source.held(server, source).exact
    finally:
        source_server.execute("DROP USER lag_reader")


def test_what_the_columns_of_a_table_or_everybody_may_is_told_as_it_is(source_server: Server) -> None:
    """A right on some columns makes up for none on the database, and is less than it; what PUBLIC has, everybody has."""
    with spare(source_server) as one:
        source_server.execute("REVOKE SELECT ON {d}.* FROM {u}".format(**one.names))
        source_server.execute("GRANT SELECT (id, c) ON {raw}.small TO {u}".format(**one.names))
        found = one.checked()
        assert ([right.privilege for right in found.missing], found.excess) == (["SELECT"], ())
        if source_server.kind == "mariadb":
            source_server.execute("GRANT SELECT, INSERT ON {d}.* TO PUBLIC".format(**one.names))
            try:
                found = one.checked()
            finally:
                source_server.execute("REVOKE SELECT, INSERT ON {d}.* FROM PUBLIC".format(**one.names))
            assert [str(right) for right in found.excess] == [f"INSERT on database {one.database}"]
            assert found.missing == ()


def test_without_patterns_a_database_has_its_own_name_and_what_is_taken_back_is_missing(source_server: Server) -> None:
    """`partial_revokes` of MySQL: a backslash is one then, which what is printed says, and a part of a right may be gone."""
    if source_server.kind == "mariadb" or not has_roles(source_server):
        pytest.skip("MariaDB has no partial revokes, nor has MySQL before 8")
    source_server.execute("SET GLOBAL partial_revokes = ON")
    try:
        with spare(source_server) as one:
            assert [right.privilege for right in one.checked().missing] == ["SELECT", "LOCK TABLES"]
            ((_, why),) = [
                s for s in at_source.grants(Source(one.database), "u").statements if s[0].startswith("GRANT SELECT")
            ]
            assert f"where partial_revokes is ON write {one.names['raw']}" in why
            source_server.execute("REVOKE SELECT, LOCK TABLES ON {d}.* FROM {u}".format(**one.names))
            source_server.execute("GRANT SELECT, LOCK TABLES ON {raw}.* TO {u}".format(**one.names))
            assert one.checked().exact
            source_server.execute("REVOKE SELECT ON {raw}.* FROM {u}".format(**one.names))
            source_server.execute("GRANT SELECT ON *.* TO {u}".format(**one.names))
            assert [str(right) for right in one.checked().excess] == ["SELECT on server"]
            source_server.execute("REVOKE SELECT ON {raw}.* FROM {u}".format(**one.names))
            assert [right.privilege for right in one.checked().missing] == ["SELECT"]
    finally:
        source_server.execute("SET GLOBAL partial_revokes = OFF")
