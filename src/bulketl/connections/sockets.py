"""The sockets of this process, looked at from outside the drivers that hold them.

Two of the four drivers are native and neither show their socket nor take a time-out for reading. But every driver lets the
time after which TCP asks an idle peer be set, and the system tells it of any socket: it is the mark by which a session's
socket is found. What has gone through is counted by the system too. A Unix socket has neither mark nor counts.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import ipaddress
import os
import socket
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

_OPEN = Path("/proc/self/fd")
_ACKED_AND_RECEIVED = 120  # where struct tcp_info has the two, since Linux 4.1
FIRST_MARK, LAST_MARK = 20, 2000  # seconds: all of them are good as what they are, too


def marked(mark: int) -> list[int]:
    """Return the descriptors of the sockets that were given that time; none where the system does not tell."""
    found = []
    for number in _descriptors():
        with _borrowed(number) as one:
            if one and one.family != socket.AF_UNIX and _idle_seconds(one) == mark:
                found.append(number)
    return found


def identity(descriptor: int) -> int:
    """Return which socket that is, 0 when there is none: its number may be another's by now."""
    try:
        return os.fstat(descriptor).st_ino
    except OSError:
        return 0


def moved(descriptor: int) -> tuple[int, int] | None:
    """Return the bytes that the peer has acknowledged and sent so far, None where the system does not count them."""
    with _borrowed(descriptor) as one:
        if one is None or one.family == socket.AF_UNIX:
            return None
        try:
            told = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            acked, received = struct.unpack_from("QQ", told, _ACKED_AND_RECEIVED)
        except (OSError, AttributeError, struct.error):
            return None
        return acked, received


def unread(descriptor: int) -> bool:
    """Tell whether something has come that this process has not taken yet."""
    waiting = array.array("i", [0])
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, termios.FIONREAD, waiting)
    return waiting[0] > 0


def stays_here(descriptor: int) -> bool:
    """Tell whether both ends of a connection are on this machine."""
    with _borrowed(descriptor) as one:
        if one is None or one.family == socket.AF_UNIX:
            return one is not None
        try:
            here, there = one.getsockname()[0], one.getpeername()[0]
        except OSError:
            return False
        return bool(here == there or ipaddress.ip_address(there.partition("%")[0]).is_loopback)


def shut(descriptor: int) -> None:
    """End a connection whoever holds it: what waits for it comes back at once, with an error."""
    with _borrowed(descriptor) as one, contextlib.suppress(OSError):
        if one:
            one.shutdown(socket.SHUT_RDWR)


def shut_marked(mark: int) -> None:
    """End the connections of that mark."""
    for descriptor in marked(mark):
        shut(descriptor)


def _descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_OPEN)]  # noqa: PTH208, a path each would cost more than the look
    except OSError:
        return []


def _idle_seconds(one: socket.socket) -> int:
    try:
        alive = one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) if alive else 0
    except (OSError, AttributeError):
        return 0


@contextlib.contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket | None]:
    """Give a socket by its descriptor, through one of our own; None when it is none."""
    try:
        own = os.dup(descriptor)
    except OSError:  # closed meanwhile
        yield None
        return
    try:
        one = socket.socket(fileno=own)
    except OSError:  # a file
        os.close(own)
        yield None
        return
    with one:
        yield one
