"""How values that must not be seen are masked: one list of methods, as data, beside the cast rules.

A mask is declared per column. A batch is read, coerced, checked and counted with the values of the source, and what is
proved of it is proved against the source; then `bulketl.rows.masking` replaces the values, and the batch that comes out is
what the target is compared with. So no unmasked value goes further than the memory of the process that reads.

NULL stays NULL in every method but `null`, which makes NULL of everything. A masked column is in no hash that a server
computes: what differs in it is found by masking the source's rows once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Method = Literal["keep", "null", "constant", "hmac", "partial", "shift", "generalise", "fake"]
METHODS: tuple[Method, ...] = get_args(Method)
Kind = Literal["text", "integer", "decimal", "date", "bytes", "other"]
General = Literal["year", "age", "zip"]
GENERAL: dict[Kind, General] = {"date": "year", "integer": "age", "text": "zip"}  # what `generalise` makes of a kind
OLDEST = 90  # years: from this age on people are so few that their age names them
HMAC_DIGITS = 32  # of the text that `hmac` makes
# Three-digit ZIP areas of at most 20,000 people, by the census of 2000 or a later one: too few to hide among.
SPARSE_ZIPS = frozenset(
    "036 059 063 102 202 203 204 205 369 556 692 753 772 790 821 823 830 831 878 879 884 890 893".split()  # noqa: SIM905
)
NO_ZIP = "000"


class MaskRule(NamedTuple):
    """A method: the kinds of values that it takes, whether a key chooses what comes out, its options, and what it does."""

    method: Method
    takes: tuple[Kind, ...]
    keyed: bool
    options: tuple[str, ...]
    about: str


_ANY: tuple[Kind, ...] = ("text", "integer", "decimal", "date", "bytes", "other")
RULES: tuple[MaskRule, ...] = (
    MaskRule("keep", _ANY, False, (), "says that the column holds nothing personal: it is loaded as it is"),
    MaskRule("null", _ANY, False, (), "NULL for every value"),
    MaskRule("constant", ("text", "integer", "decimal", "date"), False, ("value",), "the same `value` for every value"),
    MaskRule(
        "hmac", ("text", "integer", "bytes"), True, (),
        "a pseudonym: equal values become equal ones, in every table, so joins still work; text becomes 32 hexadecimal "
        "digits, an integer a `bigint` above 0",
    ),
    MaskRule("partial", ("text", "integer"), False, ("last",), "`****` and the last 4 characters, or `last`"),
    MaskRule(
        "shift", ("date",), True, ("by", "days"),
        "dates moved by up to 365 `days`, by one secret offset for each value of the column `by`, so that the time between "
        "two dates of a patient stays",
    ),
    MaskRule(
        "generalise", ("text", "integer", "date"), False, ("to", "sparse"),
        "a date becomes the first day of its year, at most 90 years back; a number an age of at most 90; a text the first "
        "three digits of its ZIP, `000` where few people live",
    ),
    MaskRule("fake", ("text",), True, ("of",), "a name, street or town out of a list, chosen by the key"),
)  # fmt: skip
RULE_OF: dict[str, MaskRule] = {rule.method: rule for rule in RULES}


@dataclass(frozen=True, slots=True)
class Mask:
    """A method with its options: what is done to each value of a column. Small, picklable, and without the key.

    `value`: of `constant`, as text. `last`: characters that `partial` shows. `by` and `days`: the column whose values share
    an offset, and how far `shift` moves at most. `to` and `sparse`: what `generalise` makes, and ZIP areas that become 000
    besides those that are known. `year`: at the source when the table was planned, from which ages are told. `of`: the list
    that `fake` takes from.
    """

    method: Method
    value: str = ""
    last: int = 4
    by: str = ""
    days: int = 365
    to: str = ""
    sparse: tuple[str, ...] = ()
    year: int = 0
    of: str = "name"

    @property
    def keyed(self) -> bool:
        """Whether a key chooses what comes out."""
        return RULE_OF[self.method].keyed

    def __str__(self) -> str:
        """Return it in short, as screens show it."""
        more = {"shift": f" by {self.by}", "generalise": f" to {self.to}", "fake": f" {self.of}"}
        return f"{self.method}{more.get(self.method, '')}"
