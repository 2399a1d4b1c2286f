"""Each rule by which `validate` finds something: a case in which it does, and one beside it in which it does not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ways import THERE, wanted

from bulketl.config.read import load_config
from bulketl.connections.line import Line
from bulketl.plan.plan import Group, Leftover, Plan, Refusal, TableLoad
from bulketl.survey.examination import FINDING_RULES, find
from bulketl.survey.findings import Seen, There
from bulketl.survey.proposals import classify
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Absent, Catalog, Column, Key, Other, Table, TargetTable
from bulketl.tables.cursor import State, Watermark
from bulketl.tables.demands import Demands, Footing, Place
from bulketl.tables.evidence import Arrival
from bulketl.tables.measured import Profile
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TIERS

ID = Column("id", "int(11)", False, extra="auto_increment")
STAMP = Column("at", "timestamp", False, extra="on update current_timestamp()")
TEXT = Column("c", "varchar(20)", True, charset="utf8mb4")
MADE = Column("created_at", "datetime", False)
PRIMARY, BY_STAMP = Key("PRIMARY", ("id",), True), Key("at", ("at",), False)
ROOT = Path(__file__).parents[2]
NOBODY: dict[str, Any] = {"reference": {"to": []}}
MANY = 50 << 20  # bytes: a table of this size is worth loading by its changes
INCREMENTAL = {"extraction_strategy": "incremental", "deletes": "mirror"}
SOUND = {**INCREMENTAL, "incremental_column": "at"}


def table(*columns: Column, keys: tuple[Key, ...] = (PRIMARY, BY_STAMP), engine: str = "InnoDB") -> Table:
    """A table t with the key `id`, if `keys` has it."""
    primary = next((key.columns for key in keys if key.name == "PRIMARY"), ())
    return Table("t", (ID, *columns), primary, keys, 9000, MANY, engine=engine)


@dataclass(frozen=True)
class World:
    """Table t, its rule, and whatever else a finding is made of."""

    rule: Mapping[str, Any] | None = field(default_factory=lambda: SOUND)
    table: Table = field(default_factory=lambda: table(STAMP))
    rules: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[Other, ...] = ()
    absent: tuple[Absent, ...] = ()
    known: Sequence[str] | None = None
    patterns: Sequence[str] = ()
    masks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by pattern, or by tier

    def seen(self, folder: Path) -> Seen:
        path = folder / "tables.yaml"
        rules = {**({} if self.rule is None else {"t": self.rule}), **self.rules}
        tiers = {one: {"mask": mask} for one, mask in self.masks.items() if one in TIERS}
        patterns: dict[str, Any] = {one: {"mask": mask} for one, mask in self.masks.items() if one not in TIERS}
        patterns |= {one: {"lookback": "1h"} for one in self.patterns}
        path.write_text(json.dumps({"source_tables": rules, "patterns": patterns, "tiers": tiers}))
        catalog = Catalog("clinic", "11", "UTC", (self.table,), others=self.others, absent=self.absent)
        profiles = {("t", column): profile for column, profile in self.profiles.items()}
        proposals = {item.table: item for item in classify(catalog, profiles)}
        config = load_config(path, None, {}, **self.settings)
        if self.known is not None:
            config = config.model_copy(update={"known": frozenset(self.known)})
        return Seen(config, catalog, proposals, profiles, **self.more)


def marked(zone: str) -> dict[str, Any]:
    """The target knows t by a watermark of this zone."""
    return {"states": {"t": State("clinic", Watermark("at", f"timestamp in {zone}", "2024-01-01 00:00:00"))}}


def loaded(column_type: str) -> dict[str, Any]:
    """The target has t with an `id` of this type."""
    return {"there": There({"t": TargetTable("t", (("id", column_type), ("at", "timestamp(0)")), ("id",))})}


def there(**facts: Any) -> dict[str, Any]:
    """The target as it was looked at, and nothing planned."""
    return {"there": There({}, **facts)}


def read_only(so: bool) -> dict[str, Any]:
    """The target is read-only, or not."""
    places = tuple(Place(name) for name in ("bulketl", "bulketl_staging", "raw"))
    return there(footing=Footing("me", "db", places, read_only=so), plan=Plan("clinic", "raw", "UTC", ()))


def demanding(**demands: Any) -> dict[str, Any]:
    """The target has t with such demands, and it is planned to be refilled."""
    existing = TargetTable("t", THERE, ("id",), demands=Demands(**demands))
    spec = dataclasses.replace(wanted(), publish="refill")
    load = TableLoad(spec, (Partition(0),), "reference", "", 1, 1)
    plan = Plan("clinic", "raw", "UTC", (Group("reference", (load,)),))
    return {"there": There({"t": existing}, plan=plan)}


def encoded(name: str) -> dict[str, Any]:
    """The target is in that encoding, and a table with a text is planned."""
    load = TableLoad(wanted(casts=(cast(TEXT),), key=()), (Partition(0),), "reference", "", 1, 1)
    return {"there": There({}, plan=Plan("clinic", "raw", "UTC", (Group("reference", (load,)),)), encoding=name)}


AUDIT = {"table_importance": "audit"}
WITHOUT_KEY = table(STAMP, keys=(BY_STAMP,))
EDITED = {"arrivals": {"t": Arrival(1000, 1.0, "created_at", 900, True)}}
CASES: dict[str, tuple[World, World]] = {
    "refused": (World(more={"refused": (Refusal("t", "important", "no", "mend it"),)}), World()),
    "in the open": (
        World(more={"lines": [Line("source", "mysql://db/clinic", "MariaDB 11", "no TLS", "", here=False)]}),
        World(
            more={
                "lines": [
                    Line("source", "mysql://db/clinic", "MariaDB 11", "no TLS", "", here=True),
                    Line("target", "postgresql://wh/dw", "Postgres 18", "TLS 1.3", "AES", here=False),
                ]
            }
        ),
    ),
    "no tables": (World(others=(Other("sequence", "s"),)), World()),
    "gone": (World(absent=(Absent("old", gone=True),)), World(absent=(Absent("old", why="a right is missing"),))),
    "elsewhere": (World(table=table(STAMP, engine="FEDERATED")), World()),
    "not here": (World(more={"not_here": [("hook dbt: no program dbt", "it is never called", "install it")]}), World()),
    "unheard": (
        World({**SOUND, "monitoring": {"alert_on_failure": True}}, settings={"alerts": {"email": ["a@b"], "tiers": NOBODY}}),
        World({**SOUND, "monitoring": {"alert_on_failure": True}}, settings={"alerts": {"email": ["a@b"]}}),
    ),
    "delivered": (World(settings={"reports": {"weekly": {"write": "reports"}}}), World()),
    "idle templates": (  # a folder that has other files, and one that is not there, which reports refuse
        World(settings={"reports": {"templates": str(ROOT / "config/grafana/provisioning/datasources")}}),
        World(settings={"reports": {"templates": str(ROOT / "none")}}),
    ),
    "new unknown": (World(settings={"new_tables": "report"}), World(settings={"new_tables": "report"}, known=["t"])),
    "misnamed": (World(rule=None, rules={"T": {}}), World(rules={"T": {"exclude": True}})),
    "idle mask": (World(masks={"*": {"SSN": "null"}}), World(masks={"*": {"at": "keep"}})),
    "idle pattern": (World(patterns=("tt*",)), World(patterns=("t*", "?"))),
    "audit deletes": (World({**AUDIT, "deletes": "mirror"}), World({**AUDIT, "deletes": "ignore"})),
    "audit edited": (World(AUDIT), World(AUDIT, table(MADE))),
    "no guard": (World({"deletes": {"guard": "100%"}}), World({"deletes": {"guard": "99%"}})),
    "limited": (World({"limit": 5}), World({})),
    "low threshold": (
        World({"monitoring": {"data_quality_threshold": 0.5}}),
        World({"monitoring": {"data_quality_threshold": 1.0}}),
    ),
    "lacking": (World(more={"lacking": (("clinic", "no right", "grant it"),)}), World(more=read_only(False))),
    "narrow encoding": (
        World(table=table(STAMP, TEXT), more=encoded("LATIN1")),
        World(table=table(STAMP, TEXT), more=encoded("UTF8")),
    ),
    "stale": (World(more=there(left=(Leftover("old", "excluded"),))), World(more=there())),
    "outside": (World(more=there(outsiders=("mine",))), World(more=there())),
    "doubted": (World(more=demanding(constraints=("c CHECK (id > 0)",))), World(more=demanding())),
    "retention by no time": (
        World({"retention": {"keep": "1y", "by": "id", "action": "delete"}}),
        World({"retention": {"keep": "1y", "by": "at", "action": "delete"}}),
    ),
    "dependencies": (World({"dependencies": ["t"]}), World({"dependencies": []})),
    "doubtful key": (World({"primary_key": ["at"]}), World({"primary_key": ["id"]})),
    "whole without key": (World({}, WITHOUT_KEY), World({})),
    "silent deletes": (World({"extraction_strategy": "incremental", "incremental_column": "at"}), World()),
    "changes without key": (World(table=WITHOUT_KEY), World()),
    "changes by doubtful key": (World({**SOUND, "primary_key": ["at"]}), World({"primary_key": ["at"]})),
    "no cursor": (World(INCREMENTAL), World()),
    "key as cursor": (
        World({**INCREMENTAL, "incremental_column": "id"}),
        World({**INCREMENTAL, "incremental_column": "id"}, table(MADE)),
    ),
    "cursor of no time": (
        World({**INCREMENTAL, "incremental_column": "day"}, table(Column("day", "date", False))),
        World(),
    ),
    "cursor without edits": (
        World({**INCREMENTAL, "incremental_column": "created_at"}, table(MADE, STAMP)),
        World({**INCREMENTAL, "incremental_column": "updated_at"}, table(Column("updated_at", "datetime", False))),
    ),
    "cursor zone": (World(settings={"timestamp_zone": "America/Chicago"}), World(settings={"timestamp_zone": "UTC"})),
    "watermark zone": (World(more=marked("America/Chicago")), World(more=marked("UTC"))),
    "doubtful cursor": (
        World(profiles={"at": Profile(1000, 0, 0, 900, 9.0)}),
        World(profiles={"at": Profile(1000, 0, 0, 0, 9.0)}),
    ),
    "not kept": (
        World(
            {**SOUND, "keep": ["indexes"]}, dataclasses.replace(table(STAMP), indexes=(Key("words", ("at",), False, False),))
        ),
        World({**SOUND, "keep": ["comments"]}, dataclasses.replace(table(STAMP), indexes=(Key("words", ("at",), False),))),
    ),
    "cursor without index": (World(table=table(STAMP, keys=(PRIMARY,))), World()),
    "no enum type": (
        World({**SOUND, "casts": {"state": "enum"}}, table(STAMP, Column("state", "enum('a','a')", False))),
        World({**SOUND, "casts": {"state": "enum"}}, table(STAMP, Column("state", "enum('a','b')", False))),
    ),
    "without rule": (World(rule=None, rules={"u": {}}), World()),
    "narrow columns": (World(more=loaded("smallint")), World(more=loaded("integer"))),
}


@pytest.mark.parametrize("name", CASES)
def test_a_rule_finds_what_it_is_for_and_nothing_beside_it(name: str, tmp_path: Path) -> None:
    (rule,) = [rule for rule in FINDING_RULES if rule.name == name]
    wrong, right = (world.seen(tmp_path) for world in CASES[name])
    (found,) = rule.find(wrong)
    assert all((found.table, found.message, found.otherwise, found.advice))
    assert list(rule.find(right)) == []
    assert dataclasses.replace(found, kind=name) in find(wrong)


@pytest.mark.parametrize("name", CASES)
def test_no_remedy_is_what_the_rule_says_already(name: str, tmp_path: Path) -> None:
    """Else --fix would write what is there, and say that it did."""
    seen = CASES[name][0].seen(tmp_path)
    for found in find(seen):
        rule = seen.config.rule(found.table).model_dump()
        for path, value in found.fix.items():
            there: Any = rule
            for step in path.split("."):
                there = there[step]
            assert there != value, (found, path)


def test_what_the_target_lacks_keeps_a_load_from_beginning(tmp_path: Path) -> None:
    """By the list that the load itself asks."""
    (found,) = find(World(more=read_only(True)).seen(tmp_path))
    assert (found.table, found.severity, found.otherwise) == ("raw", "error", "no load begins")
    assert "read-only" in found.message


def test_every_rule_has_such_a_case() -> None:
    names = [rule.name for rule in FINDING_RULES]
    assert sorted(names) == sorted(CASES)
    assert len(set(names)) == len(names)


def test_a_sound_table_is_found_nowhere(tmp_path: Path) -> None:
    assert find(World().seen(tmp_path)) == ()


def test_errors_come_first_then_tables_then_rules_in_their_order(tmp_path: Path) -> None:
    audit, own = {**AUDIT, "deletes": "mirror"}, tmp_path / "own"
    own.mkdir()
    (own / "dayly.html").touch()
    world = World(
        audit,
        settings={"reports": {"templates": str(own)}},
        more={"refused": (Refusal("z", "critical", "no", "mend it"),)},
    )
    found = find(world.seen(tmp_path))
    told = [(one.severity, one.table, one.message.split(" ")[0]) for one in found if one.severity != "note"]
    assert [(severity, where) for severity, where, _ in told] == [
        ("error", "z"), ("warning", "bulketl.yaml"), ("warning", "t"), ("warning", "t"),
    ]  # fmt: skip
    deletes, edited = [one.message for one in found if one.table == "t" and one.severity == "warning"]
    assert "deletes: mirror" in deletes
    assert "deletes" not in edited


def test_a_finding_is_told_as_plain_values(tmp_path: Path) -> None:
    found = find(World({"monitoring": {"data_quality_threshold": 0.5}}).seen(tmp_path))
    document = json.loads(json.dumps([one.to_json() for one in found]))
    (one,) = [one for one in document if one["fix"]]
    assert list(one) == ["table", "severity", "message", "otherwise", "advice", "fix", "source", "schema", "kind"]
    assert one["fix"] == {"monitoring.data_quality_threshold": 1.0}


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("[a-z]", "t"),
        ("T*", "t"),
        ("[st]", "t"),
        ("tt", "t"),
        ("?t", "t"),
        ("zzz*", ""),
        ("t", None),
        ("*", None),
        ("?", None),
    ],
)
def test_a_pattern_that_fits_no_table_is_found_with_the_names_that_may_be_meant(
    pattern: str, meant: str | None, tmp_path: Path
) -> None:
    """As a rule by exact name is."""
    found = [one for one in find(World(patterns=(pattern,)).seen(tmp_path)) if one.kind == "idle pattern"]
    assert [(one.table, one.severity) for one in found] == ([] if meant is None else [(pattern, "warning")])
    assert all("fits no table" in one.message for one in found)
    assert all(one.advice.endswith("did you mean 't'?") == bool(meant) for one in found)


@pytest.mark.parametrize("place", ["*", "t*", "reference"])
@pytest.mark.parametrize(
    ("masks", "told"),
    [
        ({"cc": "null"}, "mask.cc: no table that this is said of has such a column"),
        ({"C": "null"}, "mask.C leaves t.c as it is"),
        ({"C": "null", "c": "keep"}, "mask.C: no table"),
        ({"c": "null"}, ""),
    ],
    ids=str,
)
def test_a_mask_for_many_tables_that_fits_no_column_is_found_with_its_place(
    place: str, masks: dict[str, str], told: str, tmp_path: Path
) -> None:
    """A column of another spelling would be loaded as it is, in silence; a tier is as good a place as a pattern."""
    world = World(rule={}, table=table(STAMP, TEXT), masks={place: masks})
    found = [one for one in find(world.seen(tmp_path)) if one.kind == "idle mask"]
    assert [(one.table, one.severity) for one in found] == (
        [(place if "*" in place else f"tier {place}", "warning")] if told else []
    )
    assert all(one.message.startswith(told) for one in found)


def test_an_idle_mask_is_not_guessed_where_a_table_is_out_of_view(tmp_path: Path) -> None:
    """Its columns are not known, and a column that is not loaded needs no mask."""
    unseen = World(rule=None, masks={"*": {"SSN": "null"}}, more={"refused": (Refusal("u", "important", "no", "mend it"),)})
    left = World({"exclude_columns": ["c"]}, table=table(STAMP, TEXT), masks={"*": {"C": "null", "at": "keep"}})
    assert not [one for one in find(unseen.seen(tmp_path)) if one.kind == "idle mask"]
    assert [one.message[:8] for one in find(left.seen(tmp_path)) if one.kind == "idle mask"] == ["mask.C: "]
