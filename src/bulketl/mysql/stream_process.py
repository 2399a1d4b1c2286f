"""The one call of connectorx, and the process behind a streamed read, which drains one query into an Arrow file.

connectorx queues a stream without a bound, so memory stays low only when the consumer is faster than the server.
Writing to a local file is; Postgres may not be. A process, because the stream holds the interpreter's lock and a
stalled server would stop every thread of the load. The order comes as JSON on standard input, so that no password
stands in an argument list; the file is open already and has no name. The system ends the process with who waits for it:
while the stream holds the interpreter's lock, no thread could.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from typing import Any

import pyarrow as pa
import pyarrow.ipc


def queried(uri: str, query: str, before: list[str], rows: int = 0) -> Any:
    """Return what a query gives in a session that begins with some statements: a table, or a stream of `rows` each.

    The pool of connections that connectorx opens has one, so the statements run on the very one that reads. They come too
    late for a statement that was prepared before them, so none is kept.
    """
    import connectorx  # tables of some rows are read without it

    how = {"return_type": "arrow_stream", "batch_size": rows} if rows else {"return_type": "arrow"}
    return connectorx.read_sql(uri, query, protocol="binary", pre_execution_query=before, **how)


def main() -> int:
    """Read the order, write the file; on failure print the reason on standard output and return 1."""
    order = json.load(sys.stdin)
    end_with(order["parent"])
    try:
        reader = queried(order["uri"], order["query"], order["before"], order["rows"])
        with os.fdopen(order["file"], "wb") as file, pa.ipc.new_stream(file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
    except BaseException as error:  # a Rust panic is a BaseException
        print(str(error))
        return 1
    return 0


def end_with(parent: int) -> None:
    """Have the system kill this process when the thread that started it ends; Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it ended before
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
