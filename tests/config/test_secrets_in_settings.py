"""A password that was written under the wrong key, or into the wrong part of a URI, is repeated nowhere.

The keys are listed from the model of bulketl.yaml, the parts of a URI from what it is made of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner

import bulketl.connections.retrying
from bulketl.cli.app import app
from bulketl.config.sources import file_model
from bulketl.errors import BulketlError
from bulketl.mysql.server import MySQL
from bulketl.postgres.server import Postgres

CANARY = "hunter2-canary"
Keys = tuple[str | int, ...]


def places(annotation: Any, at: Keys = ()) -> Iterator[Keys]:
    """Yield every place at which a value may stand: of the model, of its fields, of entries and of values by a key."""
    yield at
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from places(field.annotation, (*at, field.alias or name))
    elif get_origin(annotation) is dict:
        key, value = get_args(annotation)
        yield from places(value, (*at, (get_args(key) or ("some",))[0]))
    elif get_origin(annotation) is tuple:
        yield from places(get_args(annotation)[0], (*at, 0))
    else:
        for inner in get_args(annotation):
            if inner is not type(None) and not isinstance(inner, str):
                yield from places(inner, at)


def at(keys: Keys, value: object) -> object:
    """Return the document with the value at that place, and what else must be there for it to be looked at."""
    for key in reversed(keys):
        value = [value] if key == 0 else {key: value}
    return value


PLACES = sorted({keys for keys in places(file_model()) if keys}, key=str)


def test_the_places_are_those_of_the_model() -> None:
    """The list is not empty for want of understanding the model."""
    shown = {".".join(map(str, keys)) for keys in PLACES}
    assert {
        "workers",
        "casts.0.to",
        "sources.some.source",
        "sources.some.alerts.slack",
        "alerts.tiers.critical.to.0",
        "source_limits.mb_per_second",
        "windows.load",
    } <= shown
    assert len(shown) > 40


@pytest.mark.parametrize("keys", PLACES, ids=lambda keys: ".".join(map(str, keys)))
@pytest.mark.parametrize("from_environment", [False, True])
def test_what_stands_in_the_settings_is_not_repeated(keys: Keys, from_environment: bool, tmp_path: Path) -> None:
    """As it is written, and from the environment, which is for secrets; shown as text, and as JSON."""
    path = tmp_path / "bulketl.yaml"
    path.write_text(yaml.safe_dump(at(keys, "${SECRET}" if from_environment else CANARY)), encoding="utf-8")
    environment = {"SECRET": CANARY, "BULKETL_SOURCE": "", "BULKETL_TARGET": ""}
    words = ["plan", "--json"] if from_environment else ["plan"]
    done = CliRunner().invoke(app, [*words, "--config", str(path)], env=environment)
    assert done.exit_code in (1, 2), done.output
    assert CANARY not in done.output + repr(done.exception), done.output


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not answer is tried again without a pause."""
    monkeypatch.setattr(bulketl.connections.retrying, "PAUSES", (0.0, 0.0, 0.0))


SOURCES = [
    f"mysql://u:{CANARY}@h@x/d", f"mysql://u:{CANARY}/p@127.0.0.1:1/d", f"mysql://u:{CANARY}@127.0.0.1:1/d",
    f"mysql://u:p@127.0.0.1:{CANARY}/d", f"mysql://u:p#{CANARY}@127.0.0.1:1/d", f"mysql://u:p@127.0.0.1:1/d?ssl-mode={CANARY}",
    f"mysql://u:p@127.0.0.1:1/d?sslmode={CANARY}", f"mysql://u:p@127.0.0.1:1/d?ssl={CANARY}",
    f"mysql://u:p@127.0.0.1:1/d?password={CANARY}", f"mysql://u:p@127.0.0.1:1/d?pass={CANARY}&ssl-mode=require",
    f"mysql://u:p@127.0.0.1:1/d?compress={CANARY}", f"{CANARY}://u:p@127.0.0.1:1/d", f"{CANARY}",
    f"mysql://u:p@127.0.0.1:1/d?ssl-ca={CANARY}", f"mysql://u:p@127.0.0.1:1/d?{CANARY}%20{CANARY}=1",
]  # fmt: skip


@pytest.mark.parametrize("n", range(len(SOURCES)))
@pytest.mark.parametrize("side", ["SOURCE", "TARGET"])
def test_what_stands_in_a_uri_is_not_repeated(side: str, n: int) -> None:
    """Whatever part of it was meant to be the password."""
    uri = SOURCES[n] if side == "SOURCE" else SOURCES[n].replace("mysql://", "postgresql://")
    with pytest.raises(BulketlError) as told, (MySQL if side == "SOURCE" else Postgres)(uri).connect():
        pass
    assert CANARY not in json.dumps(told.value.to_json()) + repr(told.value)
