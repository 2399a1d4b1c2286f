"""A connection that ends amid a result is an error and never its end: at every packet of a session, in both protocols.

Of MySQL's two protocols connectorx speaks the binary one and PyMySQL the text one, in which small tables are read. A result
ends with a packet that says so; whoever takes the end of the line for it has fewer rows than there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from lab import Lab, Server
from lines import Line, Session

from bulketl.mysql.native import queried
from bulketl.mysql.server import MySQL
from bulketl.mysql.small import read_small
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

ROWS = 12


class PacketLine(Line):
    """A line to MySQL that is cut once, after so many packets of answers, or in the middle of the next one."""

    def __init__(self, address: tuple[str, int]) -> None:
        """Pass everything on, until a cut is set."""
        self.packets, self.after, self.amid = 0, -1, False
        self._left: dict[int, int] = {}  # by session: bytes of the packet under way that are still to come
        self._head: dict[int, bytes] = {}
        super().__init__(address)

    def cut_after(self, packets: int, *, amid: bool) -> None:
        """Count anew, and cut there; -1 for never."""
        self.packets, self.after, self.amid, self.faults = 0, packets, amid, 0

    def pieces(self, session: Session, answers: bool, data: bytes) -> Iterator[bytes]:
        """Pass on whole packets, and half of the one that is cut."""
        if not answers:
            yield data
            return
        with self._lock:
            passed = self._passed(id(session), data)
        session.cut = len(passed) < len(data)
        yield passed

    def _passed(self, session: int, data: bytes) -> bytes:
        head, left, at = self._head.get(session, b""), self._left.get(session, 0), 0
        while at < len(data):
            if not left:
                if not head and self.packets == self.after and not self.faults:
                    self.faults += 1
                    return data[: at + (2 if self.amid else 0)]
                head += data[at : at + 4 - len(head)]
                at = min(len(data), at + 4 - len(self._head.get(session, b"")))
                self._head[session] = b""
                if len(head) < 4:
                    self._head[session] = head
                    break
                left, head, self.packets = int.from_bytes(head[:3], "little"), b"", self.packets + 1
            taken = min(left, len(data) - at)
            left, at = left - taken, at + taken
        self._left[session] = left
        return data


@pytest.fixture
def line(source_server: Server) -> Iterator[PacketLine]:
    """A line to the source."""
    parts = urlsplit(source_server.uri)
    made = PacketLine((parts.hostname or "", parts.port or 3306))
    yield made
    made.stop()


SPEC = TableSpec("t", "raw", (cast(Column("id", "int", False)), cast(Column("c", "varchar(300)", True))), ("id",), "refill")


def _binary(source: MySQL) -> int:
    return int(queried(source, "SELECT id, c FROM t", source.before(), "t").num_rows)


def _text(source: MySQL) -> int:
    (rows,) = read_small(source, [(SPEC, Partition(0))])
    assert rows is not None, "connectorx reads it then"
    return int(rows.num_rows)


READERS: dict[str, Callable[[MySQL], int]] = {"binary": _binary, "text": _text}


@pytest.mark.parametrize("amid", [False, True], ids=["between packets", "amid a packet"])
@pytest.mark.parametrize("protocol", READERS)
def test_a_result_that_is_cut_anywhere_is_whole_or_an_error(lab: Lab, line: PacketLine, protocol: str, amid: bool) -> None:
    """After each packet of all that a session answers, login and settings too."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(300))")
    lab.insert("t", [(n, "x" * 300) for n in range(ROWS)])
    source = MySQL(lab.server.database(lab.database, port=line.port), stall_seconds=20)
    read = READERS[protocol]
    line.cut_after(-1, amid=False)
    assert read(source) == ROWS
    packets, cuts, refused = line.packets, 0, 0
    for after in range(packets):
        line.cut_after(after, amid=amid)
        found = _rows_or_error(read, source)
        assert found in (ROWS, "an error"), f"cut after packet {after} of {packets}"
        cuts, refused = cuts + line.faults, refused + (found == "an error")
    assert cuts > ROWS
    assert refused >= ROWS  # each cut amid the rows, of which none can be asked for again


def _rows_or_error(read: Callable[[MySQL], int], source: MySQL) -> int | str:
    try:
        return read(source)
    except (KeyboardInterrupt, AssertionError):
        raise
    except BaseException:  # a Rust panic is one
        return "an error"
