"""The two files: every mistake at once, each with file, line and what was meant."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bulketl.cli.app import app
from bulketl.config.read import load_config
from bulketl.config.tables import Reread
from bulketl.config.yamlfile import read_yaml
from bulketl.errors import ConfigError
from bulketl.tables.catalog import Column, Table


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
        f"{settings}:2: source: the environment has no variable MISSING",
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
        ("a: 1\n---\nb: 1\n", 2, "a second document"),
        ("a: 1\nb: *c\n", 2, "no anchor"),
        ("a: &a [*a]\n", 1, "no anchor"),
        ("a: 1\nb: {<<: {c: 1}}\n", 2, "merge keys are not read"),
        ("a: 1\n? [b]\n: 1\n", 2, "a key must be a plain word"),
        ("a: !x [1]\n", 1, "the tag '!x' is not read"),
        ("a: 1\nb: 2024-13-01\n", 2, "month"),
        ("a: 1\nb: '\0'\n", 2, "control character"),
        ("a: " + "[" * 200_000, 1, "nested too deeply"),
        ("{a: " * 200_000, 1, "nested too deeply"),
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
    assert "t.yaml:6: has more than 1,000,000 values" in problems(written(tmp_path / "t.yaml", "\n".join(lines)), None)
    deep = "a0: &a0 [[[[[[[[x]]]]]]]]\n" + "".join(f"a{n}: &a{n} [[[[[[*a{n - 1}]]]]]]\n" for n in range(1, 200))
    assert "t.yaml:8: nested too deeply" in problems(written(tmp_path / "t.yaml", deep), None)


ENTRY = """\
  table_{n}:
    table_importance: important
    extraction_strategy: incremental
    incremental_column: DateTStamp
    {size}: 5000
    estimated_rows: {n}
    estimated_size_mb: 1.5
    is_modeled: true
    dependencies: [patient, provider]
    monitoring: {{alert_on_failure: true, max_extraction_time_minutes: 10, data_quality_threshold: 0.95}}
"""


@pytest.mark.timeout(60)
def test_a_file_of_ten_megabytes_is_read_or_all_its_problems_are_told_in_seconds(tmp_path: Path) -> None:
    """5 s here; the limit allows for slow machines and catches what grows faster than the file."""
    count = (10 << 20) // len(ENTRY) + 1
    right = "source_tables:\n" + "".join(ENTRY.format(n=n, size="batch_size") for n in range(count))
    assert len(right) > 10 << 20
    assert len(load_config(written(tmp_path / "t.yaml", right), None, {}).tables) == count
    found = problems(written(tmp_path / "t.yaml", right.replace("batch_size", "bach_size")), None).splitlines()[1:]
    assert len(found) == count
    assert found[0].endswith("t.yaml:6: source_tables.table_0.bach_size: unknown key; did you mean 'batch_size'?")
    assert f"t.yaml:{6 + 10 * (count - 1)}: " in found[-1]


def test_an_alias_stands_for_a_whole_value(tmp_path: Path) -> None:
    """And a mistake in it is shown where it was made, for each place."""
    tables = written(tmp_path / "t.yaml", "source_tables:\n  a: &x\n    max_rejects: 3\n  b: *x\n")
    assert load_config(tables, None, {}).tables["b"].max_rejects == 3
    found = problems(written(tables, tables.read_text().replace("3", "-3")), None)
    assert f"{tables}:3: source_tables.a.max_rejects" in found
    assert f"{tables}:3: source_tables.b.max_rejects" in found


def test_a_wrong_key_does_not_hide_the_mistakes_elsewhere_in_the_file(tmp_path: Path) -> None:
    """A doubled table, and a number written as a text."""
    tables = written(tmp_path / "t.yaml", "source_tables:\n  a: {max_rejects: '3'}\n  b: {}\n  b: 3\n")
    found = problems(tables, None)
    assert f"{tables}:2: source_tables.a.max_rejects: a number of rows is expected, as in 10, or" in found
    assert f"{tables}:4: source_tables.b: the key is there twice" in found
    assert f"{tables}:4: source_tables.b: a mapping is expected, not 3" in found


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("metadata: {}\ntables:\n  a: {bach_size: 3}\n", 3, "tables.a.bach_size: unknown key; did you mean 'batch_size'?"),
        ("metadata: {}\ntables:\n  a:\n    primary_incremental_colum: x\n", 4, "did you mean 'primary_incremental_column'?"),
        (
            "metadata: {}\ntables:\n  a:\n    monitoring:\n      alert_on_failur: true\n",
            5,
            "did you mean 'alert_on_failure'?",
        ),
        ("metdata: {}\ntables: {}\n", 1, "metdata: unknown key; did you mean 'metadata'?"),
        ("metadata: {}\ntables:\n  a: 3\n", 3, "tables.a: a mapping is expected"),
    ],
)
def test_the_later_layout_has_its_mistakes_told_too(tmp_path: Path, text: str, line: int, told: str) -> None:
    """Its own keys are suggested as well."""
    tables = written(tmp_path / "t.yaml", text)
    found = problems(tables, None).splitlines()[1:]
    assert len(found) == 1
    assert found[0].startswith(f"  {tables}:{line}: ")
    assert told in found[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [(b"{", "line 1"), (b"\xff", "UTF-8"), (b"[]", "mapping"), (b'{"t": 1}', "mapping"), (b"[" * 100_000, "deep")],
    ids=["no JSON", "not UTF-8", "a list", "no columns", "deep"],
)
def test_an_unreadable_snapshot_is_told_and_not_taken_for_none(tmp_path: Path, text: bytes, why: str) -> None:
    """Else every table that is new would be loaded."""
    tables = written(tmp_path / "tables.yaml", "source_tables: {}\n")
    assert load_config(tables, None, {}).known is None
    (tmp_path / "catalog.json").write_bytes(text)
    found = problems(tables, written(tmp_path / "b.yaml", "workers: 0\n"))
    assert "b.yaml:1: workers" in found
    assert f"{tmp_path / 'catalog.json'} cannot be read: " in found
    assert why in found
    assert "delete it and run `bulketl discover --write`" in found


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
    assert all(str(path) in problem for problem in found)
    path.unlink()
    path.parent.rmdir()


def test_names_that_yaml_takes_for_something_else_stay_names(tmp_path: Path) -> None:
    """Tables may be called no, on, 123 or null."""
    text = "source_tables:\n" + "".join(f"  {name}: {{max_rejects: 3}}\n" for name in ("no", "on", "123", "null", "1.5"))
    config = load_config(written(tmp_path / "t.yaml", text), None, {})
    assert [config.rule(name).max_rejects for name in ("no", "on", "123", "null", "1.5", "other")] == [3] * 5 + [None]


@pytest.mark.parametrize("command", ["load", "plan", "validate", "discover"])
def test_with_a_mistake_in_a_file_nothing_is_run(tmp_path: Path, command: str) -> None:
    """Exit code 2 and the problems of both, before any server is asked: this one would answer 1, for there is none."""
    settings = written(
        tmp_path / "b.yaml", "source: mysql://127.0.0.1:1/d\ntarget: postgresql://127.0.0.1:1/d\nworkers: '3'\n"
    )
    tables = written(tmp_path / "t.yaml", "source_tables:\n  a: {table_importance: criticl}\n")
    rules = "--write" if command == "discover" else "--rules"
    done = CliRunner().invoke(app, [command, "--config", str(settings), rules, str(tables), "--json"])
    assert done.exit_code == 2
    assert f"{settings}:3: workers" in done.stdout
    assert f"{tables}:2: source_tables.a.table_importance" in done.stdout


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


def test_the_later_layouts_business_dates_are_read_again(tmp_path: Path) -> None:
    """Its `lookback_resync` is our `reread`; one that is not enabled is none."""
    again = "{enabled: %s, window_days: 45, predicate_columns: [ProcDate]}"
    tables = "".join(f"  {name}:\n    lookback_resync: {again % on}\n" for name, on in (("a", "true"), ("b", "false")))
    text = f"metadata: {{}}\ntables:\n{tables}"
    config = load_config(written(tmp_path / "t.yaml", text), None, {})
    assert config.rule("a").reread == Reread(columns=("ProcDate",), last=dt.timedelta(days=45))
    assert config.rule("b").reread is None


def test_a_mistake_in_the_environment_is_told_with_those_of_the_files(tmp_path: Path) -> None:
    """And none of a file's own is told twice."""
    settings = written(tmp_path / "b.yaml", "workers: 0\n")
    found = problems(None, settings, BULKETL_SCHEMA="s" * 64).splitlines()[1:]
    assert [line.split(": ")[0].strip() for line in found] == [f"{settings}:1", "schema"]
