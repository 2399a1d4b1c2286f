"""Secondary indexes and foreign keys of the source as the target gets them, and the comments that mark them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from bulketl.tables.printable import in_a_line

_SAYS = " of the source, kept by bulketl"
# What the comment of an index or a foreign key ends in that bulketl keeps; both Python and Postgres read it.
NOTE = rf"{_SAYS} \([0-9a-f]{{8}}\)(, not unique here)?$"


@dataclass(frozen=True, slots=True)
class IndexPart:
    """A column of an index, by its name in the target; `prefix`: so many characters, or bytes, of it, 0 for all."""

    column: str
    prefix: int = 0
    binary: bool = False
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An index that the target gets for one of the source; `origin` is its name there, `name` the one in the target."""

    origin: str
    parts: tuple[IndexPart, ...]
    unique: bool = False
    name: str = ""

    @property
    def note(self) -> str:
        """The comment of the index in the target: from where it comes, and a hash of what it holds."""
        digest = hashlib.sha256(repr((self.parts, self.unique)).encode()).hexdigest()[:8]
        return f"index {in_a_line(self.origin)}{_SAYS} ({digest})"

    @property
    def plain_note(self) -> str:
        """The same of one that is to be unique, and is not, because rows have the same values."""
        return f"{self.note}, not unique here"


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key that a table of the target is to have for one of the source, all by names of the target.

    `why`: why it cannot be, '' where it can.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    parent: str
    keys: tuple[str, ...]
    why: str = ""

    @property
    def note(self) -> str:
        """The comment of the constraint in the target, as that of an index."""
        digest = hashlib.sha256(repr((self.columns, self.parent, self.keys)).encode()).hexdigest()[:8]
        return f"foreign key {in_a_line(self.name)}{_SAYS} ({digest})"


def is_note(comment: str | None) -> bool:
    """Tell whether the comment of an index says that bulketl keeps it for one of the source."""
    return bool(comment and re.search(NOTE, comment))
