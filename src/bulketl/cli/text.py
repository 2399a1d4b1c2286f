"""Text of a screen that hides nothing: rich drops some control characters of a text, and this one shows a picture of each.

Two names that differ by a carriage return alone would be one name on the screen.
"""

from __future__ import annotations

from typing import Any

from rich import text

from bulketl.tables.printable import shown

RichText = text.Text  # of which parts and copies of a text are


class Text(RichText):
    """A text as rich's own, of which every character is seen."""

    def __init__(self, plain: str = "", *values: Any, **options: Any) -> None:
        """Take what rich's Text takes."""
        super().__init__(shown(plain), *values, **options)

    @classmethod
    def assemble(cls, *parts: Any, **options: Any) -> Text:
        """Return a text of parts, each a text or a pair of one and its style."""
        made: Text = super().assemble(*parts, **options)  # type: ignore[assignment]
        return made

    def append(self, text: Any, style: Any = None) -> Text:
        """Add a text, and return this one."""
        super().append(shown(text) if isinstance(text, str) else text, style)
        return self
