"""A page as a browser's parser reads it: which elements and attributes there are, and what would act."""

from __future__ import annotations

from collections import Counter

from selectolax.lexbor import LexborHTMLParser

WRITTEN = {"span", "code", "br", "wbr"}  # a character that nobody sees, a command between backticks, a line's end
Skeleton = Counter[tuple[str, tuple[str, ...]]]


def skeleton(html: str) -> Skeleton:
    """Return how often each element with its attributes is there, but for WRITTEN; fail for one that would act."""
    found: Skeleton = Counter()
    for node in LexborHTMLParser(html).root.traverse():  # type: ignore[union-attr]
        names = tuple(sorted(node.attributes))
        assert not [name for name in names if name.startswith("on")], node.html
        for name in ("href", "src", "action", "formaction", "xlink:href"):
            address = (node.attributes.get(name) or "").strip()
            if name in node.attributes and not address.startswith(("/", "#", "?", "data:,", "https://")):
                raise AssertionError(f"{name} leads to {address!r}")
            assert not address.startswith("//"), address
        if node.tag and node.tag not in WRITTEN:
            found[node.tag, names] += 1
    return found
