"""Certificates of our own mean the same to all four drivers: modes and certificates, on a real MariaDB and a real Postgres.

One server of each is started, and tells a user who must show a certificate from one who need not. What is wrong with a
certificate or its key is told before a server is asked, in the same words for both sides.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import tlspostgres
import trustme
from cryptography.hazmat.primitives import serialization
from lab import Server
from lines import Line

from bulketl.cli.demo.servers import MariaDB
from bulketl.connections.watch import StalledError
from bulketl.errors import BulketlError, ConfigError
from bulketl.mysql.native import queried
from bulketl.mysql.relay import line
from bulketl.mysql.server import MySQL
from bulketl.mysql.stream import spooled
from bulketl.postgres.locks import new_run
from bulketl.postgres.server import Postgres
from bulketl.postgres.session import Driver, opened
from bulketl.postgres.write.copy import transaction

OURS = ("good", "missing", "of another authority", "expired")
MODES = ("require", "verify-ca", "verify-full")
TOLD = {
    "missing": "wants a certificate of ours|refuses user 'certified'",
    "of another authority": "does not know the authority of our client certificate|ended the session during the TLS",
    "expired": "client certificate in the .* URI has expired",
}
SECONDS = 5
STALL = 1


def write(folder: Path, name: str, made: trustme.LeafCert) -> None:
    """Write a certificate and its key."""
    (folder / f"{name}.pem").write_bytes(made.cert_chain_pems[0].bytes())
    (folder / f"{name}.key").write_bytes(made.private_key_pem.bytes())
    (folder / f"{name}.key").chmod(0o600)


@pytest.fixture(scope="module")
def papers() -> Iterator[Path]:
    """A folder with the certificates of both servers and of ours."""
    with tempfile.TemporaryDirectory(prefix="bulketl-tls-") as name:
        folder, ours, other = Path(name), trustme.CA(), trustme.CA()
        folder.chmod(0o755)
        ours.cert_pem.write_to_path(str(folder / "ca.pem"))
        other.cert_pem.write_to_path(str(folder / "other-ca.pem"))
        now = dt.datetime.now(dt.UTC)
        write(folder, "server", ours.issue_cert("localhost"))
        write(folder, "good", ours.issue_cert("certified@here", common_name="certified"))
        write(folder, "of another authority", other.issue_cert("certified@here", common_name="certified"))
        ended = ours.issue_cert("certified@here", common_name="certified", not_after=now - dt.timedelta(days=1))
        write(folder, "expired", ended)
        key = serialization.load_pem_private_key((folder / "good.key").read_bytes(), None)
        sealed = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"hunter2")
        )
        (folder / "sealed.key").write_bytes(sealed)
        (folder / "sealed.key").chmod(0o600)
        yield folder


@pytest.fixture(scope="module")
def maria(papers: Path) -> Iterator[Server]:
    """A MariaDB that knows the authority of client certificates, with a user who must show one."""
    own = MariaDB(papers, *(f"--ssl-{what}={papers / name}" for what, name in (
        ("ca", "ca.pem"), ("cert", "server.pem"), ("key", "server.key"))))  # fmt: skip
    server = Server("mariadb", own.uri("").replace("127.0.0.1", "localhost"))
    server.execute("CREATE USER certified IDENTIFIED BY 'pw' REQUIRE X509")
    server.execute("CREATE DATABASE d")
    server.execute("CREATE TABLE t AS SELECT seq AS id, REPEAT('x', 500) AS c FROM seq_1_to_20000", database="d")
    server.execute("GRANT SELECT ON d.* TO certified")
    yield server
    own.stop()


@pytest.fixture(scope="module")
def target(papers: Path) -> Iterator[tlspostgres.TlsPostgres]:
    """A Postgres with TLS, whose user `certified` must show a certificate."""
    if not tlspostgres.there():
        pytest.skip("this machine has no Postgres with TLS of its own")
    server = tlspostgres.TlsPostgres(papers)
    yield server
    server.stop()


def with_tls(uri: str, mode: str, ours: str, papers: Path, **more: str) -> str:
    """Return a URI with a mode and with a certificate of ours."""
    given = {"ssl-mode": mode, **({"ssl-ca": str(papers / "ca.pem")} if mode.startswith("verify") else {})}
    if ours != "missing":
        given |= {"ssl-cert": str(papers / f"{ours}.pem"), "ssl-key": str(papers / f"{ours}.key")}
    return f"{uri}?{urllib.parse.urlencode({**given, **more}, quote_via=urllib.parse.quote)}"


def source(maria: Server, mode: str, ours: str, papers: Path, **more: str) -> MySQL:
    """Return the source."""
    return MySQL(with_tls(maria.database("d", "certified", "pw"), mode, ours, papers, **more), stall_seconds=SECONDS)


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("mode", MODES)
def test_pymysql_shows_the_certificate(mode: str, ours: str, maria: Server, papers: Path) -> None:
    """Where it is good the user is let in; where not it is told why."""
    where = source(maria, mode, ours, papers)
    if ours == "good":
        assert where.session().tls.startswith("TLS ")
        return
    with pytest.raises(BulketlError, match=TOLD[ours]) as told:
        where.session()
    assert any(words in told.value.hint for words in ("ssl-cert", "renew it"))


@pytest.mark.parametrize("mode", MODES)
def test_connectorx_shows_the_certificate_through_the_relay(mode: str, maria: Server, papers: Path) -> None:
    """All rows come, in memory and through a file; with the cipher that the server says."""
    where = source(maria, mode, "good", papers)
    found = queried(where, "SELECT id, c FROM t", where.before(), "t")
    assert (found.num_rows, found["c"][0].as_py()) == (20000, "x" * 500)
    cipher = "SELECT variable_value AS v FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'"
    assert queried(where, cipher, where.before(), "t")["v"][0].as_py()
    with spooled(where, "SELECT id, c FROM t", where.before(), 5000, "t") as (told, batches):
        assert (told, sum(batch.num_rows for batch in batches)) == ("", 20000)


@pytest.mark.parametrize("ours", OURS[1:])
def test_connectorx_reads_nothing_with_another_certificate(ours: str, maria: Server, papers: Path) -> None:
    """The relay never goes without TLS, and never without the certificate that was named."""

    where = source(maria, "verify-full", ours, papers)
    if ours == "expired":  # it is not even tried
        with pytest.raises(ConfigError, match="has expired"), line(where):
            pass
        return
    with line(where) as uri:
        code = (
            "import connectorx, sys; connectorx.read_sql(sys.argv[1], 'SELECT 1 AS a', return_type='arrow'); print('read')"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, uri], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            try:
                out, _ = process.communicate(timeout=4)  # its pool tries for half a minute
            except subprocess.TimeoutExpired:
                process.kill()
                out = b""
    assert b"read" not in out


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("driver", ["psycopg", "adbc"])
def test_psycopg_and_adbc_show_the_certificate(
    driver: Driver, mode: str, ours: str, target: tlspostgres.TlsPostgres, papers: Path
) -> None:
    """The same words and the same meaning as at the source."""
    where = Postgres(with_tls(target.uri("certified"), mode, ours, papers))
    if ours == "good":
        with opened(where.uri, driver) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT client_serial IS NOT NULL FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert cursor.fetchall() == [(True,)]
        return
    with pytest.raises(BulketlError, match=TOLD[ours]), where.connect():
        pass
    if driver == "adbc":
        with pytest.raises(Exception, match=r"certificate|SSL|expired") as refused:
            opened(where.uri, driver)
        assert not isinstance(refused.value, psycopg.Error)


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"ssl-cert": "good.pem"}, "has ssl-cert without ssl-key"),
        ({"ssl-key": "good.key"}, "has ssl-key without ssl-cert"),
        ({"ssl-password": "hunter2"}, "has ssl-password without ssl-key"),
        ({"ssl-cert": "good.pem", "ssl-key": "good.key", "ssl-mode": "disable"}, "no TLS over which to show it"),
        ({"ssl-cert": "nowhere.pem", "ssl-key": "good.key"}, "client certificate in the .* cannot be read: No such file"),
        (
            {"ssl-cert": "good.pem", "ssl-key": "nowhere.key"},
            "key of the client certificate in the .* cannot be read: No such",
        ),
        ({"ssl-cert": "good.pem", "ssl-key": "expired.key"}, "does not fit its key"),
        ({"ssl-cert": "good.key", "ssl-key": "good.key"}, "cannot be used"),
        ({"ssl-cert": "good.pem", "ssl-key": "sealed.key"}, "cannot be used"),
        ({"ssl-cert": "good.pem", "ssl-key": "sealed.key", "ssl-password": "hunter3"}, "cannot be used"),
        ({"ssl-cert": "good.pem", "ssl-key": "open.key"}, "may be read by others"),
        ({"ssl-crt": "good.pem"}, "parameter 'ssl-crt' of the .* is not known"),
    ],
)
def test_what_is_wrong_with_a_certificate_of_ours_is_told_before_a_server_is_asked(
    kind: str, given: dict[str, str], told: str, papers: Path
) -> None:
    """By both sides in the same words, without a password, and with what to do."""
    (papers / "open.key").write_bytes((papers / "good.key").read_bytes())
    (papers / "open.key").chmod(0o644)
    files = {name: str(papers / value) if value.endswith(("pem", "key")) else value for name, value in given.items()}
    uri = f"{kind}://u:p@127.0.0.1:1/d?{urllib.parse.urlencode(files)}"
    with pytest.raises(ConfigError, match=told) as refused, (MySQL if kind == "mysql" else Postgres)(uri).connect():
        pass
    assert refused.value.hint
    assert "hunter" not in str(refused.value.to_json())


def test_a_key_with_a_password_is_opened_by_all_drivers(
    maria: Server, target: tlspostgres.TlsPostgres, papers: Path
) -> None:
    """The parameter has the same name on both sides."""
    more = {"ssl-key": str(papers / "sealed.key"), "ssl-password": "hunter2"}
    where = source(maria, "verify-full", "good", papers, **more)
    assert where.session().tls.endswith(", verified")
    assert queried(where, "SELECT 1 AS a", where.before(), "t").num_rows == 1
    for driver in ("psycopg", "adbc"):
        opened(with_tls(target.uri("certified"), "verify-full", "good", papers, **more), driver).close()


def test_a_certificate_alone_means_tls(maria: Server, papers: Path) -> None:
    """Nobody names one to send it nowhere."""
    where = MySQL(f"{maria.database('d', 'certified', 'pw')}?ssl-cert={papers}/good.pem&ssl-key={papers}/good.key")
    assert where.protection.mode == "require"
    assert where.session().tls.startswith("TLS")


def _connectorx(uri: str) -> None:
    where = MySQL(uri, stall_seconds=STALL)
    queried(where, "SELECT 1 AS a", [], "t")


def _psycopg(uri: str) -> None:
    with Postgres(uri, stall_seconds=STALL).connect():
        pass


def _adbc(uri: str) -> None:
    with transaction(Postgres(uri, stall_seconds=STALL), new_run(), "table 't'", "adbc") as cursor:
        cursor.execute("SELECT 1")


CONNECTS: dict[str, Callable[[str], object]] = {
    "pymysql": lambda uri: MySQL(uri, stall_seconds=STALL).session(),
    "connectorx": _connectorx,
    "psycopg": _psycopg,
    "adbc": _adbc,
}
ENDED = r"closed|eof|Lost connection|ended the session during the TLS handshake"
# Bytes from the server, and from us, after which the line fails: amid greeting, question for TLS, hello and certificates.
MOMENTS = [("stall_bytes", 1), ("stall_bytes", 60), ("stall_bytes", 1500),
           ("stall_sent", 30), ("stall_sent", 300), ("stall_sent", 1200)]  # fmt: skip


@pytest.mark.parametrize("cuts", [False, True], ids=["stalls", "is cut"])
@pytest.mark.parametrize("driver", CONNECTS)
def test_a_line_that_fails_amid_a_handshake_ends_in_time_and_says_nothing_in_plain_text(
    driver: str, cuts: bool, maria: Server, target: tlspostgres.TlsPostgres, papers: Path
) -> None:
    """At each moment of it. The line stays away; but for connectorx, whose pool asks again, and goes on by the next one."""
    source = driver in ("pymysql", "connectorx")
    port = int(maria.uri.rpartition(":")[2].strip("/")) if source else target.port
    uri = maria.database("d", "certified", "pw") if source else target.uri("certified")
    for what, count in MOMENTS:
        line = Line(("127.0.0.1", port))
        line.cuts, line.dead = cuts, driver != "connectorx"
        setattr(line, what, count)
        where = with_tls(uri.replace(f":{port}/", f":{line.port}/"), "verify-full", "good", papers)
        began = time.monotonic()
        if line.dead:
            with pytest.raises(BulketlError, match=ENDED if cuts else r"stalled|timed out") as told:
                CONNECTS[driver](where)
            assert told.value.transient, told.value
        else:
            with contextlib.suppress(StalledError):  # told of the first line, whatever became of the next
                CONNECTS[driver](where)
        assert time.monotonic() - began < STALL + 5, (what, count)
        assert line.faults == 1
        assert not [word for word in (b"certified", b"SELECT", b"pw\0") if word in line.heard]
        line.stop()


def test_a_stalled_line_behind_the_relay_is_ended(maria: Server, papers: Path) -> None:
    """The watch knows it by its mark as any other: a statement that is at work is left alone."""
    where = source(maria, "verify-full", "good", papers)
    assert queried(where, f"SELECT SLEEP({SECONDS + 2}) AS a", where.before(), "t").num_rows == 1
