"""Drain one query into an Arrow file: the process behind a streamed read.

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

import connectorx
import pyarrow as pa
import pyarrow.ipc


def main() -> int:
    """Read the order, write the file; on failure print the reason on standard output and return 1."""
    order = json.load(sys.stdin)
    end_with(order["parent"])
    try:
        reader = connectorx.read_sql(
            order["uri"],
            order["query"],
            return_type="arrow_stream",
            protocol="binary",
            batch_size=order["rows"],
            pre_execution_query=order["before"] or None,
        )
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
