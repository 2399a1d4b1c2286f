"""The rights of a role, as values: what it may do on which object, and why; what it lacks, and what it has beyond.

`bulketl.mysql.grants` and `bulketl.postgres.grants` list what each role needs. bulketl makes both the SQL that grants it
and the check of what is granted from that list.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from bulketl.tables.printable import brief

Role = Literal["source", "loader", "dashboard", "analyst"]
ROLES: tuple[Role, ...] = get_args(Role)
OWNER = "OWNER"  # what only an owner may do


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """What may be done: a `privilege` on a `kind` of thing, by its name in parts; a column is the last part of its own.

    `why`: what it is needed for, or how it was come by; two rights are the same whatever is said of them.
    """

    privilege: str
    kind: str
    on: tuple[str, ...] = ()
    why: str = field(default="", compare=False)

    def __str__(self) -> str:
        """Return it as people name it: SELECT on column bulketl.run.outcome."""
        return f"{self.privilege} on {' '.join(filter(None, (self.kind, '.'.join(self.on))))}"

    def to_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return {"privilege": self.privilege, "kind": self.kind, "on": ".".join(self.on), "why": self.why}


@dataclass(frozen=True, slots=True)
class Held:
    """What was found of a role at its server: who it is there, what it lacks of what it needs, what it has beyond.

    `there` is False where the server has no such role: it lacks everything then.
    """

    role: Role
    user: str
    missing: tuple[Right, ...]
    excess: tuple[Right, ...]
    there: bool = True

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, role=self.role, user=self.user, missing=len(self.missing), excess=len(self.excess))

    @property
    def exact(self) -> bool:
        """Whether it has just what it needs."""
        return not (self.missing or self.excess)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self) | {
            "missing": [right.to_json() for right in self.missing],
            "excess": [right.to_json() for right in self.excess],
        }


@dataclass(frozen=True, slots=True)
class Grants:
    """The SQL that gives a role what it needs: for which server, who runs it, and its statements with what each is for."""

    role: Role
    user: str
    server: str
    statements: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, role=self.role, user=self.user, statements=len(self.statements))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        said = [{"statement": statement, "why": why} for statement, why in self.statements]
        return {"role": self.role, "user": self.user, "server": self.server, "statements": said}
