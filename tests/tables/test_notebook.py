"""What a notebook shows: every name as text, whatever it holds, and never more rows than a person reads."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from bulketl.tables.notebook import MOST_ROWS, html_table
from bulketl.tables.printable import in_a_line


class Parsed(HTMLParser):
    """The elements of a fragment, and the texts of its cells."""

    def __init__(self, fragment: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.cells: list[str] = []
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        assert {name for name, _ in attrs} <= {"style", "scope"}
        if tag in ("td", "th", "strong"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.cells[-1] += data


@given(st.text(), st.lists(st.tuples(st.text(), st.text()), max_size=3))
def test_every_text_is_shown_as_it_is_and_makes_no_element(caption: str, rows: list[tuple[str, str]]) -> None:
    """A table may be called `<script>`."""
    found = Parsed(html_table(caption, ("one", "two"), rows))
    assert found.elements <= {"div", "p", "strong", "table", "tr", "th", "td"}
    assert found.cells == [in_a_line(text) for text in (caption, "one", "two", *(text for row in rows for text in row))]


def test_the_first_rows_are_shown_and_the_others_counted() -> None:
    """Who wants all asks the value itself."""
    html = html_table("many", ("n",), [(n,) for n in range(MOST_ROWS + 1234)])
    assert html.count("<td") == MOST_ROWS
    assert "and 1,234 more" in html


def test_numbers_have_their_thousands_and_nothing_stands_for_no_value() -> None:
    """As in the other screens."""
    assert Parsed(html_table("", ("a", "b", "c", "d"), [(1234567, None, True, 2.25)])).cells[5:] == [
        "1,234,567", "", "True", "2.2",
    ]  # fmt: skip
