"""Masked tables for every way of loading: their rules and rows, and what is to arrive of these."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from typing import Any

from lab import Lab, numbers
from masked import KEY

MARK = "0canary0"  # in every text that is masked
YEAR = dt.datetime.now(dt.UTC).year
MASK: dict[str, Any] = {
    "secret": "hmac", "visit": {"method": "shift", "by": "owner"}, "phone": "partial", "born": "generalise",
}  # fmt: skip
BY_TIME = {"extraction_strategy": "incremental", "incremental_column": "at"}
MIRROR = {"policy": "mirror", "every": "1s"}
WAYS: dict[str, dict[str, Any]] = {
    "whole": {},
    "locked": {"consistency": "locked"},
    "moment": {"consistency": "snapshot"},
    "settled": {"consistency": "re-read"},
    "changes": {**BY_TIME, "deletes": MIRROR},
    "marked": {**BY_TIME, "deletes": {"policy": "mark", "every": "1s"}},
    "kept": {**BY_TIME, "deletes": {"policy": "ignore", "every": "1s"}},
    "chunked": {"extraction_strategy": "chunked_incremental", "incremental_column": "at", "deletes": MIRROR},
    "log": {**BY_TIME, "table_importance": "audit", "deletes": {"every": "1s"}},
    "logged": {"table_importance": "audit"},
    "old": {**BY_TIME, "retention": {"keep": "7y", "by": "at", "action": "archive"}, "deletes": MIRROR},
    "keyless": {"partition_by": "at"},
    "refilled": {"publish": "refill"},
    "again": {**BY_TIME, "reread": {"columns": ["at"], "last": "30d"}, "deletes": MIRROR},
    "alias": {"partition_by": "at"},
    "small1": {},
    "small2": {"table_importance": "audit"},
}
AUDITED = ("log", "logged", "small2")
STAYING = (*AUDITED, "marked", "kept")  # rows that are gone at the source stay in these
RULES: dict[str, Any] = {name: {**rule, "mask": MASK} for name, rule in WAYS.items()}
RULES["alias"]["mask"] = {**MASK, "id": "hmac"}
OPTIONS: dict[str, Any] = {"rules": RULES, "mask_key": KEY}
Row = tuple[Any, ...]


def fill(lab: Lab) -> None:
    """Make the tables of the source, of 200 rows; the small ones have 20."""
    for name in WAYS:
        key = "" if name == "keyless" else " PRIMARY KEY"
        rows = 20 if name.startswith("small") else 200
        lab.mysql(
            f"CREATE TABLE {name} (id int NOT NULL{key}, owner int, secret varchar(60), visit date, phone varchar(30),"
            " born date, at datetime NOT NULL, KEY (at))",
            f"INSERT INTO {name}"
            f" SELECT seq, NULLIF(seq % 7, 6), CONCAT('{MARK}-', seq), '1980-01-01' + INTERVAL seq DAY,"
            f" CONCAT('{MARK}-', 1000 + seq), '1920-05-06' + INTERVAL seq MONTH,"
            f" NOW() - INTERVAL 2 DAY + INTERVAL seq SECOND FROM {numbers(rows)}",
            f"UPDATE {name} SET at = '2001-01-01' WHERE id <= {20 if name == 'old' else 0}",
        )


def another_day(lab: Lab) -> None:
    """Let rows of each table change, with a new stamp and without, come and go; the next comparison is due."""
    for name in WAYS:
        lab.mysql(
            f"UPDATE {name} SET secret = CONCAT(secret, 'x'), at = NOW() WHERE id = 3 + 18 * ('{name}' = 'old')",
            f"UPDATE {name} SET secret = '{MARK}silent' WHERE id = 4",
            f"UPDATE {name} SET visit = '1999-12-31', owner = 5, at = NOW() WHERE id = 5",
            f"UPDATE {name} SET secret = NULL, phone = NULL, born = NULL, at = NOW() WHERE id = 6",
            f"DELETE FROM {name} WHERE id = 10",
            f"INSERT INTO {name} VALUES (500, 3, '{MARK}new', '2001-01-01', '{MARK}-4711', '1911-11-11', NOW())",
        )
    lab.pg("UPDATE bulketl.state SET compared_at = compared_at - interval '2 days' WHERE schema_name = '{s}'")


def _hashed(use: str, value: object) -> bytes:
    secret = hmac.digest(KEY.encode(), f"bulketl mask {use}".encode(), hashlib.sha256)
    return hmac.digest(secret, str(value).encode(), hashlib.sha256)


def pseudonym(key: int) -> int:
    """Return what `hmac` makes of an integer."""
    return int.from_bytes(_hashed("hmac integer", key)[:8]) & ((1 << 63) - 1) or 1


def moved(day: dt.date | None, owner: int | None) -> dt.date | None:
    """Return what `shift` makes of a date of an owner."""
    if day is None or owner is None:
        return None
    step = int.from_bytes(_hashed("shift", owner)[:8]) % 730 - 365
    return day + dt.timedelta(days=step if step < 0 else step + 1)


def expected(name: str, row: Row, year: int = YEAR) -> Row:
    """Return a row of the source as it is to arrive in a year."""
    key, owner, secret, visit, phone, born, at = row
    return (
        pseudonym(key) if name == "alias" else key, owner, secret and _hashed("hmac text", secret)[:16].hex(),
        moved(visit, owner), phone and f"****{phone[-4:]}", born and dt.date(max(born.year, year - 90), 1, 1), at,
    )  # fmt: skip


def wrong(lab: Lab, name: str, year: int = YEAR) -> set[Row]:
    """Return the rows, of either side, that are not what the masks make of the source's."""
    ours = {expected(name, row, year) for row in lab.mysql(f"SELECT * FROM {name}")}
    return ours ^ {*lab.pg(f"SELECT id, owner, secret, visit, phone, born, at FROM {{s}}.{name}")}
