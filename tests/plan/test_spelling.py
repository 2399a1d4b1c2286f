"""Names that the target cannot spell are refused before anything is created."""

from __future__ import annotations

import codecs

import pytest
from encodings_of_servers import ENCODINGS
from ways import wanted

from bulketl.errors import PlanError
from bulketl.plan.spelling import _CODECS, check_spelling
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column
from bulketl.tables.checks import Check


def test_every_encoding_but_those_that_take_all_is_known() -> None:
    """Postgres has no others for a database."""
    assert {*_CODECS, "UTF8", "SQL_ASCII", "MULE_INTERNAL"} == {*ENCODINGS}


@pytest.mark.parametrize("encoding", sorted(_CODECS))
def test_a_name_that_the_encoding_lacks_is_refused(encoding: str) -> None:
    """Of a table, a column, a check; one that it has is not."""
    codecs.lookup(_CODECS[encoding])
    has = next(chr(n) for n in range(0xA1, 0x2000) if _has(chr(n), _CODECS[encoding]))
    check_spelling(wanted(table=f"t{has}", casts=(cast(Column(has, "int", True)),), key=()), encoding)
    odd = "\u0b95"  # a letter that none of them has
    for facts in (
        {"table": odd},
        {"casts": (cast(Column("c", "int", True)), cast(Column(odd, "int", True))), "key": ()},
        {"checks": (Check("regex", ("c",), text=odd),)},
    ):
        with pytest.raises(PlanError, match=f"{odd}.* its database is in {encoding}"):
            check_spelling(wanted(**facts), encoding)
        check_spelling(wanted(**facts), "UTF8")
        check_spelling(wanted(**facts), "SQL_ASCII")


def _has(letter: str, codec: str) -> bool:
    try:
        letter.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
