"""Statements: whatever a name is, it comes back as the one same name, and the statement around it stays what it was.

The functions are found in the packages of both servers: whatever makes text of a table's spec and of other texts. Each is
called with plain names and with hostile ones, and both statements must be the same, token by token, but for the names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hostile import NAMES, TEXTS
from hypothesis import given
from hypothesis import strategies as st
from sqltokens import Dialect, Token, tokens
from tally import cases, tried

import bulketl.mysql
import bulketl.postgres
from bulketl.mysql.read import literal
from bulketl.postgres import ddl
from bulketl.tables.casts import cast, quoted
from bulketl.tables.catalog import Column
from bulketl.tables.spec import TableSpec

NO_SQL = {"bulketl.mysql.read.names", "bulketl.postgres.write.stage.place"}  # they return names as they are
PLAIN = ("plain_table", "plain_schema", "plain_key", "plain_word", "plain_run", "plain_added", "plain_text")
MADE = (str, list[str], Iterator[str], tuple[str, str], Iterator[tuple[str, str]])
PUBLISHES = typing.get_args(typing.get_type_hints(TableSpec)["publish"])
DELETES = typing.get_args(typing.get_type_hints(TableSpec)["deletes"])


@dataclasses.dataclass(frozen=True)
class Making:
    """A function that makes SQL, and for which server."""

    name: str
    function: Callable[..., Any]
    dialect: Dialect
    needs: dict[str, Any]


def makings() -> Iterator[Making]:
    """Yield every function of both packages that makes text of a spec and texts, and asks no server."""
    for package, dialect in ((bulketl.mysql, "mysql"), (bulketl.postgres, "postgres")):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for name, function in vars(module).items():
                if not inspect.isfunction(function) or function.__module__ != module.__name__:
                    continue
                with contextlib.suppress(NameError, TypeError):
                    hints = typing.get_type_hints(function)
                    made = hints.pop("return", None)
                    if (
                        made in MADE
                        and f"{module.__name__}.{name}" not in NO_SQL
                        and "spec" in hints
                        and all(kind in (TableSpec, str, int, bool) for kind in hints.values())
                    ):
                        yield Making(f"{module.__name__}.{name}", function, dialect, hints)  # type: ignore[arg-type]


MAKINGS = {one.name: one for one in makings()}


def spec(names: tuple[str, ...], publish: Any, deletes: Any, flags: tuple[bool, ...]) -> TableSpec:
    """Return the spec of a table with such names."""
    table, schema, key, word, run, added, _ = names
    kinds = {key: "int", word: "varchar(20)", added: "datetime"}
    return TableSpec(
        table, schema, tuple(cast(Column(name, kind, True)) for name, kind in kinds.items()), (key,), publish,
        source=run, audit=publish == "append", whole=flags[0], added=(added,), deletes=deletes, certify=flags[1],
        stamps=("_loaded_at", "_run") if flags[2] else (), partitioned=flags[3], watched=flags[4],
    )  # fmt: skip


def made(making: Making, names: tuple[str, ...], of: TableSpec, number: int) -> list[Token] | None:
    """Return what a function makes, in tokens; None where it makes nothing of such a spec."""
    quote = ddl.name if making.dialect == "postgres" else quoted
    values = {name: {TableSpec: of, str: quote(names[6]), bool: bool(number % 2), int: number}[kind]
              for name, kind in making.needs.items()}  # fmt: skip
    values |= {name: one for name, one in (("run", names[4]), ("column", names[2])) if name in values}
    try:
        found = making.function(**values)
        texts = (
            [found]
            if isinstance(found, str)
            else [part for one in found for part in ([one] if isinstance(one, str) else one)]
        )
    except (ValueError, KeyError, IndexError, AttributeError, TypeError, AssertionError, StopIteration):
        return None
    return [token for text in texts for token in tokens(text, making.dialect)]


HASHED = re.compile(r"_[0-9a-f]{24}$")  # as `spec.joined` makes it


def same(plain: list[Token] | None, other: list[Token] | None, names: tuple[str, ...]) -> None:
    """Fail unless the second statement is the first one with other names in it."""
    assert (plain is None) == (other is None)
    for one, two in zip(plain or (), other or (), strict=True):
        assert one.kind == two.kind, (one, two)
        meant = one.means
        for at, name in enumerate(PLAIN):
            meant = meant.replace(name, f"\0{at}\0")
        for at, name in enumerate(names):
            meant = meant.replace(f"\0{at}\0", name)
        if one.kind != "text":
            hashed = len(two.means.encode()) >= 63 or HASHED.search(two.means)  # one that is cut, or of two names
            assert meant == two.means or hashed, (one, two)
        elif meant != two.means:  # a name that is quoted once more in a text: a statement's name, or a format
            assert undoubled(meant) == undoubled(two.means), (one, two)


def undoubled(text: str) -> str:
    """Return a text in which nothing is doubled: neither quotation marks nor the `%` of a format."""
    return re.sub(r'(["%])\1*', r"\1", text)


@cases(8000)
@given(NAMES, st.lists(NAMES, min_size=1, max_size=3))
def test_a_name_is_one_name_to_both_servers(name: str, path: list[str]) -> None:
    """Whatever is before and behind it, and in a block too."""
    assert list(tokens(quoted(name), "mysql")) == [Token("name", name)]
    found = [token for token in tokens(ddl.name(*path), "postgres") if token.means != "." or token.kind == "name"]
    assert found == [Token("name", one) for one in path]
    inside = list(tokens(ddl.batch([f"SELECT {ddl.name(name)}", f"SELECT {ddl.value(name)}"]), "postgres"))
    assert [token for token in inside if token.kind in ("name", "text")] == [Token("name", name), Token("text", name)]
    tried("names", "quoted names")


@cases(8000)
@given(TEXTS | st.binary(max_size=30))
def test_a_value_is_one_literal_to_both_servers(text: str | bytes) -> None:
    (found,) = tokens(literal(text), "mysql")
    assert bytes.fromhex(found.means) == (text if isinstance(text, bytes) else text.encode())
    if isinstance(text, str) and "\0" not in text:
        assert list(tokens(ddl.value(text), "postgres")) == [Token("text", text)]
    tried("values", "literals")


@cases(6000)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.integers(0, 0xFFFFFFFF))
def test_nothing_in_a_block_ends_it(texts: list[str], guess: int) -> None:
    """Neither a tag that somebody has guessed, nor the one that it would have."""
    body = ";\n".join([*texts, f"$bulketl_{guess:08x}$", f"$bulketl_{hashlib.sha256(texts[0].encode()).hexdigest()[:8]}$"])
    made = ddl.block(body)
    tag = made.split()[1]
    assert made.count(tag) == 2
    assert made.startswith(f"DO {tag} ")
    assert made.endswith(f"END {tag}")
    tried("names", "blocks for postgres")


def test_functions_that_make_statements_are_found() -> None:
    """In both packages."""
    assert len([one for one in MAKINGS.values() if one.dialect == "mysql"]) >= 5, sorted(MAKINGS)
    assert len([one for one in MAKINGS.values() if one.dialect == "postgres"]) > 40, sorted(MAKINGS)


@cases(20000)
@given(
    st.sampled_from(sorted(MAKINGS)),
    st.lists(NAMES.map(lambda name: name[:12]), min_size=len(PLAIN), max_size=len(PLAIN), unique=True).map(tuple),
    st.sampled_from(PUBLISHES), st.sampled_from(DELETES), st.tuples(*[st.booleans()] * 5), st.integers(0, 9),
)  # fmt: skip
def test_a_statement_with_hostile_names_is_the_same_statement(
    which: str, names: tuple[str, ...], publish: Any, deletes: Any, flags: tuple[bool, ...], number: int
) -> None:
    making = MAKINGS[which]
    plain = made(making, PLAIN, spec(PLAIN, publish, deletes, flags), number)
    same(plain, made(making, names, spec(names, publish, deletes, flags), number), names)
    tried("names", f"SQL for {making.dialect}")


def test_a_name_that_has_the_tag_of_its_own_block_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has searched for it long enough: here the hash is one that is easily found."""
    known = hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda text: known(text[:1]))
    body = f'SELECT 1 AS "$bulketl_{known(b"S").hexdigest()[:8]}$; DROP TABLE t"'
    tag = ddl.block(body).split()[1]
    assert ddl.block(body).count(tag) == 2
