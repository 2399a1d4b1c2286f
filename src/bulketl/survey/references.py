"""Which tables refer to which: declared foreign keys, and what the names of columns say where values agree.

Few databases declare their foreign keys, and each house names them in its own way: `PatNum` is called like the key of
another table, `tickets_id` is the `id` of `glpi_tickets`, `rev_page` that of `page`. A name that fits a table exactly is
believed until values refute it; one that fits in part is believed when values agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bulketl.tables.catalog import Catalog, Column, Table
from bulketl.tables.evidence import counting_key
from bulketl.tables.measured import Match
from bulketl.tables.naming import singular, words
from bulketl.tables.printable import verb_of
from bulketl.tables.types import INTEGERS

_TEXTS = frozenset({"char", "varchar", "binary", "varbinary", "uuid"})
_IDS = frozenset({"id", "no", "nr", "num", "number", "code", "key", "uid", "guid", "uuid", "ref", "oid"})
_ID_ENDS = ("number", "num", "code", "id")
ENOUGH = 5  # different values say something about the others
REFUTED = 0.2  # of the values at least must be there, or an exact name is wrong
CONFIRMED = 0.9  # of the values must be there, for a name that fits in part
PREFIX_SHARE = 0.3  # of a database's tables that begin with the same word: it says nothing of each
TRIED = 3  # tables that are considered for a column


@dataclass(frozen=True, slots=True)
class Guess:
    """A column that may refer to the key of another table. `exact`: the name says no more and no less than the table's."""

    table: str
    column: str
    target: str
    key: str
    exact: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """A table that a table refers to. `column` is '' for a declared foreign key; `why`: what says so, in words."""

    target: str
    column: str
    why: str


def guesses(catalog: Catalog) -> tuple[Guess, ...]:
    """Return what the names of columns say, for each column the best first; declared foreign keys are left out."""
    known = _Names.of(catalog)
    return tuple(guess for table in catalog for guess in _of_table(table, known))


def settled(catalog: Catalog, guessed: Iterable[Guess], matches: Mapping[Guess, Match]) -> dict[str, tuple[Reference, ...]]:
    """Return what each table refers to, a target once, without itself: of each column the best guess that values allow."""
    found: dict[str, dict[str, Reference]] = {
        table.name: {t: Reference(t, "", f"a foreign key to {t} is declared") for t in table.references if t != table.name}
        for table in catalog
    }
    for guess, why in believed(guessed, matches):
        known = found[guess.table].get(guess.target)
        declared = known is not None and not known.column
        if known is None or declared:
            told = f"{guess.column} is a foreign key to {guess.target}" if declared else why
            found[guess.table][guess.target] = Reference(guess.target, guess.column, told)
    return {name: tuple(by_target.values()) for name, by_target in found.items()}


def believed(guessed: Iterable[Guess], matches: Mapping[Guess, Match]) -> Iterator[tuple[Guess, str]]:
    """Yield of each column the best guess that values allow, with what says so."""
    taken: set[tuple[str, str]] = set()
    for guess in guessed:
        why = "" if (guess.table, guess.column) in taken else _believed(guess, matches.get(guess))
        if why:
            taken.add((guess.table, guess.column))
            yield guess, why


def comparable(guess: Guess, tables: Mapping[str, Table]) -> bool:
    """Tell whether values can be looked up by key: a text of another character set would need every row of the table."""
    return tables[guess.table].column(guess.column).charset == tables[guess.target].column(guess.key).charset


def refuted(guess: Guess, match: Match | None) -> str:
    """Return in words why a guess is not believed, '' when it is."""
    if _believed(guess, match):
        return ""
    if match is None or match.values < ENOUGH:
        return f"{guess.column} might be {guess.target}.{guess.key}, and there are too few values to tell"
    there = f"{match.found} of {match.values} sampled values {verb_of(match.found, 'is')} there"
    return f"{guess.column} is not {guess.target}.{guess.key}: only {there}"


def _believed(guess: Guess, match: Match | None) -> str:
    is_key = f"{guess.column} is {guess.target}.{guess.key}"
    if match is None or match.values < ENOUGH:
        return f"{is_key}, by its name" if guess.exact else ""
    least = REFUTED if guess.exact else CONFIRMED
    counted = f"{is_key}: {match.found} of {match.values} sampled values are there"
    return counted if match.found >= least * match.values else ""


@dataclass(frozen=True, slots=True)
class _Names:
    """The tables that can be referred to, by their keys' names and by their own: whole, and without what all begin with."""

    tables: Mapping[str, Table]
    by_key: Mapping[str, Sequence[str]]
    by_name: Mapping[str, Sequence[str]]
    by_end: Mapping[str, Sequence[str]]

    @staticmethod
    def of(catalog: Catalog) -> _Names:
        beginnings = Counter(parts[0] for table in catalog if len(parts := words(table.name)) > 1)
        common = {word for word, n in beginnings.items() if n >= max(3, PREFIX_SHARE * len(catalog.tables))}
        by_key: dict[str, list[str]] = {}
        by_name: dict[str, list[str]] = {}
        by_end: dict[str, list[str]] = {}
        for table in sorted(catalog, key=lambda t: (counting_key(t) is None, -t.rows, t.name)):
            if len(table.primary_key) != 1:
                continue
            (key,) = table.primary_key
            if not any(column.name == key and _family(column) for column in table.columns):  # it may be out of view
                continue
            name = list(words(table.name))
            if _says_of_which(words(key)):
                by_key.setdefault(key.lower(), []).append(table.name)
            by_name.setdefault(_one(name), []).append(table.name)
            if len(name) > 1 and name[0] in common:
                name = name[1:]
                by_name.setdefault(_one(name), []).append(table.name)
            for n in range(1, len(name)):
                by_end.setdefault(_one(name[n:]), []).append(table.name)
        few = {key: tables[:TRIED] for key, tables in by_key.items()}
        clear = {name: tables for name, tables in by_name.items() if len(tables) <= TRIED}
        return _Names({table.name: table for table in catalog}, few, clear, by_end)


def _of_table(table: Table, known: _Names) -> Iterable[Guess]:
    own = _own_word(table)
    for column in table.columns:
        family = _family(column)
        if not family or column is counting_key(table) or (table.primary_key == (column.name,) and _is_plain(column.name)):
            continue
        found: dict[str, bool] = {}
        for target, exact in _targets(column.name, own, known):
            found[target] = found.get(target, False) or exact
        fitting = [
            (target, exact)
            for target, exact in found.items()
            if target != table.name and _family(known.tables[target].column(known.tables[target].primary_key[0])) == family
        ]
        if any(exact for _, exact in fitting):
            fitting = [
                (target, exact) for target, exact in fitting if exact or target in known.by_key.get(column.name.lower(), ())
            ]
        for target, exact in sorted(fitting, key=lambda item: not item[1])[:TRIED]:
            key = known.tables[target].primary_key[0]
            if (table.primary_key, column.name.lower()) != ((key,), key.lower()) or exact:
                yield Guess(table.name, column.name, target, key, exact)


def _targets(name: str, own: str, known: _Names) -> Iterable[tuple[str, bool]]:
    """Yield the tables a column's name may mean, and whether it says so exactly."""
    parts = list(words(name))
    while len(parts) > 1 and parts[-1].isdigit():  # `users_id_2`
        parts.pop()
    stem = _stem(parts)
    called = [t for s in ([stem, stem[1:]] if stem[:1] == [own] else [stem]) if s for t in known.by_name.get(_one(s), ())]
    yield from ((table, True) for table in called)
    same = known.by_key.get(name.lower(), ())
    # Of several tables with the same key the others are parts of one: `user_id` of `user_cache`.
    yield from ((table, not called and n == 0) for n, table in enumerate(same))
    if stem:
        yield from ((table, False) for n in range(1, len(stem)) for table in known.by_name.get(_one(stem[n:]), ()))
        ends = known.by_end.get(_one(stem), ())
        yield from ((table, False) for table in ends if len(ends) == 1)  # `items_id` is of none of ten `..._items`
    elif len(parts) > 1 and (singular(parts[-1]) == parts[-1] or not parts[-1].endswith("s")):  # no plural
        rest = parts[1:] if parts[0] == own else parts[-1:]
        yield from ((table, parts[0] == own) for table in known.by_name.get(_one(rest), ()))


def _says_of_which(key: Sequence[str]) -> bool:
    """Tell whether a key's name says of which table it is: `PatNum` and `borrowernumber` do, `id`, `name`, `code` do not."""
    return len(key) > 1 or (len(key) == 1 and key[0].endswith(_ID_ENDS) and key[0] not in _IDS)


def _stem(parts: list[str]) -> list[str]:
    """Return the words of a column's name that say of which table it has the key, [] when none does."""
    if len(parts) > 1 and parts[-1] in _IDS:
        return parts[:-1]
    if "id" in parts[1:-1]:  # `users_id_tech`
        return parts[: parts.index("id", 1)]
    if len(parts) > 1 and parts[0] == "id":
        return parts[1:]
    end = next((end for end in _ID_ENDS if len(parts) == 1 and parts[0].endswith(end) and len(parts[0]) > len(end) + 1), "")
    return [parts[0].removesuffix(end)] if end else []


def _own_word(table: Table) -> str:
    """Return the word with which nearly all columns of a table begin, as in `rev_id, rev_page, rev_user`; or ''."""
    beginnings = Counter(parts[0] for column in table.columns if len(parts := words(column.name)) > 1)
    word, count = next(iter(beginnings.most_common(1)), ("", 0))
    return word if count > 1 and count >= 0.7 * len(table.columns) else ""


def _one(parts: Sequence[str]) -> str:
    return "".join(singular(word) for word in parts)


def _is_plain(name: str) -> bool:
    return len(words(name)) < 2


def _family(column: Column) -> str:
    base = column.parsed.base
    return "number" if base in INTEGERS and base != "tinyint" else "text" if base in _TEXTS else ""


def acyclic(references: Mapping[str, frozenset[str]]) -> dict[str, tuple[str, ...]]:
    """Return the references without those that close a circle, so that an order of loading exists."""
    done: dict[str, tuple[str, ...]] = {}
    for first in references:
        # Without recursion: a chain may be as long as there are tables.
        stack = [(first, iter(sorted(references.get(first, ()))))] if first not in done else []
        path, kept = {first}, {first: list[str]()}
        while stack:
            name, left = stack[-1]
            target = next(left, None)
            if target is None:
                done[name] = tuple(kept[name])
                path.discard(name)
                stack.pop()
            elif target not in path:
                kept[name].append(target)
                if target not in done:
                    kept[target] = []
                    path.add(target)
                    stack.append((target, iter(sorted(references.get(target, ())))))
    return done
