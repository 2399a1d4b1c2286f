"""The plans that Postgres makes, read from its log: what `debug_print_plan` writes of every statement, in blocks too.

That needs no extension and leaves the statements alone. A plan is written as a tree of `{NODE :field value ...}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TOKEN = re.compile(r"(?:\\.|[^\s{}()\\])+|[{}()]", re.DOTALL)
SINGLE = {"LIMIT", "RESULT", "AGG"}  # nodes at the top of what gives one row, where they have no keys to group by


@dataclass
class Node:
    """A node of a plan: its name, its fields' plain words, and the nodes in each field."""

    name: str
    words: dict[str, list[str]] = field(default_factory=dict)
    nodes: dict[str, list[Node]] = field(default_factory=dict)

    def word(self, end: str) -> str:
        """Return the first word of the field whose name ends so."""
        return next((words[0] for name, words in self.words.items() if name.endswith(end) and words), "")

    def below(self, end: str) -> list[Node]:
        """Return the nodes in the field whose name ends so."""
        return [node for name, nodes in self.nodes.items() if name.endswith(end) for node in nodes]

    def walk(self) -> Iterator[Node]:
        """Yield the node and all below it."""
        yield self
        for nodes in self.nodes.values():
            for node in nodes:
                yield from node.walk()


def parsed(text: str) -> Node:
    """Return the tree of one plan."""
    root = Node("")
    stack, at = [root], [""]
    tokens = TOKEN.finditer(text)
    for match in tokens:
        token = match.group()
        if token == "{":
            node = Node(next(tokens).group())
            stack[-1].nodes.setdefault(at[-1], []).append(node)
            stack.append(node)
            at.append("")
        elif token == "}":
            stack.pop()
            at.pop()
        elif token.startswith(":") and len(token) > 1:
            at[-1] = token[1:]
        elif token == "<>" and at[-1].endswith("subplans"):  # one of two alternatives that was not taken has its number
            stack[-1].nodes.setdefault(at[-1], []).append(Node(""))
        elif token not in "()":
            stack[-1].words.setdefault(at[-1], []).append(token)
    return root.nodes[""][0]


def plans(log: Path, since: int) -> list[str]:
    """Return the plans in the server's log from an offset on; each is one line, wrapped into some that begin with a tab."""
    with log.open("rb") as file:
        file.seek(since)
        text = re.sub(rb"\n\t", b" ", file.read())
    places = ((line, line.find(b"{PLANNEDSTMT")) for line in text.splitlines())
    return [line[at:].decode(errors="replace") for line, at in places if at >= 0]


def quadratic(text: str, small: set[int]) -> list[str]:
    """Return what of a plan looks through a large table row by row; `small` are tables with few rows whatever is loaded."""
    if "{NESTLOOP" not in text and "{SUBPLAN" not in text:  # which most have not, and to read one takes a while
        return []
    plan = parsed(text)
    relations = [int(entry.word("relid") or 0) for entry in plan.below("rtable")]
    subplans = plan.below("subplans")
    aliases = [node.word("aliasname") for entry in plan.below("rtable") for node in entry.below("eref")]
    found = []
    for node in (node for tree in (*plan.below("planTree"), *subplans) for node in tree.walk()):
        if node.name == "NESTLOOP" and not _single(node.below("lefttree")[0]):
            found += [f"nested loop over {scan}" for scan in _scans(node.below("righttree")[0], relations, small)]
        for inside in _each_row(node):
            found += [f"sub-plan per row over {scan}" for scan in _scans(subplans[inside], relations, small)]
    return [f"{text} in a statement on {', '.join(aliases)}" for text in found]


def _scans(node: Node, relations: list[int], small: set[int]) -> Iterator[str]:
    """Yield the scans of large things below a node that no index makes short."""
    for one in node.walk():
        at = int(one.word("scanrelid") or 0)
        relation = relations[at - 1] if at else 0
        table = one.name == "SEQSCAN" and relation >= 16384 and relation not in small
        if table or (one.name == "CTESCAN" and max(relations) >= 16384):  # of the catalogs alone it has few rows
            yield f"{one.name} of {relation}"


def _each_row(node: Node) -> list[int]:
    """Return the sub-plans that the node carries out for each row: neither once nor into a hash table."""
    subs = [sub for name, nodes in node.nodes.items() if not name.endswith("initPlan") for sub in nodes]
    plain = [sub for sub in subs if sub.name == "SUBPLAN" and sub.word("useHashTable") != "true"]
    return [int(sub.word("plan_id")) - 1 for sub in plain]


def _single(node: Node) -> bool:
    """Tell whether a node gives one row at most."""
    if node.name == "AGG":
        return node.word("numCols") in ("", "0")
    if node.name == "SUBQUERYSCAN":
        return _single(node.below("subplan")[0])
    if node.name == "NESTLOOP":
        return all(_single(side) for end in ("lefttree", "righttree") for side in node.below(end))
    return node.name in SINGLE
