"""The fingerprint of a configuration tells two that load otherwise apart, and tells nobody a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bulketl import Config, load_config
from bulketl.config.config import APART

SECRET = {"source": "mysql://u:a@h/d", "target": "postgresql://u:b@h/d", "mask_key": "9f86d081884c7d659a2feaa0c55ad015"}


def of(folder: Path, rules: dict[str, Any], **settings: Any) -> str:
    path = folder / "tables.yaml"
    path.write_text(json.dumps({"source_tables": rules}))
    return load_config(path, None, {}, **settings).fingerprint


def test_what_decides_over_rows_is_in_it(tmp_path: Path) -> None:
    rule = {"extraction_strategy": "incremental", "incremental_column": "at"}
    others = [
        of(tmp_path, {"t": {}}),
        of(tmp_path, {"t": rule}),
        of(tmp_path, {"t": {**rule, "deletes": "mark"}}),
        of(tmp_path, {"t": rule, "u": {}}),
        of(tmp_path, {"t": rule}, masking="strict"),
    ]
    assert len(set(others)) == len(others)
    assert of(tmp_path, {"t": rule}) == others[1]


@pytest.mark.parametrize("field", sorted(APART - {"mask_key_file"}))
def test_what_is_apart_is_a_field(field: str) -> None:
    assert field in Config.model_fields


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    """A hash of a short password could be guessed: what is kept out of a repr is kept out of it."""
    assert {name for name, field in Config.model_fields.items() if not field.repr} <= APART
    changed = {"source": "mysql://u:x@h/d", "target": "postgresql://u:y@h/d", "mask_key": SECRET["mask_key"][::-1]}
    assert of(tmp_path, {"t": {}}, **SECRET) == of(tmp_path, {"t": {}}, **changed)
