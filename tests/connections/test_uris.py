"""Where a load reads and writes: what the URIs may be, and that no message repeats a password."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bulketl import Config, ConfigError, load_config
from bulketl.cli.app import app
from bulketl.config.settings import PROCESS_MB
from bulketl.loading.events import RunFinished
from bulketl.loading.run import _told
from bulketl.mysql.server import MySQL
from bulketl.postgres.server import Postgres
from bulketl.tables.partitions import PARTITION_BYTES


@pytest.mark.parametrize(
    "uri",
    ["mysql://u:hunter2/x@h/d", "mysql://u:hunter2#x@h/d", "mysql://u:hun[ter2]x@h/d", "mysql://u:p@hunter2@h:x/d",
     "http://u:hunter2@h/d", "mysql://u:hunter2@h", "mysql://u:p@hunter2/x@h/d", "mysql://u:1/hunter2@h/d",
     "mysql://u:1/hunter2#x@h/d", "mysql://u:1/hunter2/x@h/d", "mysql://u:1/hunter2?x@h/d"],
)  # fmt: skip
def test_a_source_uri_that_is_none_is_refused_without_repeating_it(uri: str) -> None:
    """A password with special characters that nobody encoded looks like a host or a port."""
    with pytest.raises(ConfigError) as told:
        MySQL(uri)
    assert "hunter2" not in f"{told.value.message}{told.value.hint}"


@pytest.mark.parametrize("uri", ["postgresql://u:p@hunter2@h/d", "postgresql://u:hunter2/x@h/d", "postgresql://[hunter2"])
def test_a_target_uri_that_is_none_is_refused_without_repeating_it(uri: str) -> None:
    """The same for Postgres."""
    with pytest.raises(ConfigError) as told:
        Postgres(uri)
    assert "hunter2" not in f"{told.value.message}{told.value.hint}"


def test_both_drivers_log_in_as_the_same_user() -> None:
    """A URI without a user means root for both."""
    assert MySQL("mysql://h/d").connectorx_uri.startswith("mysql://root@h/d?")
    assert MySQL("mysql://a%40b:c%2Fd@h/d").connectorx_uri.startswith("mysql://a%40b:c%2Fd@h/d?")


@pytest.mark.parametrize("option", ["--tier", "--tables"])
def test_an_option_that_is_empty_does_not_mean_everything(option: str) -> None:
    """An unset variable in a script must not load the whole database."""
    environment = {"BULKETL_SOURCE": "mysql://127.0.0.1:1/d", "BULKETL_TARGET": "postgresql://127.0.0.1:1/d"}
    assert CliRunner().invoke(app, ["load", option, ""], env=environment).exit_code == 2


def test_an_observer_that_fails_is_not_called_again() -> None:
    """It must not stop a load."""

    def broken(event: object) -> None:
        raise BrokenPipeError

    with pytest.warns(RuntimeWarning, match="an observer failed"):
        assert not _told(broken, RunFinished("r", 1.0))


def test_the_later_layout_is_read_too(tmp_path: Path) -> None:
    """`metadata` and `tables`: the first cursor of several, the tier from the size class; unknown keys are still told."""
    path = tmp_path / "tables.yaml"
    path.write_text(
        "metadata: {generated_at: x}\n"
        "tables:\n"
        "  a: {performance_category: large, incremental_columns: [Stamp, Other], extraction_strategy: incremental,\n"
        "      primary_key: Num, monitoring: {alert_on_failure: true, alert_on_slow_extraction: true}}\n"
        "  b: {performance_category: tiny, primary_incremental_column: null}\n"
    )
    with pytest.warns(UserWarning, match="passed over.*primary_key"):
        rules = load_config(path, None, {}).tables
    assert (rules["a"].table_importance, rules["a"].incremental_column, rules["a"].primary_key) == ("critical", "Stamp", ())
    assert (rules["a"].monitoring.alert_on_failure, rules["b"].table_importance) == (True, "reference")
    path.write_text("metadata: {}\ntables:\n  a: {bach_size: 3}\n")
    with pytest.raises(ConfigError, match="did you mean 'batch_size'"):
        load_config(path, None, {})


SECRET = "hunter2"
ENVIRON = {"SLACK": f"https://hooks.example/{SECRET}", "BAD": f"ftp://{SECRET}", "LOAD": "21:00-06:00 America/Chicago"}


def settings(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "b.yaml"
    path.write_text(text)
    return load_config(None, path, ENVIRON)


def refused(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as told:
        settings(tmp_path, text)
    return [line.strip().removeprefix(f"{tmp_path / 'b.yaml'}:") for line in told.value.message.splitlines()[1:]]


FULL = """
workers: 2
source_connections: 9
tier_workers: {critical: 3, audit: 1}
windows: {load: "${LOAD}", days: [mon, fri]}
alerts:
  email: [dba@clinic.example]
  slack: ${SLACK}
  command: [page, "--to=${SLACK}"]
  tiers: {critical: {to: [slack], escalate_minutes: 30, escalate_to: [command]}, reference: {to: []}}
reports: {daily: {send: [email]}, weekly: {write: reports}}
"""


def test_every_key_has_its_type_and_the_environment_is_read_in_nested_ones(tmp_path: Path) -> None:
    """No repr shows who is alerted: a webhook's URL is a password."""
    config = settings(tmp_path, FULL)
    assert config.windows
    assert (config.windows.load, config.windows.days) == (ENVIRON["LOAD"], ("mon", "fri"))
    assert config.alerts
    assert config.alerts.channels == ("email", "slack", "command")
    assert config.alerts.slack
    assert (config.alerts.slack.webhook, config.alerts.command[1]) == (ENVIRON["SLACK"], f"--to={ENVIRON['SLACK']}")
    assert config.alerts.tiers["critical"].escalate_minutes == 30
    assert SECRET not in f"{config!r} {config.alerts!r} {config}"


def test_a_cap_on_source_connections_is_one_on_steps(tmp_path: Path) -> None:
    """Without it the workers are the cap; a look at the source and a lock for readers need a connection of their own."""
    assert settings(tmp_path, FULL).at_once == 2
    assert settings(tmp_path, "workers: 8\n").at_once == 8
    assert settings(tmp_path, "source_connections: 2\n").at_once == 2
    assert settings(tmp_path, "source_connections: 3\n").readers == 2
    limited = settings(tmp_path, "source_connections: 3\nsource_limits: {threads_running: 9}\n")
    assert (limited.at_once, limited.readers) == (2, 2)


@given(st.integers(256, 100_000), st.integers(1, 64))
def test_partitions_of_all_workers_fit_into_the_memory_allowed(memory_mb: int, workers: int) -> None:
    """A step takes up to four times the bytes of its partition."""
    config = Config(memory_mb=memory_mb, workers=workers)
    assert 0 < config.partition_bytes <= PARTITION_BYTES
    assert 4 * workers * config.partition_bytes <= (memory_mb - PROCESS_MB) << 20


@pytest.mark.parametrize(
    ("window", "told"),
    [
        ("21-06 UTC", "two times and a zone are expected"),
        ("21:00-06:00", "two times and a zone are expected"),
        ("25:00-06:00 UTC", "a time is from 00:00 to 23:59"),
        ("21:00-06:60 UTC", "a time is from 00:00 to 23:59"),
        ("06:00-06:00 UTC", "it ends when it begins"),
        ("21:00-06:00 America/Chicag", "there is no such zone; did you mean America/Chicago?"),
        ("21:00-06:00 America", "there is no such zone"),
        ("21:00-06:00 ../UTC", "there is no such zone"),
    ],
)
def test_an_impossible_window_and_an_unknown_zone_are_refused(tmp_path: Path, window: str, told: str) -> None:
    """With the line and what is expected."""
    (line,) = refused(tmp_path, f"workers: 3\nwindows:\n  load: {window}\n")
    assert line.startswith(f"3: windows.load: {told}")
    assert f"not {window!r}" not in line  # a password may be written under any key


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tier_workers: {critcal: 3}", "tier_workers.critcal: unknown key; did you mean 'critical'?"),
        ("tier_workers: {audit: 0}", "tier_workers.audit: Input should be greater than or equal to 1, not 0"),
        ("tier_workers: {audit: '1'}", "tier_workers.audit: Input should be a valid integer"),
        ("source_connections: 0", "source_connections: Input should be greater"),
        ("workers: 8\nsource_connections: 2", "8 workers need as many source_connections, and 2 are allowed"),
        ("source_connections: 1\nsource_limits: {threads_running: 9}", "source_limits need a connection of their own"),
        ("source_limits: {treads_running: 9}", "source_limits.treads_running: unknown key; did you mean"),
        ("memory_mb: 100", "memory_mb: Input should be greater"),
        ("windows: {loads: x}", "windows.loads: unknown key; did you mean 'load'?"),
        ("windows: {load: 1:00-2:00 UTC, days: [monday]}", "windows.days.0: Input should be 'mon'"),
        ("windows: {load: 1:00-2:00 UTC, days: []}", "windows.days: "),
        ("alerts: {}", "alerts: nobody would hear them"),
        ("alerts: {emial: [a@b]}", "alerts.emial: unknown key; did you mean 'email'?"),
        ("alerts: {email: [a@b], tiers: {audt: {}}}", "alerts.tiers.audt: unknown key; did you mean 'audit'?"),
        ("alerts: {email: [a@b], tiers: {audit: {too: []}}}", "alerts.tiers.audit.too: unknown key; did you mean 'to'?"),
        ("alerts: {email: [a@b], tiers: {audit: {to: [slack]}}}", "alerts: tiers.audit names slack, which is not set here"),
        ("alerts: {email: [a@b], tiers: {audit: {to: [pager]}}}", "alerts.tiers.audit.to.0: Input should be 'pagerduty', "),
        (
            "alerts: {email: [a@b], tiers: {audit: {to: [slack]}, critical: {to: [command]}}}",
            "alerts: tiers.audit names slack, which is not set here; tiers.critical names command, which is not set here",
        ),
        ("alerts: {email: [a@b], rules: {tabel_failed: off}}", "alerts.rules.tabel_failed: unknown key; did you mean"),
        ("alerts: {email: [a@b], rules: {drift: loud}}", "alerts.rules.drift: Input should be 'tell', 'daily' or 'off'"),
        ("alerts: {email: [a@b], daily_at: 25:00}", "alerts.daily_at: a time is from 00:00 to 23:59"),
        ("alerts: {email: [a@b], daily_at: 07:00 Mars}", "alerts.daily_at: there is no such zone"),
        ("alerts: {email: [a@b], quiet_hours: 22-07}", "alerts.quiet_hours: two times and a zone are expected"),
        ("alerts: {email: [a@b], tiers: {audit: {daily: true, within_minutes: 3}}}", "alerts.tiers.audit: what goes into"),
        ("alerts: {email: [a@b], tiers: {audit: {escalate_minutes: 3}}}", "alerts.tiers.audit: escalate_minutes and"),
        ("reports: {dayly: {}}", "reports.dayly: unknown key; did you mean 'daily'?"),
        ("reports: {daily: {}}", "reports.daily: it goes nowhere"),
        ("reports: {daily: {wirte: x}}", "reports.daily.wirte: unknown key; did you mean 'write'?"),
        ("reports: {daily: {send: [slack]}}", "reports.daily.send.0: Input should be 'email'"),
        ("reports: {daily: {send: [email]}}", "reports: daily is sent by email, and nobody is named"),
        ("casts: [{to: bigint, typ: int}]", "casts.0.typ: unknown key; did you mean 'type'?"),
        ("alerts: {slack: '${NONE}'}", "alerts.slack: the environment has no variable NONE"),
    ],
)
def test_each_mistake_in_a_nested_key_is_told_with_its_path(tmp_path: Path, text: str, told: str) -> None:
    """And with what was meant, also among the keys of the values of a mapping."""
    assert any(line.startswith(f"1: {told}") for line in refused(tmp_path, text)), refused(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "alerts: https://hunter2", "alerts: {slack: hunter2}", "alerts: {webhook: hunter2}", "alerts: {command: hunter2}",
        "alerts: {smtp: hunter2, email: [a@b]}", "alerts: {email: ['${BAD}']}", "alerts: {email: '${BAD}'}",
        "alerts: {slack: '${BAD}'}", "workers: ${BAD}", "nul_bytes: '${BAD}'", "windows: {load: '${BAD}'}",
        "source: [hunter2]", "target: {a: hunter2}", "reports: {daily: '${BAD}'}",
    ],
)  # fmt: skip
def test_no_message_repeats_what_may_be_a_secret(tmp_path: Path, text: str) -> None:
    """Neither what stands where secrets do nor what came from the environment."""
    found = refused(tmp_path, text)
    assert found
    assert SECRET not in "".join(found)
