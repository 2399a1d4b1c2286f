"""`tables.yaml` as a file that people edit: written once, then only added to.

A first discovery writes every table with the reasons as comments, and what a person should decide as a question among them
(`# audit? ...`). Later ones keep each line a person wrote, values, comments and order, and append the tables that are new.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping, Sequence

from ruamel.yaml import YAML
from ruamel.yaml.anchor import Anchor
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from bulketl.survey.proposals import Proposal

HEADER = """What bulketl loads, and how: proposed from the source by `bulketl discover`, yours to edit.
Running discover again keeps what stands here and adds tables that are new. Keys: docs/configuration.md
"""


def written(text: str, proposals: Sequence[Proposal]) -> str:
    """Return the text of tables.yaml with the proposals for tables it does not name; `text` is what it holds, or ''.

    Everything in `text` stays as it is, also tables that the source no longer has.
    """
    yaml = _yaml()
    document = yaml.load(text) if text.strip() else None
    if document is None:
        document = CommentedMap()
        document.yaml_set_start_comment(HEADER)
    top = next((key for key in ("source_tables", "tables") if key in document), "source_tables")
    if document.get(top) is None:
        document[top] = CommentedMap()
    tables = document[top]
    new = [proposal for proposal in proposals if proposal.table not in tables]
    if not new and text:
        return text
    for proposal in new:
        tables[proposal.table] = _entry(proposal)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def missing(text: str, fixes: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, object]]:
    """Return the fixes that would change the text: not the values that stand there already."""
    document = _yaml().load(text) if fixes else {}
    top = next((key for key in ("source_tables", "tables") if key in document), "")
    found = {
        table: {path: value for path, value in values.items() if _at(document[top], (table, *path.split("."))) != value}
        for table, values in fixes.items()
    }
    return {table: values for table, values in found.items() if values}


def fixed(text: str, fixes: Mapping[str, Mapping[str, object]]) -> str:
    """Return the text with values set: per table, keys of its rule (dots for nested ones) to values; the rest stays."""
    if not fixes:
        return text
    yaml = _yaml()
    document = yaml.load(text)
    top = next(key for key in ("source_tables", "tables") if key in document)
    wanted = [(table, path.split("."), value) for table, values in fixes.items() for path, value in values.items()]
    new = [(table, path, value) for table, path, value in wanted if _at(document[top], (table, *path)) != value]
    if not new:
        return text
    for table, (*above, key), value in new:
        place = document[top]
        for step in (table, *above):
            place[step] = _own(place.get(step))
            place = place[step]
        place[key] = value
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


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


def _entry(proposal: Proposal) -> CommentedMap:
    entry = CommentedMap(proposal.to_rule())
    entry["monitoring"] = CommentedMap(entry["monitoring"])
    entry["dependencies"] = _flow(entry["dependencies"])
    for key, reason in proposal.reasons.items():
        asked = f"{proposal.question}; {proposal.tier}: " if proposal.question and key == "table_importance" else ""
        entry.yaml_add_eol_comment(asked + reason, key)
    return entry


def _flow(values: list[str]) -> CommentedSeq:
    sequence = CommentedSeq(values)
    sequence.fa.set_flow_style()
    return sequence


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # never fold what a person wrote
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null"))
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
