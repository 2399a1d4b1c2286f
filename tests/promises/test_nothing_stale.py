"""From discover to the second load: what is edited or deleted at the source arrives, or is said to be kept."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from nights import a_day_later
from rich.console import Console
from typer.testing import CliRunner

import bulketl
from bulketl import Summary, verify
from bulketl.cli.app import app
from bulketl.cli.screens import summary as screen
from bulketl.cli.screens import verdicts
from bulketl.survey import proposals as classify

ON_UPDATE = "at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"
KEYED = "id int AUTO_INCREMENT PRIMARY KEY, c varchar(50)"
# What tables are called, and what else they have: those that people edit, those whose rows come and go, and true records.
TABLES = {
    "catalog": f"{KEYED}, {ON_UPDATE}",
    "product_catalog": KEYED,
    "procedurelog": f"{KEYED}, made datetime, {ON_UPDATE}",
    "commlog": f"{KEYED}, made datetime, modified datetime",
    "securitylog": KEYED,
    "histappointment": f"{KEYED}, made datetime",
    "payments_log": f"{KEYED}, made datetime",
    "user_history": "id int, c varchar(50)",
    "ost_queue": f"{KEYED}, made datetime",
    "session": "id int PRIMARY KEY, c varchar(50)",
    "sessiontoken": f"{KEYED}, made datetime",
    "update_queue": f"{KEYED}, {ON_UPDATE}",
    "activeinstance": f"{KEYED}, DateTimeLastActive datetime",
    "updates": f"{KEYED}, made datetime",
    "blog": f"{KEYED}, made datetime, {ON_UPDATE}",
}
ROWS = 60


def value(column: str, n: int) -> object:
    return {"id": n, "c": "old"}.get(column, f"2024-01-{n // 24 + 1:02} {n % 24:02}:00:00")


def filled(lab: Lab) -> None:
    """Give every table rows that came an hour apart and were not touched since."""
    for table, columns in TABLES.items():
        lab.mysql(f"CREATE TABLE {table} ({columns})")
        names = [column.split()[0] for column in columns.split(", ")]
        rows = [tuple(value(name, n) for name in names) for n in range(1, ROWS + 1)]
        lab.insert(f"{table} ({', '.join(names)})", rows)
        lab.mysql(f"ANALYZE TABLE {table}")


def edited(lab: Lab) -> None:
    """Edit a row of each table, delete two, and add one, as an application does that stamps what it edits."""
    for table, columns in TABLES.items():
        stamp = ", modified = NOW()" if "modified" in columns else ""
        lab.mysql(f"UPDATE {table} SET c = 'edited'{stamp} WHERE id = 5", f"DELETE FROM {table} WHERE id IN (7, 8)",
                  f"INSERT INTO {table} (id, c) VALUES (1000, 'new')")  # fmt: skip


def living(lab: Lab, table: str) -> list[Any]:
    """Return the rows of the target that are not marked as gone."""
    names = [name for (name,) in lab.pg("SELECT column_name FROM information_schema.columns WHERE table_schema = '{s}'"
                                        " AND table_name = %s", (table,))]  # fmt: skip
    where = " WHERE _deleted_at IS NULL" if "_deleted_at" in names else ""
    return sorted(lab.pg(f"SELECT id, c FROM {{s}}.{table}{where}"))


def shown(renderable: Any) -> str:
    written = io.StringIO()
    Console(width=200, file=written).print(renderable)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("size", ["small", "large"])
def test_what_is_edited_or_deleted_arrives_or_is_said_to_be_kept(
    lab: Lab, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the rules as discover proposes them, and large tables by their changes."""
    if size == "large":
        monkeypatch.setattr(classify, "SMALL_BYTES", 1)
    filled(lab)
    lab.mysql("CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, c longtext)")  # of which the others are a small share
    lab.insert("orders (c)", [("x" * 900,)] * 2000)
    lab.mysql("ANALYZE TABLE orders")
    proposals = {item.table: item for item in bulketl.propose(lab.config())[1]}
    rules = {name: item.to_rule() for name, item in proposals.items()}
    audited = {name for name, item in proposals.items() if item.tier == "audit"}
    assert audited == {"payments_log", "histappointment"}, [item.question for item in proposals.values()]
    assert not lab.load(rules=rules).summary.failed
    edited(lab)
    a_day_later(lab)
    done = lab.load(rules=rules)
    (kept,) = done.summary.failed  # without a key no row can be marked, so a load that would lose some stops
    assert kept.table == "user_history"
    assert "gone at the source, 1.7%, and 0% may go" in kept.message
    assert len(living(lab, "user_history")) == ROWS
    text = shown(screen.summary(done.summary))
    found = {item.table: item for item in verify(lab.config(rules=rules)).tables}
    for name in TABLES.keys() - {"user_history"}:
        item = proposals[name]
        there = sorted(lab.mysql(f"SELECT id, c FROM {name}"))
        if item.tier == "audit":
            assert f"{name}: 2 rows deleted and 1 edited at the source, noted in bulketl.audit_trail" in text, text
            assert (found[name].kept_edited, found[name].kept_deleted) == (1, 2)
            assert (5, "old") in living(lab, name)
            assert (7, "old") in living(lab, name)
        else:
            assert living(lab, name) == there, name
            assert (found[name].kept, found[name].equal) == (0, True), found[name]
    marked = {name for name, item in proposals.items() if item.deletes == "mark"}
    assert {"procedurelog", "commlog", "securitylog"} <= marked
    for name in marked:
        assert lab.pg(f"SELECT id FROM {{s}}.{name} WHERE _deleted_at IS NOT NULL ORDER BY 1") == [(7,), (8,)]


def test_no_proposal_lets_a_table_be_emptied_in_silence(lab: Lab) -> None:
    """Nearly all rows are gone: each table fails, or its rows stay and that is said."""
    filled(lab)
    rules = {item.table: item.to_rule() for item in bulketl.propose(lab.config())[1]}
    lab.load(rules=rules)
    for table in TABLES:
        lab.mysql(f"DELETE FROM {table} WHERE id > 2")
    done = lab.load(rules=rules)
    for table in TABLES:
        told = done.summary.tables[table]
        if told.outcome == "failed":
            assert "gone at the source" in told.message
        else:
            assert told.noted == {"delete": ROWS - 2}, told
        assert lab.pg(f"SELECT count(*) FROM {{s}}.{table}") == [(ROWS,)]


def test_one_stamp_in_the_future_changes_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stamp of the server stays the cursor, edits arrive, and validate has no error."""
    monkeypatch.setattr(classify, "SMALL_BYTES", 1)
    filled(lab)
    lab.mysql("UPDATE procedurelog SET at = '2037-01-01' WHERE id = 60", "UPDATE catalog SET at = '2037-01-01' WHERE id = 9")
    found = {item.table: item for item in bulketl.propose(lab.config())[1]}
    assert [(found[name].cursor, found[name].strategy) for name in ("procedurelog", "catalog")] == [
        ("at", "incremental")
    ] * 2
    rules = {name: item.to_rule() for name, item in found.items()}
    assert [item for item in bulketl.validate(lab.config(rules=rules)) if item.severity == "error"] == []
    lab.load(rules=rules)
    lab.mysql("UPDATE procedurelog SET c = 'edited' WHERE id = 5")
    lab.load(rules=rules)
    assert (5, "edited") in living(lab, "procedurelog")


def test_existing_rules_that_hide_edits_or_deletes_are_found(lab: Lab) -> None:
    """With the column that says so; whoever means it keeps it, so nothing is fixed by itself."""
    filled(lab)
    rules: dict[str, Any] = {
        "catalog": {"table_importance": "audit"}, "commlog": {"table_importance": "audit"},
        "session": {"table_importance": "audit"}, "payments_log": {"table_importance": "audit"},
        "ost_queue": {"deletes": {"guard": "100%"}}, "updates": {"deletes": {"policy": "mirror", "guard": "20%"}},
    }  # fmt: skip
    found = {item.table: item for item in bulketl.validate(lab.config(rules=rules)) if item.severity == "warning"}
    assert found.keys() == {"catalog", "commlog", "session", "ost_queue"}
    assert "is of tier audit, and column at, which the server stamps on every update" in found["catalog"].message
    assert "edits never arrive" in found["catalog"].otherwise
    assert "column modified says by its name that rows are edited" in found["commlog"].message
    assert "rows of such tables come and go (session)" in found["session"].message
    assert found["ost_queue"].otherwise == "any share of its rows may go without a word, all of them too"
    assert not any(item.fix for item in found.values())


def test_rows_that_were_written_again_are_counted_as_evidence(maria_lab: Lab) -> None:
    """Forty of a thousand have a later stamp of an edit than of their coming."""
    maria_lab.mysql(
        f"CREATE TABLE visit_log ({KEYED}, made datetime, modified datetime)",
        "INSERT INTO visit_log SELECT seq, 'x', '2024-01-01' + INTERVAL seq HOUR, '2024-01-01' + INTERVAL seq HOUR"
        " FROM seq_1_to_1500",
        "UPDATE visit_log SET modified = modified + INTERVAL 1 DAY WHERE id > 1460", "ANALYZE TABLE visit_log",
    )  # fmt: skip
    (found,) = bulketl.propose(maria_lab.config())[1]
    assert found.question.endswith("says by its name that rows are edited: 40 of the newest 1,000 were, after they came")


def test_fix_says_what_it_changed_and_nothing_else(lab: Lab, tmp_path: Path) -> None:
    """Twice: the second time there is nothing, the file keeps every byte, and the screen says so."""
    filled(lab)
    path = tmp_path / "tables.yaml"
    path.write_text(
        "source_tables:\n  catalog: {extraction_strategy: incremental, incremental_column: id}  # mine\n"
        "  ost_queue: {deletes: {guard: 100%}}\n"
    )
    environ = {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": lab.target, "BULKETL_SCHEMA": lab.schema}
    command = ["validate", "--rules", str(path), "--fix"]
    first = CliRunner().invoke(app, command, env=environ)
    said = " ".join(first.stderr.split())
    assert "catalog: extraction_strategy: full_table, incremental_column: at" in said, said
    assert "wrote fixes for 1 table to" in said
    text = path.read_text()
    assert "incremental_column: at" in text
    assert "# mine" in text
    second = CliRunner().invoke(app, command, env=environ)
    assert "stays as it is" in second.stderr
    assert "wrote" not in second.stderr
    assert path.read_text() == text
    assert second.exit_code == 0


def test_questions_are_in_the_file_and_on_the_screen(lab: Lab, tmp_path: Path) -> None:
    """Beside the tier that is safe; the file is read as any other."""
    filled(lab)
    path, environ = tmp_path / "tables.yaml", {"BULKETL_SOURCE": lab.source}
    done = CliRunner().invoke(app, ["discover", "--write", str(path), "--yes"], env=environ)
    assert "questions for you, `# audit?` in the file" in " ".join(done.stderr.split())
    text = path.read_text()
    assert text.count("# audit? ") >= 4
    assert "# guard? rows come and go, by its name (queue)" in text
    assert "100%" not in text
    told = json.loads(CliRunner().invoke(app, ["discover", "--json"], env=environ).stdout)
    asked = {item["table"]: item["question"] for item in told if item["question"]}
    assert {"procedurelog", "commlog", "securitylog", "sessiontoken", "activeinstance"} <= asked.keys()
    screen_text = " ".join(CliRunner().invoke(app, ["discover"], env=environ).stdout.split())
    assert "audit? its name says so (log), but column at, which the server stamps" in screen_text


@pytest.mark.parametrize("strategy", ["full_table", "incremental"])
def test_verify_and_the_summary_say_what_audit_keeps(maria_lab: Lab, strategy: str) -> None:
    """In the first line of the table, in the total and in JSON; known ones again each night, with those that are new."""
    maria_lab.mysql(f"CREATE TABLE t ({KEYED}, at datetime)",
                    "INSERT INTO t SELECT seq, 'old', '2024-01-01' + INTERVAL seq HOUR FROM seq_1_to_40")  # fmt: skip
    rules = {"t": {"table_importance": "audit", "extraction_strategy": strategy, "incremental_column": "at"}}
    maria_lab.load(rules=rules)
    maria_lab.mysql("DELETE FROM t WHERE id <= 4", "UPDATE t SET c = 'edited' WHERE id BETWEEN 11 AND 13")
    a_day_later(maria_lab)
    summary = maria_lab.load(rules=rules).summary
    assert "  t: 4 rows deleted and 3 edited at the source, noted in bulketl.audit_trail\n" in told(summary)
    assert summary.to_json()["tables"][0]["noted"] == {"delete": 4, "update": 3}  # type: ignore[index]
    a_day_later(maria_lab)
    again = maria_lab.load(rules=rules).summary
    if strategy == "incremental":
        assert "  t: 4 rows deleted and 3 edited at the source in all, kept as first seen\n" in told(again)
    found = verify(maria_lab.config(rules=rules))
    text = shown(verdicts.verification(found))
    assert "  t: 3 rows edited at the source, kept by audit; 4 deleted at the source, kept\n" in text
    assert "the table is equal, but for 3 edited and 4 deleted at the source, which the target keeps" in text
    document: Any = found.to_json()
    assert (document["kept"], document["kept_edited"], document["kept_deleted"]) == (7, 3, 4)
    assert [(t["kept_edited"], t["kept_deleted"]) for t in document["tables"]] == [(3, 4)]
    maria_lab.mysql("INSERT INTO t VALUES (1, 'old', '2024-01-01 01:00:00')")
    a_day_later(maria_lab)
    assert "1 row there again, noted too" in told(maria_lab.load(rules=rules).summary)


def told(summary: Summary) -> str:
    return shown(screen.summary(summary))
