"""The type matrix: every cast rule with the values at its edges, on every source server, as Postgres then shows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import fresh
from lab import Done, Lab, Server
from matrix import CASES, REJECT, Case, create

import bulketl
import bulketl.loading.reading
import bulketl.plan.specify
from bulketl.errors import PlanError
from bulketl.tables.casts import RULES, CastRule, cast, parse_target
from bulketl.tables.catalog import Column
from bulketl.tables.types import parse_type


@dataclass
class Matrix:
    """Every case loaded once: the lab, the load, and the cases that the server refused to create."""

    lab: Lab
    done: Done
    rules: dict[str, Any]
    refused: dict[int, str] = field(default_factory=dict)


@pytest.fixture(scope="module", params=["chosen", "connectorx", "adbc"])
def matrix(source_server: Server, postgres: str, request: pytest.FixtureRequest) -> Iterator[Matrix]:
    """All cases as tables t0, t1, … with their values, in one run: read over one session, as small tables are; each by
    connectorx; and copied by the reference encoder."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "chosen":
            patch.setattr(bulketl.loading.reading, "MOST_ROWS", -1)
        if request.param == "adbc":
            patch.setattr(bulketl.plan.specify, "encoder_of", lambda casts: "adbc")
        yield from _matrix(source_server, postgres)


def _matrix(source_server: Server, postgres: str) -> Iterator[Matrix]:
    for lab in fresh(source_server, postgres):
        refused: dict[int, str] = {}
        rules: dict[str, Any] = {}
        with closing(lab.server.connect(lab.database)) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
            for n, case in enumerate(CASES):
                if case.only in (None, lab.server.kind):
                    create(cursor, n, case, refused)
                    rules[f"t{n}"] = {"max_rejects": 100, "casts": {"c": case.to} if case.to else {}}
        rules = {name: rule for name, rule in rules.items() if int(name[1:]) not in refused}
        yield Matrix(lab, lab.load(rules=rules), rules, refused)


def test_validate_finds_no_error_where_every_table_is_loaded(matrix: Matrix) -> None:
    """Whatever the types."""
    assert [item for item in bulketl.validate(matrix.lab.config(rules=matrix.rules)) if item.severity == "error"] == []


def test_both_encoders_are_used(matrix: Matrix) -> None:
    """Else one of them would pass the matrix unseen."""
    used = {load.spec.encoder for load in matrix.done.plan.loads}
    assert used in ({"pgpq", "adbc"}, {"adbc"})


@pytest.mark.parametrize("n", range(len(CASES)), ids=lambda n: f"{CASES[n].type}->{CASES[n].to or CASES[n].pg}")
def test_every_value_of_a_type_arrives_as_declared_or_is_rejected(matrix: Matrix, n: int) -> None:
    """Promise 3: a value never changes in meaning; what cannot be held follows a policy and is counted."""
    case, lab, table = CASES[n], matrix.lab, f"t{n}"
    if case.only not in (None, lab.server.kind):
        pytest.skip(f"for {case.only} only")
    if n in matrix.refused:
        pytest.skip(f"{lab.server.kind} has no such type: {matrix.refused[n]}")
    told = matrix.done.summary.tables[table]
    assert told.outcome == "loaded", told.message
    ((kind,),) = lab.pg(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
        f" WHERE attrelid = '{{s}}.{table}'::regclass AND attname = 'c'"
    )
    assert kind == case.pg.replace("{s}", lab.schema).replace("{t}", table)
    expected = dict(enumerate([*(text for _, text in case.values), *([None] if case.nullable else [])]))
    arrived = dict(lab.pg(f"SET timezone = 'UTC'; SELECT id, c::text FROM {{s}}.{table}"))
    assert arrived == {i: text for i, text in expected.items() if text != REJECT}
    rejected = lab.pg(
        "SELECT (key->>'id')::int FROM bulketl.reject WHERE (run, schema_name, table_name) = (%s, %s, %s)",
        (matrix.done.summary.run, lab.schema, table),
    )
    assert sorted(rejected) == [(i,) for i, text in expected.items() if text == REJECT]
    assert told.rows + told.rejects == len(expected)
    counted = {"NUL byte stripped": case.nuls, "invalid date to NULL": case.invalid}
    assert told.changed.get("c", {}) == {kind: count for kind, count in counted.items() if count}


def chosen(case: Case) -> CastRule | None:
    """Return the rule that a case runs through: the one that has what the cast has."""
    kind = case.type.replace(" NOT NULL", "")
    try:
        made = cast(Column("{c}", kind, True), case.to)
    except PlanError:
        return None
    type_name = parse_type(kind)
    same = (
        r for r in RULES if r.matches(type_name) and (r.clean, r.read.replace("{c}", "`{c}`")) == (made.clean, made.read)
    )
    bases = (r for r in same if parse_target(r.target.format(*type_name.sizes))[0] == parse_target(made.target)[0])
    return next(bases, None)


def shadowed(n: int) -> bool:
    """Tell whether earlier rules with the same target take every type that this one would."""
    rule = RULES[n]
    base = parse_target(rule.target.format(1, 1))[0]
    signs = {True, False} if rule.unsigned is None else {rule.unsigned}
    for other in RULES[:n]:
        same = other.source == rule.source and parse_target(other.target.format(1, 1))[0] == base
        if same and other.size[0] <= rule.size[0] and other.size[1] >= rule.size[1]:
            signs -= {True, False} if other.unsigned is None else {other.unsigned}
    return not signs


def test_every_cast_rule_that_can_be_chosen_is_in_the_matrix() -> None:
    """A rule that is added without values at its edges is noticed here."""
    tried = {rule for case in CASES if (rule := chosen(case))}
    reachable = {rule for n, rule in enumerate(RULES) if not shadowed(n)}
    assert reachable - tried == set()


def test_text_in_every_character_set_of_the_server_arrives_as_the_server_shows_it(lab: Lab) -> None:
    """Whatever character set a column is stored in, Postgres has the characters that MySQL shows."""
    sets = [name for (name,) in lab.mysql("SELECT character_set_name FROM information_schema.character_sets ORDER BY 1")]
    kept = [name for name in sets if name not in ("binary", "filename")]
    columns = ", ".join(f"`{name}` varchar(40) CHARACTER SET {name}" for name in kept)
    lab.mysql(f"CREATE TABLE words (id int PRIMARY KEY, {columns})")
    words = ["plain", "", "é€ü", "Жя", "日本語", "😀", "שלום", "trail "]
    lab.insert("words", [(n, *[word] * len(kept)) for n, word in enumerate(words)], mode="")
    assert lab.load().summary.outcome == "done"
    assert lab.differences("words") == []


def test_nul_bytes_are_rejected_when_the_policy_says_so(maria_lab: Lab) -> None:
    """`nul_bytes: reject` puts the row among the rejects, and changes nothing."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c text)", "INSERT INTO t VALUES (1, CHAR(97, 0, 98)), (2, 'fine')")
    done = maria_lab.load(nul_bytes="reject", max_rejects=1)
    assert maria_lab.pg("SELECT id, c FROM {s}.t") == [(2, "fine")]
    assert (done.summary.tables["t"].rejects, done.summary.tables["t"].changed) == (1, {})
    ((column, reason),) = maria_lab.pg(
        "SELECT column_name, reason FROM bulketl.reject WHERE schema_name = %s", (maria_lab.schema,)
    )
    assert column == "c"
    assert "NUL" in reason


@pytest.mark.parametrize(("zone", "shown"), [("+00:00", "2024-01-15 12:00:00"), ("-05:30", "2024-01-15 06:30:00")])
def test_timestamps_are_written_in_the_declared_zone(lab: Lab, zone: str, shown: str) -> None:
    """TIMESTAMP is an instant: a naive column holds it in the zone that was declared; DATETIME stays as it is."""
    lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamp NULL, plain datetime, fixed timestamp(3) NULL)",
        "INSERT INTO t VALUES (1, FROM_UNIXTIME(1705320000), '2024-01-15 01:02:03', FROM_UNIXTIME(1705320000.25))",
    )
    done = lab.load(timestamp_zone=zone, rules={"t": {"casts": {"fixed": "timestamptz"}}})
    assert done.plan.zone == zone
    assert lab.pg("SET timezone = 'UTC'; SELECT at::text, plain::text, fixed::text FROM {s}.t") == [
        (shown, "2024-01-15 01:02:03", "2024-01-15 12:00:00.25+00")
    ]
    assert lab.differences("t", zone=zone) == []
