"""A run's certificate as a page: one HTML file that fetches nothing, for whoever keeps it, prints it or is shown it.

Its first line is the verdict. Colour only repeats what a word and a shape say. Of values of rows, minima and maxima among
them, nothing is on it; whatever comes from a database is escaped, and what would act in it is a picture of itself.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

from bulketl.cli.screens.certificates import HOW, counted, headline, reasons, rows
from bulketl.tables.printable import count_of, in_a_line
from bulketl.tables.spec import TIERS

_STYLE = """
:root{color-scheme:light dark;--bg:#fff;--sunk:#f4f6f7;--ink:#1b1f23;--ink-2:#57606a;--line:#d8dde2;
--failed:#b42318;--good:#2b6f4c}
@media (prefers-color-scheme:dark){:root{--bg:#14171a;--sunk:#1c2125;--ink:#e6e8ea;--ink-2:#a5adb5;--line:#2f363c;
--failed:#ff9288;--good:#74c298}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:400 .9375rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","Liberation Sans","DejaVu Sans",Arial,sans-serif;font-variant-numeric:tabular-nums lining-nums}
main,footer{max-width:66rem;margin-inline:auto;padding-inline:clamp(1rem,3vw,2.5rem)}
main{padding-block:2.5rem 1.5rem}
h1{margin:0;font-size:clamp(1.375rem,1.05rem + 1.1vw,1.875rem);line-height:1.25;font-weight:650;letter-spacing:-.012em}
h1 span{font-size:1.0625rem;font-weight:400;letter-spacing:0;color:var(--ink)}
p{margin:.5rem 0 0;max-width:52em}
.q{color:var(--ink-2)} .bad{color:var(--failed)} .good{color:var(--good)}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.75rem 2rem;margin:1.5rem 0 0;padding:.75rem 0;
border-block:1px solid var(--line)}
dt{font-size:.8125rem;color:var(--ink-2)} dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin-top:1rem}
tbody th{padding-top:1.5rem;font-size:1.0625rem;font-weight:650;color:var(--ink)}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.35rem 1rem .35rem 0;border-bottom:1px solid var(--line)}
th{font-size:.8125rem;font-weight:600;color:var(--ink-2);white-space:nowrap}
th.n,td.n{text-align:right;white-space:nowrap}
td:first-child{overflow-wrap:anywhere;min-width:13rem} td.v{white-space:nowrap;font-weight:600}
td.w{min-width:14rem;width:34%;overflow-wrap:anywhere}
footer{font-size:.8125rem;color:var(--ink-2);padding-block:0 2rem}
footer p{padding-top:1rem;border-top:1px solid var(--line)}
@media print{:root{--bg:#fff;--ink:#000;--ink-2:#444;--line:#bbb;--failed:#8f1a12;--good:#1f5a3c}body{font-size:10pt}
main{padding-block:0 1rem}
main,footer{max-width:none;padding-inline:0}
thead{display:table-header-group}tr,dl>div{break-inside:avoid}
.scroll{overflow:visible}}
@page{size:A4;margin:16mm}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_NUMBERS = ("Rows", "Figures", "Ranges")
_HEADS = "".join(f'<th scope="col">{word}</th>' for word in ("Table", "Verdict", "Why", "Tier"))
_HEADS += "".join(f'<th scope="col" class="n">{word}</th>' for word in _NUMBERS)
_WORDS = {True: ("good", "\u2713 certified"), False: ("bad", "\u2717 not certified"), None: ("q", "\u2013 not read")}


def page(about: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page; `about` and `tables` as `bulketl.certificate` returns them."""
    word = "CERTIFIED" if about["certified"] else "NOT CERTIFIED"
    why = f": <span>{_text('; '.join(about['why']))}</span>" if about["why"] else ""
    since = "".join(f'<p class="q">{_text(line)}.</p>' for line in about.get("since", ()) if line not in about["why"])
    facts = {
        "Run": about["run"], "Source": about["source"], "Schema in the target": about["schema_name"],
        "Began": about["started_at"], "Ended": about["finished_at"] or "not yet", "Outcome": about["outcome"] or "none yet",
        "Carried out on": about["host"], "By": f"bulketl {about['version']}",
    }  # fmt: skip
    told = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in facts.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{_text(f"{headline(about)} (run {about['run']})")}</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1 class="{"good" if about["certified"] else "bad"}">{word}{why}</h1>
<p>{_text(counted(tables))}.</p>
{since}
<dl>{told}</dl>
<div class="scroll"><table><thead><tr>{_HEADS}</tr></thead>
{"".join(_section(name, found) for name, found in _sorted(tables))}</table></div>
</main>
<footer>
<p>A table is certified when its figures ({_text(HOW)}) agree in three places:
at the source, in the batches in memory, and in Postgres before the rows became visible; and when none of its rows was
rejected. If a table is loaded by its changes, that covers the rows that this run read. This page shows no value of any
row.</p>
</footer>
</body>
</html>
"""


def _sorted(tables: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, list[tuple[str, Mapping[str, Any]]]]]:
    """Yield the tables that are not certified, those that are, and those that were not read, each with a heading."""
    order = {tier: n for n, tier in enumerate(TIERS)}
    every = sorted(tables.items(), key=lambda pair: (order.get(pair[1]["tier"], 9), -rows(pair[1]), pair[0]))
    for state, title in ((False, "Not certified"), (True, "Certified"), (None, "Not read in this run")):
        found = [(name, table) for name, table in every if table["certified"] is state]
        if found:
            yield f"{title}: {count_of(len(found), 'table')}", found


def _section(title: str, found: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    lines = "\n".join(_row(name, table) for name, table in found)
    return f'<tbody><tr><th scope="rowgroup" colspan="7">{_text(title)}</th></tr>\n{lines}\n</tbody>\n'


def _row(name: str, table: Mapping[str, Any]) -> str:
    style, word = _WORDS[table["certified"]]
    told = reasons(name, table)
    if table["certified"] is None:
        told = told or [str(table["outcome"])]
    counts = (rows(table), len(table["figures"]), table["ranges"])
    numbers = "".join(f'<td class="n">{count:,}</td>' for count in counts) if any(counts) else "<td></td><td></td><td></td>"
    why = "<br>".join(_text(line) for line in told) if told else _text("source, batches and target agree")
    return (f'<tr><td><bdi>{_text(name)}</bdi></td><td class="v {style}">{_text(word)}</td><td class="w">{why}</td>'
            f"<td>{_text(table['tier'])}</td>{numbers}</tr>")  # fmt: skip


def _text(value: object) -> str:
    """Return a value as text of the page, in which nothing is markup, and a character that would act is its code."""
    said = (letter if in_a_line(letter) == letter else f"\\x{ord(letter):02x}" for letter in str(value))
    return html.escape("".join(said))
