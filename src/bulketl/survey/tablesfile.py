"""`tables.yaml` as a file that people edit: written once, then only added to.

A first discovery writes what differs from the defaults, with the reasons as comments, and what a person should decide as a
question among them (`# audit? ...`). Later ones keep each line a person wrote, values, comments and order, and append the
tables that are new.
"""

from __future__ import annotations

import copy
import io
import itertools
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import yaml as plain
from ruamel.yaml import YAML
from ruamel.yaml.anchor import Anchor
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from bulketl.errors import ConfigError
from bulketl.survey.appending import appended, indented
from bulketl.survey.proposals import Proposal
from bulketl.survey.shortrules import beside, differing, shortened
from bulketl.tables.patterns import matches
from bulketl.tables.printable import count_of, in_a_line

HEADER = """\
# What bulketl loads, and how: proposed from the source by `bulketl discover`, yours to edit.
# Running discover again keeps what stands here and adds tables that are new. Keys: docs/configuration.md
# `bulketl discover --explain TABLE` gives every reason for a table.
"""
_NAMED = 6  # tables of a pattern that its comment names
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])  # which YAML takes for something else


def written(text: str, proposals: Sequence[Proposal], known: Collection[str] | None = None) -> str:
    """Return the text of tables.yaml with the proposals for tables it does not name; `text` is what it holds, or ''.

    `known`: tables that were there when it was written, None when nobody noted it; then those that a pattern fits need no
    line. Everything in `text` stays as it is, also tables that the source no longer has.
    """
    if not text.strip():
        return HEADER + "\n".join(_first(proposals)) + "\n"
    document = _yaml().load(text) or {}
    tables = document.get(_top(document)) or {}
    many = _mappings(document.get("patterns"))
    new = [
        item
        for item in proposals
        if item.table not in tables and not (matches(item.table, many) if known is None else item.table in known)
    ]
    if not new:
        return text
    tiers = _mappings(document.get("tiers"))
    lines = [line for item in new for line in _appended(item, many, tiers)]
    return appended(text, lambda own, inside: list(indented(iter(lines), own, inside)))


def _first(proposals: Sequence[Proposal]) -> Iterator[str]:
    """Yield the lines of a file that is written for the first time."""
    shared, own = shortened(proposals)
    yield "tiers:"
    yield "  critical: {is_modeled: true}"
    yield "  important: {is_modeled: true}"
    rest = len(proposals) - len(own) - sum(len(one.tables) for one in shared)
    if shared or rest:
        yield "\npatterns:  # of those that fit a table the first counts, key by key; an entry of its own comes before"
    for one in shared:
        names = ", ".join(in_a_line(name) for name in one.tables[:_NAMED]) + (" …" if len(one.tables) > _NAMED else "")
        keys = ", ".join(f"{key}: {_scalar(value)}" for key, value in one.keys.items())
        yield f"  {_name(one.pattern)}: {{{keys}}}  # {count_of(len(one.tables), 'table')}: {names}"
    if rest:
        what = f"{count_of(rest, 'table')} that no other line is about: loaded whole"
        yield f'  "*": {{table_importance: reference}}  # {what}'
    if some := [item for item in proposals if item.personal]:
        if not (shared or rest):
            yield "\npatterns:"
        yield from _personal(some)
    yield "\nsource_tables:"
    for item in own:
        yield from _lines(item)


def _personal(some: Sequence[Proposal]) -> Iterator[str]:
    """Yield comments with a mask for each column that looks personal, which count once a person takes their sign away."""
    count = f"{count_of(sum(len(item.personal) for item in some), 'column')} of {count_of(len(some), 'table')}"
    yield f"  # personal? {count} look so, and are loaded as they are."
    yield "  # To mask a table, take the sign at the beginning of its line away, and set BULKETL_MASK_KEY: docs/masking.md"
    for item in some:
        yield f"  # {_name(item.table)}: {{mask: {{{_masks(item)}}}}}"


def _masks(item: Proposal) -> str:
    return ", ".join(f"{_name(one.column)}: {_mask(one.mask)}" for one in item.personal)


def _mask(mask: Mapping[str, str] | str) -> str:
    if isinstance(mask, str):
        return f'"{mask}"' if mask.lower() in _WORDS else mask
    return f"{{{', '.join(f'{key}: {value}' for key, value in mask.items())}}}"


def _lines(item: Proposal) -> Iterator[str]:
    """Yield the lines of an entry: one where there is one key, else one for each."""
    keys, reasons = differing(item), _comments(item)
    if item.question:
        keys = {"table_importance": item.tier, **keys}
    if len(keys) == 1 and not item.question:
        ((key, value),) = keys.items()
        yield f"  {_name(item.table)}: {{{key}: {_scalar(value)}}}  # {reasons.get(key, '')}"
        return
    yield from _block(item.table, keys, reasons)


def _appended(item: Proposal, patterns: Mapping[str, Any], tiers: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the lines of an entry for a table that is new: no key that a rule for many tables gives it already.

    Its tier and strategy stand there too where they are the defaults.
    """
    keys, reasons = beside(item, patterns, tiers), _comments(item)
    if "exclude" in keys and not item.exclude:
        reasons["exclude"] = "it is new, and a rule for many tables that is older would leave it out; true does so"
    if not keys:
        yield f"  {_name(item.table)}: {{}}  # as the rules for many tables say"
        return
    yield from _block(item.table, keys, reasons)
    if item.personal:
        yield f"    # personal? mask: {{{_masks(item)}}}"


def _block(table: str, keys: Mapping[str, object], reasons: Mapping[str, str]) -> Iterator[str]:
    yield f"  {_name(table)}:"
    for key, value in keys.items():
        yield f"    {key}: {_scalar(value)}" + (f"  # {reasons[key]}" if key in reasons else "")


def _mappings(section: Any) -> dict[str, Any]:
    """Return what a section says for many tables, by their pattern or tier."""
    return {str(key): value or {} for key, value in (section or {}).items()}


def _comments(item: Proposal) -> dict[str, str]:
    """Return the reasons by key, in a line each, the question to a person first."""
    asked = f"{item.question}; {item.tier}: " if item.question else ""
    return {key: in_a_line(f"{asked if key == 'table_importance' else ''}{reason}") for key, reason in item.reasons.items()}


def _name(text: str) -> str:
    """Return a key of the file: as it is where nothing else could be read there, else in quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    # A character that no terminal shows is spelt out, so that nobody overlooks it.
    return plain.safe_dump(text, default_style='"', allow_unicode=text.isprintable(), width=10**6).strip()


def _quoted(value: Any) -> Any:
    """Return a text in quotes, in which every sign is written so that it is read again, where it needs them."""
    plainly = not isinstance(value, str) or (_PLAIN.fullmatch(value) and value.lower() not in _WORDS)
    return value if plainly else DoubleQuotedScalarString(value)


def _scalar(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_scalar(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return _name(value)
    return json.dumps(value)


def missing(text: str, fixes: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, object]]:
    """Return the fixes that would change the text: not the values that stand there already."""
    document = _yaml().load(text) if fixes else {}
    top = _top(document)
    found = {
        table: {path: value for path, value in values.items() if _at(document.get(top), (table, *path.split("."))) != value}
        for table, values in fixes.items()
    }
    return {table: values for table, values in found.items() if values}


def fixed(text: str, fixes: Mapping[str, Mapping[str, object]]) -> str:
    """Return the text with values set: per table, keys of its rule (dots for nested ones) to values; the rest stays.

    Raise ConfigError, with what to write, where the rest could not stay as it is.
    """
    if not fixes or not missing(text, fixes):
        return text
    ends = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace(ends, "\n")
    lines += "" if lines.endswith("\n") or not lines else "\n"
    yaml = _keeping(lines)
    if yaml is None or (ends == "\r\n" and "\n" in text.replace(ends, "")):
        raise _unmended(fixes)
    document = yaml.load(lines)
    top = _top(document)
    if document.get(top) is None:
        document[top] = CommentedMap()
    wanted = [(table, path.split("."), value) for table, values in fixes.items() for path, value in values.items()]
    new = [(table, path, value) for table, path, value in wanted if _at(document[top], (table, *path)) != value]
    if not new:
        return text
    for table, (*above, key), value in new:
        place = document[top]
        for step in (table, *above):
            if step not in place:
                place[_quoted(step)] = CommentedMap()
            place[step] = _own(place[step])
            place = place[step]
        place[key] = _quoted(value)
    return _dumped(yaml, document).replace("\n", ends)


def _keeping(text: str) -> YAML | None:
    """Return what reads a text and writes it as it is, in its own indentation; None where nothing does."""
    for mapping, (sequence, offset), null in itertools.product((2, 4, 3, 1, 6, 8), ((4, 2), (2, 0), (6, 4)), ("null", "")):
        yaml = _yaml(null)
        yaml.indent(mapping=mapping, sequence=sequence, offset=offset)
        document = yaml.load(text)
        if document is None or _dumped(yaml, document) == text:
            return yaml
    return None


def _dumped(yaml: YAML, document: Any) -> str:
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _unmended(fixes: Mapping[str, Mapping[str, object]]) -> ConfigError:
    wanted = [f"{table}: {path}: {_scalar(value)}" for table, values in fixes.items() for path, value in values.items()]
    more = f"; and {len(wanted) - _NAMED} more, as validate says" if len(wanted) > _NAMED else ""
    return ConfigError(
        "--fix cannot mend the rules without changing the layout of lines that are right; nothing was changed",
        hint=f"write {'; '.join(in_a_line(one) for one in wanted[:_NAMED])}{more}",
    )


def _top(document: Mapping[str, object]) -> str:
    """Return the section that has the tables."""
    return next((key for key in ("source_tables", "tables") if key in document), "source_tables")


_ABSENT = object()


def _at(place: object, path: Sequence[str]) -> object:
    """Return the value at a path of keys, or something that equals no value where there is none."""
    for step in path:
        if not isinstance(place, CommentedMap) or step not in place:
            return _ABSENT
        place = place[step]
    return place


def _own(entry: CommentedMap | None) -> CommentedMap:
    """Return a mapping to change: a new one for none, a copy of one with an anchor, which stands elsewhere too."""
    if entry is None:
        return CommentedMap()
    if entry.yaml_anchor() is None:
        return entry
    own: CommentedMap = copy.deepcopy(entry)
    inside: list[object] = [own]
    while inside:
        item = inside.pop()
        if isinstance(item, (CommentedMap, CommentedSeq)):
            vars(item).pop(Anchor.attrib, None)  # of which there can be one
            inside += item.values() if isinstance(item, CommentedMap) else item
    return own


def _yaml(null: str = "null") -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # never fold what a person wrote
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", null))
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
