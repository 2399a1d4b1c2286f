"""A plugin of pytest: of tests that run on each kind of source, those on MySQL alone; of all others none."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what does not read from MySQL."""
    given = [getattr(getattr(one, "callspec", None), "params", {}) for one in items]
    wanted = [one for one, params in zip(items, given, strict=True) if params.get("source_server") == "mysql"]
    config.hook.pytest_deselected(items=[one for one in items if one not in wanted])
    items[:] = wanted
