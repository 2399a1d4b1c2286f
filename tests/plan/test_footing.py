"""What a load stands on in the target: each thing that may be lacking, and a footing that lacks nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ways import wanted

from bulketl.errors import ConfigError, TargetError
from bulketl.plan.footing import LACKS, Start, stand
from bulketl.plan.obstacle import met
from bulketl.plan.plan import Group, Plan, TableLoad
from bulketl.tables.demands import Footing, Place
from bulketl.tables.partitions import Partition

PLACES = tuple(Place(name) for name in ("bulketl", "bulketl_staging", "raw"))
SOUND = Footing("me", "db", PLACES, version=7, newest=7)


def plan(publish: str, *, staged: bool = False) -> Plan:
    """A plan with one table."""
    spec = dataclasses.replace(wanted(), publish=publish, rows=1)  # type: ignore[arg-type]
    parts = (Partition(0), Partition(1)) if staged else (Partition(0),)
    load = TableLoad(spec, parts, "reference", "", 1, 1)
    return Plan("clinic", "raw", "UTC", (Group("reference", (load,)),))


def closed(name: str, **rights: Any) -> dict[str, Any]:
    """One of the schemas may not be used, or nothing created in it."""
    return {"places": tuple(dataclasses.replace(place, **rights) if place.name == name else place for place in PLACES)}


CREATED, REFILLED, STAGED = plan("create"), plan("refill"), plan("refill", staged=True)
CASES: dict[str, tuple[dict[str, Any], Plan, str]] = {
    "read-only target": ({"read_only": True}, REFILLED, "read-only"),
    "read-only target, a replica": ({"read_only": True, "recovery": True}, REFILLED, "replica"),
    "later ledger": ({"version": 8}, REFILLED, "of version 8"),
    "missing schemas": ({"creatable": False, **closed("raw", there=False)}, CREATED, "may not create raw"),
    "closed schemas": (closed("raw", creatable=False), CREATED, "tables in raw"),
    "closed schemas, the staging one": (closed("bulketl_staging", creatable=False), STAGED, "tables in bulketl_staging"),
    "closed schemas, the ledger's": ({"version": 6, **closed("bulketl", creatable=False)}, REFILLED, "tables in bulketl"),
    "closed ledger": ({"unwritable": ("run",)}, REFILLED, "may not write to the ledger: run"),
    "closed ledger, an older one": ({"version": 6, "foreign": ("run",)}, REFILLED, "only its owner"),
    "no temporary tables": ({"temporary": False}, REFILLED, "temporary tables"),
    "closed tablespace": ({"tablespace": "slow"}, REFILLED, "tablespace slow"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_lacking_is_said_with_what_to_do(name: str) -> None:
    facts, wanted_plan, words = CASES[name]
    footing = dataclasses.replace(SOUND, **facts)
    ((_, (text, advice)),) = met(LACKS, Start(footing, wanted_plan))
    assert words in text
    assert advice
    with pytest.raises(ConfigError if "later" in name else TargetError, match=words):
        stand(footing, wanted_plan)


def test_every_lack_has_a_case() -> None:
    assert {name.partition(",")[0] for name in CASES} == {lack.name for lack in LACKS}


@pytest.mark.parametrize("facts", [closed("raw", creatable=False), closed("bulketl_staging", creatable=False), {}])
def test_a_load_that_creates_nothing_needs_no_right_to_create(facts: dict[str, Any]) -> None:
    footing = dataclasses.replace(SOUND, creatable=False, **facts)
    assert list(met(LACKS, Start(footing, REFILLED))) == []
    stand(footing, REFILLED)


def test_what_is_lacking_is_told_at_once_in_whole_sentences() -> None:
    footing = dataclasses.replace(SOUND, temporary=False, tablespace="slow", unwritable=("run", "state"))
    with pytest.raises(TargetError) as caught:
        stand(footing, REFILLED)
    assert str(caught.value) == (
        "user me may not write to the ledger: run, state; user me may not create temporary tables in database db; new "
        "tables of user me go to tablespace slow, which is closed to that user"
    )
    assert caught.value.hint == (
        "GRANT ALL ON ALL TABLES IN SCHEMA bulketl TO me, or load as the user who made it; GRANT TEMPORARY ON DATABASE db "
        "TO me; GRANT CREATE ON TABLESPACE slow TO me, or RESET default_tablespace"
    )


TOLD: dict[str, tuple[dict[str, Any], str, str]] = {
    "a replica": (
        {"read_only": True, "recovery": True}, "database db is on a replica, which takes no rows",
        "give the address of the primary",
    ),
    "read-only": (
        {"read_only": True}, "every transaction of user me in database db is read-only",
        "ALTER ROLE me SET default_transaction_read_only = off, and see to the database and the server",
    ),
    "a later ledger": (
        {"version": 8}, "the ledger in schema 'bulketl' of the target is of version 8, and this bulketl knows 7",
        "a later bulketl has loaded into this target: install that version or a later one",
    ),
    "schemas to create": (
        {"creatable": False, "places": tuple(dataclasses.replace(one, there=False) for one in PLACES)},
        "user me may not create bulketl, bulketl_staging, raw", "GRANT CREATE ON DATABASE db TO me",
    ),
    "a closed schema": (
        closed("raw", usable=False), "user me may not create tables in raw", "GRANT CREATE, USAGE ON SCHEMA raw TO me"
    ),
    "another's ledger": (
        {"version": 6, "foreign": ("run",)},
        "the ledger is of version 6 and is to become 7, which only its owner may do",
        "load once as the user who made it, or ALTER TABLE … OWNER TO me for each table of bulketl",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_what_is_lacking_names_the_user_and_the_statement_that_mends_it(name: str) -> None:
    facts, text, advice = TOLD[name]
    assert [said for _, said in met(LACKS, Start(dataclasses.replace(SOUND, **facts), REFILLED))] == [(text, advice)]


@pytest.mark.parametrize(
    "facts",
    [
        {"version": 0, "foreign": ("run",)}, {"version": 7, "foreign": ("run",)}, closed("bulketl", creatable=False),
        {"recovery": False}, {"creatable": False},
        {"places": tuple(dataclasses.replace(one, there=False) for one in PLACES)},
    ],
)  # fmt: skip
def test_what_a_load_does_not_need_is_not_asked_for(facts: dict[str, Any]) -> None:
    """The ledger is changed by another version alone; schemas are created where they may be."""
    assert list(met(LACKS, Start(dataclasses.replace(SOUND, **facts), CREATED))) == []
