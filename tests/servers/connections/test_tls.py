"""The four words for TLS mean the same to all four drivers, whatever the server shows: a matrix, and what a person is told.

The source is a MariaDB that takes other certificates while it runs; the target a proxy that speaks TLS before the embedded
Postgres, which listens on a local socket only. A certificate is for another host when the server is called by its address.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import certificates
import connectorx
import psycopg
import pytest
from lab import Server
from psycopg.conninfo import conninfo_to_dict

from bulketl.cli.demo.servers import MariaDB
from bulketl.errors import BulketlError
from bulketl.mysql.server import MySQL
from bulketl.postgres.server import Postgres
from bulketl.postgres.session import Driver, opened

Shown = Literal["good", "another host", "another authority", "expired", "none"]
MODES = ("disable", "require", "verify-ca", "verify-full")
SHOWN: tuple[Shown, ...] = ("good", "another host", "another authority", "expired", "none")
LETS_IN: dict[str, set[Shown]] = {
    "disable": set(SHOWN),
    "require": set(SHOWN) - {"none"},
    "verify-ca": {"good", "another host"},
    "verify-full": {"good"},
}
TOLD: dict[Shown, str] = {
    "another host": "has a certificate for another host",
    "another authority": "cannot be trusted",
    "expired": "has expired|cannot be trusted",
    "none": "offers no TLS",
}
CELLS = [(mode, shown) for shown in SHOWN for mode in MODES]
CONNECTORX = "import connectorx, sys; connectorx.read_sql(sys.argv[1], 'SELECT 1 AS a', return_type='arrow'); print('read')"


@pytest.fixture(scope="module")
def papers() -> Iterator[Path]:
    """A papers with certificates."""
    path = Path(tempfile.mkdtemp(prefix="bulketl-tls-"))
    certificates.make(path)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def maria(papers: Path) -> Iterator[Callable[[Shown], tuple[str, int]]]:
    """A MariaDB, to be told what it shows; it says then by which host and port to call it."""
    for end in ("pem", "key"):
        shutil.copy(papers / f"good.{end}", papers / f"now.{end}")
    own = MariaDB(papers, f"--ssl-cert={papers / 'now.pem'}", f"--ssl-key={papers / 'now.key'}")
    server = Server("mariadb", own.uri(""))
    server.execute("CREATE USER reader IDENTIFIED BY 'pw'")
    server.execute("CREATE USER careful IDENTIFIED BY 'pw' REQUIRE SSL")

    def show(what: Shown) -> tuple[str, int]:
        for end in ("pem", "key"):
            shutil.copy(papers / f"{'expired' if what == 'expired' else 'good'}.{end}", papers / f"now.{end}")
        server.execute("FLUSH SSL")
        return "127.0.0.1" if what == "another host" else "localhost", own.port

    yield show
    own.stop()


def uri(start: str, mode: str, shown: Shown, papers: Path) -> str:
    """Return a URI with the mode, and where it verifies the authority that it trusts."""
    trusted = papers / ("other-ca.pem" if shown == "another authority" else "ca.pem")
    return f"{start}?ssl-mode={mode}" + (f"&ssl-ca={trusted}" if mode.startswith("verify") else "")


@pytest.fixture(scope="module")
def without_tls() -> Iterator[Server]:
    """A MariaDB without TLS; since 11.4 it makes certificates for itself where nobody says no."""
    path = Path(tempfile.mkdtemp(prefix="bulketl-tls-"))
    own = MariaDB(path, "--skip-ssl")
    server = Server("mariadb", own.uri(""))
    server.execute("CREATE USER reader IDENTIFIED BY 'pw'")
    yield server
    own.stop()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=True)
def as_strict_as_the_newest_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.13 asks more of certificates than older ones: what a server shows is judged alike by all."""
    make = ssl.create_default_context

    def strict(*args: Any, **options: Any) -> ssl.SSLContext:
        context = make(*args, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


def source(mode: str, shown: Shown, papers: Path, show: Callable[[Shown], tuple[str, int]], bare: Server) -> MySQL:
    """Return the source."""
    host, port = show(shown)
    if shown == "none":
        port = int(bare.uri.rpartition(":")[2].strip("/"))
    return MySQL(uri(f"mysql://reader:pw@{host}:{port}/information_schema", mode, shown, papers))


@pytest.mark.parametrize(("mode", "shown"), CELLS)
def test_pymysql_and_connectorx_read_over_the_lines_that_a_mode_allows(
    mode: str, shown: Shown, papers: Path, maria: Callable[[Shown], tuple[str, int]], without_tls: Server
) -> None:
    """And over no other, whichever of the two it is; what is wrong is said as it is."""
    where = source(mode, shown, papers, maria, without_tls)
    allowed = shown in LETS_IN[mode]
    if allowed:
        assert connectorx.read_sql(where.connectorx_uri, "SELECT 1 AS a", return_type="arrow").num_rows == 1
    else:
        assert not connectorx_reads(where.connectorx_uri)
    if not allowed:
        with pytest.raises(BulketlError, match=TOLD[shown]) as told:
            where.session()
        assert "VPN" not in told.value.hint
        return
    tls = where.session().tls
    assert (
        tls == "no TLS"
        if mode == "disable"
        else tls.endswith(", verified" if mode.startswith("verify") else ", not verified")
    )


def connectorx_reads(address: str) -> bool:
    """Tell whether connectorx reads. Its pool tries for half a minute, and says at once what went wrong."""
    command = [sys.executable, "-c", CONNECTORX, address]
    with subprocess.Popen(
        command, env={**os.environ, "RUST_LOG": "error"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = next((line for line in process.stdout if "read" in line.split() or "rror" in line), "")
        process.kill()
    return said.strip() == "read"


@contextlib.contextmanager
def proxy(postgres: str, certificate: Path | None) -> Iterator[int]:
    """Listen on a port, speak TLS with a certificate, or say that there is none, and pass on what the client says."""
    parts = conninfo_to_dict(postgres)
    behind = f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate:
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))

    def pump(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)

    def serve(line: socket.socket) -> None:
        try:
            with socket.socket(socket.AF_UNIX) as server:
                server.connect(behind)
                if line.recv(8, socket.MSG_PEEK)[4:] == (80877103).to_bytes(4, "big"):
                    line.recv(8)
                    line.sendall(b"S" if certificate else b"N")
                    line = context.wrap_socket(line, server_side=True) if certificate else line
                back = threading.Thread(target=pump, args=(server, line))
                back.start()
                pump(line, server)
                back.join()
        except OSError:  # the client does not like what it is shown
            pass
        finally:
            line.close()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                lines.append(threading.Thread(target=serve, args=(listening.accept()[0],)))
                lines[-1].start()

    lines: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    for thread in (accepting, *lines):
        thread.join()


@pytest.mark.parametrize(("mode", "shown"), CELLS)
def test_psycopg_and_adbc_write_over_the_lines_that_a_mode_allows(
    mode: str, shown: Shown, papers: Path, postgres: str
) -> None:
    """The same words, and the same meaning, as at the source."""
    parts = conninfo_to_dict(postgres)
    certificate = None if shown == "none" else papers / ("expired.pem" if shown == "expired" else "good.pem")
    with proxy(postgres, certificate) as port:
        host = "127.0.0.1" if shown == "another host" else "localhost"
        where = Postgres(uri(f"postgresql://{parts['user']}@{host}:{port}/{parts['dbname']}", mode, shown, papers))
        if shown in LETS_IN[mode]:
            drivers: tuple[Driver, ...] = ("psycopg", "adbc")
            for driver in drivers:
                with opened(where.uri, driver) as connection, connection.cursor() as cursor:
                    assert cursor.execute("SELECT 1") or cursor.fetchall() == [(1,)]
            return
        with pytest.raises(BulketlError, match=TOLD[shown]), where.connect():
            pass
        with pytest.raises(Exception, match=r"certificate|SSL") as refused:
            opened(where.uri, "adbc")
        assert not isinstance(refused.value, psycopg.Error)


def test_a_user_who_must_use_tls_is_told_so(maria: Callable[[Shown], tuple[str, int]]) -> None:
    """Nothing is wrong with the password, as the server has it."""
    host, port = maria("good")
    with pytest.raises(BulketlError, match="lets user 'careful' in with TLS only") as told:
        MySQL(f"mysql://careful:pw@{host}:{port}/information_schema").session()
    assert "ssl-mode=require" in told.value.hint
    with pytest.raises(BulketlError, match="refuses user 'careful'"):
        MySQL(f"mysql://careful:other@{host}:{port}/information_schema").session()


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_a_file_of_authorities_that_is_not_there_is_said_not_to_be(kind: str) -> None:
    """Nobody has to look at the network for it."""
    where = (MySQL if kind == "mysql" else Postgres)(f"{kind}://u:p@127.0.0.1:1/d?ssl-ca=/nowhere/ca.pem")
    with (
        pytest.raises(BulketlError, match=r"certificate authority in the \w+ URI cannot be read: No such file"),
        where.connect(),
    ):
        pass
