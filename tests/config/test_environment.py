"""A secret in a file is one that its variable names; what is wrong with the file is told, and nothing of what is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bulketl.config.read import load_config
from bulketl.errors import ConfigError


def settings(folder: Path, environ: dict[str, str]) -> str | None:
    """Return the webhook of a file that takes it out of the environment."""
    path = folder / "bulketl.yaml"
    path.write_text(json.dumps({"alerts": {"webhook": "https://hooks.example/${HOOK}"}}), encoding="utf-8")
    alerts = load_config(None, path, environ).alerts
    return alerts.webhook if alerts else None


def test_a_secret_in_a_file_is_taken(tmp_path: Path) -> None:
    """Without the line feed that editors put at its end; with the variable itself nobody could tell which one holds."""
    secret = tmp_path / "hook"
    secret.write_text("s3 cret\n".replace(" ", ""), encoding="utf-8")
    assert settings(tmp_path, {"HOOK_FILE": str(secret)}) == "https://hooks.example/s3cret"
    with pytest.raises(ConfigError, match="HOOK and HOOK_FILE are both set"):
        settings(tmp_path, {"HOOK_FILE": str(secret), "HOOK": "other"})


@pytest.mark.parametrize("variable", ["BULKETL_SOURCE", "BULKETL_TARGET", "BULKETL_SCHEMA"])
def test_a_connection_in_a_file_is_taken(tmp_path: Path, variable: str) -> None:
    """The same for the variables that no file has to name."""
    path = tmp_path / "uri"
    path.write_text("postgresql://u:s3cret@h/d\n", encoding="utf-8")
    config = load_config(None, None, {f"{variable}_FILE": str(path)})
    assert "postgresql://u:s3cret@h/d" in (config.source, config.target, config.target_schema)


def test_a_file_that_is_no_secret_is_told(tmp_path: Path) -> None:
    """Not there, a folder, no text, no end."""
    (tmp_path / "binary").write_bytes(b"\xff\xfes3cret")
    found = {"nowhere": "No such file", "": "Is a directory", "binary": "is not UTF-8 text"}
    for name, text in found.items():
        with pytest.raises(ConfigError, match=text) as told:
            settings(tmp_path, {"HOOK_FILE": str(tmp_path / name)})
        assert "s3cret" not in told.value.message
        with pytest.raises(ConfigError, match=text):
            load_config(None, None, {"BULKETL_TARGET_FILE": str(tmp_path / name)})
    with pytest.raises(ConfigError, match="not a secret"):
        settings(tmp_path, {"HOOK_FILE": "/dev/zero"})
    with pytest.raises(ConfigError, match="no variable HOOK"):
        settings(tmp_path, {})


WRONG = [
    ({"slack": {"token": "hunter2"}}, "alerts.slack: token and channel belong together"),
    ({"slack": {"token": "hunter2", "channel": "#x", "webhook": "https://h/hunter2"}}, "either the URL of an incoming"),
    ({"slack": "hunter2"}, "alerts.slack: a URL that begins with https:// or http:// and names a host is expected"),
    ({"slack": "http://hooks.slack.com/hunter2"}, "alerts.slack: it carries a secret: a URL that begins with https://"),
    ({"pagerduty": {"api_token": "hunter2"}}, "alerts.pagerduty.routing_key: Field required"),
    ({"pagerduty": {"routing_key": "hunter2", "region": "mars"}}, "alerts.pagerduty.region: "),
    ({"pagerduty": ""}, "alerts.pagerduty: "),
    ({"webhook": "https:///hunter2"}, "alerts.webhook: a URL"),
    ({"webhook": "https://h:99999/hunter2"}, "alerts.webhook: a URL"),
    ({"heartbeat": "hc-ping.com/hunter2"}, "alerts.heartbeat: a URL"),
    ({"email": ["a@b"], "smtp": "smtp://u:hunter/2@h"}, "alerts.smtp: "),
    ({"email": ["a@b, c@d"]}, "alerts.email.0: an address alone, in ASCII, is expected"),
    ({"email": ["zürich@b"]}, "alerts.email.0: an address alone, in ASCII, is expected"),
    ({"email": ["a@b"], "email_from": "Night <n@b>"}, "alerts.email_from: an address alone"),
    ({"apprise": [""]}, "alerts.apprise.0: "),
    ({"tiers": {"critical": {"to": ["slack"]}}}, "nobody would hear them"),
    (
        {"webhook": "https://h/", "tiers": {"critical": {"to": ["slack"]}}},
        "tiers.critical names slack, which is not set",
    ),
    ({"webhook": "https://h/", "tiers": {"criticl": {}}}, "alerts.tiers.criticl: unknown key; did you mean 'critical'?"),
    ({"webhook": "https://h/", "tiers": {"critical": {"to": ["slak"]}}}, "alerts.tiers.critical.to.0: "),
    ({"pagerdty": "hunter2"}, "alerts.pagerdty: unknown key; did you mean 'pagerduty'?"),
]


@pytest.mark.parametrize(("alerts", "text"), WRONG)
def test_a_channel_that_cannot_be_is_told(tmp_path: Path, alerts: object, text: str) -> None:
    """At its place, without its secret."""
    path = tmp_path / "bulketl.yaml"
    path.write_text(json.dumps({"alerts": alerts}), encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        load_config(None, path, {})
    assert text in told.value.message
    assert "hunter" not in told.value.message
