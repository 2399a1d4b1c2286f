"""A line to a server as it was negotiated: a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Line:
    """The line to a side: which database and server it leads to, the protocol that protects it, and the cipher.

    `tls` says too whether the server proved who it is; `here`: the line stays on this machine.
    """

    side: Literal["source", "target"]
    identity: str
    server: str
    tls: str
    cipher: str
    here: bool

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return f"Line(side={self.side:.10}, server={self.server:.60}, tls={self.tls:.60})"

    @property
    def open(self) -> bool:
        """Whether whoever is on the way to another machine can read along."""
        return not (self.cipher or self.here)
