"""What discover proposes and validate finds: on a large catalogue where it lies beside the checkout, and on small ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from faults import small_partitions
from lab import Lab, Server, configure
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.config.read import load_config
from bulketl.survey.findings import Finding
from bulketl.survey.proposals import Proposal

SHARED = Path(__file__).parents[4] / "shared"
CATALOGUE = SHARED / "opendental"
beside = pytest.mark.skipif(not CATALOGUE.is_dir(), reason=f"the catalogue is not at {CATALOGUE}")


@pytest.fixture(scope="module")
def clinic(mariadb: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The catalogue's database at a hundredth of its size."""
    builder = [sys.executable, str(CATALOGUE / "build_source.py"), "--database", "clinic_discovery", "--scale", "0.01"]
    port, manifest = mariadb.uri.rpartition(":")[2].strip("/"), tmp_path_factory.mktemp("clinic") / "manifest.json"
    subprocess.run([*builder, "--port", port, "--manifest", str(manifest)], check=True, capture_output=True)
    yield mariadb.database("clinic_discovery")
    mariadb.execute("DROP DATABASE clinic_discovery")


@pytest.fixture(scope="module")
def proposals(clinic: str, postgres: str) -> dict[str, Proposal]:
    return {proposal.table: proposal for proposal in bulketl.propose(configure(clinic, postgres, "raw"))[1]}


def judged() -> tuple[set[str], dict[str, str], set[str]]:
    """Return what the field notes judge: tables whose cursor was right, the right one for others, those only added to."""
    text = (SHARED / "field-notes.md").read_text(encoding="utf-8").split("### 1.4")[1].split("### 1.5")[0]
    right = set(re.search(r"\* right \(26\): (.*?)\.", text, re.DOTALL)[1].replace("\n", " ").split(", "))  # type: ignore[index]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in text.splitlines() if line.startswith("| ")][1:]
    better = {}
    for names, _, columns in rows:
        stamps = [re.sub(r" \(.*", "", column) for column in columns.split(", ")]
        for n, name in enumerate(names.split(", ")):
            better[name] = stamps[min(n, len(stamps) - 1)]
        if hist := re.search(r"\(hist: (\w+)\)", columns):
            better[next(name for name in names.split(", ") if name.startswith("hist"))] = hist[1]
    added = text.split("use the PK:")[1].split("Mutable without stamp")[0]
    whole = re.findall(r"\b([a-z]+) \([^)]*full table\)", added)
    return right, better, set(re.findall(r"\b[a-z]{5,}\b", added)).difference(whole)


@pytest.mark.filterwarnings("ignore:.*passed over:UserWarning")  # sections of its layout
@beside
def test_the_cursor_of_at_least_58_of_the_62_incremental_tables_is_right(
    proposals: dict[str, Proposal], clinic: str
) -> None:
    """The field notes say which column is right; where none is, the key for tables only added to, else it or nothing."""
    old = load_config(CATALOGUE / "tables.yaml", None, {}).tables
    keys = {table.name: table.primary_key for table in bulketl.propose(configure(clinic, "", "raw"))[0]}
    right, better, added = judged()
    assert (len(right), len(better)) == (26, 9)
    wrong = []
    incremental = [name for name, rule in old.items() if rule.extraction_strategy != "full_table"]
    assert len(incremental) == 62
    for name in incremental:
        cursor, key = proposals[name].cursor, (keys[name] or (None,))[0]
        expected: set[str | None] = (
            {old[name].incremental_column} if name in right else {better[name]} if name in better else {key}
        )
        if name not in right and name not in better and name not in added:
            expected |= {None}
        if cursor not in expected:
            wrong.append(f"{name}: {cursor}, not {expected}: {proposals[name].reasons['extraction_strategy']}")
        print(f"{name}: {cursor or 'whole'}: {proposals[name].reasons['extraction_strategy']}")
    print(f"right: {62 - len(wrong)} of 62", *wrong, sep="\n  ")
    assert len(wrong) <= 4, wrong


@beside
def test_the_catalogues_own_file_loads_unchanged() -> None:
    """All 432 tables, every value as it stands there; the two sections that are passed over are named."""
    raw = yaml.load((CATALOGUE / "tables.yaml").read_bytes(), Loader=yaml.CSafeLoader)
    assert {section: len(tables) for section, tables in raw.items()} == dict.fromkeys(
        ("source_tables", "staging_tables", "target_tables"), 432
    )
    with pytest.warns(UserWarning, match=r"passed over.*staging_tables \(432\), target_tables \(432\)$"):
        rules = load_config(CATALOGUE / "tables.yaml", None, {}).tables
    for name, entry in raw["source_tables"].items():
        assert {**rules[name].model_dump(include=set(entry)), "dependencies": []} == entry
    assert len(rules) == 432


@beside
def test_the_examples_of_the_guide_are_in_their_tiers(proposals: dict[str, Proposal]) -> None:
    """By size, references and the words in their names; what it calls audit is asked about, since no value confirms it."""
    expected = {
        "critical": "securitylog paysplit procedurelog histappointment sheetfield",
        "important": "claim claimproc claimpayment employee employer medicationpat allergy recall recalltrigger",
    }
    asked = [proposals[name] for name in ("activeinstance", "sessiontoken", "updatehistory", "tsitranslog")]
    assert [(p.tier != "audit", p.question[:7]) for p in asked] == [(True, "audit? ")] * 4, asked
    for tier, names in expected.items():
        assert {name: proposals[name].tier for name in names.split()} == dict.fromkeys(names.split(), tier)
    lists = {name: p.tier for name, p in proposals.items() if name.endswith(("def", "type", "pref"))}
    assert set(lists.values()) == {"reference"}
    assert {name for name, p in proposals.items() if p.exclude} == {
        name for name in proposals if re.match(r"tmp|temp.*_bak_|tempimage", name)
    }
    assert all(p.reasons["table_importance"] and p.reasons["extraction_strategy"] for p in proposals.values())


@pytest.mark.filterwarnings("ignore:.*passed over:UserWarning")  # sections of its layout
@beside
def test_validate_names_every_misjudged_table_and_its_fixes_leave_no_error(
    clinic: str, postgres: str, tmp_path: Path
) -> None:
    """Every one of the 36; after --fix, and a second look, nothing that loses rows is left."""
    right, _, _ = judged()
    rules = tmp_path / "tables.yaml"
    rules.write_bytes((CATALOGUE / "tables.yaml").read_bytes())
    old = load_config(rules, None, {}).tables
    misjudged = {name for name, rule in old.items() if rule.extraction_strategy != "full_table" and name not in right}
    runner, options = CliRunner(), ["validate", "--rules", str(rules), "--json"]
    environment = {"BULKETL_SOURCE": clinic, "BULKETL_TARGET": postgres, "BULKETL_SCHEMA": "clinic_validated"}
    first = runner.invoke(app, options, env=environment)
    # A rule that no load can follow is a warning: the load says so and takes the table whole.
    named = {finding["table"] for finding in json.loads(first.stdout) if finding["severity"] in ("error", "warning")}
    assert misjudged <= named
    assert first.exit_code == 2
    runner.invoke(app, [*options, "--fix"], env=environment)
    second = runner.invoke(app, options, env=environment)
    assert [finding for finding in json.loads(second.stdout) if finding["severity"] == "error"] == []
    assert second.exit_code == 0


@pytest.fixture
def shop(maria_lab: Lab) -> Lab:
    """A shop in the other style of names: `id`, `customer_id`, `updated_at`."""
    maria_lab.mysql(
        "CREATE TABLE customers (id int AUTO_INCREMENT PRIMARY KEY, name varchar(50), updated_at datetime NOT NULL)",
        "CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, customer_id int NOT NULL, due datetime NOT NULL,"
        " changed timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, INDEX (changed))",
        "CREATE TABLE order_lines (order_id int, line int, modified_at datetime NULL, PRIMARY KEY (order_id, line))",
        "CREATE TABLE payments_log (id bigint AUTO_INCREMENT PRIMARY KEY, at datetime NOT NULL, note varchar(2000))",
        "CREATE TABLE order_types (id int PRIMARY KEY, name varchar(20))",
        "CREATE TABLE tmp_import (a int)",
        "INSERT INTO customers SELECT seq, 'x', '2024-01-01' FROM seq_1_to_100",
        "INSERT INTO orders SELECT seq, seq MOD 100, '2090-01-01', '2024-01-01' FROM seq_1_to_9000",
        "INSERT INTO order_lines SELECT seq, 1, NULL FROM seq_1_to_9000",
        "INSERT INTO payments_log SELECT seq, '2024-01-01', REPEAT('n', 400) FROM seq_1_to_9000",
        "ANALYZE TABLE customers, orders, order_lines, payments_log",
    )
    return maria_lab


def proposed(lab: Lab) -> dict[str, Proposal]:
    return {proposal.table: proposal for proposal in bulketl.propose(lab.config())[1]}


def test_another_style_of_schema_is_understood_too(shop: Lab) -> None:
    """References by `<table>_id`, a log by its name, an application's stamp only where its values can be trusted."""
    found = proposed(shop)
    assert found["orders"].dependencies == ("customers",)
    assert found["order_lines"].dependencies == ("orders",)
    assert found["orders"].cursor == "changed"
    assert found["customers"].cursor == "updated_at"
    assert found["order_lines"].cursor is None
    assert "modified_at is not trusted: 1000 of 1000 are NULL" in found["order_lines"].reasons["extraction_strategy"]
    assert (found["payments_log"].strategy, found["payments_log"].cursor) == ("incremental", "id")
    assert found["order_types"].tier == "reference"
    assert found["tmp_import"].exclude


def test_discover_again_keeps_every_line_a_person_wrote_and_says_what_changed(shop: Lab, tmp_path: Path) -> None:
    """Edits and comments stay byte for byte; new tables are appended; the source's changes are shown."""
    path, runner = tmp_path / "config" / "tables.yaml", CliRunner()
    environment = {"BULKETL_SOURCE": shop.source}
    command = ["discover", "--write", str(path), "--yes"]
    assert runner.invoke(app, command, env=environment).exit_code == 0
    edited = path.read_text().replace("  orders:\n", "  orders: # ours\n    # the boss asked\n    exclude_columns: [due]\n")
    path.write_text(edited)
    assert runner.invoke(app, command, env=environment).exit_code == 0
    assert path.read_text() == edited
    shop.mysql(
        "CREATE TABLE refunds (id int PRIMARY KEY)", "ALTER TABLE orders ADD paid int, DROP due", "DROP TABLE customers"
    )
    said = runner.invoke(app, command, env=environment).stderr
    assert [
        line in said for line in ("+ table refunds", "- table customers", "+ column orders.paid int", "- column orders.due")
    ]
    assert path.read_text().startswith(edited)
    assert "  refunds:" in path.read_text()[len(edited) :]


def test_discover_asks_before_it_writes(shop: Lab, tmp_path: Path) -> None:
    """No is no."""
    path = tmp_path / "tables.yaml"
    done = CliRunner().invoke(app, ["discover", "--write", str(path)], input="n\n", env={"BULKETL_SOURCE": shop.source})
    assert (done.exit_code, path.exists()) == (0, False)


def rules_of(lab: Lab, rules: dict[str, dict[str, object]], **overrides: object) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in bulketl.validate(lab.config(rules=rules, **overrides)):
        found.setdefault(finding.table, []).append(finding)
    return found


INCREMENTAL = {"extraction_strategy": "incremental"}


@pytest.mark.parametrize(
    ("table", "rule", "message"),
    [
        ("orders", {**INCREMENTAL}, "has no incremental_column"),
        ("orders", {**INCREMENTAL, "incremental_column": "nope"}, "has no column 'nope'"),
        ("orders", {**INCREMENTAL, "incremental_column": "id"}, "is the key, although changed says what changed"),
        ("orders", {**INCREMENTAL, "incremental_column": "due"}, "is not a stamp of changes, although changed is one"),
        ("orders", {**INCREMENTAL, "incremental_column": "due"}, "lie in the future"),
        ("payments_log", {**INCREMENTAL, "incremental_column": "at"}, "is not a stamp of changes, and the table has none"),
        ("payments_log", {**INCREMENTAL, "incremental_column": "note"}, "is varchar(2000), not a time"),
        ("order_lines", {**INCREMENTAL, "incremental_column": "modified_at"}, "are NULL"),
        ("tmp_import", {**INCREMENTAL, "incremental_column": "a"}, "has no primary key"),
        ("tmp_import", {}, "has no primary key"),
        ("tmp_import", {"primary_key": ["a"]}, "no unique index of the source keeps its key a unique"),
        ("tmp_import", {**INCREMENTAL, "incremental_column": "a", "primary_key": ["a"]}, "a key that may not be unique"),
        ("customers", {**INCREMENTAL, "incremental_column": "updated_at"}, "has no index at the source"),
        ("orders", {"monitoring": {"data_quality_threshold": 0.95}}, "data_quality_threshold 0.95"),
        ("gone", {}, "is not in the source"),
        ("orders", {"exclude_columns": ["dew"]}, "no column 'dew'"),
        ("orders", {"casts": {"due": "boolean"}}, "which no cast rule makes into 'boolean'"),
        ("orders", {"mask": {"due": "hmac"}}, "cannot be masked so: mask.due: hmac takes no timestamp"),
        ("orders", {"checks": [{"range": "dew", "min": 1}]}, "checks.0 (range dew 1..): there is no column 'dew'"),
    ],
)
def test_validate_finds(shop: Lab, table: str, rule: dict[str, object], message: str) -> None:
    """Each with what happens if nobody cares, and what to do."""
    findings = rules_of(shop, {table: rule})[table]
    assert any(message in finding.message for finding in findings), findings
    assert all(finding.otherwise and finding.advice for finding in findings)


def test_validate_finds_what_the_target_lacks(shop: Lab) -> None:
    """A narrower column there, and a table at the source without a rule."""
    shop.pg("CREATE TABLE {s}.orders (id smallint PRIMARY KEY, customer_id integer, due timestamp(0), changed timestamp(0))")
    found = rules_of(shop, {"orders": {"adopt": True}})
    assert [finding.message for finding in found["orders"]] == ["column id is smallint in the target and needs integer"]
    assert "has no rule" in found["customers"][0].message


REFUSALS: list[tuple[str, dict[str, object], str]] = [
    ("CREATE TABLE {t} (id int PRIMARY KEY, xmin int)", {}, "system column"),
    ("CREATE TABLE {t} (id int PRIMARY KEY, `" + "ä" * 40 + "` int)", {}, "80 bytes"),
    ("CREATE TABLE {t} (id int PRIMARY KEY)", {"primary_key": ["nope"]}, "no column 'nope'"),
    ("CREATE TABLE {t} (id int PRIMARY KEY)", {"partition_by": "nope"}, "cannot be cut along 'nope'"),
    ("CREATE TABLE {t} (id int PRIMARY KEY)", {"exclude_columns": ["id"]}, "no column left to load"),
    ("CREATE TABLE {t} (id int PRIMARY KEY, a int, b int)", {"casts": {"a": "uuid", "b": "json"}}, "uuid"),
    ("CREATE TABLE {t} (id int PRIMARY KEY, a int, b int)", {"casts": {"a": "uuid", "b": "json"}}, "json"),
    ("CREATE TABLE {t} (id int PRIMARY KEY)", {"exclude_columns": ["a"], "casts": {"b": "text"}}, "'a', 'b'"),
    ("CREATE TABLE {t} (id int PRIMARY KEY)", {"publish": "swap", "adopt": True}, "cannot be swapped"),
    ("CREATE TABLE {t} (id int, PRIMARY KEY (id))", {"primary_key": []}, "is a view"),
]


@pytest.mark.parametrize(("table", "rule", "message"), REFUSALS)
def test_validate_tells_each_refusal_of_a_load_once(
    maria_lab: Lab, table: str, rule: dict[str, object], message: str
) -> None:
    """In the words of the load, although nothing more is asked of the source; other tables have none."""
    maria_lab.mysql(table.replace("{t}", "bad"), "CREATE TABLE good (id int PRIMARY KEY)")
    if message == "cannot be swapped":
        maria_lab.pg("CREATE TABLE {s}.bad (id integer PRIMARY KEY); CREATE TABLE {s}.o (id int REFERENCES {s}.bad)")
    if message == "is a view":
        maria_lab.pg("CREATE VIEW {s}.bad AS SELECT 1 AS id")
        message = "a view (owner "
    findings = rules_of(maria_lab, {"bad": rule, "good": {}})
    (failed,) = maria_lab.load(rules={"bad": rule, "good": {}}).summary.failed
    assert message in (failed.message or "")
    assert [(f.severity, f.message, f.advice) for f in findings["bad"]] == [("error", failed.message, failed.hint)]
    assert "good" not in findings


def test_a_table_that_is_left_out_is_not_examined(maria_lab: Lab) -> None:
    """Whatever is wrong with it; when nothing else is there, that is said as a load would."""
    maria_lab.mysql("CREATE TABLE bad (id int, xmin int)", "CREATE TABLE good (id int PRIMARY KEY)")
    assert rules_of(maria_lab, {"bad": {"exclude": True, "primary_key": ["x"]}, "good": {}}) == {}
    ((finding,),) = rules_of(maria_lab, {"bad": {"exclude": True}, "good": {"exclude": True}}).values()
    assert (finding.severity, "no table to load" in finding.message) == ("error", True)


@pytest.mark.parametrize("new_tables", ["report", "load"])
def test_what_is_said_of_a_table_without_a_rule_is_what_a_load_does(maria_lab: Lab, tmp_path: Path, new_tables: str) -> None:
    """New ones wait for a decision where it is known which are new; those of before are loaded whole."""
    maria_lab.mysql(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in ("ruled", "old", "new")))
    (tmp_path / "tables.yaml").write_text("source_tables: {ruled: {}}\n")
    (tmp_path / "catalog.json").write_text('{"ruled": {"id": "int(11)"}, "old": {"id": "int(11)"}}')
    environ = {"BULKETL_SOURCE": maria_lab.source, "BULKETL_TARGET": maria_lab.target, "BULKETL_SCHEMA": maria_lab.schema}
    config = load_config(tmp_path / "tables.yaml", None, environ, new_tables=new_tables)
    said = {finding.table: finding.otherwise for finding in bulketl.validate(config)}
    bulketl.load(config, bulketl.make_plan(config))
    loaded = {name for name in ("old", "new") if name in maria_lab.tables()}
    assert loaded == {name for name in ("old", "new") if said[name] == "it is loaded whole, as tier reference"}
    assert said["new"] == ("it is not loaded" if new_tables == "report" else said["old"])


def test_reports_that_no_load_makes_are_told(maria_lab: Lab) -> None:
    """Nobody waits for a report that never comes."""
    maria_lab.mysql("CREATE TABLE good (id int PRIMARY KEY)")
    assert rules_of(maria_lab, {"good": {}}) == {}
    reports = {"daily": {"write": "reports"}}
    ((finding,),) = rules_of(maria_lab, {"good": {}}, reports=reports, alerts={"email": ["a@b"]}).values()
    assert (finding.table, finding.severity) == ("bulketl.yaml", "note")
    assert finding.message == "reports.daily goes where it says by `bulketl report daily --deliver`"


def test_a_mask_is_never_passed_over(shop: Lab) -> None:
    """A table that asks for masking is not loaded in the clear."""
    done = shop.load(rules={"customers": {"mask": {"name": "hmac"}}})
    assert [table.table for table in done.summary.failed] == ["customers"]
    assert "customers" not in shop.tables()


def test_the_plan_lists_the_rights_of_others_and_they_are_no_reason_not_to_swap(
    shop: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the table and of its columns, without those its owner has anyway; on the screen and in JSON, before and after."""
    small_partitions(monkeypatch, 1000)
    shop.load(tables=["orders"])
    role = f"analyst_{shop.schema}"
    shop.pg(f"CREATE ROLE {role}; GRANT SELECT, INSERT ON {{s}}.orders TO {role}; GRANT SELECT ON {{s}}.orders TO PUBLIC;"
            f"GRANT UPDATE (id, due) ON {{s}}.orders TO {role} WITH GRANT OPTION;"
            "CREATE VIEW {s}.v AS TABLE {s}.orders")  # fmt: skip
    expected = (f"view {shop.schema}.v", "grant SELECT to PUBLIC", f"grant INSERT, SELECT to {role}",
                f"grant UPDATE (id, due) to {role} with grant option")  # fmt: skip
    environ = {"BULKETL_SOURCE": shop.source, "BULKETL_TARGET": shop.target, "BULKETL_SCHEMA": shop.schema}
    try:
        for _ in range(2):
            (load,) = bulketl.make_plan(shop.config(), tables=["orders"]).loads
            assert (load.spec.publish, load.hanging) == ("swap", expected)
            shown = CliRunner().invoke(app, ["plan", "--tables", "orders"], env=environ).stdout
            assert f"grant INSERT, SELECT to {role}" in " ".join(shown.split())
            assert '"grant SELECT to PUBLIC"' in CliRunner().invoke(app, ["plan", "--json"], env=environ).stdout
            assert shop.load(tables=["orders"]).how("orders") == "swap"
    finally:
        shop.pg(f"DROP OWNED BY {role}; DROP ROLE {role}")
