"""No driver's text gets into a message without being in `said`, and what is public holds nothing of what was said."""

from __future__ import annotations

import ast
import pickle

import pymysql
from words import SRC, leaks

from bulketl.errors import WITHHELD, BugError, BulketlError, DataError
from bulketl.mysql.read import _failure
from bulketl.mysql.server import number_of
from bulketl.postgres.server import TAMPERED, failure
from bulketl.tables.spec import TableSpec

# Where the text of a foreign exception goes on, into what is no message of ours, and why that shows nobody a row.
ELSEWHERE = {
    "cli/init.py _given": "of a variable of the environment that names a file",
    "cli/reports.py _key": "where a key is, and nothing of it",
    "cli/demo/demo.py _load": "the demo's own data",
    "cli/demo/servers.py EmbeddedPostgres.__init__": "the demo's own data",
    "loading/worker.py work": "its words are taken out again at once",
    "loading/schedule.py Schedule.failed": "how long a step waits, and no text of it",
    "loading/record.py Run.at": "BugError.of says them as `said`",
    "connections/limited.py within.run": "raised again as it is",
    "connections/web.py _asked": "what the other side of a channel answers",
    "connections/web.py ask": "what the other side of a channel answers",
    "operations/migrate/importing.py import_state": "an error of our own, or of the plan, which quotes no row",
    "operations/migrate/legacy.py _log": "the name of a log file, and why the system does not open it",
    "postgres/compare/views.py _cannot": "for the screen of who compares views; what is kept of it is public",
    "operations/reports/ownwords.py _where": "the name of a file of templates",
    "operations/alerts/channels/mail.py deliver": "what the other side of a channel answers",
    "operations/dashboard/serve.py place": "of a secret that is not where it should be, in our own words",
    "cli/dashboard.py dashboard.command": "of a package that is not installed",
    "config/check_rules.py Expression._parses": "of a rule, before any row is read",
    "config/check_rules.py Regex._compiles": "of a rule, before any row is read",
    "config/mistakes.py read_file": "of a file of rules",
    "config/read.py _telling": "of a variable of the environment that names a file",
    "config/snapshot.py _unreadable": "of a file of rules",
    "config/yamlfile.py _Build._problem": "of a file of rules",
    "loading/dask.py _portable": "what a step raised, which BugError.of puts into said",
    "loading/process.py _answer": "what a step raised, which BugError.of puts into said",
    "plan/keeping.py _defaults": "of a default in the catalogue, in our own words",
    "mysql/discover.py _count": "plan/decision.py _load puts it into said",
    "mysql/discover.py read_bounds": "plan/decision.py _load puts it into said",
    "mysql/months.py months": "for the screen of who asked for months, and kept nowhere",
    "mysql/stream_process.py main": "for the process that started it, where _failure puts it into said",
    "postgres/compare/months.py months": "for the screen of who asked for months, and kept nowhere",
}


def test_every_text_of_a_driver_in_a_message_is_in_said() -> None:
    """A new place stands in neither list until somebody has looked where its text goes."""
    found = leaks()
    assert {leak.place for leak in found} == set(ELSEWHERE), "\n".join(map(str, found))


def test_a_public_message_has_the_code_in_the_place_of_what_was_said() -> None:
    """The name of the table stays, and so does what we say ourselves."""
    error = failure("23505", "ERROR:  duplicate key\nDETAIL:  Key (id)=(KARLSSON) exists.", "table 't'")
    assert "KARLSSON" in error.message
    assert (error.public, error.code) == ("table 't': SQLSTATE 23505", "SQLSTATE 23505")
    error = _failure(TableSpec("t", "s", (), (), "swap"), "MySqlError { ERROR 1292 (22007): Incorrect value: 'KARLSSON' }")
    assert (error.public, error.code) == ("table 't' cannot be read: MySQL 1292", "MySQL 1292")
    error = BugError.of(ValueError("no date:\n KARLSSON"), "t")
    assert (error.public, error.code) == (f"table 't': ValueError: {WITHHELD}", "BugError")
    error = failure(TAMPERED, "ERROR:  table 't': rows were changed", "table 't'")
    assert error.public == error.message == "table 't': rows were changed"


def test_what_was_said_is_nowhere_in_what_is_public() -> None:
    """Not where it stands twice, not where a message tells it otherwise, and not on the way to another process."""
    assert DataError("table 't': 7, and 7", said="7").public == f"table 't': {WITHHELD}, and {WITHHELD}"
    assert "KARLSSON" not in DataError("table 't': row KARLS\nSON, KARLSSON", said="KARLS SON").public
    error = DataError("table 't': KARLSSON", said="KARLSSON", code="SQLSTATE 22001")
    back = pickle.loads(pickle.dumps(error))
    assert (back.public, back.said, back.code) == ("table 't': SQLSTATE 22001", "KARLSSON", "SQLSTATE 22001")
    assert BulketlError("no table").public == "no table"


def test_a_number_of_mysql_has_its_name() -> None:
    """Where its words would be kept, as in the reason of a plan."""
    assert (
        number_of(pymysql.err.DataError(1292, "Incorrect value: 'KARLSSON'")) == "MySQL's error 1292, truncated wrong value"
    )
    assert number_of(pymysql.err.DataError(99999, "KARLSSON")) == "MySQL's error 99999"


def test_no_line_of_a_log_above_debug_has_the_whole_message_of_an_error() -> None:
    """Nor a traceback, whose last line is it."""
    wrong = []
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            level = node.func.attr
            if not ast.unparse(node.func.value).endswith(("_log", "warnings")) or level == "debug":
                continue
            told = " ".join(ast.unparse(one) for one in (*node.args, *(word.value for word in node.keywords)))
            if level == "exception" or ".message" in told or "str(error)" in told or "{error}" in told or "exc_info" in told:
                wrong.append(f"{path.name}:{node.lineno}: {told}")
    assert not wrong
