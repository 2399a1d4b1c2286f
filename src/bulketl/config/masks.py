"""The key `mask` of a table: `{column: method}`, or `{column: {method: ..., ...}}` where the method has options.

Masks of patterns and tiers are combined with those of the table. A column is masked if any of them says so, and the
nearest one says how. So a table with a mask of its own loses none of the masks that hold for many tables.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from bulketl.config.values import Model
from bulketl.tables.fakes import FAKES
from bulketl.tables.masks import METHODS, RULE_OF, General, Mask, Method

_SPARSE = r"^\d{3}$"


class MaskEntry(Model):
    """How one column is masked. `SSN: hmac` is short for `SSN: {method: hmac}`.

    `optional`: a table without the column is no mistake, as in a pattern for many tables, which sets it by itself.
    """

    method: Method
    value: str | int | float | bool | dt.datetime | dt.date | None = None
    last: int = Field(default=4, ge=1, le=8)
    by: str = ""
    days: int = Field(default=365, ge=1, le=3650)
    to: General | None = None
    sparse: tuple[Annotated[str, Field(pattern=_SPARSE)], ...] = Field(default=(), strict=False)
    of: str = "name"
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        if value is None:  # YAML's null
            return {"method": "null"}
        if isinstance(value, Mapping):
            return {**value, "method": "null"} if "method" in value and value["method"] is None else value
        return {"method": value} if isinstance(value, str) else value

    @field_validator("method", mode="before")
    @classmethod
    def _known(cls, method: object) -> object:
        if method not in METHODS:
            raise ValueError(f"{method!r} is not a way to mask; one of: {', '.join(METHODS)}")
        return method

    @field_validator("of")
    @classmethod
    def _listed(cls, of: str) -> str:
        if of not in FAKES:
            raise ValueError(f"there is no list of fakes {of!r}; one of: {', '.join(FAKES)}")
        return of

    @model_validator(mode="after")
    def _fitting(self) -> MaskEntry:
        own = {"method", "optional", *RULE_OF[self.method].options}
        if foreign := sorted(self.model_fields_set - own):
            raise ValueError(f"{self.method} has no {', '.join(foreign)}; it takes {', '.join(sorted(own - {'method'}))}")
        if self.method == "shift" and not self.by:
            raise ValueError("shift needs by: the column whose values share an offset, as in by: PatNum")
        if self.method == "constant" and self.value is None:
            raise ValueError("constant needs a value; null makes NULL of everything")
        return self

    @property
    def mask(self) -> Mask:
        """The method with its options."""
        value = "" if self.value is None else str(self.value)
        return Mask(self.method, value, self.last, self.by, self.days, self.to or "", tuple(sorted(self.sparse)), 0, self.of)


def together(near: object, far: object, *, optional: bool) -> object:
    """Return the masks of two places, the nearer ones first; `optional`: those from afar are for many tables.

    What is no mapping is left for the reader of the configuration to refuse.
    """
    if not isinstance(far, Mapping):
        return near
    more = {column: _for_many(entry) if optional else entry for column, entry in far.items()}
    return {**more, **near} if isinstance(near, Mapping) else more


def _for_many(entry: object) -> object:
    made: dict[str, Any] = {"method": entry} if entry is None or isinstance(entry, str) else {}
    if isinstance(entry, Mapping):
        made = dict(entry)
    return {**made, "optional": True} if made else entry
