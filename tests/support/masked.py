"""Visits of patients with masks: what tests of masked tables share."""

from __future__ import annotations

from typing import Any

from lab import Lab, numbers

KEY = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
INCREMENTAL = {"extraction_strategy": "incremental", "incremental_column": "SecDateTEdit", "deletes": "mirror"}
VISITS: dict[str, Any] = {
    "visit": {**INCREMENTAL, "mask": {"SSN": "hmac", "At": {"method": "shift", "by": "PatNum"}}},
}
OPTIONS: dict[str, Any] = {"rules": VISITS, "mask_key": KEY}


def with_visits(lab: Lab) -> Lab:
    """Fill the source with 300 visits of seven patients."""
    lab.mysql(
        "CREATE TABLE visit (Id int PRIMARY KEY, PatNum int, SSN varchar(11), At date,"
        " SecDateTEdit timestamp NOT NULL DEFAULT '2024-01-01', KEY (SecDateTEdit))",
        "INSERT INTO visit SELECT seq, seq % 7, CONCAT('123-45-', 1000 + seq),"
        f" '2024-01-01' + INTERVAL seq DAY, '2024-01-01' + INTERVAL seq MINUTE FROM {numbers(300)}",
    )
    return lab


def visits(lab: Lab) -> dict[int, tuple[Any, ...]]:
    """Return the target's rows by their key."""
    return {row[0]: row for row in lab.pg("SELECT * FROM {s}.visit")}
