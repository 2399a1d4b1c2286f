"""Names of the source in small letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.tables.names import snake_case


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("PatNum", "pat_num"), ("ISOWkEnd", "iso_wk_end"), ("SecDateTEdit", "sec_date_t_edit"), ("address2", "address2"),
        ("Address2Line", "address2_line"), ("_Id", "_id"), ("a  b-c", "a_b_c"), ("already_so", "already_so"), ("ID", "id"),
        ("Größe (cm)", "größe_cm_"), ("***", "***"), ("Ünit", "ünit"),
    ],
)  # fmt: skip
def test_a_name_is_written_in_small_letters(name: str, written: str) -> None:
    assert snake_case(name) == written


@given(st.text(min_size=1))
def test_a_name_that_is_written_so_stays_so(name: str) -> None:
    once = snake_case(name)
    assert once
    assert snake_case(once) == once
