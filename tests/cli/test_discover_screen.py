"""The screens of `discover`, kept as files at 80 and 120 columns and as they go into a pipe.

`python tests/cli/test_discover_screen.py` writes them anew; look at every one then.
"""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.cells import cell_len

from bulketl.cli.screens.rules import explanation, proposed
from bulketl.cli.terminal import Terminal
from bulketl.survey.explanation import Evidence, chain
from bulketl.survey.proposals import Proposal, classify
from bulketl.survey.references import Guess, guesses, settled
from bulketl.survey.standing import standings
from bulketl.tables.catalog import Catalog, Column, Key, Table
from bulketl.tables.evidence import Arrival
from bulketl.tables.measured import Match, Profile

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = {"80": 80, "120": 120, "piped": None}
MEGA = 1 << 20


def table(name: str, *columns: str, rows: int, size: int = 20_000) -> Table:
    """Return a table with a key that counts up; a column called `..._at` is a time, `stamp` the server's, others numbers."""
    made = tuple(
        Column(one, "timestamp" if one == "stamp" else "datetime" if one.endswith("_at") else "varchar(80)" if one == "name"
               else "int(11)", True, extra="on update current_timestamp()" if one == "stamp" else "")
        for one in columns
    )  # fmt: skip
    return Table(name, (Column("id", "int(11)", False, extra="auto_increment"), *made), ("id",),
                 (Key("PRIMARY", ("id",), True),), rows, size)  # fmt: skip


def house() -> tuple[Evidence, tuple[Proposal, ...]]:
    """Return a house of many tables, with what a look at its values would say."""
    tables = (
        table("shop_orders", "customer_id", "made_at", "stamp", rows=90_000, size=40 * MEGA),
        table("shop_customers", "name", "made_at", "stamp", "city", "street", rows=7_000, size=2 * MEGA),
        *(table(f"shop_part{n}", "order_id", "kind", "weight", "price", rows=n) for n in range(30)),
        table("shop_login_log", "customer_id", "made_at", rows=9_000, size=MEGA),
        table("shop_price_log", "kind", "made_at", "stamp", rows=4_000, size=MEGA // 2),
        table("shop_colours", "name", rows=12), table("tmp_import", "kind", rows=3),
        table("a\nb" + "c" * 40, "kind", rows=1),
    )  # fmt: skip
    catalog = Catalog("mysql://shop:3306/shop", "11", "UTC", tables)
    profiles = {("shop_orders", "stamp"): Profile(1000, 0, 0, 1, 9.0)}
    arrivals = {name: Arrival(1000, 1.0, "made_at", 2, True, (("stamp", 12),) if name.endswith("price_log") else ())
                for name in ("shop_login_log", "shop_price_log", "shop_orders")}  # fmt: skip
    matches: dict[Guess, Match] = {guess: Match(200, 199) for guess in guesses(catalog)}
    evidence = Evidence(catalog, profiles, arrivals, matches)
    return evidence, classify(catalog, profiles, (), arrivals, matches)


def shown(which: str, width: int | None) -> str:
    """Return a screen as it is printed."""
    evidence, every = house()
    written = io.StringIO()
    terminal = Terminal(file=written, width=width, force_terminal=width is not None, color_system=None, _environ={})
    if which == "proposed":
        terminal.print(proposed(every, whole=width is None), soft_wrap=width is None)
    else:
        found = standings(evidence.catalog, settled(evidence.catalog, guesses(evidence.catalog), evidence.matches),
                          evidence.profiles)  # fmt: skip
        mine = tuple(guess for guess in guesses(evidence.catalog) if guess.table == which)
        lines = chain(evidence, found[which], mine, next(item for item in every if item.table == which))
        terminal.print(explanation(which, lines, whole=width is None), soft_wrap=width is None)
    return written.getvalue()


SCREENS = ("proposed", "shop_orders", "shop_price_log")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("which", SCREENS)
def test_a_screen_is_as_it_is_kept(which: str, width: str) -> None:
    """Run this file as a program to write them anew."""
    text = shown(which, WIDTHS[width])
    assert text == (GOLDEN / f"discover-{which}-{width}.txt").read_text(encoding="utf-8")
    if wide := WIDTHS[width]:
        assert max(cell_len(line) for line in text.splitlines()) <= wide


def test_the_screen_is_short_however_many_tables_there_are() -> None:
    """Below 60 lines, and into a pipe no line is cut and every name is whole."""
    _, every = house()
    many = [dataclasses.replace(item, table=f"{item.table}_{n}", question="audit? who knows") for n in range(300)
            for item in every]  # fmt: skip
    for width in (80, None):
        written = io.StringIO()
        terminal = Terminal(file=written, width=width, force_terminal=width is not None, color_system=None, _environ={})
        terminal.print(proposed(many, whole=width is None), soft_wrap=width is None)
        assert len(written.getvalue().splitlines()) < 60
        assert ("…" in written.getvalue()) == (width is not None)


if __name__ == "__main__":
    for screen in SCREENS:
        for at, columns in WIDTHS.items():
            (GOLDEN / f"discover-{screen}-{at}.txt").write_text(shown(screen, columns), encoding="utf-8")
