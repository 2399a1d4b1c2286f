"""Every wait has an end, every look is tried again, every file with rows has its reason: listed from the source code."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

SOURCES = Path(__file__).parent.parent / "src" / "bulketl"
FILES = {str(path.relative_to(SOURCES)): path for path in sorted(SOURCES.rglob("*.py")) if "demo" not in path.parts}

# What waits for a thread, a process, a socket or a lock, and what ends it.
WAITING = frozenset(
    {
        "wait", "join", "result", "recv", "accept", "acquire", "get", "sleep", "poll", "communicate", "check_output", "run",
        "load", "shutdown", "lock",
    }
)  # fmt: skip
TALK = "what it waits for is talk with a server, which the watch ends when it stalls"
WAITS = {
    "operations/traces.py join": "FLUSH_SECONDS",
    "operations/lineage.py get": "a thread without work waits for what to send; nobody waits for it",
    "operations/lineage.py join": "FLUSH_SECONDS",
    "operations/spans.py shutdown": "in a thread that is waited for no longer than FLUSH_SECONDS",
    "verifying/months.py result": TALK,
    "survey/planning.py result": TALK,
    "operations/alerts/book.py join": "of channels, each of which has its own time limit",
    "operations/alerts/ledgerbook.py lock": "of a row, which whoever sends its messages holds; channels have a time limit",
    "operations/alerts/lookout.py join": "five seconds",
    "operations/alerts/lookout.py wait": "a minute",
    "operations/alerts/tick.py poll": "of channels, each of which has its own time limit",
    "loading/journal.py acquire": "does not wait",
    "loading/journal.py join": "three seconds",
    "loading/journal.py wait": "a second",
    "connections/commands.py join": "bounded",
    "connections/commands.py wait": "bounded",
    "operations/alerts/sending.py join": "of channels, each within a limit",
    "operations/watchdog.py poll": "asks channels, each within a limit",
    "operations/heartbeat.py get": "a thread without work waits for what to send; nobody waits for it",
    "operations/heartbeat.py join": "bounded",
    "loading/hooks.py get": "a thread without work waits for the next call; nobody waits for it",
    "loading/hooks.py wait": "bounded, again and again until the last call has ended, each of which has a limit",
    "loading/process.py load": "a step in the other process, whose talks are watched there; its death ends the answer",
    "loading/process.py poll": "does not wait",
    "loading/process.py wait": "bounded, or of a process that has ended",
    "verifying/buckets.py result": TALK,
    "verifying/counts.py result": TALK,
    "verifying/keyed.py sleep": "a second",
    "verifying/servers.py result": TALK,
    "verifying/servers.py shutdown": TALK,
    "verifying/sums.py result": TALK,
    "config/secrets.py run": "a minute",
    "cli/app.py recv": "the thread that hears signals; nobody waits for it",
    "cli/airflow.py result": "of a load that has ended; waits for nothing",
    "cli/hybrid.py result": "the older pipeline, which has a limit, as was asked for; Ctrl-C ends it",
    "cli/loading.py sleep": "until the window opens, as was asked for; Ctrl-C ends it",
    "loading/dask.py join": "bounded",
    "loading/dask.py result": "of a future that is done, or bounded by what it awaits",
    "loading/dask.py wait": "bounded, in the thread that watches",
    "loading/threads.py get": "a thread without work waits for the next step; nobody waits for it",
    "loading/threads.py join": "bounded, again and again until the step under way has ended, which a watch sees to",
    "loading/engine.py result": "of a future that is done",
    "loading/engine.py sleep": "bounded",
    "loading/engine.py wait": "bounded; at the end, of steps whose talks are watched",
    "verifying/keyless.py sleep": "a second",
    "cli/progress/painting.py get": "does not wait",
    "operations/watching.py sleep": "a second between two looks, until it is no longer watched",
    "operations/dashboard/live.py join": "two looks",
    "operations/dashboard/live.py wait": "bounded: until somebody looks, or the next look is due",
    "operations/dashboard/rendering.py join": "of texts",
    "operations/reports/weekcharts.py join": "of texts",
    "operations/migrate/rollback.py sleep": "half a second, until a time",
    "postgres/write/exchange.py sleep": "two seconds at most, a number of times",
    "operations/cancelling.py sleep": "half a second, until a time",
    "mysql/relay.py accept": "the thread of the relay; nobody waits for it, and its socket is shut at the end",
    "mysql/relay.py join": "five seconds",
    "mysql/relay.py recv": "five seconds of a server; of connectorx as long as it is there, and nobody waits for the thread",
    "mysql/relay.py shutdown": "does not wait",
    "mysql/stream.py communicate": "bounded; the file is watched meanwhile",
    "connections/retrying.py wait": "a pause",
    "postgres/kept.py get": "of a context variable",
    "postgres/kept.py poll": "0 s",
    "verifying/ranges.py result": TALK,
    "connections/limited.py join": "bounded: that is what it is for",
    "connections/sockets.py shutdown": "does not wait",
    "connections/watch.py join": "bounded",
    "connections/watch.py sleep": "a look",
    "connections/watch.py wait": "the watch waits for a talk; nobody waits for it",
}
STEP = "a part of a step, which the schedule tries again, or of one that is on its own"
# Functions that open a session and are not given to `patient` where they are called, and why.
ASKED_OTHERWISE = {
    "loading/dask.py _greet": "of a Dask cluster",
    "operations/alerts/tick.py tick_alerts": "that it does not answer is told at once; the next tick asks again",
    "loading/handovers.py drop_expired": "what is not dropped now is dropped after the next load",
    "loading/handovers.py _tell": "what is not told now is told after the next load",
    "operations/migrate/promote.py promote": "one transaction, which asks for its locks again and again",
    "operations/migrate/rollback.py rollback": "the same",
    "operations/undo.py undo": "one transaction; what fails has changed nothing, and the command is given again",
    "loading/pruning.py prune_ledger": "what is not pruned now is pruned after the next load",
    "loading/journal.py _flush_again": "asked again each second, and never missed by a load",
    "mysql/server.py _wants_tls": "a second look at a refusal, to say why it was one",
    "mysql/counters.py counters": "of a figure that a load goes without",
    "mysql/crowd.py crowd": "the same",
    "mysql/changes.py read_changes": "a part of survey.cursors, which is tried again",
    "mysql/digests.py hashes": "a part of planning._hashes, which is tried again",
    "mysql/discover.py column_types": "a part of a step that fails, to say why it does",
    "mysql/discover.py read_catalog": "a part of survey.look, which is tried again",
    "mysql/locks.py gated": STEP,
    "mysql/locks.py locked": STEP,
    "mysql/read.py count": STEP,
    "mysql/read.py figures": STEP,
    "mysql/read.py _after": STEP,
    "mysql/read.py _within": STEP,
    "mysql/small.py read_small": STEP,
    "postgres/ledger/looking.py looking": "a part of acts that look, each of which is tried again",
    "postgres/ledger/looking.py asking": "the same; who watches asks again with every look, and alerts have the spool",
    "postgres/compare/digests.py hashes": "a part of planning._hashes, which is tried again",
    "postgres/known.py on_record": "asked by survey.look, which tries it again",
    "postgres/locks.py keep": "puts it off, and is called again",
    "postgres/session.py _refuse_pooled_transactions": "a part of opening a session",
    "postgres/session.py opened": "is what opens a session",
}
# Whatever may write rows to a file.
WRITING = frozenset(
    {
        "TemporaryFile", "NamedTemporaryFile", "TemporaryDirectory", "mkstemp", "mkdtemp", "write_text", "write_bytes",
        "fdopen", "open", "ParquetWriter", "write_table", "write_parquet", "OSFile", "new_stream", "new_file", "savefig",
    }
)  # fmt: skip
ARCHIVE = "an archive in the folder that was asked for, which its owner alone may read; half of one cannot be read at all"
EXPORT = "a file that its owner asked for, and may read alone"
WRITES = {
    "cli/sources.py open": "reads the settings, to see whether they name sources",
    "loading/process.py TemporaryFile": "has no name; what native code says as it aborts",
    "loading/process.py fdopen": "a pipe",
    "loading/process.py write_text": "a number for the kernel",
    "cli/files.py open": "a URI, which its owner alone may read",
    "cli/init.py TemporaryDirectory": "rules and names of columns",
    "cli/files.py write_bytes": "rules and pages, not rows",
    "loading/engine.py open": "of a gate",
    "operations/metrics.py mkstemp": "counts and times per table",
    "operations/metrics.py fdopen": "into the same",
    "verifying/heatmap.py savefig": "counts per month",
    "operations/migrate/legacy.py open": "what the older pipeline prints, which its owner alone may read",
    "operations/reports/weekcharts.py savefig": "counts and seconds, into memory",
    "mysql/stream_process.py fdopen": "a file without a name, which is inherited open",
    "mysql/stream_process.py new_stream": "into the same",
    "mysql/relay.py TemporaryDirectory": "has a socket in it and nothing else",
    "mysql/stream.py TemporaryFile": "has no name from before its first byte",
    "postgres/write/retention.py ParquetWriter": ARCHIVE,
    "postgres/write/retention.py open": ARCHIVE,
    "operations/rejects.py ParquetWriter": EXPORT,
    "operations/rejects.py fdopen": EXPORT,
    "operations/rejects.py open": EXPORT,
    "operations/rejects.py write_table": EXPORT,
    "config/secrets.py open": "reads a secret",
    "config/yamlfile.py open": "reads the configuration",
    "operations/alerts/spool.py fdopen": "incidents, which hold no values of rows",
    "operations/alerts/spool.py mkstemp": "the same, beside the file that it becomes",
    "operations/alerts/spool.py open": "of a lock",
    "connections/stacks.py TemporaryFile": "names of files and functions, where there is no file in memory",
    "connections/stacks.py fdopen": "the same, in memory",
    "connections/web.py open": "a question over HTTP",
    "operations/dashboard/site.py open": "begins to follow the run",
    "connections/tls.py open": "reads whether there is a certificate",
}


@functools.cache
def trees() -> dict[str, ast.Module]:
    """Return what each file says, by its name."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with the last part of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)):
            yield (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id), node


def found(names: frozenset[str], counts: Callable[[ast.Call], bool] = lambda _: True) -> set[str]:
    """Return the calls of such functions, each with its file."""
    return {
        f"{file} {what}" for file, tree in trees().items() for what, node in calls(tree) if what in names and counts(node)
    }


def waits(node: ast.Call) -> bool:
    """Tell whether a call may wait: texts are joined, too, mappings have a `get`, files are loaded and commands run."""
    text = ast.unparse(node.func)
    receiver, _, name = text.rpartition(".")
    if name == "join":
        return not (receiver.startswith(("'", '"', "b'")) or receiver in ("os.pathsep", "shlex"))
    if name == "get":
        return not node.args
    return receiver == {"run": "subprocess", "load": "pickle"}.get(name, receiver)


def test_every_wait_has_an_end() -> None:
    """Whoever adds one says here what ends it."""
    assert found(WAITING, waits) == set(WAITS)


def test_every_file_that_may_hold_rows_has_its_reason() -> None:
    """Nothing that holds rows has a name in the temporary folder."""
    assert found(WRITING) == set(WRITES)


def test_every_question_is_tried_again() -> None:
    """Each function that opens a session is called through `patient`, or is here."""
    patient: set[str] = set()
    opening: set[str] = set()
    for file, tree in trees().items():
        for what, node in calls(tree):
            given = [ast.unparse(one) for one in node.args]
            if (
                what == "patient"
                or given[:1] == ["patient"]
                or ast.unparse(node.func).endswith((".ask_source", ".ask_target", ".begin_source", ".begin_target"))
            ):
                patient |= {text.rpartition(".")[2] for text in given[: 2 if given[:1] == ["patient"] else 1]}
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and any(what == "connect" for what, _ in calls(function)):
                opening.add(f"{file} {function.name}")
    assert {one for one in opening if one.split()[1] not in patient} == set(ASKED_OTHERWISE)
