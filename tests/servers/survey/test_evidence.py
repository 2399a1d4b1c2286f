"""What discover takes from a real server's values, and how it explains one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.config.read import load_config
from bulketl.errors import PlanError
from bulketl.survey.proposals import Proposal

COUNTED = "id int AUTO_INCREMENT PRIMARY KEY"


def invoked(lab: Lab, *words: str) -> Any:
    return CliRunner().invoke(app, ["discover", *words], env={"BULKETL_SOURCE": lab.source})


def proposed(lab: Lab) -> dict[str, Proposal]:
    return {item.table: item for item in bulketl.propose(lab.config())[1]}


@pytest.fixture
def desk(maria_lab: Lab) -> Lab:
    """A helpdesk without a foreign key: names that say it, names that lie, and names that values have to confirm."""
    maria_lab.mysql(
        f"CREATE TABLE hd_tickets ({COUNTED}, title varchar(80), requester int, grade int, made datetime,"
        " changed_at datetime)",
        f"CREATE TABLE hd_persons ({COUNTED}, name varchar(80), street varchar(80), city varchar(80), phone varchar(80))",
        f"CREATE TABLE hd_notes ({COUNTED}, tickets_id int, persons_id int, contact_persons_id int, body text)",
        f"CREATE TABLE hd_mails ({COUNTED}, persons_id int, at datetime, body text)",
        "INSERT INTO hd_persons SELECT seq, 'n', 's', 'c', 'p' FROM seq_1_to_50",
        "INSERT INTO hd_tickets SELECT seq, 't', seq, 1, '2024-01-01', '2024-01-01' FROM seq_1_to_400",
        "INSERT INTO hd_notes SELECT seq, 1 + seq MOD 400, 1 + seq MOD 50, 1 + seq MOD 40, 'x' FROM seq_1_to_600",
        "INSERT INTO hd_mails SELECT seq, 70000 + seq, '2024-01-01', 'x' FROM seq_1_to_600",
        "ANALYZE TABLE hd_persons, hd_tickets, hd_notes, hd_mails",
    )
    return maria_lab


def test_values_confirm_and_refute_what_names_say(desk: Lab) -> None:
    """An exact name stands, unless its values are elsewhere."""
    found = proposed(desk)
    assert found["hd_notes"].dependencies == ("hd_persons", "hd_tickets")
    assert found["hd_mails"].dependencies == ()
    notes, mails = ("\n".join(bulketl.explain(desk.config(), name)) for name in ("hd_notes", "hd_mails"))
    assert "refers to hd_tickets: tickets_id is hd_tickets.id: 300 of 300 sampled values are there" in notes
    assert "refers to hd_persons: persons_id is hd_persons.id: 50 of 50 sampled values are there" in notes
    assert "refers not to hd_persons: persons_id is not hd_persons.id: only 0 of 300 sampled values are there" in mails


def test_one_table_is_explained_with_the_whole_chain(desk: Lab) -> None:
    """What was found of it in one order, then what was decided; the same on the screen, in JSON and in a notebook."""
    lines = bulketl.explain(desk.config(), "hd_tickets")
    assert [line.split(":")[0].split(" ")[0] for line in lines] == [
        "size", "key", "refers", "referred", "stamp", "newest", "name", "=>", "=>",
    ], lines  # fmt: skip
    (item,) = [one for one in bulketl.propose(desk.config())[1] if one.table == "hd_tickets"]
    assert f"=> tier {item.tier}: {item.reasons['table_importance']}" in lines
    done = invoked(desk, "--explain", "hd_tickets")
    assert (done.exit_code, done.stdout) == (0, "hd_tickets\n" + "".join(f"  {line}\n" for line in lines))
    assert json.loads(invoked(desk, "--explain", "hd_tickets", "--json").stdout) == {
        "table": "hd_tickets", "reasons": list(lines),
    }  # fmt: skip


def test_a_table_that_is_not_there_cannot_be_explained(desk: Lab) -> None:
    with pytest.raises(PlanError, match="there is no table 'HD_Tickets'") as caught:
        bulketl.explain(desk.config(), "HD_Tickets")
    assert "case counts" in caught.value.hint.lower()
    done = invoked(desk, "--explain", "hd_ticket")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "did you mean 'hd_tickets'" in done.stderr


def test_keys_of_any_kind_are_looked_up(lab: Lab) -> None:
    """Texts, signed and unsigned, other collations, no key, a table that cannot be read: what fails says nothing."""
    lab.mysql(
        "CREATE TABLE lands (land_code char(2) PRIMARY KEY, label varchar(80)) CHARACTER SET utf8mb4",
        "CREATE TABLE towns (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, land_code char(2), n varchar(20)) CHARACTER SET"
        " utf8mb4",
        "CREATE TABLE roads (town_id int, land_code char(2) COLLATE utf8mb4_bin, n int) CHARACTER SET utf8mb4",
        "INSERT INTO lands VALUES ('aa', 'A'), ('bb', 'B'), ('cc', 'C'), ('dd', 'D'), ('ee', 'E')",
        "INSERT INTO towns (land_code, n) SELECT land_code, 'x' FROM lands",
        "INSERT INTO roads SELECT id, land_code, 1 FROM towns", "ANALYZE TABLE lands, towns, roads",
    )  # fmt: skip
    found = proposed(lab)
    assert found["towns"].dependencies == ("lands",)
    assert "towns" in found["roads"].dependencies


def test_a_column_prefix_and_a_word_behind_it_are_enough(lab: Lab) -> None:
    """`rev_page` is of `page`, where all columns begin alike."""
    lab.mysql(
        "CREATE TABLE w_page (page_id int AUTO_INCREMENT PRIMARY KEY, page_title varchar(80), page_len int)",
        "CREATE TABLE w_revision (rev_id int AUTO_INCREMENT PRIMARY KEY, rev_page int, rev_len int, rev_text text)",
        "CREATE TABLE w_watch (wa_id int AUTO_INCREMENT PRIMARY KEY, wa_page int, wa_mark int)",
    )
    found = proposed(lab)
    assert [found[name].dependencies for name in ("w_revision", "w_watch")] == [("w_page",)] * 2


@pytest.mark.parametrize("name", ["a`b", "a'b", 'a"b', "a b", "é水", "null", "a%s", "a.b", "[x]*", "a\\b", "-- x", "{n}"])
def test_odd_names_are_discovered_written_read_and_explained(lab: Lab, tmp_path: Path, name: str) -> None:
    quoted = "`" + name.replace("`", "``") + "`"
    lab.mysql(
        f"CREATE TABLE {quoted} ({quoted} int AUTO_INCREMENT PRIMARY KEY, x int)",
        f"CREATE TABLE other ({COUNTED}, {quoted} int, at timestamp NULL ON UPDATE CURRENT_TIMESTAMP)",
        f"INSERT INTO {quoted} VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)",
        f"INSERT INTO other ({quoted}) SELECT x FROM {quoted}", f"ANALYZE TABLE {quoted}, other",
    )  # fmt: skip
    path = tmp_path / "tables.yaml"
    assert invoked(lab, "--write", str(path), "--yes").exit_code == 0
    config = load_config(path, None, {})
    found = proposed(lab)
    assert {table: config.rule(table).table_importance for table in found} == {t: p.tier for t, p in found.items()}
    done = invoked(lab, "--explain", name)
    assert done.exit_code == 0
    assert "=> tier" in done.stdout
    again = invoked(lab, "--write", str(path), "--yes")
    assert "nothing to write" in again.stderr


def test_a_database_without_tables_is_said_to_be_one(lab: Lab, tmp_path: Path) -> None:
    done = invoked(lab)
    assert done.exit_code == 0
    assert "the source has no table that this user may see" in done.stdout
    path = tmp_path / "tables.yaml"
    assert invoked(lab, "--write", str(path), "--yes").exit_code == 0
    assert load_config(path, None, {}).tables == {}


def test_what_is_written_is_short_and_loads_as_it_was_proposed(maria_lab: Lab, tmp_path: Path) -> None:
    """Tables of two kinds are a few lines, each that is left out has one of its own, and each has its tier."""
    maria_lab.mysql(f"CREATE TABLE root ({COUNTED}, name varchar(20), a int, b int, c int)")
    for n in range(70):
        maria_lab.mysql(
            f"CREATE TABLE part_{n} ({COUNTED}, root_id int, a int, b int, c int)",
            f"CREATE TABLE kind_{n} ({COUNTED}, label varchar(20))", f"CREATE TABLE tmp_{n} (a int)",
        )  # fmt: skip
    path = tmp_path / "tables.yaml"
    assert invoked(maria_lab, "--write", str(path), "--yes").exit_code == 0
    text = path.read_text()
    assert len(text.splitlines()) < 20 + 70
    assert "  part_*" not in text
    assert '"part_*": {table_importance: important}  # 70 tables' in text
    assert '"tmp_*"' not in text
    assert all(f"\n  tmp_{n}: {{exclude: true}}" in text for n in range(70))
    config = maria_lab.config()
    config = load_config(path, None, {"BULKETL_SOURCE": config.source})
    tiers = {item.table: item.tier for item in bulketl.propose(config)[1]}
    assert {name: config.rule(name).table_importance for name in tiers if not config.rule(name).exclude} == {
        name: tier for name, tier in tiers.items() if not name.startswith("tmp_")
    }
    assert [item for item in bulketl.validate(config) if "no rule" in item.message] == []


def test_a_load_without_rules_keeps_all_workers_busy(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order and workers come from the catalogue alone; what no key cuts is begun first."""
    monkeypatch.setattr("bulketl.plan.grouping.GROUP_BYTES", 1)
    for n in range(4):
        rows = f"INSERT INTO t{n} (x) SELECT REPEAT('x', 200) FROM seq_1_to_3000"
        maria_lab.mysql(f"CREATE TABLE t{n} ({COUNTED}, x varchar(200))", rows, f"ANALYZE TABLE t{n}")
    maria_lab.mysql("CREATE TABLE keyless (x varchar(200))", "INSERT INTO keyless SELECT 'x' FROM seq_1_to_4000",
                    "ANALYZE TABLE keyless")  # fmt: skip
    monkeypatch.setattr("bulketl.tables.partitions.PARTITION_BYTES", 20_000)
    monkeypatch.setattr("bulketl.config.settings.PARTITION_BYTES", 20_000)
    config = load_config(None, None, {"BULKETL_SOURCE": maria_lab.source, "BULKETL_TARGET": maria_lab.target,
                                      "BULKETL_SCHEMA": maria_lab.schema})  # fmt: skip
    assert set(config.tables_at_once.values()) == {config.workers}
    plan = bulketl.make_plan(config)
    assert next(load.spec.table for load in plan.loads) == "keyless"
    assert not bulketl.load(config, plan).failed
    assert maria_lab.differences("t1") == []


def test_values_say_that_rows_came_lately_and_are_written_again(lab: Lab) -> None:
    """By the server's own clock, and of columns that are NULL in the newest rows."""
    made = f"CREATE TABLE {{}} ({COUNTED}, at datetime NOT NULL, score int NULL, note varchar(9) NULL)"
    names = ("temp_readings", "temp_old", "course_attempts", "visit_log")
    lab.mysql(*(made.format(name) for name in names))
    for name in names:
        days, filled = 400 if name == "temp_old" else 0, 55 if name == "course_attempts" else 99
        values = ", ".join(
            f"(NOW() - INTERVAL {days * 24 + 60 - n} HOUR, {n if n < filled else 'NULL'}, NULL)" for n in range(60)
        )
        lab.mysql(f"INSERT INTO {name} (at, score, note) VALUES {values}", f"ANALYZE TABLE {name}")
    found = {item.table: item for item in bulketl.propose(lab.config())[1]}
    assert {name: found[name].exclude for name in names} == dict.fromkeys(names, False) | {"temp_old": True}
    assert "rows came to it" in found["temp_readings"].question
    assert "score is NULL in the newest rows" in found["course_attempts"].question
    assert (found["visit_log"].tier, found["course_attempts"].tier != "audit") == ("audit", True)
