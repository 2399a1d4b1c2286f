"""`why` against real servers: in each situation the one sentence that a person needs, and whether both sides are equal."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from lab import Lab

import bulketl
from bulketl import RowStory

COLUMNS = "id int PRIMARY KEY, name varchar(50), flag tinyint, born date, note text, at datetime NOT NULL"
TABLE = f"CREATE TABLE t ({COLUMNS}, KEY (at))"
ROWS = (
    "INSERT INTO t VALUES (1, 'Ann', 1, '1980-01-02', '', '2024-01-01 10:00:00'), (2, 'Bob', 0, NULL, 'x', '2024-01-02 "
    "10:00:00'), (3, 'Cyd', 1, '1990-05-05', NULL, '2024-01-09 10:00:00')"
)
CHANGES: dict[str, Any] = {"extraction_strategy": "incremental", "incremental_column": "at"}
AUDIT: dict[str, Any] = {"table_importance": "audit"}
PASSING = re.compile(r"\b\d{8}-\d{6}-[0-9a-z]{4}\b|\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:\d\d)?")
EDIT = "UPDATE t SET name = 'Bobby' WHERE id = 2"
RENEW = "UPDATE t SET name = 'Bobby', at = '2024-02-01 00:00:00' WHERE id = 2"
DELETE = "DELETE FROM t WHERE id = 2"


@dataclass(frozen=True)
class Step:
    """Something that happens after the first load: statements at the source or in the target, or another load."""

    source: tuple[str, ...] = ()
    target: str = ""
    load: bool = False
    rule: dict[str, Any] | None = None  # of the table from then on


def src(*statements: str) -> Step:
    return Step(source=statements)


LOAD = Step(load=True)


@dataclass(frozen=True)
class Case:
    """A situation: the rule of the table, what happened, which row is asked for; the verdict, and the sentence."""

    verdict: str
    said: str
    steps: tuple[Step, ...] = ()
    rule: dict[str, Any] = field(default_factory=dict)
    key: object = 2
    column: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    before: tuple[str, ...] = ()  # the first load; `loaded` False: there is none
    loaded: bool = True


REPAIR = "no load brings it, but `bulketl verify --tables t --repair` does"
CASES: dict[str, Case] = {
    "nothing happened": Case("equal", "The target has what the source has: run RUN wrote it at TIME."),
    "equal, by its stamps": Case(
        "equal", "The target has what the source has: run RUN wrote it at TIME.",
        settings={"added_columns": ["_loaded_at", "_run_id"]},
    ),
    "changed since a whole load": Case(
        "differs", "The source changed name after run RUN wrote the row; the next load reads the whole table and brings it.",
        (src(EDIT),),
    ),
    "another column than the one that changed": Case(
        "equal", "The target has what the source has: run RUN wrote it at TIME.", (src(EDIT),), column="note"
    ),
    "changed past the watermark": Case(
        "differs",
        "The source changed name and at after the last load: its at is 2024-02-01 00:00:00, past the watermark "
        "2024-01-09 10:00:00; the next load brings it.",
        (src(RENEW),), CHANGES,
    ),
    "changed without a stamp": Case(
        "differs",
        "The source changed name without a new stamp: at is 2024-01-02 10:00:00, before what loads still read; "
        f"{REPAIR}.",
        (src(EDIT),), CHANGES,
    ),
    "changed without a stamp, and compared every night": Case(
        "differs",
        "The source changed name without a new stamp: at is 2024-01-02 10:00:00, before what loads still read; the "
        "next load does not read it, but the comparison after it brings it.",
        (src(EDIT),), {**CHANGES, "deletes": {"policy": "ignore", "every": "0s"}},
    ),
    "changed by somebody in the target": Case(
        "differs",
        "No run on record wrote the target's row as it is: somebody changed it there, or the database was restored; "
        "the next load reads the whole table and brings it.",
        (Step(target="UPDATE {s}.t SET name = 'Rob' WHERE id = 2"),),
    ),
    "added by somebody in the target": Case(
        "extra",
        "No run on record wrote the row, and the source does not have it: somebody added it in the target; the next "
        "load, which reads the whole table, removes it (deletes: mirror).",
        (Step(target="INSERT INTO {s}.t (id) VALUES (9)"),), key=9,
    ),
    "newer than the watermark": Case(
        "missing",
        "The row is newer than what was loaded: its at is 2024-03-01 00:00:00, past the watermark 2024-01-09 10:00:00; "
        "the next load brings it.",
        (src("INSERT INTO t VALUES (4, 'Dan', 1, NULL, NULL, '2024-03-01')"),), CHANGES, key=4,
    ),
    "late": Case(
        "missing",
        f"The row came late: its at is 2023-03-01 00:00:00, before what loads still read; {REPAIR}.",
        (src("INSERT INTO t VALUES (4, 'Dan', 1, NULL, NULL, '2023-03-01')"),), CHANGES, key=4,
    ),
    "new in a table that is loaded whole": Case(
        "missing",
        "The row came to the source after run RUN loaded the table at TIME; the next load reads the whole table and "
        "brings it.",
        (src("INSERT INTO t VALUES (4, 'Dan', 1, NULL, NULL, '2024-03-01')"),), key="4",
    ),
    "never loaded": Case(
        "missing",
        "The table was never loaded, so the target has none of its rows; the next load reads the whole table and brings it.",
        loaded=False,
    ),
    "excluded": Case(
        "missing", "The table is not loaded: its rule says exclude: true.", rule={"exclude": True}, loaded=False
    ),
    "of a mask that lacks its key": Case(
        "unknown",
        "The target does not have the row; what the source has now is not known: table 't' masks name by a key, and there "
        "is no mask key.",
        rule={"mask": {"name": "hmac"}}, loaded=False,
    ),
    "rejected, and still bad": Case(
        "missing",
        "Run RUN rejected the row at TIME: flag does not fit boolean, and so would the next load; correct it at the "
        "source, then `bulketl rejects retry t`.",
        rule={"casts": {"flag": "boolean"}, "max_rejects": "50%"}, before=("UPDATE t SET flag = 7 WHERE id = 2",),
    ),
    "rejected, and good now": Case(
        "missing",
        "Run RUN rejected the row at TIME: flag does not fit boolean; the source's row is good now, and `bulketl "
        "rejects retry t` brings it.",
        (src("UPDATE t SET flag = 1 WHERE id = 2"),), {"casts": {"flag": "boolean"}, "max_rejects": "50%"},
        before=("UPDATE t SET flag = 7 WHERE id = 2",),
    ),
    "bad since it was loaded": Case(
        "differs",
        "The source's row cannot be loaded now, and the target has an earlier one: flag does not fit boolean; the next "
        "load rejects it.",
        (src("UPDATE t SET flag = 7 WHERE id = 2"),), {"casts": {"flag": "boolean"}, "max_rejects": "50%"},
    ),
    "a date that is none": Case(
        "equal", "Equal but for the way: born is not a date at the source, so loads write NULL.",
        before=("UPDATE t SET born = '0000-00-00' WHERE id = 2",),
    ),
    "a NUL byte": Case(
        "equal",
        "Equal but for the way: note has NUL bytes at the source, which loads take out because Postgres has no place "
        "for them.",
        before=("UPDATE t SET note = 'a\\0b' WHERE id = 2",), column="note",
    ),
    "a declared type": Case(
        "equal", "Equal by the cast tinyint -> boolean, as a rule declares: run RUN wrote it at TIME.",
        rule={"casts": {"flag": "boolean"}}, column="flag",
    ),
    "an excluded column": Case(
        "equal", "Column name: a rule excludes it, so no load reads it and no value of it is shown.",
        rule={"exclude_columns": ["name"]}, column="name",
    ),
    "a column that is new at the source": Case(
        "differs",
        "The target lacks more, and equals the source but for that; the next load reads the whole table and brings it.",
        (src("ALTER TABLE t ADD more int DEFAULT 5"),),
    ),
    "a type that a rule declares since": Case(
        "differs",
        "flag: it is smallint in the target, and a load writes boolean; the next load reads the whole table and brings it.",
        (Step(rule={"casts": {"flag": "boolean"}}),),
    ),
    "a column that the source dropped": Case(
        "equal", "The target has what the source has: run RUN wrote it at TIME.", (src("ALTER TABLE t DROP note"),)
    ),
    "deleted, and mirrored by the next whole load": Case(
        "extra",
        "The source does not have the row any more; the next load, which reads the whole table, removes it (deletes: "
        "mirror).",
        (src(DELETE),),
    ),
    "deleted, and kept": Case(
        "extra", "The source does not have the row any more; deletes: ignore keeps it in the target.",
        (src(DELETE),), CHANGES,
    ),
    "deleted, and to be marked": Case(
        "extra",
        "The source does not have the row any more; the next load, which reads the whole table, marks it as deleted "
        "(deletes: mark).",
        (src(DELETE),), {"deletes": "mark"},
    ),
    "deleted, and marked": Case(
        "deleted", "The source does not have the row any more, and the target has it marked as deleted since TIME.",
        (src(DELETE), LOAD), {"deletes": "mark"},
    ),
    "back at the source, and still marked": Case(
        "differs",
        "The source has the row again, and the target has it marked as deleted since TIME; the next load reads the "
        "whole table and brings it.",
        (src(DELETE), LOAD, src("INSERT INTO t VALUES (2, 'Bob', 0, NULL, 'x', '2024-01-02 10:00:00')")),
        {"deletes": "mark"},
    ),
    "deleted, and to fail the table": Case(
        "extra",
        "The source does not have the row any more; the next load, which reads the whole table, fails for it (deletes: "
        "fail).",
        (src(DELETE),), {"deletes": "fail"},
    ),
    "deleted, and looked for tomorrow": Case(
        "extra",
        "The source does not have the row any more; the next comparison with the source, which is not due yet, removes "
        "it (deletes: mirror).",
        (src(DELETE),), {**CHANGES, "deletes": "mirror"},
    ),
    "deleted from an audited table": Case(
        "extra",
        "The source does not have the row any more; an audited table keeps it, and run RUN noted that at TIME.",
        (src(DELETE), LOAD), AUDIT,
    ),
    "changed in an audited table, and not noted yet": Case(
        "differs",
        "The source changed name after the row was loaded, and an audited table keeps what it has; the next load reads "
        "the whole table and notes the change.",
        (src(EDIT),), AUDIT,
    ),
    "changed in an audited table, and noted": Case(
        "differs",
        "The source changed name after the row was loaded, and an audited table keeps what it has; run RUN noted the "
        "change at TIME.",
        (src(EDIT), LOAD), AUDIT,
    ),
    "changed in an audited table, noted, and changed again": Case(
        "differs",
        "The source changed name after the row was loaded, and an audited table keeps what it has; the next load reads "
        "the whole table and notes the change.",
        (src(EDIT), LOAD, src("UPDATE t SET name = 'Bobo' WHERE id = 2")), AUDIT,
    ),
    "changed by somebody in an audited table": Case(
        "differs",
        "No run on record wrote the target's row as it is: somebody changed it there, or the database was restored; "
        "the next load reads the whole table and notes the change; `bulketl audit verify t` says whether the chain "
        "still holds.",
        (Step(target="UPDATE {s}.t SET name = 'Rob' WHERE id = 2"),), AUDIT,
    ),
    "the last load failed": Case(
        "differs",
        "Run RUN failed: table 't': 1 row rejected, and max_rejects is 0: does not fit boolean, so the target still has "
        "the row of before; the next load reads the whole table and brings it.",
        (src("UPDATE t SET flag = 7 WHERE id = 3", EDIT), LOAD), {"casts": {"flag": "boolean"}},
    ),
    "the table is gone at the source": Case(
        "extra", "The source does not have the table any more, and the target keeps the rows that it has of it.",
        (src("DROP TABLE t", "CREATE TABLE other (id int PRIMARY KEY)"),),
    ),
    "excluded since it was loaded": Case(
        "differs",
        "The source changed name after run RUN wrote the row; no load takes the table: its rule says exclude: true.",
        (src(EDIT), Step(rule={"exclude": True})),
    ),
    "written anew by somebody in the target, and equal": Case(
        "equal",
        "The target has what the source has, although no run on record wrote the row: somebody else did, or the "
        "database was restored.",
        (Step(target="UPDATE {s}.t SET name = name WHERE id = 2"),),
    ),
    "of another spelling of the key": Case(
        "equal", "The target has what the source has: run RUN wrote it at TIME.", key={"id": "2"}
    ),
}  # fmt: skip


def config(lab: Lab, case: Case, rule: dict[str, Any]) -> bulketl.Config:
    return lab.config(rules={"t": rule} if rule else {}, **case.settings)


def told(lab: Lab, case: Case) -> RowStory:
    """Do what happened, and ask."""
    mode = "NO_ENGINE_SUBSTITUTION"
    lab.mysql(TABLE, ROWS, *case.before, mode=mode)
    rule = case.rule
    if case.loaded:
        assert bulketl.load(config(lab, case, rule), bulketl.make_plan(config(lab, case, rule))).outcome == "done"
    for step in case.steps:
        rule = rule if step.rule is None else step.rule
        if step.source:
            lab.mysql(*step.source, mode=mode)
        if step.target:
            lab.pg(step.target)
        if step.load:
            bulketl.load(config(lab, case, rule), bulketl.make_plan(config(lab, case, rule)))
    return bulketl.why(config(lab, case, rule), "t", case.key, case.column)


def settled(text: str) -> str:
    """Return a text without the names of runs and times, which are others each time."""
    return PASSING.sub(lambda found: "RUN" if re.match(r"\d{8}-", found[0]) else "TIME", text)


@pytest.mark.parametrize("name", CASES)
def test_the_sentence_says_why(lab: Lab, name: str) -> None:
    """Each situation has its verdict and its sentence."""
    case = CASES[name]
    found = told(lab, case)
    said = re.sub(r"(tinyint|int)\(\d+\)", r"\1", settled(found.because))
    assert (found.verdict, said) == (case.verdict, case.said)
    assert found.equal == (case.verdict in ("equal", "deleted"))
