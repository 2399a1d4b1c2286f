"""What a notebook shows of a value: a table in HTML, in the colours of the notebook, dark or light."""

from __future__ import annotations

import html
from collections.abc import Sequence

from bulketl.tables.printable import in_a_line

MOST_ROWS = 60  # of a table; whoever wants all asks the value itself


def html_table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table with its caption above it; numbers stand right, and what has no value is empty.

    Every text is escaped: names come out of other people's databases. Of more than MOST_ROWS rows the first are shown, so
    what matters stands first, and the number of the others is said.
    """
    lines = [f"<tr>{''.join(f'<th scope=col>{_text(word)}</th>' for word in headings)}</tr>"]
    lines += [f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:MOST_ROWS]]
    left = len(rows) - MOST_ROWS
    more = f"<p>and {left:,} more</p>" if left > 0 else ""
    return f"<div><p><strong>{_text(caption)}</strong></p><table>{''.join(lines)}</table>{more}</div>"


def _cell(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (
            f'<td style="text-align:right">{value:,.1f}</td>'
            if isinstance(value, float)
            else (f'<td style="text-align:right">{value:,}</td>')
        )
    return f'<td style="text-align:left">{_text("" if value is None else str(value))}</td>'


def _text(text: str) -> str:
    return html.escape(in_a_line(text))
