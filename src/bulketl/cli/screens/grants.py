"""The SQL with the least rights of each role, as an administrator runs it; and what a role lacks and has beyond that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import Indented, facts, named, verdict
from bulketl.cli.text import Text
from bulketl.tables.printable import count_of, in_a_line
from bulketl.tables.rights import Grants, Held, Right

LISTED, MOST = 20, 12  # lines of a role, and names in one of them


def sql(found: Iterable[Grants]) -> str:
    """Return the statements, each with a semicolon, and what they are for as comments."""
    return "\n\n".join("\n".join(_script(one)) for one in found)


def _script(one: Grants) -> Iterator[str]:
    yield f"-- {one.role}: {in_a_line(one.user)}, on {in_a_line(one.server)}"
    before = ""
    for statement, why in one.statements:
        if why != before:
            yield f"-- {in_a_line(why)}"
        yield f"{statement};"
        before = why


def held(found: Sequence[Held], *, each: bool = False) -> Group:
    """Return what each role lacks and has beyond what it needs; with `each` however many they are."""
    parts: list[RenderableType] = [verdict(told(found), "green" if all(one.exact for one in found) else "red")]
    for one in found:
        parts.append(Text(in_a_line(f"{one.role} {one.user}: {_said(one)}")))
        lines = [("missing", "red", line) for line in _lines(one.missing)] if one.there else []
        lines += [("excess", "yellow", line) for line in _lines(one.excess)]
        if lines:
            shown = lines if each else lines[:LISTED]
            parts.append(Indented(facts(shown)))
            if len(lines) > len(shown):
                parts.append(Text(f"  and {count_of(len(lines) - len(shown), 'more line')}; -v shows all", style="dim"))
    if any(one.missing for one in found):
        roles = " ".join(f"--role {one.role}" for one in found if one.missing)
        parts.append(Text(f"`bulketl grants {roles}` prints the SQL that grants what is missing", style="dim"))
    return Group(*parts)


def told(found: Sequence[Held]) -> str:
    """Return in a line whether each role has just what it needs."""
    missing, excess = (sum(len(getattr(one, what)) for one in found) for what in ("missing", "excess"))
    if not missing and not excess:
        return f"{count_of(len(found), 'role')} with exactly what is needed"
    return ", ".join(
        f"{count_of(count, 'right')} {what}" for count, what in ((missing, "missing"), (excess, "in excess")) if count
    )


def _said(one: Held) -> str:
    if not one.there:
        return "there is no such role"
    return "exactly what it needs" if one.exact else f"{len(one.missing):,} missing, {len(one.excess):,} in excess"


def _lines(rights: Iterable[Right]) -> list[str]:
    """Return a line for each right, and one for those that differ in the privilege, the column or the table alone."""
    alike: dict[tuple[str, tuple[str, ...], str], list[str]] = {}  # privileges on the same thing, for the same reason
    for right in rights:
        alike.setdefault((right.kind, right.on, right.why), []).append(right.privilege)
    groups: dict[tuple[str, str, tuple[str, ...], str], list[tuple[str, ...]]] = {}
    for (kind, on, why), privileges in alike.items():
        groups.setdefault((", ".join(privileges), kind, on[:-1] if kind in _MANY else on, why), []).append(on)
    return [_line(privilege, kind, names, why) for (privilege, kind, _, why), names in groups.items()]


def _line(privilege: str, kind: str, on: Sequence[tuple[str, ...]], why: str) -> str:
    reason = f"; {why}" if why else ""
    if len(on) > 1:
        listed = named([names[-1] for names in on], MOST)
        return f"{privilege} on {count_of(len(on), kind)} of {'.'.join(on[0][:-1])}: {listed}{reason}"
    return f"{Right(privilege, kind, on[0])}{reason}"


_MANY = frozenset({"column", "table", "sequence"})
