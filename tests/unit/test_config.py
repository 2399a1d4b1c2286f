"""The two files: every mistake at once, each with file, line and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.catalog import Column, Table
from bulketl.config import load_config
from bulketl.errors import ConfigError
from bulketl.yamlfile import read_yaml


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def problems(tables: Path | None, settings: Path | None, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(tables, settings, environ)
    assert caught.value.exit_code == 2
    return caught.value.message


def test_every_problem_of_both_files_is_told_at_once_with_file_and_line(tmp_path: Path) -> None:
    """Nobody corrects one mistake per run."""
    settings = written(tmp_path / "b.yaml", "workers: 0\nsource: ${MISSING}\nnul_byte: strip\ntimestamp_zone: 'x;y'\n")
    tables = written(
        tmp_path / "t.yaml",
        "source_tables:\n  patient:\n    table_importence: critical\n    max_rejects: -1\n  claim:\n    casts:\n"
        "      fee: 'nume(ric'\nsource_table: {}\n",
    )
    found = problems(tables, settings)
    for line in (
        f"{settings}:1: workers",
        f"{settings}: source: the environment has no variable MISSING",
        f"{settings}:3: nul_byte: unknown key; did you mean 'nul_bytes'?",
        f"{settings}:4: timestamp_zone",
        f"{tables}:3: source_tables.patient.table_importence: unknown key; did you mean 'table_importance'?",
        f"{tables}:4: source_tables.patient.max_rejects",
        f"{tables}:6: source_tables.claim.casts",
        f"{tables}:8: source_table: unknown key; did you mean 'source_tables'?",
    ):
        assert line in found


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\n\tb: 2\n", 2, "tab"),
        ("source_tables:\n  x: {}\n  x: {}\n", 3, "twice"),
        ("a: [1\n", 2, ""),
        ("- a\n", 1, "mapping is expected at the top"),
        ("a: !!python/object:os.system 1\n", 1, ""),
    ],
)
def test_a_file_that_is_no_yaml_names_the_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    """A mistake is shown where it was made, and nothing in a file is ever executed."""
    path = written(tmp_path / "t.yaml", text)
    found = problems(path, None)
    assert f"{path}:{line}" in found
    assert words in found


def test_text_that_is_not_utf_8_and_a_missing_file_are_problems(tmp_path: Path) -> None:
    """With the line of the byte, or the system's word."""
    path = tmp_path / "t.yaml"
    path.write_bytes(b"a: 1\nb: caf\xe9\n")
    found = problems(path, tmp_path / "none.yaml")
    assert f"{path}:2: not UTF-8" in found
    assert f"{tmp_path / 'none.yaml'}: No such file" in found


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    """A small file never becomes a large value."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "t.yaml" in problems(written(tmp_path / "t.yaml", "\n".join(lines)), None)


@given(text=st.text(max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No file makes the reader fail otherwise."""
    path = tmp_path_factory.mktemp("yaml", numbered=True) / "f.yaml"
    try:
        path.write_bytes(text.encode())
    except UnicodeEncodeError:
        return
    value, _, found = read_yaml(path)
    assert isinstance(value, dict)
    assert not (value and found)
    path.unlink()
    path.parent.rmdir()


def test_names_that_yaml_takes_for_something_else_stay_names(tmp_path: Path) -> None:
    """Tables may be called no, on, 123 or null."""
    text = "source_tables:\n" + "".join(f"  {name}: {{max_rejects: 3}}\n" for name in ("no", "on", "123", "null", "1.5"))
    config = load_config(written(tmp_path / "t.yaml", text), None, {})
    assert [config.rule(name).max_rejects for name in ("no", "on", "123", "null", "1.5", "other")] == [3] * 5 + [None]


def test_options_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """And `${VAR}` in the file is taken from the environment."""
    settings = written(tmp_path / "b.yaml", "source: mysql://${HOST}/x\nschema: file\nworkers: 5\n")
    environ = {"HOST": "h", "BULKETL_SCHEMA": "environ"}
    config = load_config(None, settings, environ, workers=7, schema=None)
    assert (config.source, config.target_schema, config.workers) == ("mysql://h/x", "environ", 7)
    assert load_config(None, settings, environ, schema="option").target_schema == "option"
    assert "mysql" not in repr(config)


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        ({"type": "tinyint(1)"}, ["a"]),
        ({"type": "tinyint"}, ["a", "b"]),
        ({"type": "int unsigned"}, ["d"]),
        ({"column": "t.[ab]"}, ["a", "b"]),
        ({"column": "*.c"}, ["c"]),
        ({"type": "tinyint", "column": "*.b"}, ["b"]),
        ({"column": "u.*"}, []),
    ],
)
def test_a_cast_of_the_users_takes_the_columns_that_fit_both_conditions(rule: dict[str, str], taken: list[str]) -> None:
    """By type, by name, or by both."""
    kinds = {"a": "tinyint(1)", "b": "tinyint(4)", "c": "int(11)", "d": "int(10) unsigned"}
    table = Table("t", tuple(Column(name, kind, True) for name, kind in kinds.items()))
    config = load_config(None, None, {}, casts=[{"to": "bigint", **rule}])
    assert [column.name for column in table.columns if config.declared_type(table, column)] == taken
