"""What `doctor` makes of a server's condition: a symptom alone gives one finding, with its mend, and a sound server none."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.config.config import Config
from bulketl.mysql.condition import SourceCondition
from bulketl.postgres.condition import TargetCondition
from bulketl.survey import tried
from bulketl.survey.checked import Checked
from bulketl.survey.symptoms import MOST_OFF, of_source, of_target
from bulketl.tables.clocks import Clock

CONFIG = Config(workers=4)
GIB = 1 << 30
RIGHT = Clock(0.1, 0.01)
SOURCE = SourceCondition(
    version="11.8.9-MariaDB-0+deb13u1 from Debian", clock=RIGHT, zone="UTC",
    settings={
        "max_allowed_packet": str(GIB), "innodb_buffer_pool_size": str(8 * GIB), "general_log": "OFF",
        "innodb_stats_on_metadata": "OFF",
    },
    connections=100, others=3, bytes=20 * GIB, keyless=None,
)  # fmt: skip
TARGET = TargetCondition(
    version="18.1", clock=RIGHT, zone="UTC", encoding="UTF8",
    settings={
        "fsync": "on", "full_page_writes": "on", "autovacuum": "on", "temp_file_limit": "-1", "log_statement": "none",
        "synchronous_standby_names": "", "max_wal_size": str(8 * GIB), "maintenance_work_mem": str(GIB),
        "shared_buffers": str(8 * GIB),
    },
    connections=100, others=3, bytes=20 * GIB, free=100 * GIB,
)  # fmt: skip


def source(doubled: bool = False, **other: Any) -> list[Checked]:
    settings = {**SOURCE.settings, **other.pop("settings", {})}
    return list(of_source(CONFIG, dataclasses.replace(SOURCE, settings=settings, **other), doubled))


def target(source_bytes: int | None = GIB, **other: Any) -> list[Checked]:
    settings = {**TARGET.settings, **other.pop("settings", {})}
    return list(of_target(CONFIG, dataclasses.replace(TARGET, settings=settings, **other), source_bytes))


def ill(found: list[Checked]) -> dict[str, str]:
    """Return the verdict of whatever is not fine, and see that each has a mend."""
    unwell = [one for one in found if one.verdict != "fine"]
    assert all(one.mend or one.verdict == "unknown" for one in unwell)
    return {one.about: one.verdict for one in unwell}


def test_sound_servers_have_no_symptom() -> None:
    assert ill(source()) == ill(target()) == {}


@pytest.mark.parametrize(("other", "found"), [
    ({"version": "8.4.1"}, {"version": "unknown"}),
    ({"clock": Clock(-9, 1)}, {"clock": "doubtful"}),
    ({"doubled": True}, {"zone": "doubtful"}),
    ({"connections": 3}, {"sessions": "wrong"}),
    ({"others": 98}, {"sessions": "doubtful"}),
    ({"settings": {"max_allowed_packet": str(4 << 20)}}, {"max_allowed_packet": "doubtful"}),
    ({"settings": {"innodb_buffer_pool_size": str(128 << 20)}}, {"innodb_buffer_pool_size": "slow"}),
    ({"settings": {"innodb_buffer_pool_size": str(128 << 20)}, "bytes": 1 << 20}, {}),
    ({"settings": {"general_log": "ON"}}, {"general_log": "slow"}),
    ({"settings": {"innodb_stats_on_metadata": "ON"}}, {"innodb_stats_on_metadata": "slow"}),
])  # fmt: skip
def test_each_symptom_of_a_source_is_found_alone(other: dict[str, Any], found: dict[str, str]) -> None:
    assert ill(source(**other)) == found


@pytest.mark.parametrize(("other", "found"), [
    ({"version": "19.0"}, {"version": "unknown"}),
    ({"clock": Clock(9, 1)}, {"clock": "doubtful"}),
    ({"encoding": "LATIN1"}, {"encoding": "doubtful"}),
    ({"connections": 5}, {"sessions": "wrong"}),
    ({"free": None}, {"disk": "unknown"}),
    ({"source_bytes": None}, {"disk": "unknown"}),
    ({"source_bytes": 101 * GIB}, {"disk": "doubtful"}),
    *(({"settings": {name: "off"}}, {name: "doubtful"}) for name in ("fsync", "full_page_writes", "autovacuum")),
    ({"settings": {"temp_file_limit": str(GIB)}}, {"temp_file_limit": "doubtful"}),
    ({"settings": {"log_statement": "all"}}, {"log_statement": "slow"}),
    ({"settings": {"log_statement": "ddl"}}, {}),
    ({"settings": {"synchronous_standby_names": "s1"}}, {"synchronous_standby_names": "slow"}),
    *(({"settings": {n: str(64 << 20)}}, {n: "slow"}) for n in ("max_wal_size", "maintenance_work_mem", "shared_buffers")),
    ({"settings": {"max_wal_size": str(64 << 20)}, "bytes": 1, "source_bytes": 1}, {}),
])  # fmt: skip
def test_each_symptom_of_a_target_is_found_alone(other: dict[str, Any], found: dict[str, str]) -> None:
    assert ill(target(**other)) == found


def test_a_disk_that_nobody_can_see_is_as_large_as_the_configuration_says() -> None:
    config = Config.model_validate({"capacity": {"disk": "50 GB"}})
    unseen = dataclasses.replace(TARGET, free=None)
    assert ill(list(of_target(config, unseen, GIB))) == {}
    assert ill(list(of_target(config, unseen, 40 * GIB))) == {"disk": "doubtful"}


@given(st.floats(-100, 100), st.floats(0, 50))
def test_a_clock_is_doubted_when_no_delay_of_the_line_explains_it(ahead: float, within: float) -> None:
    """Whoever asks over a slow line does not know better."""
    read = Clock.read(1000.0, 1000.0 + within + ahead, 1000.0 + 2 * within)
    assert (ill(source(clock=read)) == {"clock": "doubtful"}) is (read.off > MOST_OFF)
    assert read.off <= abs(ahead) + 1e-6


def test_the_series_that_were_tried_are_those_of_the_page() -> None:
    """Run by `nox -s compatibility`, or, Postgres 18, by every test."""
    runs = json.loads((Path(__file__).parents[2] / "docs" / "compatibility.json").read_text(encoding="utf-8"))
    sources, targets = set(), {"18"}
    for name, run in runs.items():
        product = "MariaDB" if name.startswith("mariadb") else "MySQL"
        assert tried.source_series(run["source"]) == (product, name.partition("-")[2])
        sources.add(tried.source_series(run["source"]))
        targets.add(tried.target_series(run["target"]))
    assert sources == {(product, series) for product, found in tried.SOURCES.items() for series in found}
    assert targets == set(tried.TARGETS)
    assert tried.source_series("5.5.5-10.11.3-MariaDB") == ("MariaDB", "10.11")
