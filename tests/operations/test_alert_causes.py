"""Which events alert, of which tables: by the rules of a table, by those of its tier, and by the file of 432 tables."""

from __future__ import annotations

import ast
import datetime as dt
import inspect
from pathlib import Path
from typing import Any

import pytest

from bulketl.config.alerts import Alerts
from bulketl.config.config import Config
from bulketl.config.read import load_config
from bulketl.config.tables import TableRule
from bulketl.loading.events import ColumnsChanged, ColumnsWithheld, Event, TableFailed, TableOverdue
from bulketl.operations.alerts import causes
from bulketl.operations.alerts.causes import Trouble, heard
from bulketl.tables.spec import TIERS, Tier

AT = dt.datetime(2026, 11, 27, 3, 12, tzinfo=dt.UTC)
SHARED = Path(__file__).parents[3] / "shared" / "opendental" / "tables.yaml"
ALERTS = Alerts(webhook="http://localhost:1/")


def troubles(config: Config, event: Event) -> list[Trouble]:
    return [one for one in heard(config, event, AT) if isinstance(one, Trouble)]


def failed(table: str, kind: str = "SourceError", rejects: int = 0) -> TableFailed:
    return TableFailed("r", table, kind, "server said 'Smith'", "hint", 1.0, rejects, {}, "refused")


@pytest.mark.parametrize("written", [None, True, False])
@pytest.mark.parametrize("tier", TIERS)
def test_a_table_says_itself_whether_its_failures_are_told(tier: Tier, written: bool | None) -> None:
    """And where it says nothing they are, as its tier has it."""
    monitoring: dict[str, Any] = {} if written is None else {"monitoring": {"alert_on_failure": written}}
    rule = TableRule.model_validate({"table_importance": tier, **monitoring})
    found = troubles(Config(alerts=ALERTS, tables={"t": rule}), failed("t"))
    assert [one.member.tier for one in found] == ([] if written is False else [tier])
    assert all("Smith" not in one.member.text for one in found)


def test_only_a_time_that_somebody_wrote_is_told_and_any_that_is_beyond_the_plan() -> None:
    """Five minutes are the default of every table, which says nothing of any."""
    written = TableRule.model_validate({"monitoring": {"max_extraction_time_minutes": 3}})
    config = Config(alerts=ALERTS, tables={"t": written})
    assert [one.cause.rule for one in troubles(config, TableOverdue("r", "t", 180))] == ["overtime"]
    assert troubles(config, TableOverdue("r", "other", 300)) == []
    assert [one.cause.rule for one in troubles(config, TableOverdue("r", "other", 40, by_plan=True))] == ["overtime"]


def test_what_failed_for_the_same_reason_has_the_same_key() -> None:
    """Run, side and class of error; rows at fault are told apart from a server that is."""
    config = Config(alerts=ALERTS)
    keys = {
        name: [one.cause.key for one in troubles(config, event)]
        for name, event in {
            "a": failed("a"), "b": failed("b"), "target": failed("c", "TargetError"), "rows": failed("d", "DataError", 3),
            "check": failed("e", "DataError"), "gone": failed("f", "MassDeleteError"),
            "few": failed("g", "DataQualityError"),
        }.items()
    }  # fmt: skip
    assert keys.pop("a") == keys["b"]
    assert len({key for (key,) in keys.values()}) == len(keys)
    assert all(len(key) <= 255 for (key,) in keys.values())


def test_a_rule_that_is_off_tells_nothing() -> None:
    """Whatever the tier."""
    config = Config(alerts=ALERTS.model_copy(update={"rules": {"drift": "off"}}))
    assert troubles(config, ColumnsChanged("r", "t", ("+ c text",))) == []
    assert len(troubles(Config(alerts=ALERTS), ColumnsChanged("r", "t", ("+ c text",)))) == 1


def test_columns_that_are_withheld_are_told_as_the_tier_says_and_not_only_in_the_daily_mail() -> None:
    """By their names; the next load ends it."""
    ((trouble),) = troubles(Config(alerts=ALERTS), ColumnsWithheld("r", "t", ("Diagnosis",)))
    assert isinstance(trouble, Trouble)
    assert (trouble.cause.rule, trouble.table) == ("withheld", "t")
    assert "Diagnosis" in trouble.member.text
    assert ALERTS.way("withheld") == "tell"


@pytest.mark.skipif(not SHARED.is_file(), reason="the file of the clinic lies beside the checkout only")
def test_the_file_of_432_tables_acts_unchanged(tmp_path: Path) -> None:
    """Its critical and important tables alert by their tier, its others do not."""
    settings = tmp_path / "bulketl.yaml"
    settings.write_text("alerts: {pagerduty: key, slack: 'https://hooks.example/x', email: [dba@clinic.example]}\n")
    with pytest.warns(UserWarning, match="passed over"):
        config = load_config(SHARED, settings, {})
    assert len(config.tables) == 432
    for name, rule in config.tables.items():
        told = troubles(config, failed(name))
        assert bool(told) == rule.monitoring.alert_on_failure == (rule.table_importance in ("critical", "important"))
        assert {one.member.tier for one in told} <= {rule.table_importance}
        (late,) = troubles(config, TableOverdue("r", name, rule.monitoring.max_extraction_time_minutes * 60))
        assert f"{rule.monitoring.max_extraction_time_minutes:g} minutes" in late.member.text


def test_every_event_that_tells_anything_is_read_from_the_ledger() -> None:
    """Which kinds tell is listed from the code; a tick reads no others."""
    tree = ast.parse(inspect.getsource(causes.heard))
    matched = {node.cls.id for node in ast.walk(tree) if isinstance(node, ast.MatchClass) and isinstance(node.cls, ast.Name)}
    assert matched == {each.__name__ for each in causes.TELLING}
