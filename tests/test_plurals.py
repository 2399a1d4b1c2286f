"""No screen, page, mail or message says "1 tables": a number with its noun comes from `count_of`, or is never one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulketl.tables.printable import count_of, verb_of

SOURCE = Path(__file__).parents[1] / "src" / "bulketl"
TEMPLATES = [path for ending in ("html", "md", "txt") for path in sorted(SOURCE.rglob(f"*.{ending}"))]
CALLED = re.compile(r"""count_of\([^"']*["']([a-z -]+)["']|\|\s*count\(["']([a-z -]+)["']\)""")
OTHERS = {"windows", "partitions", "sources", "workers", "minutes", "days", "years", "parts", "ways", "pages", "words"}
BETWEEN = r"[ \N{NO-BREAK SPACE}](?:(?:more|other|small|new|newest|old|late|failed|loaded|rejected|incident) )*"
# What is never one where it is said, each with the text that follows its number; a name in capitals is a constant.
NEVER_ONE = {
    "cli/progress/stages.py": {"of"},  # only above one
    "cli/progress/underway.py": {"line.tables"},  # a group
    "cli/screens/plans.py": {"len(load.partitions)"},  # only above one
    "cli/screens/summary.py": {"hook.calls"},  # only above one
    "cli/screens/verdicts.py": {"count"},  # "the table" where it is one
    "config/settings.py": {"self.workers"},  # more than a number that is one at least
    "loading/pruning.py": {"keep.days"},  # thirty at least
    "operations/alerts/causes.py": {"seconds / 60"},  # two at least
    "operations/retention.py": {"rule.action"},  # no number
    "plan/limits.py": {"count"},  # hundreds
    "plan/masking.py": {"rule.extraction_strategy"},  # no number
    "postgres/compare/row.py": {"part.days", "part.microseconds"},  # of an interval, for Postgres
    "survey/proposals.py": {"LATELY.days"},
    "tables/keytext.py": {"len(names)"},  # only above one
    "survey/explanation.py": {"came.gaps"},  # with a place behind the point
    "operations/dashboard/words.py": {"len(found)"},  # "the one table" where it is one
    "operations/history/standing.py": {"missed"},  # "the last window" where it is one
    "operations/reports/nightlines.py": {"self.loaded"},  # "the one table" where it is one
    "operations/reports/weekly.py": {"one.ranges"},  # four at least
    "operations/underway.py": {"line.tables"},  # a group
    "plan/selection.py": {"config.at_once"},  # more than a number that is one at least
    "survey/standing.py": {"rate"},  # a thousand at least
    "survey/tiers.py": {"len(targets)"},  # three at least
    "operations/dashboard/templates/overview.html": {"o.sources|length"},  # only above one
    "operations/reports/templates/daily.html": {"o.sources|length"},  # only above one
}  # fmt: skip


def nouns() -> list[str]:
    """Return every noun of which the code says a number, as it is of many."""
    texts = [path.read_text(encoding="utf-8") for path in (*SOURCE.rglob("*.py"), *TEMPLATES)]
    found = {first or second for text in texts for first, second in CALLED.findall(text)}
    return sorted({f"{noun.split()[-1]}s" for noun in found if noun.strip()} | OTHERS)


def told() -> Iterator[tuple[str, str]]:
    """Yield the file and the expression wherever a text has a value and then such a noun."""
    after = re.compile(rf"{BETWEEN}({'|'.join(nouns())})\b")
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.JoinedStr):
                continue
            for value, text in zip(node.values, node.values[1:], strict=False):
                if (isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant)
                        and after.match(str(text.value))):  # fmt: skip
                    yield str(path.relative_to(SOURCE)), ast.unparse(value.value)
    inside = re.compile(rf"\{{\{{ ?\(?([^{{}}]*?)\)?(?:\|n)? ?\}}\}}(?:</\w+>)?{BETWEEN}({'|'.join(nouns())})\b")
    for path in TEMPLATES:
        for found in inside.finditer(path.read_text(encoding="utf-8")):
            yield str(path.relative_to(SOURCE)), found[1]


def is_number(expression: str) -> bool:
    """Tell whether it may be a number that is one: no constant, and no text that ends as one of many things."""
    return not expression.rpartition(".")[2].isupper() and "|count(" not in expression and "count_of(" not in expression


def test_every_number_with_its_noun_says_one_as_one() -> None:
    found: dict[str, set[str]] = {}
    for file, expression in told():
        if is_number(expression):
            found.setdefault(file, set()).add(expression)
    wrong = {file: sorted(said - NEVER_ONE.get(file, set())) for file, said in found.items()}
    assert {file: said for file, said in wrong.items() if said} == {}
    assert {file: sorted(known - found.get(file, set())) for file, known in NEVER_ONE.items()} == {
        file: [] for file in NEVER_ONE
    }


def test_there_are_nouns_and_places_to_look_at() -> None:
    """So that the search above looks at something."""
    assert {"tables", "rows", "nights", "events"} <= set(nouns())
    assert len(list(told())) > 20


@pytest.mark.parametrize(
    ("count", "verb", "said"),
    [(0, "was", "0 rows were"), (1, "was", "1 row was"), (1, "differs", "1 row differs"), (2, "differs", "2 rows differ"),
     (1_000, "has", "1,000 rows have"), (1, "", "1 row"), (2, "is", "2 rows are")],
)  # fmt: skip
def test_noun_and_verb_agree_with_their_number(count: int, verb: str, said: str) -> None:
    assert count_of(count, "row", verb) == said
    if verb:
        assert said.endswith(verb_of(count, verb))


def test_no_plural_is_made_by_hand() -> None:
    """`count_of` makes it; what stands here names things, and no number goes before it."""
    by_hand = re.compile(r"""\{['"]s['"] (\*|if)|\{['"]['"] if [^{}]* == 1 else ['"]s['"]|\{['"](is|was|has)['"] if """)
    found = {
        f"{path.relative_to(SOURCE)}: {line.strip()}"
        for path in SOURCE.rglob("*.py") if path.name != "printable.py"
        for line in path.read_text(encoding="utf-8").splitlines() if by_hand.search(line)
    }  # fmt: skip
    assert {line.partition(":")[0] for line in found} == {
        "plan/obstacles.py", "plan/specify.py", "survey/targetfindings.py",
    }, found  # fmt: skip
