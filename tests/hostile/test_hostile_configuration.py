"""Files that anybody may have written: each is a configuration, or one error with exit code 2 that names file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hostile import ANYTHING, TEXTS, unacting
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from tally import cases, tried

from bulketl.config.config import Config
from bulketl.config.generated import KEYS
from bulketl.config.pairs import Checks, Pair, load_checks
from bulketl.config.read import SECRETS, load_config
from bulketl.config.settings import Settings
from bulketl.config.snapshot import read_snapshot
from bulketl.config.tables import TableRule
from bulketl.errors import ConfigError
from bulketl.tables.printable import shown

pytestmark = pytest.mark.filterwarnings("ignore:.*passed over:UserWarning", "ignore:.*:UserWarning:bulketl")
PLACE = re.compile(r".*?(:\d+)?: ", re.DOTALL)


def kinds(annotation: Any) -> Iterator[Any]:
    """Yield the models and closed words in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    if isinstance(annotation, str):
        yield annotation
    for part in get_args(annotation):
        yield from kinds(part)


def vocabulary(*models: type[BaseModel]) -> tuple[list[str], list[str]]:
    """Return every key that is known in models and what is in them, and every word that may be a value there."""
    keys, words, left = set[str](), set[str](), list(models)
    done = set[type[BaseModel]]()
    while left:
        model = left.pop()
        done.add(model)
        for name, one in model.model_fields.items():
            keys.add(one.alias or name)
            for kind in kinds(one.annotation):
                if isinstance(kind, str):
                    words.add(kind)
                elif kind not in done:
                    left.append(kind)
    return sorted(keys), sorted(words)


KNOWN, WORDS = vocabulary(Settings, TableRule, Checks, Pair)
TOP = ["source_tables", "tables", "patterns", "tiers", "metadata", "pairs", *KNOWN]
GIVEN = [
    "10 days",
    "1y",
    "0",
    "-1",
    "1%",
    "200%",
    "1e400",
    "21:30-06:00 Europe/Berlin",
    "25:00-1:00",
    "mysql://u:p@h:1/d",
    "postgresql://[",
    "postgresql:///?host=/x&port=y",
    "https://h/x",
    "numeric(99999999999)",
    "varchar(-1)",
    "${HOME}",
    "${X}",
    "${",
    "${}",
    "${file:}",
    "${file:/none}",
    "${credential:../x}",
    "${keyring:x}",
    "SELECT 1",
    "SELECT ':since",
    "SELECT 1; DROP TABLE x",
    "a@b",
    "a@b\nBcc: x@x",
    "t.*",
    "[",
    "[!",
    "*" * 50,
    "module:function",
    "../..",
    "\0",
    "9" * 5000,
    "1_000",
    "0b1",
    "1:30",
    "2001-02-03",
    "2001-02-03T04:05:06Z",
    "9999-99-99",
    "!!python/name:os.system",
    "<<",
    "=",
]
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(GIVEN),
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, -(10**40), 0, 1]),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=9),
    TEXTS,
)
KEY = st.one_of(*[st.sampled_from([*TOP, *(key.key.split(".")[-1] for key in KEYS)])] * 4, TEXTS, st.sampled_from(WORDS))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=6), max_leaves=8
)
DOCUMENTS = st.dictionaries(st.sampled_from(TOP) | KEY, VALUES, max_size=6)
RULES = st.fixed_dictionaries(
    {"source_tables": st.dictionaries(TEXTS, st.dictionaries(KEY, VALUES, max_size=5), max_size=4)},
    optional={"patterns": VALUES, "tiers": VALUES},
)
OLDER = st.fixed_dictionaries(
    {"metadata": VALUES, "tables": st.dictionaries(TEXTS, st.dictionaries(KEY, VALUES, max_size=5), max_size=4)}
)
PAIR = st.fixed_dictionaries({}, optional=dict.fromkeys(Pair.model_fields, SCALARS | st.sampled_from(GIVEN) | VALUES))
PAIRS = st.fixed_dictionaries({"pairs": st.dictionaries(TEXTS, PAIR, max_size=2)})
LINES = st.lists(
    st.sampled_from(
        [
            "source_tables:",
            "  t:",
            "    max_rejects: 1",
            "- ",
            "? ",
            ": ",
            "&a ",
            "*a",
            "<<: *a",
            "!!binary x",
            "!x y",
            "---",
            "...",
            "%YAML 1.1",
            "%TAG ! x",
            "|",
            ">",
            "  - {",
            "}",
            "[",
            "]",
            "'",
            '"',
            '"\\x',
            '"\\ud800"',
            "#",
            "\t",
            "@",
            "`",
            "%",
            "=",
            "~",
            "tables: &t {x: *t}",
            "a: [" * 60,
            "{a: " * 60,
            "x: " + "9" * 5000,
            "x: 1e9999",
            "x: 0x",
            "x: 1:1:1",
            "x: .inf",
            "\ufeff",
            "\x00",
            "\x85",
            "\u2028",
            "t: {}",
            "t: {}",
        ]
    )
    | TEXTS,
    max_size=12,
)
BYTES = st.one_of(
    st.binary(max_size=200),
    LINES.map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")),
    LINES.map(lambda lines: " ".join(lines).encode("utf-16")),
    st.builds(lambda value, text: yaml.safe_dump(value).encode() + text, DOCUMENTS, st.binary(max_size=9)),
)


def written(value: object) -> bytes:
    """Return a document as YAML, as whoever generates it would write it; in two ways, for each is read by other code."""
    text = yaml.dump(value, Dumper=yaml.CSafeDumper, allow_unicode=bool(len(repr(value)) % 2), sort_keys=False)
    return text.encode("utf-8", "surrogatepass")


def told(error: ConfigError, files: Mapping[str, Path]) -> None:
    """Fail unless an error is one that a person can use: its code, and where each problem is."""
    assert error.exit_code == 2
    assert error.hint
    head, *problems = error.message.split("\n  ")
    assert head.endswith("wrong:")
    assert problems
    for problem in problems:
        assert problem.startswith((*map(str, files.values()), "source", "target", "schema", "the mask key", "BULKETL_")) or (
            PLACE.match(problem)
        ), problem
    unacting(shown(error.message))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def read(
    folder: Path, name: str, text: bytes, environ: Mapping[str, str] | None = None, source_name: str = ""
) -> Config | None:
    """Read a file as what it is called, and return what was made of it, None for an error."""
    files = {"tables": folder / "tables.yaml", "settings": folder / "bulketl.yaml", "checks": folder / "checks.yaml"}
    files[name].write_bytes(text)
    try:
        if name == "checks":
            load_checks(files[name])
            return None
        config = load_config(
            files["tables"] if name == "tables" else None,
            files["settings"] if name == "settings" else None,
            environ or {},
            source_name=source_name,
        )
    except ConfigError as error:
        told(error, {"file": files[name]})
        return None
    finally:
        files[name].unlink()
    return config


def usable(config: Config) -> None:
    """Fail when a configuration that was taken breaks where it is used first."""
    assert "\n" not in repr(config)
    assert config.fingerprint
    assert len(config.rules) >= len(config.tables)
    for name in (*config.tables, "x", "[", "*"):
        config.rule(name)
        config.chosen(name)
    config.spread(["x", "[", "a.b"])
    assert sum(config.tables_at_once.values()) > 0


@cases(5000)
@given(DOCUMENTS)
def test_settings_are_taken_or_told(folder: Path, document: dict[str, Any]) -> None:
    if config := read(folder, "settings", written(document), {"HOME": "/x", "X": "y"}):
        usable(config)
    tried("bulketl.yaml", "configuration or its error")


ONE = st.dictionaries(KEY | st.sampled_from(["tables", "schema", "source"]), VALUES, max_size=4)
NAMES = st.sampled_from(["a", "bulketl", "tables", "x" * 64, "x" * 300, "../a", "\0"]) | TEXTS


@cases(2000)
@given(DOCUMENTS, st.dictionaries(NAMES, ONE | VALUES, max_size=3) | VALUES, st.data())
def test_several_sources_are_taken_or_told(
    folder: Path, document: dict[str, Any], several: Any, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([*several, "a"]) if isinstance(several, dict) else NAMES)
    if config := read(folder, "settings", written({**document, "sources": several}), {"HOME": "/x", "X": "y"}, name):
        usable(config)
    tried("bulketl.yaml with sources", "configuration or its error")


@cases(5000)
@given(RULES)
def test_rules_are_taken_or_told(folder: Path, document: dict[str, Any]) -> None:
    if config := read(folder, "tables", written(document)):
        usable(config)
    tried("tables.yaml", "configuration or its error")


@cases(4000)
@given(OLDER)
def test_the_older_layout_is_taken_or_told(folder: Path, document: dict[str, Any]) -> None:
    if config := read(folder, "tables", written(document)):
        usable(config)
    tried("tables.yaml, older layout", "configuration or its error")


@cases(4000)
@given(PAIRS)
def test_pairs_are_taken_or_told(folder: Path, document: dict[str, Any]) -> None:
    read(folder, "checks", written(document))
    tried("checks.yaml", "configuration or its error")


@cases(6000)
@given(BYTES, st.sampled_from(["tables", "settings", "checks"]))
def test_any_bytes_are_taken_or_told(folder: Path, text: bytes, name: str) -> None:
    read(folder, name, text)
    tried("any bytes for YAML", "configuration or its error")


SNAPSHOTS = st.one_of(
    st.recursive(
        st.none() | st.integers() | st.floats() | ANYTHING,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANYTHING, inner, max_size=3),
        max_leaves=9,
    ).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    st.sampled_from(
        [b"[" * 100_000, b'{"t": {"c": 1}}', b"1" + b"0" * 5000, b'{"t": {"c": "' + b"x" * 100_000 + b'"}}', b"NaN"]
    ),
)


@cases(2000)
@given(SNAPSHOTS)
def test_a_snapshot_is_taken_or_told(folder: Path, text: bytes) -> None:
    path = folder / "catalog.json"
    path.write_bytes(text)
    problem = None
    try:
        read_snapshot(folder / "tables.yaml")
    except ConfigError as error:
        problem = error
    finally:
        path.unlink()
    if problem is not None:
        assert problem.exit_code == 2
        assert str(path) in problem.message
        unacting(shown(problem.message))
    tried("catalog.json", "configuration or its error")


URIS = st.one_of(
    ANYTHING,
    st.builds(
        lambda kind, rest: f"{kind}://{rest}", st.sampled_from(["mysql", "postgresql", "postgres", "mariadb", "x"]), ANYTHING
    ),
    st.builds("mysql://{}:{}@{}:{}/{}?{}={}".format, *[ANYTHING] * 7),
    st.builds("postgresql://{}:{}@{}:{}/{}?{}={}".format, *[ANYTHING] * 7),
)


@cases(4000)
@given(st.dictionaries(st.sampled_from([*SECRETS, "BULKETL_SCHEMA"]), URIS, max_size=4))
def test_the_environment_is_taken_or_told(environ: dict[str, str]) -> None:
    """Each of its variables, whatever it holds."""
    try:
        usable(load_config(None, None, environ))
    except ConfigError as error:
        told(error, {})
    tried("environment", "configuration or its error")
