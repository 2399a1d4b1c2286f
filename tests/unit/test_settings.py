"""Where a load reads and writes: what the URIs may be, and that no message repeats a password."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bulketl import ConfigError, load_config
from bulketl.api import _told
from bulketl.cli import app
from bulketl.events import RunFinished
from bulketl.mysql import MySQL
from bulketl.postgres import Postgres


@pytest.mark.parametrize(
    "uri",
    ["mysql://u:hunter2/x@h/d", "mysql://u:hunter2#x@h/d", "mysql://u:hun[ter2]x@h/d", "mysql://u:p@hunter2@h:x/d",
     "http://u:hunter2@h/d", "mysql://u:hunter2@h"],
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
    rules = load_config(path, None, {}).tables
    assert (rules["a"].table_importance, rules["a"].incremental_column, rules["a"].primary_key) == (
        "critical",
        "Stamp",
        ("Num",),
    )
    assert (rules["a"].monitoring.alert_on_failure, rules["b"].table_importance) == (True, "reference")
    path.write_text("metadata: {}\ntables:\n  a: {bach_size: 3}\n")
    with pytest.raises(ConfigError, match="did you mean 'batch_size'"):
        load_config(path, None, {})
