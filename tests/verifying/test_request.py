"""What a verification may be asked for, and what is refused before a server is asked."""

from __future__ import annotations

from typing import Any

import pytest

from bulketl.errors import ConfigError
from bulketl.verifying.request import Request, check_request

REFUSED: dict[str, tuple[dict[str, Any], bool]] = {
    "there is no level": ({"level": "all"}, False),
    "a sample of 0% is not possible": ({"sample": 0.0}, False),
    "a sample of 150% is not possible": ({"sample": 1.5}, False),
    "level sums has no sample": ({"level": "sums", "sample": 0.5}, False),
    "level keys does not say which rows to repair": ({"level": "keys"}, True),
    "-1 rows cannot be named": ({"first": -1}, False),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_together_is_refused(message: str) -> None:
    values, repair = REFUSED[message]
    with pytest.raises(ConfigError, match=message):
        check_request(Request(**values), repair)


@pytest.mark.parametrize("repair", [False, True])
def test_the_default_and_a_sample_of_rows_are_not(repair: bool) -> None:
    check_request(Request(), repair)
    check_request(Request(sample=0.01, first=0, show_values=True), repair)
