"""Masked columns against real servers: what arrives, and that it is proved on both sides."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from lab import Lab
from masked import KEY

import bulketl
from bulketl.rows.coerce import coerce

MASKS: dict[str, Any] = {
    "SSN": "hmac",
    "LName": {"method": "fake", "of": "last_name"},
    "Address": None,
    "Birthdate": "generalise",
    "Zip": "generalise",
    "Phone": "partial",
    "Visit": {"method": "shift", "by": "PatNum"},
    "Note": {"method": "constant", "value": "-"},
    "Guarantor": "hmac",
}
RULES: dict[str, Any] = {"patient": {"mask": MASKS}}
PEOPLE = [
    (1, "111-22-3333", "Meyer", "1 Elm", "1980-05-17", "90210", "555-123-4567", "2020-01-10", "calls", 1, 10),
    (2, "444-55-6666", "Meyer", "2 Elm", "1901-02-03", "03601", "555-987-6543", "2020-01-20", "pays", 1, 20),
    (3, "", "Kim", None, "0001-01-01", "", None, None, None, None, 30),
    (4, "111-22-3333", "Öz", "4 Elm", None, "9021", "12", "0001-01-01", "", 2, 40),
]


@pytest.fixture
def clinic(lab: Lab) -> Lab:
    lab.mysql(
        "CREATE TABLE patient (PatNum int PRIMARY KEY, SSN varchar(11), LName varchar(30), Address varchar(30),"
        " Birthdate date, Zip varchar(10), Phone varchar(20), Visit date, Note text, Guarantor int, Balance int)"
    )
    lab.insert("patient", PEOPLE)
    return lab


def rows(lab: Lab) -> list[tuple[Any, ...]]:
    return lab.pg('SELECT * FROM {s}.patient ORDER BY "PatNum"')


def test_every_method_does_what_it_says(clinic: Lab) -> None:
    """One row per person, each column by its method; NULL stays NULL and what is not masked stays what it is."""
    done = clinic.load(rules=RULES, mask_key=KEY)
    assert not done.summary.failed, done.summary.failed
    one, two, three, four = rows(clinic)
    assert re.fullmatch("[0-9a-f]{32}", one[1])
    assert one[1] == four[1] != two[1]
    assert three[1] == ""
    assert one[2] == two[2] != "Meyer"
    assert four[2] not in ("", "Öz")
    assert [row[3] for row in rows(clinic)] == [None] * 4
    year = dt.date.today().year
    assert [row[4] for row in rows(clinic)] == [dt.date(1980, 1, 1), dt.date(year - 90, 1, 1), dt.date(1, 1, 1), None]
    assert [row[5] for row in rows(clinic)] == ["902", "000", "", "000"]
    assert [row[6] for row in rows(clinic)] == ["****4567", "****6543", None, "****"]
    assert 0 < abs((one[7] - dt.date(2020, 1, 10)).days) <= 365
    assert [three[7], four[7]] == [None, dt.date(1, 1, 1)]
    assert [row[8] for row in rows(clinic)] == ["-", "-", None, "-"]
    assert one[9] == two[9] > 1
    assert one[9] != four[9]
    assert three[9] is None
    assert [row[10] for row in rows(clinic)] == [10, 20, 30, 40]


def certificate(lab: Lab, run: str, **more: Any) -> dict[str, Any]:
    _, tables = bulketl.certificate(lab.config(rules=RULES, mask_key=KEY, **more), run)
    return tables["patient"]


def test_a_masked_load_is_certified_on_both_sides_and_its_figures_are_of_what_came_out(clinic: Lab) -> None:
    """Before the masks against the source, after them against the target; no figure of the source is on record."""
    done = clinic.load(rules=RULES, mask_key=KEY, certify=True)
    found = certificate(clinic, done.summary.run)
    assert found["certified"], found
    assert found["masked"]["SSN"] == 4
    assert found["masked"]["Birthdate"] == 3
    figures = found["figures"]
    assert figures["SSN length"] == str(3 * 32)  # three pseudonyms
    first = (dt.date(1901, 2, 3) - dt.date(1970, 1, 1)).days
    assert all(str(first) != value for value in figures.values())


def test_what_changed_before_the_masks_is_named(clinic: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that comes otherwise than the source has it is not certified, although the target has what came out."""
    import bulketl.loading.reading as reading

    real = coerce

    def faulty(rows: pa.Table, *args: Any) -> Any:
        at = rows.schema.get_field_index("SSN")
        return real(rows.set_column(at, "SSN", pc.binary_join_element_wise(rows.column(at), "x", "")), *args)

    monkeypatch.setattr(reading, "coerce", faulty)
    done = clinic.load(rules=RULES, mask_key=KEY, certify=True)
    found = certificate(clinic, done.summary.run)
    assert not found["certified"]
    assert found["differ_at_the_source"] == {"0": ["SSN length"]}


def test_dates_at_the_ends_of_their_types_are_moved_within_them(lab: Lab) -> None:
    """By every server: what stands for no date stays, a zero date is NULL, and what arrives can be read and compared."""
    lab.mysql(
        "CREATE TABLE visit (id int PRIMARY KEY, day date, at datetime(6), stamp timestamp(6) NULL)",
        "INSERT INTO visit VALUES (1, '0001-01-01', '0001-01-01 00:00:00', NULL), (2, '0000-00-00', '0000-00-00', 0),"
        " (3, '9999-12-31', '9999-12-31 23:59:59.999999', NULL)",
        mode="ALLOW_INVALID_DATES",
    )
    ends = [
        ("0001-01-02", "1970-01-01 00:00:01"),
        ("0999-12-31", "1970-01-02 00:00:00"),
        ("1000-01-01", "1970-06-01 12:00:00"),
        ("1000-12-31", "2000-02-29 23:59:59.999999"),
        ("9999-01-01", "2037-12-31 00:00:00"),
        ("9999-12-30", "2038-01-19 03:14:07"),
    ]
    owners = range(10, 10 + 20 * len(ends), 20)
    lab.insert("visit", [(own + n, day, f"{day} 23:59:59.999999", at) for own, (day, at) in zip(owners, ends, strict=True)
                         for n in range(20)])  # fmt: skip
    mask = {column: {"method": "shift", "by": "id"} for column in ("day", "at", "stamp")}
    options: dict[str, Any] = {"rules": {"visit": {"mask": mask}}, "mask_key": KEY, "certify": True}
    done = lab.load(**options, timestamp_zone="+00:00")
    assert done.summary.outcome == "done", done.summary.failed
    found = {row[0]: row[1:] for row in lab.pg("SELECT id, day, at, stamp FROM {s}.visit")}
    none, last = dt.datetime(1, 1, 1), dt.datetime.max
    assert [found[n] for n in (1, 2, 3)] == [(none.date(), none, None), (None, None, None), (last.date(), last, None)]
    for own, (text, moment) in zip(owners, ends, strict=True):
        day, stamp = dt.date.fromisoformat(text), dt.datetime.fromisoformat(moment)
        for n in range(20):
            moved, at, then = found[own + n]
            assert 0 < abs((moved - day).days) <= 365
            assert at - dt.datetime.combine(day, dt.time.max) == moved - day
            assert moved.year >= (1000 if day.year >= 1000 else 1)
            assert 0 < abs((then - stamp).days) <= 365
            assert dt.datetime(1970, 1, 1, 0, 0, 1) <= then <= dt.datetime(2038, 1, 19, 3, 14, 7)
    assert bulketl.verify(lab.config(**options, timestamp_zone="+00:00"), level="rows").equal
