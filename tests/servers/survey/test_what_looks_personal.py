"""`discover` tells what looks personal, proposes masks as comments, and masks nothing by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab import Lab
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.config.read import load_config

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def people(maria_lab: Lab) -> Lab:
    maria_lab.mysql(
        "CREATE TABLE patient (PatNum int PRIMARY KEY, LName varchar(50), SSN varchar(11), Birthdate date,"
        " Reach varchar(60), Note text, Zip varchar(10), Balance int)",
        "INSERT INTO patient SELECT seq, 'x', '123-45-6789', '1980-01-01', CONCAT('a', seq, '@b.org'), 'n', '90210', 1"
        " FROM seq_1_to_60",
        "CREATE TABLE zipcode (ZipCodeNum int PRIMARY KEY, Zip varchar(10), City varchar(30))",
        "CREATE TABLE bare (n int PRIMARY KEY)",
    )
    return maria_lab


def test_what_looks_personal_is_counted_and_nothing_is_masked(people: Lab, tmp_path: Path) -> None:
    """On the screen, in JSON with its reason, and in the file as comments, which count once they are none."""
    _, proposals = bulketl.propose(people.config())
    found = {item.table: {one.column: one.why for one in item.personal} for item in proposals}
    assert set(found["patient"]) == {"LName", "SSN", "Birthdate", "Reach", "Note", "Zip"}
    assert found["patient"]["Reach"] == "by its values (60 of 60)"
    assert found["zipcode"] == found["bare"] == {}
    rules = tmp_path / "tables.yaml"
    environ = {"BULKETL_SOURCE": people.source, "BULKETL_TARGET": people.target, "BULKETL_SCHEMA": people.schema}
    shown = CliRunner().invoke(app, ["discover"], env=environ).output
    assert "6 columns look personal" in shown
    told = json.loads(CliRunner().invoke(app, ["discover", "--json"], env=environ).stdout)
    assert next(one for one in told if one["table"] == "patient")["personal"]["SSN"]["mask"] == "hmac"
    done = CliRunner().invoke(app, ["discover", "--write", str(rules), "--yes"], env=environ)
    assert done.exit_code == 0, done.output
    text = rules.read_text()
    assert "# personal? 6 columns of 1 table look so" in text
    config = load_config(rules, None, environ)
    assert not config.rule("patient").mask
    (line,) = [line for line in text.splitlines() if line.startswith("  # patient: {mask:")]
    rules.write_text(text.replace(line, line.replace("# ", "", 1)))
    config = load_config(rules, None, {**environ, "BULKETL_MASK_KEY": KEY})
    assert set(config.rule("patient").mask) == set(found["patient"])
    assert not bulketl.load(config, bulketl.make_plan(config)).failed
    assert people.pg('SELECT count(*) FROM {s}.patient WHERE "SSN" ~ \'^[0-9a-f]{32}$\' AND "Note" IS NULL') == [(60,)]


def test_a_table_that_is_new_has_its_proposal_beside_it(people: Lab, tmp_path: Path) -> None:
    """As a comment in its entry."""
    rules = tmp_path / "tables.yaml"
    environ = {"BULKETL_SOURCE": people.source, "BULKETL_TARGET": people.target, "BULKETL_SCHEMA": people.schema}
    CliRunner().invoke(app, ["discover", "--write", str(rules), "--yes"], env=environ)
    people.mysql("CREATE TABLE guest (id int PRIMARY KEY, email varchar(50))")
    done = CliRunner().invoke(app, ["discover", "--write", str(rules), "--yes"], env=environ)
    assert done.exit_code == 0, done.output
    assert "# personal? mask: {email: hmac}" in rules.read_text()
    assert not load_config(rules, None, environ).rule("guest").mask


def test_the_reasons_are_in_the_explanation(people: Lab) -> None:
    """A line for each column."""
    lines = bulketl.explain(people.config(), "patient")
    assert "personal: SSN looks like a number of social security, by its name (ssn)" in lines
