"""A night of both pipelines: the older one loads what it serves and is not believed, bulketl loads the rest."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from lab import Lab
from waiting import NEVER, until

from bulketl.cli.hybrid import _only
from bulketl.plan.selection import Selection
from bulketl.tables.patterns import matches

TABLES = ("claim", "patient", "payment")
BOOKS = "(table_name text PRIMARY KEY, rows_loaded int, load_status text, _loaded_at timestamp)"
OLDER = """
import json, sys
asked = json.load(sys.stdin)
assert asked["tables"] == sys.argv[2:], asked
print("password=mysecret")
open(sys.argv[1], "w").write(" ".join(sys.argv[2:]))
"""


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """Three tables of an older pipeline, which keeps books, and a fourth that it never had."""
    for table in (*TABLES, "recall"):
        maria_lab.mysql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, c text)", f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b')"
        )
    for table in TABLES:
        maria_lab.pg(f"CREATE TABLE {maria_lab.schema}.{table} (id int PRIMARY KEY, c text)")
    maria_lab.pg(f"CREATE TABLE {maria_lab.schema}.etl_load_status {BOOKS}")
    return maria_lab


def bulketl(
    lab: Lab, folder: Path, *words: str, run: list[str] | None = None, source: bool = True, **legacy: Any
) -> subprocess.CompletedProcess[str]:
    """Run the command line with a migration from an older pipeline whose command is `run`."""
    settings = {"schema": lab.schema, "migration": {"legacy": {"run": run or [], "logs": str(folder / "logs"), **legacy}}}
    (folder / "bulketl.yaml").write_text(yaml.safe_dump(settings))
    environ = {
        **os.environ,
        "BULKETL_SOURCE": lab.source if source else "mysql://root@127.0.0.1:1/none",
        "BULKETL_TARGET": lab.target,
    }
    command = [sys.executable, "-m", "bulketl", *words, "--config", str(folder / "bulketl.yaml"), "--json"]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def noting(lab: Lab, *well: str) -> list[str]:
    """Return an older pipeline that says in its books that it loaded these tables."""
    note = ";".join(
        f"INSERT INTO {lab.schema}.etl_load_status VALUES ('{table}', 2, 'success', now())"
        " ON CONFLICT (table_name) DO UPDATE SET _loaded_at = now()"
        for table in well
    )  # fmt: skip
    code = f"{OLDER}\nimport psycopg\npsycopg.connect({lab.target!r}, autocommit=True).execute({note!r})"
    return [sys.executable, "-c", code]


def test_a_load_passes_over_what_the_older_pipeline_serves_and_says_so(lab: Lab, tmp_path: Path) -> None:
    done = json.loads(bulketl(lab, tmp_path, "load").stdout)
    outcomes = {table["table"]: table["outcome"] for table in done["tables"]}
    assert outcomes == {"recall": "loaded", **dict.fromkeys(TABLES, "skipped")}
    status = bulketl(lab, tmp_path, "status")
    assert (status.returncode, [table["table"] for table in json.loads(status.stdout)["tables"]]) == (0, ["recall"])
    assert "the older pipeline serves 3 tables more" in json.loads(status.stdout)["note"]
    assert lab.pg(f"SELECT count(*) FROM {lab.schema}.claim") == [(0,)]
    bare = lab.load()  # without a migration they are somebody else's, as ever
    assert sorted(bare.summary.tables) == ["recall"] or {t.table for t in bare.summary.failed} == set(TABLES)


def test_both_pipelines_load_in_one_night(lab: Lab, tmp_path: Path) -> None:
    """The older one loads what it serves, also what bulketl loads beside it; what it printed is in a file of its owner's."""
    given = bulketl(lab, tmp_path, "migrate", "shadow", "--tables", "patient", "--reason", "week 1")
    assert json.loads(given.stdout)["given"] == ["patient"], given.stderr
    older = [*noting(lab, *TABLES), str(tmp_path / "asked"), "{tables}"]
    done = bulketl(lab, tmp_path, "load", "--hybrid", run=older)
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text() == "claim patient payment"
    assert [table["table"] for table in told["bulketl"]["tables"]] == ["recall"]
    assert [(table["table"], table["rows"]) for table in told["shadow"]["tables"]] == [("patient", 2)]
    assert told["shadow"]["schema"] == f"{lab.schema}_shadow"
    assert (told["legacy"]["code"], told["legacy"]["loaded"], told["legacy"]["wrong"]) == (0, list(TABLES), [])
    log = Path(told["legacy"]["log"])
    assert "password=mysecret" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    assert "mysecret" not in str(lab.pg("SELECT * FROM bulketl.legacy_run"))
    status = json.loads(bulketl(lab, tmp_path, "status").stdout)
    assert [table["table"] for table in status["tables"]] == ["recall"]  # what another serves is not overdue here
    assert "the older pipeline serves" not in status["note"]  # nothing said so far that there are others
    standing = json.loads(bulketl(lab, tmp_path, "migrate", "status", source=False).stdout)
    assert standing["counts"] == {"legacy": 2, "shadow": 1, "bulketl": 1}
    assert standing["older"]["loaded"] == list(TABLES)
    assert [len(week["tables"]) for week in standing["weeks"]] == [0, 0, 0, 4]
    again = bulketl(lab, tmp_path, "migrate", "shadow", "--tables", "recall", "--reason", "no")
    assert again.returncode == 2
    assert "bulketl's already" in again.stdout
    lab.pg(f"DROP SCHEMA {lab.schema}_shadow CASCADE")


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        (["/nonexistent/older"], "older did not start: No such file or directory"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "ended with 3"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "was ended after 1 s"),
        ([sys.executable, "-c", "import os; os.abort()"], "was killed by signal 6"),
        (
            [sys.executable, "-c", "pass"],
            "do not say that it loaded claim, patient, payment, though it ended with 0",
        ),
    ],
    ids=["missing", "fails", "hangs", "dies", "lies"],
)
def test_what_is_wrong_with_the_older_pipeline_is_told_and_bulketl_loads(
    lab: Lab, tmp_path: Path, command: list[str], wrong: str
) -> None:
    done = bulketl(lab, tmp_path, "load", "--hybrid", run=command, time_limit="1s" if "sleep" in command[-1] else "1m")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert any(wrong in text for text in told["legacy"]["wrong"]), told["legacy"]
    assert [(table["table"], table["outcome"]) for table in told["bulketl"]["tables"]] == [("recall", "loaded")]
    assert lab.pg("SELECT failed FROM bulketl.legacy_run WHERE schema_name = %s", [lab.schema]) == [(list(TABLES),)]


def test_a_table_that_the_older_pipeline_found_unchanged_has_not_failed(lab: Lab, tmp_path: Path) -> None:
    """It notes nothing where it has found no row; one that its books call failed has failed."""
    lab.pg(
        f"INSERT INTO {lab.schema}.etl_load_status VALUES ('claim', 2, 'success', now()), ('patient', 0, 'failed', now())"
    )
    older = [*noting(lab, "payment"), str(tmp_path / "asked"), "{tables}"]
    told = json.loads(bulketl(lab, tmp_path, "load", "--hybrid", run=older).stdout)["legacy"]
    assert (told["loaded"], told["failed"]) == (["payment"], ["patient"])


def test_a_flood_neither_fills_the_disk_nor_stops_anything(lab: Lab, tmp_path: Path) -> None:
    """So many bytes are kept, and the end of what was printed."""
    flood = "import sys\nfor n in range(3000): sys.stdout.write('x' * 9999 + chr(10))\nprint('the end')\nraise SystemExit(1)"
    done = bulketl(lab, tmp_path, "load", "--hybrid", run=[sys.executable, "-c", flood])
    log = Path(json.loads(done.stdout)["legacy"]["log"])
    text = log.read_text()
    assert len(text) < 17 << 20
    assert text.endswith("the end\n")
    assert "bulketl left out 13," in text


def test_the_older_pipeline_goes_on_when_the_load_cannot(lab: Lab, tmp_path: Path) -> None:
    """And what it did is told, beside why there is no load."""
    lab.pg(f"DROP TABLE {lab.schema}.etl_load_status; ALTER TABLE {lab.schema}.claim RENAME TO recall")
    settings = [*noting(lab), str(tmp_path / "asked"), "{tables}"]
    lab.mysql("RENAME TABLE claim TO gone")
    done = bulketl(lab, tmp_path, "load", "--hybrid", "--adopt", "nothing", run=settings)
    told = json.loads(done.stdout)
    assert done.returncode == 2
    assert "no such table" in told["bulketl"]["message"]
    assert told["legacy"]["code"] == 0


@pytest.mark.parametrize("times", [1, 2])
def test_an_interruption_ends_the_older_pipeline_too(lab: Lab, tmp_path: Path, times: int) -> None:
    """A second one as well, while it is waited for, and though it hears of no SIGTERM."""
    started = tmp_path / "started"
    code = f"import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_{'DFL' if times == 1 else 'IGN'});"
    code += f" open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    settings = {"schema": lab.schema, "migration": {"legacy": {"run": [sys.executable, "-c", code], "logs": str(tmp_path)}}}
    (tmp_path / "bulketl.yaml").write_text(yaml.safe_dump(settings))
    environ = {**os.environ, "BULKETL_SOURCE": lab.source, "BULKETL_TARGET": lab.target}
    command = [sys.executable, "-m", "bulketl", "load", "--hybrid", "--config", str(tmp_path / "bulketl.yaml")]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        assert any("waiting for the older pipeline" in line for line in process.stderr)
        until(lambda: started.exists() and started.read_text() != "")
        for n in range(times):
            process.send_signal(signal.SIGINT)
            if n + 1 < times:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)  # the second one comes while the first is carried out
        assert process.wait(NEVER) == 130
    until(lambda: not Path(f"/proc/{started.read_text()}").exists())


def airflow(lab: Lab, folder: Path, *words: str, run: list[str]) -> tuple[int, dict[str, Any]]:
    """Run a load for Airflow, and return its exit code and what the last line of its output says."""
    settings = {"schema": lab.schema, "migration": {"legacy": {"run": run, "logs": str(folder / "logs")}}}
    (folder / "bulketl.yaml").write_text(yaml.safe_dump(settings))
    environ = {**os.environ, "BULKETL_SOURCE": lab.source, "BULKETL_TARGET": lab.target}
    command = [sys.executable, "-m", "bulketl", "load", "--airflow", *words, "--config", str(folder / "bulketl.yaml")]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    mark, _, document = done.stdout.splitlines()[-1].partition("{")
    assert mark == "###AIRFLOW_RESULT###", done.stdout
    return done.returncode, json.loads("{" + document)


def test_airflow_gets_its_line_last_whatever_becomes_of_the_load(lab: Lab, tmp_path: Path) -> None:
    """In which tables of both schemas count; a load that cannot begin has one too, without what a server said."""
    lab.mysql("CREATE TABLE odd (id int PRIMARY KEY, d date)", "INSERT INTO odd VALUES (1, '2020-01-01')")
    code, told = airflow(lab, tmp_path, "--hybrid", run=[*noting(lab, *TABLES), str(tmp_path / "asked"), "{tables}"])
    assert (code, told["category"], told["pipeline_success"]) == (0, "all", True)
    assert (told["success_count"], told["failure_count"], told["total_count"], told["rows"]) == (2, 0, 2, 3)
    (tmp_path / "x.yaml").write_text("x")
    code, told = airflow(lab, tmp_path, "--tier", "nonsense", run=[])
    assert (code, told["pipeline_success"], told["exit_code"]) == (2, False, 2)
    assert told["error"] == "there is no tier 'nonsense'"
    lab.pg(f"ALTER TABLE {lab.schema}.odd RENAME TO moved; CREATE TABLE {lab.schema}.odd (id int)")
    code, told = airflow(lab, tmp_path, "--tables", "odd,recall", "--full", "--adopt", "recall", run=[])
    assert (code, told["skipped"], told["failed_tables"]) == (0, 1, [])


def test_views_show_the_ledger_as_the_older_books_were(lab: Lab, tmp_path: Path) -> None:
    """Without a right to read the ledger; a table of the older pipeline is never replaced by one."""
    bulketl(lab, tmp_path, "load")
    refused = bulketl(lab, tmp_path, "migrate", "views")
    assert (refused.returncode, "has a table 'etl_load_status' that bulketl did not make" in refused.stdout) == (1, True)
    assert bulketl(lab, tmp_path, "migrate", "views", "--into", f"{lab.schema}_books").returncode == 2
    lab.pg(f"CREATE SCHEMA {lab.schema}_books")
    for again in (True, False):  # they are made anew, and whoever may read them still may
        assert bulketl(lab, tmp_path, "migrate", "views", "--into", f"{lab.schema}_books").returncode == 0
        if again:
            lab.pg(f"GRANT SELECT ON {lab.schema}_books.etl_load_status TO PUBLIC;"
                   f" CREATE VIEW {lab.schema}_books.over AS SELECT * FROM {lab.schema}_books.etl_load_status")  # fmt: skip
    granted = (
        f"SELECT 1 FROM pg_class WHERE oid = '{lab.schema}_books.etl_load_status'::regclass AND relacl::text LIKE '%=r/%'"
    )
    assert lab.pg(granted) == [(1,)]
    lab.pg(f"DROP VIEW {lab.schema}_books.over")
    books = f"SELECT table_name, rows_loaded, load_status, _loaded_at IS NOT NULL FROM {lab.schema}_books.etl_load_status"
    assert lab.pg(f"{books} ORDER BY id") == [
        ("claim", 0, "pending", False), ("patient", 0, "pending", False), ("payment", 0, "pending", False),
        ("recall", 2, "success", True),
    ]  # fmt: skip
    runs = f"SELECT tables_processed, total_rows_processed, success, status FROM {lab.schema}_books.etl_pipeline_metrics"
    assert lab.pg(runs) == [(1, 2, True, "completed")]
    each = f"SELECT table_name, rows_processed, success, error FROM {lab.schema}_books.etl_table_metrics"
    assert lab.pg(each) == [("recall", 2, True, None)]
    lab.pg(f"CREATE ROLE r_{lab.schema}; GRANT USAGE ON SCHEMA {lab.schema}_books TO r_{lab.schema};"
           f"GRANT SELECT ON ALL TABLES IN SCHEMA {lab.schema}_books TO r_{lab.schema}")  # fmt: skip
    assert len(lab.pg(f"SET ROLE r_{lab.schema}; {each}")) == 1
    assert bulketl(lab, tmp_path, "migrate", "views", "--into", f"{lab.schema}_books", "--drop").returncode == 0
    lab.pg(f"DROP SCHEMA {lab.schema}_books; DROP ROLE r_{lab.schema}")  # it is empty again


def test_a_night_in_which_one_side_has_nothing_or_cannot_begin_tells_of_the_other(lab: Lab, tmp_path: Path) -> None:
    """The first night, in which the older pipeline serves every table; and one whose log cannot be written."""
    run = [*noting(lab, *TABLES), str(tmp_path / "asked"), "{tables}"]
    first = bulketl(lab, tmp_path, "load", "--hybrid", "--tables", ",".join(TABLES), run=run)
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert (told["bulketl"], told["shadow"], told["legacy"]["loaded"]) == (None, None, [*TABLES])
    (tmp_path / "taken").write_text("")
    second = bulketl(lab, tmp_path, "load", "--hybrid", run=run, logs=str(tmp_path / "taken"))
    assert second.returncode == 2
    told = json.loads(second.stdout)
    assert "the log of the older pipeline cannot be written" in json.dumps(told["legacy"])
    assert lab.pg("SELECT count(*) FROM {s}.recall") == [(2,)]
    assert told["bulketl"] is not None
    code, told = airflow(lab, tmp_path, "--hybrid", run=[sys.executable, "-c", "raise SystemExit(3)"])
    assert (code, told["pipeline_success"], told["failed_tables"]) == (1, False, [])
    assert "ended with 3" in told["error"]


def test_a_night_names_tables_and_no_patterns() -> None:
    """A table may be called `a*`, and `ab` is another."""
    selection = _only(Selection(), ("a*", "b?", "c\\", "d"))
    assert [name for name in ("a*", "ab", "b?", "bb", "c\\", "d") if matches(name, selection.tables)] == [
        "a*",
        "b?",
        "c\\",
        "d",
    ]
