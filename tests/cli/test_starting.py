"""Starting: what a process loads, listed by running it, and never more than it uses."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

import bulketl
from bulketl.cli.app import app

# Libraries that are dear to load, and the rooms that load them. Typer loads pydantic itself where a command has options.
DEAR = {
    "polars", "pyarrow", "numpy", "connectorx", "pgpq", "adbc_driver_manager", "adbc_driver_postgresql", "psycopg",
    "pymysql", "yaml", "ruamel", "distributed", "matplotlib",
    *(f"bulketl.{room}" for room in ("config", "rows", "plan", "mysql", "postgres", "survey", "verifying", "operations")),
}  # fmt: skip
NOTHING_TO_COLLECT = {"casts", "explain", "help"}  # commands that print and end
LOADED = "print(sorted(DEAR & sys.modules.keys()))"


def commands(of: typer.Typer, *before: str) -> dict[tuple[str, ...], Callable[..., Any]]:
    """Return the function of each command by its words."""
    found: dict[tuple[str, ...], Callable[..., Any]] = {}
    for command in of.registered_commands:
        assert command.callback is not None
        found[*before, command.name or command.callback.__name__.replace("_", "-")] = command.callback
    if of.registered_callback and before:  # a group that acts itself
        assert of.registered_callback.callback is not None
        found[before] = of.registered_callback.callback
    for group in of.registered_groups:
        assert group.typer_instance is not None
        found |= commands(group.typer_instance, *before, str(group.name))
    return found


def ran(code: str) -> str:
    """Run code in a process of its own that knows DEAR, and return its last line."""
    text = f"import sys\nDEAR = set({sorted(DEAR)!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_no_help_loads_what_only_acts_use() -> None:
    """Of every command there is, one after the other in one process: the first that loads something shows it."""
    asked = [
        ["--help"],
        *([*words, "--help"] for words in commands(app)),
        ["state", "--help"],
        ["casts"],
        ["casts", "--json"],
    ]
    assert len(asked) > 20
    code = f"""
import json
from typer.testing import CliRunner
from bulketl.cli.app import app
found, known = {{}}, set()
for words in {asked!r}:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0 and result.output, (words, result)
    if new := (DEAR & sys.modules.keys()) - known:
        found[" ".join(words)] = sorted(new)
        known |= new
print(json.dumps(found))
"""
    assert json.loads(ran(code)) == {}


def test_the_package_loads_what_is_asked_of_it() -> None:
    """A notebook completes the names before anything behind them is there."""
    listed = "import bulketl\nassert set(bulketl.__all__) <= set(dir(bulketl))\n"
    assert ran(listed + LOADED) == "[]"
    assert ran(listed + "bulketl.ConfigError\n" + LOADED) == "[]"
    assert "bulketl.config" in ran(listed + "bulketl.load_config\n" + LOADED)


def test_the_names_of_the_package_are_what_a_checker_takes_them_for() -> None:
    """What is imported when asked for, by the table, and what is imported for type checkers, are one list."""
    tree = ast.parse(Path(bulketl.__file__).read_text(encoding="utf-8"))
    shown = {
        (node.module, name.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("bulketl.")
        for name in node.names
    }
    assert shown == {(f"bulketl.{home}", name) for home, names in bulketl._HOMES.items() for name in names}
    assert sorted(name for _, name in shown) == sorted(bulketl.__all__)
    for module, name in shown:
        assert getattr(bulketl, name) is getattr(sys.modules[str(module)], name)
    assert not hasattr(bulketl, "no_such_act")


def test_every_command_collects_again_once_it_has_what_it_uses() -> None:
    """The collector rests while libraries are imported; `configured` ends that, or the command does."""
    ending = ("configured(", "configured_each(", "starting.begin(", "months(tier")
    sources = {" ".join(words): inspect.getsource(function) for words, function in commands(app).items()}
    assert {words for words, text in sources.items() if not any(one in text for one in ending)} == NOTHING_TO_COLLECT
    code = "import gc\nfrom bulketl.loading import starting\nstarting.hold()\nassert not gc.isenabled()\nstarting.begin()\n"
    assert ran(code + "print(gc.isenabled(), gc.get_freeze_count() > 1000)") == "True True"


def test_arrow_comes_without_numpy_which_can_still_be_had() -> None:
    """It is slow to load, and matplotlib needs it afterwards."""
    code = "from bulketl.loading import starting\nstarting.import_arrow()\n"
    assert ran(code + LOADED) == "['pyarrow']"
    after = "import numpy, pyarrow as pa, pyarrow.compute as pc, polars as pl\n"
    assert ran(code + after + "print(pc.sum(pl.DataFrame({'a': [1, 2]}).to_arrow()['a']), numpy.arange(3).sum())") == "3 3"
    assert ran("import numpy\n" + code + after + "print(pa.array(numpy.arange(3)).to_pylist())") == "[0, 1, 2]"


def test_arrow_takes_its_memory_from_the_heap_that_all_threads_share() -> None:
    """And from another where the environment says so."""
    code = "from bulketl.cli.app import share_memory\nshare_memory()\nfrom bulketl.loading import starting\n"
    code += "starting.import_arrow()\nimport pyarrow as pa\nprint(pa.default_memory_pool().backend_name)"
    assert ran(code) == "system"
    assert ran("import os\nos.environ['ARROW_DEFAULT_MEMORY_POOL'] = 'mimalloc'\n" + code) == "mimalloc"


def test_a_process_for_steps_loads_what_steps_use() -> None:
    """There is one for each worker of a load of large tables."""
    code = "from bulketl.loading import starting\nstarting.import_arrow()\nfrom bulketl.loading import process, worker\n"
    found = ast.literal_eval(ran(code + LOADED))
    moving = {"connectorx", "pgpq", "polars", "psycopg", "pyarrow", "pymysql"}
    assert set(found) - moving == {f"bulketl.{room}" for room in ("mysql", "plan", "postgres", "rows")}
