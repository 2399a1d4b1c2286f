"""Every line of the cheat sheet is carried out against real servers: commands, a rule, and SQL on the ledger."""

from __future__ import annotations

import re

import yaml
from runbooks import ROOT, Clinic

from bulketl.config.tables import TableRule

TEXT = (ROOT / "docs" / "cheatsheet.md").read_text(encoding="utf-8")
LINES = [
    line.partition("#")[0].strip() for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]  # fmt: skip
NOTHING_OF_THE_KIND = {  # what there is none of on a day when all is well; the request is understood
    "bulketl load --resume last": "it ended: done",
    "bulketl runs cancel last": "no run",
    "bulketl state reset patient": "--yes",  # it asks, and nobody answers here
}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_every_command_of_the_cheat_sheet_does_what_it_is_for(clinic: Clinic) -> None:
    """In the order of the page, with the tables that it names."""
    clinic.mysql(
        "DROP TABLE patient",
        "CREATE TABLE patient (PatNum int PRIMARY KEY, BalTotal decimal(9,2))",
        "INSERT INTO patient SELECT seq, seq FROM seq_1_to_5000",
        "CREATE TABLE claim (ClaimNum int PRIMARY KEY, Fee decimal(9,2))",
        "INSERT INTO claim VALUES (1, 9.5)",
    )
    clinic.rules(patient={"table_importance": "critical"}, claim={"table_importance": "important"})
    clinic.settings(keep_previous=1)
    clinic.well("bulketl load")
    clinic.mysql("UPDATE claim SET Fee = 10")
    clinic.well("bulketl load")
    for line in LINES:
        done = clinic.run(line)
        if told := NOTHING_OF_THE_KIND.get(line):
            assert done.returncode, line
            assert told in done.stdout, f"{line}\n{done.stdout}"
        else:
            assert done.returncode == 0, f"{line}\n{done.stdout}"
    for statements in blocks("sql"):
        for statement in filter(str.strip, statements.split(";\n")):
            clinic.pg(statement)


def test_the_rule_of_the_cheat_sheet_is_one() -> None:
    """Whoever copies it has no mistake in it."""
    (text,) = blocks("yaml")
    (rule,) = yaml.safe_load(text)["source_tables"].values()
    assert TableRule.model_validate(rule).table_importance == "critical"
