"""What a target demands of programs that write to it: the demands of its server and schemas, and of each of its tables.

This module has values only. `bulketl.postgres.demands` queries them; `plan.obstacles` and `plan.footing` say what they
mean for a load.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Demands:
    """What a table in the target demands.

    Columns: `generated` are computed by Postgres, `identity` always numbered by it, `required` NOT NULL without a default.
    `constraints`: every constraint that rows may break, but for the primary key and NOT NULL, in words. `indexes`: those
    of a person's own that may refuse rows, in words: unique ones, of expressions, with predicates, of long values.
    `acting`: triggers, rules, row security and foreign keys that cascade, in words; `rules` and `insert_rules` are the rules
    among them. `secured`: its row security holds for this user. `partitions` it has, None when it is a
    table of its own; `uncovered`: a row may have none. `uncounted`: the
    server does not count rows that are written. `unidentified`: a publication needs an identity of its rows that it has not.
    `numbers`: how many columns it ever had. `lacking`: the rights on it that this user has not; `owned`: whether this user
    is its owner, or a member of that role.
    """

    generated: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    acting: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    insert_rules: tuple[str, ...] = ()
    secured: bool = False
    partitions: int | None = None
    uncovered: bool = False
    uncounted: bool = False
    unidentified: bool = False
    numbers: int = 0
    lacking: tuple[str, ...] = ()
    owned: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """A schema of the target: whether it is there, and this user may use it and create things in it."""

    name: str
    there: bool = True
    usable: bool = True
    creatable: bool = True


@dataclass(frozen=True, slots=True)
class Footing:
    """What every load stands on in the target, as this user finds it there.

    `places`: the ledger's schema, the staging schema and the target's. `read_only`: every transaction is; `recovery`: the
    server is a replica. `creatable`: schemas may be created in the database; `temporary`: temporary tables. `version`: of
    the ledger, 0 when there is none; `newest`: the one that this bulketl knows. `unwritable` and `foreign`: tables of the
    ledger that this user may not write to, and does not own. `tablespace`: that of new tables, if closed to this user.
    """

    user: str
    database: str
    places: tuple[Place, ...]
    read_only: bool = False
    recovery: bool = False
    creatable: bool = True
    temporary: bool = True
    version: int = 0
    newest: int = 0
    unwritable: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    tablespace: str = ""
