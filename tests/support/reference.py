"""The reference as pages: commands, keys, events and exit codes, written from the code that has them.

`PAGES` maps each page of docs/reference to the function that returns its text. The page of the ledger is made by a test, for
only a server tells the types of its columns.
"""

from __future__ import annotations

import dataclasses
import html
import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import typer.main

from bulketl.cli.app import app
from bulketl.config.hooks import HookEvent
from bulketl.config.sources import COMMON, OWN, RULES
from bulketl.errors import BulketlError
from bulketl.loading import events
from bulketl.postgres.ledger.readable import READABLE

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- made from the code; the test that finds it stale says how to make it anew -->"
FILES = {"bulketl": "bulketl.yaml", "tables": "tables.yaml", "checks": "checks.yaml"}


def page(title: str, about: str, *parts: str) -> str:
    """Return a page: its title, a line that says that it is made, what it is about, and its parts."""
    return "\n\n".join((f"# {title}", MADE, about, *parts)) + "\n"


def table(*rows: Iterable[str]) -> str:
    """Return rows as a Markdown table; the first one is its head."""
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * (lines[0].count("|") - 1) + "|", *lines[1:]])


def _cell(text: str) -> str:
    """Return a cell whose bars GitHub and the site show alike: one of the two shows a backslash before a bar in code."""
    code = re.sub(r"`([^`]*\|[^`]*)`", lambda found: f"<code>{html.escape(found[1])}</code>", text.strip())
    return code.replace("|", "&#124;")


def paragraphs(text: str) -> str:
    """Return a text of the code for a page: a line per paragraph, and nothing that a browser takes for a tag."""
    return "\n\n".join(" ".join(one.split()) for one in re.split(r"\n\s*\n", text.strip())).replace("<", "&lt;")


# Commands


def commands() -> str:
    """Return the page of all commands."""
    every = list(_commands(typer.main.get_command(app), "bulketl"))
    listed = [(f"[`{name}`](#{_anchor(name)})", _first(command.help)) for name, command in every]
    return page(
        "Commands",
        "Every command, with its options, an example and its exit codes: what `bulketl COMMAND --help` prints. "
        "[Exit codes](exit-codes.md) shows the codes of all commands side by side.",
        table(("command", "what it does"), *listed),
        *(_command(name, command) for name, command in every),
    )


def _commands(group: Any, before: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        full = f"{before} {name}"
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield full, command
        if hasattr(command, "commands"):
            yield from _commands(command, full)


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _first(text: str) -> str:
    return paragraphs(text).split("\n\n")[0]


def _command(name: str, command: Any) -> str:
    context = command.make_context(name, [], resilient_parsing=True)
    given = [one for one in command.get_params(context) if one.name != "help" and not getattr(one, "hidden", False)]
    usage = " ".join((name, *command.collect_usage_pieces(context)))
    (example,) = re.findall(r"Example: `([^`]+)`", command.epilog)
    rows = [(f"`{_called(one)}`", _told(one)) for one in given]
    parts = [f"## {name}", paragraphs(command.help), f"```text\n{usage}\n```"]
    if rows:
        parts.append(table(("option", "meaning"), *rows))
    return "\n\n".join((*parts, f"Example: `{example}`", f"Exit codes: {_codes(command)}."))


def _codes(command: Any) -> str:
    codes: str = command.epilog.rpartition("Exit codes: ")[2].removesuffix(".")
    return "; ".join(f"**{code}** {meaning}" for code, meaning in re.findall(r"(?:^|, )(\d+) (.*?)(?=, \d+ |$)", codes))


def _called(one: Any) -> str:
    names = (
        [one.metavar] if one.param_type_name == "argument" else [", ".join((*one.opts, *one.secondary_opts)), one.metavar]
    )
    return " ".join(filter(None, names))


def _told(one: Any) -> str:
    default = one.default() if callable(one.default) else one.default
    limits = f"From {one.min} to {one.max}." if one.min is not None and one.max is not None else ""
    said, bracket, rest = (one.help or "").partition("[default")
    shown = one.show_default and default not in (None, "", False, (), []) and not bracket
    return " ".join(filter(None, (said.strip(), limits, f"[default: {default}]" if shown else f"{bracket}{rest}")))


# Exit codes


def exit_codes() -> str:
    """Return the page of exit codes: of every command, and of every kind of error."""
    _imported()
    ending: dict[str, list[str]] = {}
    for name, command in _commands(typer.main.get_command(app), "bulketl"):
        ending.setdefault(_codes(command), []).append(f"`{name}`")
    rows = [(", ".join(names), codes) for codes, names in sorted(ending.items(), key=lambda one: len(one[1]))]
    kinds = [(f"`{one.__name__}`", str(one.exit_code), paragraphs(inspect.getdoc(one) or "").split("\n\n")[0])
             for one in _kinds(BulketlError)]  # fmt: skip
    return page(
        "Exit codes",
        "A scheduler needs no text to know how a command ended. [Running it every night](../running.md#when-a-table-fails) "
        "explains what decides the code of a load.",
        "## By command",
        table(("command", "codes"), *rows),
        "## By kind of error",
        "Every error names one of these kinds, in `--json` as `error` and in the ledger. A load goes on with its other "
        "tables after an error of one table; then its summary decides the exit code.",
        table(("error", "code", "meaning"), *kinds),
    )


def _kinds(base: type[BulketlError]) -> Iterator[type[BulketlError]]:
    for one in sorted(base.__subclasses__(), key=lambda one: one.__name__):
        yield one
        yield from _kinds(one)


def _imported() -> None:
    """Import every module that has a kind of error, so that all are known whoever asks."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        if re.search(r"^class \w+Error\(", path.read_text(encoding="utf-8"), re.MULTILINE):
            importlib.import_module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts))


# Events


def event_pages() -> str:
    """Return the page of events: each kind with what it means and its fields."""
    hooked = get_args(HookEvent)
    parts = []
    for one in get_args(events.Event):
        kind = re.sub(r"(?<!^)(?=[A-Z])", "_", one.__name__).lower()
        rows = [(f"`{field.name}`", f"`{_type(field.type)}`") for field in dataclasses.fields(one)]
        told = "" if kind in hooked else "\n\nHooks cannot be called at it."
        parts.append(f"## {kind}\n\n{paragraphs(inspect.getdoc(one) or '')}{told}\n\n{table(('field', 'type'), *rows)}")
    return page(
        "Events",
        "What happens in a run, in order. The ledger keeps every event in `bulketl.event`, with its fields as JSON in "
        "`body`; [hooks](../hooks.md) run your commands at them, and a Python observer gets them as values. The ledger and "
        "hooks leave out what a server said, for it may quote a row.",
        *parts,
    )


def _type(annotation: object) -> str:
    return str(annotation).replace("Mapping", "mapping").replace("tuple[str, ...]", "list of str")


# Keys


def keys() -> str:
    """Return the page of all keys of the three files: what each takes, its limits and its default."""
    parts = []
    for name, file in FILES.items():
        schema = json.loads((ROOT / "config" / f"{name}.schema.json").read_text(encoding="utf-8"))
        rows = [(f"`{path}`", takes, default) for path, takes, default in _keys(schema, schema.get("$defs", {}), "")]
        parts += [f"## {file}", table(("key", "takes", "default"), *rows)]
    return page(
        "Keys of the configuration files",
        "Every key with what it takes. [Configuration](../configuration.md) says what each key means and shows the files; "
        "[checks](../checks.md) and [agreeing](../agreeing.md) explain the keys of checks. `*` stands for a name of yours, "
        "`[]` for each item of a list. The JSON Schemas in `config/` tell an editor the same.",
        *parts,
    )


def _keys(schema: Mapping[str, Any], definitions: Mapping[str, Any], before: str) -> Iterator[tuple[str, str, str]]:
    for key, value in schema.get("properties", {}).items():
        if before == "" and key in ("patterns", "tiers") and "source_tables" in schema["properties"]:
            yield f"{key}.*", "the keys of `source_tables.*`", ""
            continue
        if before == "sources.*" and key not in (RULES, *OWN):
            continue
        path = f"{before}.{key}" if before else key
        default = "required" if key in schema.get("required", ()) else _default(value.get("default"))
        yield path, _takes(value, definitions), default
        for below, way in _below(value, definitions):
            yield from _keys(below, definitions, f"{path}{way}")
    if before == "sources.*":
        yield "sources.*.KEY", f"any other key, as above, but {' and '.join(COMMON)}", "what stands beside `sources`"


def _below(
    value: Mapping[str, Any], definitions: Mapping[str, Any], way: str = ""
) -> Iterator[tuple[Mapping[str, Any], str]]:
    value = _resolved(value, definitions)
    for one in value.get("anyOf", ()):
        yield from _below(one, definitions, way)
    if isinstance(more := value.get("additionalProperties"), Mapping):
        yield from _below(more, definitions, f"{way}.*")
    if isinstance(more := value.get("items"), Mapping):
        yield from _below(more, definitions, f"{way}[]")
    if "properties" in value:
        yield value, way


def _resolved(value: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    return definitions[value["$ref"].rpartition("/")[2]] if "$ref" in value else value


NAMES = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`", "null": ""}
FORMATS = {"duration": "duration, as `90m` or `7d`", "path": "path", "time": "time of day"}


def _takes(value: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    value = _resolved(value, definitions)
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(filter(None, (_takes(one, definitions) for one in value["anyOf"]))))
    if "enum" in value or "const" in value:
        words = value.get("enum", [value.get("const")])
        return ", ".join(f"`{one}`" for one in words if one is not False)  # YAML's word for off
    kind = value.get("type", "")
    if kind == "array":
        inner = _takes(value.get("items", {}), definitions)
        return "list of mappings" if inner == "mapping" else f"list of {inner}" if inner else "list"
    if kind == "object":
        more = value.get("additionalProperties")
        inner = _takes(more, definitions) if isinstance(more, Mapping) else ""
        return f"mapping of names to {inner.replace('mapping', 'mappings')}" if inner else "mapping"
    least, most = value.get("minimum", value.get("ge")), value.get("maximum", value.get("le"))
    both = None not in (least, most)
    limits = f" from {_short(least)} to {_short(most)}" if both else f", at least {_short(least)}" if least else ""
    return f"{FORMATS.get(value.get('format', ''), NAMES.get(kind, kind))}{limits}"


def _default(value: object) -> str:
    nothing = value in (None, "", []) or isinstance(value, Mapping)
    return "" if nothing else f"`{_short(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def _short(value: object) -> str:
    """Return a value as a file has it: a duration in its short form."""
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", str(value))
    return "".join(f"{one}{unit}" for one, unit in zip(found.groups(), "dhm", strict=True) if one) if found else str(value)


# The ledger


def ledger(columns: Iterable[tuple[str, str, str, bool]], version: int) -> str:
    """Return the page of the ledger's tables, from each column's table, name, type and whether it may be NULL."""
    found: dict[str, list[tuple[str, str, str, str]]] = {}
    for name, column, kind, nullable in columns:
        read = "yes" if column in READABLE.get(name, ()) else "no"
        found.setdefault(name, []).append((f"`{column}`", f"`{kind}`", "" if nullable else "NOT NULL", read))
    head = ("column", "type", "", "dashboard")
    return page(
        "Tables of the ledger",
        f"Every table and column of the schema `bulketl` in the target, as version {version} of the ledger has them. "
        "[What a load does](../loading.md#the-ledger) says what each table holds and when it is written. The last column "
        "says whether the role `dashboard` of [`bulketl grants`](../security.md) may read it: no value of a row.",
        *(f"## {name}\n\n{table(head, *rows)}" for name, rows in sorted(found.items())),
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands, "exit-codes.md": exit_codes, "events.md": event_pages, "keys.md": keys,
}  # fmt: skip
