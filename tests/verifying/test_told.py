"""Results as plain values, for notebooks, a dashboard and `--json`: exact, and without a loss of digits."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

from bulketl.errors import SourceError
from bulketl.verifying.months import History, MonthPair, TableHistory
from bulketl.verifying.pairs import Difference, PairResult

CLI = Path(__file__).parent.parent.parent / "src" / "bulketl" / "cli"
DAY = dt.datetime(2024, 3, 1)
LONG, LONGER = Decimal("12345678901234567890.123456789"), Decimal("12345678901234567891.123456789")


def test_a_pair_that_differs_has_every_figure_as_text() -> None:
    differences = (
        Difference((DAY, None), "sum", LONG, LONGER),
        Difference((DAY, "x"), missing="target"),
        Difference((DAY, "y"), "name", None, b"\x01"),
    )
    found = PairResult("revenue", "warn", ("day", "kind"), {"since": dt.date(2024, 1, 1)}, 3, differences)
    assert json.loads(json.dumps(found.to_json())) == {
        "pair": "revenue",
        "severity": "warn",
        "outcome": "differs",
        "window": {"since": "2024-01-01"},
        "compared": 3,
        "differences": [
            {
                "key": {"day": "2024-03-01", "kind": None},
                "figure": "sum",
                "source": "12345678901234567890.123456789",
                "target": "12345678901234567891.123456789",
                "target_has": "1.000000000",
            },
            {"key": {"day": "2024-03-01", "kind": "x"}, "missing": "target"},
            {
                "key": {"day": "2024-03-01", "kind": "y"},
                "figure": "name",
                "source": None,
                "target": "0x01",
                "target_has": None,
            },
        ],
    }


def test_a_pair_that_was_not_compared_says_why() -> None:
    found = PairResult("revenue", "fail", error=SourceError("no such column", hint="correct it")).to_json()
    assert (found["outcome"], found["differences"], found["window"]) == ("error", [], {})
    assert "no such column" in json.dumps(found)


def test_months_have_sums_only_where_they_differ() -> None:
    months = (
        MonthPair(None, 2, 1, invalid=1),
        MonthPair(202403, 5, 5, sums=(("fee", Decimal("1.5"), None),)),
        MonthPair(202404, 7, 7),
    )
    at = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    found = History(at, "clinic", "public", (TableHistory("t", "day", months), TableHistory("u", skipped="no date column")))
    assert json.loads(json.dumps(found.to_json())) == {
        "at": "2024-05-01T00:00:00+00:00",
        "source": "clinic",
        "schema": "public",
        "tables": [
            {
                "table": "t",
                "by": "day",
                "outcome": "differs",
                "message": "",
                "months": [
                    {"month": None, "source": 2, "target": 1, "invalid": 1},
                    {"month": "2024-03", "source": 5, "target": 5, "sums": {"fee": ["1.5", None]}},
                    {"month": "2024-04", "source": 7, "target": 7},
                ],
            },
            {"table": "u", "by": "", "outcome": "skipped", "message": "no date column", "months": []},
        ],
    }


def test_the_command_line_makes_no_values_of_a_results_fields() -> None:
    """What `--json` prints is what a notebook gets: values say it of themselves."""
    texts = {str(path.relative_to(CLI)): path.read_text(encoding="utf-8") for path in CLI.rglob("*.py")}
    assert [name for name, text in texts.items() if "asdict" in text or "__dict__" in text] == []


def test_one_table_serves_all_screens() -> None:
    made = {path.name for path in CLI.rglob("*.py") if "box=None" in path.read_text(encoding="utf-8")}
    assert made == {"listing.py"}
