"""What Postgres limits of a table is refused before anything is created: by name, with the number, the same in any house."""

from __future__ import annotations

import codecs

import pytest
from encodings_of_servers import ENCODINGS
from ways import wanted

from bulketl.errors import PlanError
from bulketl.plan.limits import _CODECS, MOST_COLUMNS, check_limits
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column
from bulketl.tables.checks import Check


def of(count: int) -> tuple[object, ...]:
    return tuple(cast(Column(f"c{n}", "int", True)) for n in range(count))


@pytest.mark.parametrize(
    ("count", "facts", "more"),
    [
        (MOST_COLUMNS + 1, {}, 1),
        (MOST_COLUMNS, {"stamps": ("_loaded_at", "_run_id")}, 2),
        (MOST_COLUMNS, {"deletes": "mark"}, 1),
        (MOST_COLUMNS - 1, {"kept": (("gone", "text"), ("gone too", "text"))}, 1),
    ],
)
def test_every_column_counts(count: int, facts: dict[str, object], more: int) -> None:
    """Those that bulketl adds, and those that only the target has."""
    with pytest.raises(PlanError, match=f"would have {MOST_COLUMNS + more:,} columns.* at most 1,600") as refused:
        check_limits(wanted(casts=of(count), key=(), **facts), "UTF8")
    assert refused.value.hint.startswith(f"name {more} or more of them")


def test_as_many_as_there_may_be_pass() -> None:
    """The limit itself is none."""
    check_limits(wanted(casts=of(MOST_COLUMNS), key=()), "UTF8")
    check_limits(wanted(casts=of(MOST_COLUMNS - 1), key=(), kept=(("_deleted_at", "timestamptz"),), deletes="mark"), "UTF8")


def test_every_encoding_but_those_that_take_all_is_known() -> None:
    """Postgres has no others for a database."""
    assert {*_CODECS, "UTF8", "SQL_ASCII", "MULE_INTERNAL"} == {*ENCODINGS}


@pytest.mark.parametrize("encoding", sorted(_CODECS))
def test_a_name_that_the_encoding_lacks_is_refused(encoding: str) -> None:
    """Of a table, a column, a check; one that it has is not."""
    codecs.lookup(_CODECS[encoding])
    has = next(chr(n) for n in range(0xA1, 0x2000) if _has(chr(n), _CODECS[encoding]))
    check_limits(wanted(table=f"t{has}", casts=(cast(Column(has, "int", True)),), key=()), encoding)
    odd = "\u0b95"  # a letter that none of them has
    for facts in (
        {"table": odd},
        {"casts": (cast(Column("c", "int", True)), cast(Column(odd, "int", True))), "key": ()},
        {"checks": (Check("regex", ("c",), text=odd),)},
    ):
        with pytest.raises(PlanError, match=f"{odd}.* its database is in {encoding}"):
            check_limits(wanted(**facts), encoding)
        check_limits(wanted(**facts), "UTF8")
        check_limits(wanted(**facts), "SQL_ASCII")


def _has(letter: str, codec: str) -> bool:
    try:
        letter.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
