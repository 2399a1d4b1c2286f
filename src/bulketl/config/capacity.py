"""The key `capacity` of `bulketl.yaml`, typed: sizes that bulketl cannot ask a server for."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from bulketl.config.values import Model

_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def size(value: object) -> object:
    """Return a size as `200 GB`, `1.5 TB`, `500 GiB` in bytes; raise ValueError for other text."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([MGT]i?B)", value.strip(), re.IGNORECASE)
    if not found:
        raise ValueError(f"a size is a number and MB, GB, TB, MiB, GiB or TiB, as in 200 GB; not {value!r}")
    return round(float(found[1]) * _UNITS[found[2].upper()])


Size = Annotated[int, BeforeValidator(size), Field(ge=1), WithJsonSchema({"type": "string"})]


class Capacity(Model):
    """How much there is. `disk`: the bytes that the target's database may take."""

    disk: Size | None = None
