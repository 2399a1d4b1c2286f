"""Several sources in one bulketl.yaml: each has the settings that hold for it, and every mistake is told with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bulketl import load_config, load_configs
from bulketl.config import sources
from bulketl.config.settings import Settings
from bulketl.errors import ConfigError

TWO = """
target: ${T}
workers: 4
failures: {audit: block}
sources:
  clinic: {source: "${CLINIC}"}
  billing: {source: "${BILLING}", schema: raw_billing, workers: 1, failures: {reference: block}, tables: rules/bills.yaml}
"""
ENVIRON = {"T": "postgresql://u:tpw@h/d", "CLINIC": "mysql://u:cpw@h/c", "BILLING": "mysql://u:bpw@h/b"}


def written(folder: Path, text: str = TWO, rules: bool = True) -> Path:
    path = folder / "bulketl.yaml"
    path.write_text(text.lstrip())
    (folder / "rules").mkdir(exist_ok=True)
    if rules:
        (folder / "rules" / "bills.yaml").write_text("source_tables: {bill: {table_importance: critical}}\n")
    return path


def problems(path: Path, name: str = "clinic", **more: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(None, path, {**ENVIRON, **more}, source_name=name)
    return [line.strip().removeprefix(f"{path}:") for line in caught.value.message.splitlines()[1:]]


def test_each_source_has_what_holds_for_all_and_what_it_says_itself(tmp_path: Path) -> None:
    """Mappings are merged key by key. Its schema is its name, its rules are beside the file, unless it says otherwise."""
    path = written(tmp_path)
    (tmp_path / "clinic.yaml").write_text("source_tables: {patient: {}}\n")
    found = load_configs(path, ENVIRON)
    assert list(found) == ["clinic", "billing"]
    clinic, billing = found.values()
    assert (clinic.source, clinic.target_schema, clinic.workers) == (ENVIRON["CLINIC"], "clinic", 4)
    assert (billing.source, billing.target_schema, billing.workers) == (ENVIRON["BILLING"], "raw_billing", 1)
    assert clinic.target == billing.target == ENVIRON["T"]
    assert (clinic.failures, billing.failures) == ({"audit": "block"}, {"audit": "block", "reference": "block"})
    assert (set(clinic.tables), set(billing.tables)) == ({"patient"}, {"bill"})
    assert (clinic.rules_path, billing.rules_path) == (tmp_path / "clinic.yaml", tmp_path / "rules" / "bills.yaml")


def test_a_mapping_may_be_said_in_two_parts(tmp_path: Path) -> None:
    """Neither is whole without the other, and what is wrong with the whole is told of the source."""
    text = """
alerts: {quiet_hours: "22:00-06:00 America/Chicago"}
openlineage: {namespace: night}
sources:
  a: {alerts: {command: ["true"]}, openlineage: {url: "http://a.example"}}
  b: {alerts: {email: [x@b.example]}, openlineage: {url: "http://b.example", namespace: other}}
"""
    found = load_configs(written(tmp_path, text), {})
    assert [(config.alerts.quiet_hours, config.alerts.channels) for config in found.values() if config.alerts] == [
        ("22:00-06:00 America/Chicago", ("command",)), ("22:00-06:00 America/Chicago", ("email",)),
    ]  # fmt: skip
    assert [config.openlineage.namespace for config in found.values() if config.openlineage] == ["night", "other"]
    told = problems(written(tmp_path, text.replace(', openlineage: {url: "http://a.example"}', "")), "b")
    assert told == ["4: sources.a.openlineage.url: Field required"]


@given(st.sampled_from(sorted(field.alias or name for name, field in Settings.model_fields.items())))
def test_a_source_may_set_every_key_but_those_of_all(key: str) -> None:
    one: Any = sources.file_model().model_json_schema()["$defs"]["Source"]["properties"]
    assert (key in one) is (key not in sources.COMMON)


def test_only_the_secrets_of_the_source_that_is_asked_for_are_looked_for(tmp_path: Path) -> None:
    """And no process of one source has those of another in its environment."""
    text = TWO.replace("${CLINIC}", "${command:touch looked}")
    path = written(tmp_path, text.replace("touch looked", f"touch {tmp_path / 'looked'}"))
    config = load_config(None, path, {"T": "x://", "BILLING": "mysql://u@h/b", "OTHER": "x"}, source_name="billing")
    assert not (tmp_path / "looked").exists()
    assert config.secret_variables == {"T", "BILLING"}
    whole = load_config(None, written(tmp_path), ENVIRON, source_name="clinic")
    assert whole.secret_variables == {"T", "CLINIC", "BILLING"}


def test_every_mistake_is_told_with_its_line_and_place(tmp_path: Path) -> None:
    """Those of the other sources too, and those beside them."""
    path = written(
        tmp_path,
        """
target: ${T}
source: mysql://x
sources:
  clinic: {source: "${MISSING}", workerz: 3}
  billing: {source: "${BILLING}", workers: 100, target: x, tables: 3}
  "a,b": {}
  nothing:
  number: 3
  bulketl: {windows: {load: "21:00-06:00"}}
""",
    )
    found = problems(path)
    for line in (
        "4: sources.clinic.source: the environment has no variable MISSING",
        "2: source: with sources each of them has its own",
        "5: sources.billing.target: it is the same for all sources",
        "9: sources.bulketl.windows: it is the same for all sources",
        "4: sources.clinic.workerz: unknown key; did you mean 'workers'?",
        "5: sources.billing.workers: Input should be less than or equal to 64",
        "5: sources.billing.tables: ",
        "6: sources.a,b: a name has letters",
        "7: sources.nothing: a mapping is expected",
        "8: sources.number: a mapping is expected",
        "9: sources.bulketl: its rules would be this very file",
    ):
        assert [one for one in found if one.startswith(line)], line
    assert len(found) == 11


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sources: {a: {schema: raw}, b: {schema: raw}}", "1: sources.b.schema: it is a schema of a too"),
        ("sources: {a: {}, b: {schema: a}}", "1: sources.b.schema: it is a schema of a too"),
        ("sources: {a: {}, b: {schema: '${SAME}'}}", "1: sources.b.schema: it is a schema of a too"),
        ("migration: {}\nsources: {a: {}, a_shadow: {}}", "2: sources.a_shadow.schema: it is a schema of a too"),
        ("migration: {shadow: s}\nsources: {a: {}, b: {}}", "2: sources.b.schema: it is a schema of a too"),
        ("metrics: {textfile: x.prom}\nsources: {a: {}, b: {}}", "2: sources.b.metrics.textfile: a has the same"),
        ("alerts: {heartbeat: 'https://h.example/x'}\nsources: {a: {}, b: {}}", "2: sources.b.alerts.heartbeat: a has"),
        ("reports: {daily: {write: x}}\nsources: {a: {}, b: {}}", "2: sources.b.reports.daily.write: a has the same"),
        ("sources: {}", "1: sources: a mapping of sources by name is expected"),
        ("sources: [a]", "1: sources: a mapping of sources by name is expected"),
        ("sources: {a: {source_limits: {threads_running: 3}, source_connections: 1}}", "1: sources.a: source_limits need"),
    ],
)
def test_what_no_two_sources_may_have_in_common_is_refused(text: str, told: str, tmp_path: Path) -> None:
    """Tables of one schema would be taken for another's; a file or a URL would have the word of the last one."""
    assert any(line.startswith(told) for line in problems(written(tmp_path, text), "a", SAME="a"))


def test_what_of_the_environment_is_of_one_source_is_refused_beside_several(tmp_path: Path) -> None:
    path = written(tmp_path)
    for variable in ("BULKETL_SOURCE", "BULKETL_SOURCE_FILE", "BULKETL_SCHEMA", "BULKETL_SOURCE_PASSWORD"):
        assert problems(path, **{variable: "mysql://u:hidden@h/x"}) == [
            f"4: sources: {variable} is set, and would be of all of them; take it out of the environment"
        ]
    found = load_config(None, path, {**ENVIRON, "BULKETL_TARGET": "postgresql://other"}, source_name="clinic")
    assert found.target == "postgresql://other"


def test_rules_that_would_be_of_no_source_are_refused(tmp_path: Path) -> None:
    """The masks in them would be without effect, and nobody would hear of it."""
    path = written(tmp_path)
    (tmp_path / "tables.yaml").write_text("source_tables: {}\n")
    assert problems(path)[0].startswith(f"4: sources: {tmp_path / 'tables.yaml'} is there, and no source has these rules")
    assert load_configs(written(tmp_path, TWO.replace("rules/bills.yaml", "tables.yaml")), ENVIRON)
    (tmp_path / "tables.yaml").unlink()
    (tmp_path / "rules" / "bills.yaml").unlink()
    told = problems(written(tmp_path, rules=False), "billing")
    assert told == ["6: sources.billing.tables: there is no such file; it is looked for from the folder of bulketl.yaml"]


def test_no_source_is_taken_unless_it_is_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert problems(path, "")[0].endswith(
        "has the sources clinic, billing: name one as source_name, or read all by load_configs"
    )
    assert problems(path, "other")[0].endswith("has no source 'other'; it has clinic, billing")
    alone = written(tmp_path, "workers: 2")
    assert problems(alone, "clinic")[0].endswith("has no source 'clinic': it has no sources")
    with pytest.raises(ConfigError, match="has no sources"):
        load_configs(alone, {})


def test_mistakes_of_all_sources_are_told_at_once_and_each_once(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    path = written(tmp_path)
    (tmp_path / "rules" / "bills.yaml").write_text("source_tables: {bill: {x: 1}}\n")
    with pytest.raises(ConfigError) as caught:
        load_configs(path, {"BILLING": "mysql://x"})
    message = caught.value.message
    assert (
        message.count("no variable T,") == message.count("no variable CLINIC,") == message.count("bill.x: unknown key") == 1
    )


def test_a_source_without_a_uri_says_where_to_write_it(tmp_path: Path) -> None:
    """For what asks the ledger alone it needs none."""
    config = load_config(None, written(tmp_path, "sources: {clinic: {}}"), {}, source_name="clinic")
    with pytest.raises(ConfigError) as caught:
        config.uri("source")
    assert caught.value.hint == "write source: URI below sources.clinic in config/bulketl.yaml"


def test_each_file_of_rules_has_a_snapshot_of_its_own(tmp_path: Path) -> None:
    """Two in one folder do not take the tables of one for those of the other."""
    from bulketl.config.snapshot import snapshot_path

    paths = {snapshot_path(tmp_path / name) for name in ("tables.yaml", "clinic.yaml", "billing.yaml")}
    assert {path.name for path in paths} == {"catalog.json", "clinic.catalog.json", "billing.catalog.json"}


def test_the_names_of_a_file_are_told_in_its_order_and_checked(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert sources.names(path, {}) == ("clinic", "billing")
    assert sources.names(written(tmp_path, "workers: 3"), {}) == ()
    with pytest.raises(ConfigError, match=r"sources\.b: a mapping"):
        sources.names(written(tmp_path, "sources: {a: {}, b: 3}"), {})


@given(st.dictionaries(st.sampled_from(["workers", "memory_mb", "names", "certify"]), st.booleans(), min_size=1))
def test_own_keys_win(own: dict[str, bool]) -> None:
    values: dict[str, Any] = {"workers": (1, 2), "memory_mb": (300, 400), "names": ("source", "snake_case")}
    values["certify"] = (False, True)
    document = {
        **{key: pair[0] for key, pair in values.items()},
        "sources": {"a": {key: values[key][int(second)] for key, second in own.items()}, "b": {}},
    }
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bulketl.yaml")
        path.write_text(yaml.safe_dump(document))
        found = load_configs(path, {})
    for key, pair in values.items():
        assert getattr(found["a"], key) == pair[int(own.get(key, False))]
        assert getattr(found["b"], key) == pair[0]
