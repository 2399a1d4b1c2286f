"""Which tables refer to which: names of any house are understood, values decide, and nothing is quadratic."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.survey.references import Guess, acyclic, comparable, guesses, refuted, settled
from bulketl.survey.standing import standings
from bulketl.tables.catalog import Catalog, Column, Key, Table
from bulketl.tables.measured import Match
from bulketl.tables.naming import singular, words


def table(name: str, key: str, *columns: str, rows: int = 100, declared: tuple[str, ...] = ()) -> Table:
    made = [Column(key, "int(11)", False, extra="auto_increment")]
    made += [Column(one.rstrip("$"), "varchar(40)" if one.endswith("$") else "int(11)", True) for one in columns]
    return Table(name, tuple(made), (key,), (Key("PRIMARY", (key,), True),), rows, 1000, references=declared)


def catalog(*tables: Table) -> Catalog:
    return Catalog("x", "11", "UTC", tables)


HOUSES = {
    "prefix and plural": (("gl_tickets", "id"), ("gl_followups", "id", "tickets_id"), ("gl_costs", "id", "tickets_id")),
    "singular": (("customers", "id"), ("orders", "id", "customer_id")),
    "plural in -ies": (("categories", "id"), ("products", "id", "category_id")),
    "camel case": (("RoomType", "Id"), ("Room", "Id", "RoomTypeId")),
    "the key's own name": (("person", "PersonNum"), ("visit", "VisitNum", "PersonNum")),
    "capitals": (("CUSTOMER_MASTER", "CUST_NO"), ("INVOICE", "INV_NO", "CUST_NO")),
    "no break": (("borrowers", "borrowernumber"), ("loans", "loan_id", "borrowernumber")),
    "the column's prefix": (
        ("w_page", "page_id", "page_len"),
        ("w_revision", "rev_id", "rev_page", "rev_len", "rev_size"),
        ("w_watch", "wa_id", "wa_page", "wa_since"),
    ),
    "a role behind": (("users", "id"), ("tasks", "id", "users_id_tech")),
    "the id in front": (("customer", "id_customer"), ("cart", "id_cart", "id_customer")),
}


@pytest.mark.parametrize("house", HOUSES)
def test_the_names_of_a_house_say_which_table_is_meant(house: str) -> None:
    """Without a value, a name that says no more and no less than the table's is enough."""
    first, *others = (table(name, key, *columns) for name, key, *columns in HOUSES[house])
    every = catalog(first, *others)
    found = settled(every, guesses(every), {})
    assert [[one.target for one in found[other.name]] for other in others] == [[first.name]] * len(others), guesses(every)
    assert found[first.name] == ()


NOT = {
    "a text for a number": (table("users", "id"), table("tasks", "id", "user_id$")),
    "a generic key": (table("system", "name"), table("users", "id", "name")),
    "a counter": (table("page", "page_id"), table("category", "cat_id", "cat_pages")),
    "a word inside another": (table("logs", "id"), table("tasks", "id", "catalog_id")),
    "one of ten": (*(table(f"{n}_items", "id") for n in ("order", "list", "cart")), table("tasks", "id", "items_id")),
}


@pytest.mark.parametrize("why", NOT)
def test_a_name_that_only_looks_alike_says_nothing(why: str) -> None:
    every = catalog(*NOT[why])
    assert not any(settled(every, guesses(every), {}).values()), guesses(every)


@given(st.integers(0, 300), st.data())
def test_values_decide_and_no_share_is_above_all_of_them(values: int, data: st.DataObject) -> None:
    """An exact name is refuted by values that are elsewhere, a partial one needs nearly all; of few, names decide."""
    there = data.draw(st.integers(0, values))
    every = catalog(table("users", "id"), table("address", "id"), table("tasks", "id", "user_id", "billing_address_id"))
    by_name = {guess.column: guess for guess in guesses(every)}
    assert [by_name[name].exact for name in ("user_id", "billing_address_id")] == [True, False]
    match = Match(values, there)
    found = {
        one.target: one.why for one in settled(every, by_name.values(), dict.fromkeys(by_name.values(), match))["tasks"]
    }
    assert ("users" in found) == (values < 5 or there >= 0.2 * values)
    assert ("address" in found) == (values >= 5 and there >= 0.9 * values)
    for guess in by_name.values():
        assert bool(refuted(guess, match)) == (guess.target not in found)
        if values >= 5 and guess.target in found:
            assert f"{there} of {values} sampled values are there" in found[guess.target]


def test_a_declared_foreign_key_needs_no_value() -> None:
    every = catalog(table("a", "id"), table("b", "id", "a_id", "x", declared=("a", "b")))
    nothing = dict.fromkeys(guesses(every), Match(100, 0))
    assert [(one.target, one.why) for one in settled(every, guesses(every), nothing)["b"]] == [
        ("a", "a foreign key to a is declared")
    ]


def test_texts_of_another_character_set_are_not_looked_up() -> None:
    """The server would compare them with every row of the other table."""
    tables = {name: Table(name, (Column("code", "char(3)", False, charset=charset),), ("code",))
              for name, charset in (("a", "latin1"), ("b", "utf8mb4"))}  # fmt: skip
    assert not comparable(Guess("a", "code", "b", "code", True), tables)
    assert comparable(Guess("a", "code", "a", "code", True), tables)


@given(st.from_regex(r"[a-z]{1,12}", fullmatch=True))
def test_singular_and_plural_of_a_word_are_one(word: str) -> None:
    """Of a noun with its regular plural; and a word never gets longer."""
    assert len(singular(word)) <= len(word) or word in ("men", "women", "people")
    assert singular(singular(word)) or len(word) < 2
    if len(word) > 3 and not word.endswith(("s", "x", "z", "h", "y", "ie", "se", "u", "i")):
        assert singular(f"{word}s") == singular(word)


@given(st.text(max_size=40))
def test_any_name_has_words_that_are_in_it(name: str) -> None:
    for word in words(name):
        assert word
        assert word == word.lower()


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.frozensets(st.sampled_from("abcdefgh"), max_size=5)))
def test_an_order_of_loading_exists_and_keeps_what_it_can(needs: dict[str, frozenset[str]]) -> None:
    every = {name: needs.get(name, frozenset()) - {name} for name in "abcdefgh"}
    found = acyclic(every)
    left = {name: set(targets) for name, targets in found.items()}
    assert all(left[name] <= every[name] for name in left)
    while left:
        ready = [name for name, targets in left.items() if not targets & left.keys()]
        assert ready, left
        for name in ready:
            del left[name]


def test_a_chain_of_any_length_is_ordered() -> None:
    """Ten thousand tables, each of which refers to the next."""
    assert len(acyclic({str(n): frozenset({str(n + 1)}) for n in range(10_000)} | {"10000": frozenset()})) == 10_001


def test_ten_thousand_tables_are_understood_in_seconds() -> None:
    """Names alike, names of numbers, and columns that fit many: the work grows with the columns, not with their pairs."""
    every = catalog(
        *(table(f"mod{n // 10}_{n % 10}", "id", f"mod{n // 10}_0_id", "mod_id", "x_1_id") for n in range(10_000))
    )
    begun = time.process_time()
    guessed = guesses(every)
    found = standings(every, settled(every, guessed, {}), {})
    assert len(guessed) <= 3 * 3 * 10_000
    assert found["mod7_3"].targets == ("mod7_0",)
    assert time.process_time() - begun < 20
