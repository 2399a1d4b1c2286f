"""The command line: parse, one call, one print, exit."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import socket
import threading
import warnings
from typing import Annotated

import typer

from bulketl.cli import certificate, loading, records, rejects, rules, verify
from bulketl.cli import history as history_command
from bulketl.cli import pairs as pairs_command
from bulketl.cli import validate as validate_command
from bulketl.cli import why as why_command
from bulketl.cli.options import EXIT_CODES, ending, err, out, run, telling
from bulketl.cli.terminal import Spoken
from bulketl.loading import starting

app = typer.Typer(
    name="bulketl",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Take a whole MySQL or MariaDB database into Postgres: fast, exact, and proven.\n\n"
    "Connections come from the environment, BULKETL_SOURCE and BULKETL_TARGET, or from config/bulketl.yaml.",
)
app.command(epilog=EXIT_CODES)(loading.load)
app.command(epilog=EXIT_CODES)(loading.plan)
app.command(epilog=EXIT_CODES)(rules.discover)
app.command(epilog="\n\nExit codes: 0 no errors found, 1 a server refused, 2 errors found.")(validate_command.validate)
app.command(epilog=EXIT_CODES)(rules.casts)
app.command(epilog=EXIT_CODES)(loading.schedule)
app.command(epilog=verify.EXIT)(verify.verify)
app.command(epilog=why_command.EXIT)(why_command.why)
app.add_typer(records.state, name="state")
app.add_typer(records.audit, name="audit")
app.add_typer(rejects.rejects, name="rejects")
app.command(epilog=EXIT_CODES)(records.retention)
app.command(epilog=EXIT_CODES)(certificate.certificate)
app.command(epilog="\n\nExit codes: 0 all agree, 1 a pair that fails differs, 2 the file is wrong, 3 only pairs that warn.")(
    pairs_command.pairs
)
app.command(epilog="\n\nExit codes: 0 every month agrees, 1 a month differs, 2 the request was wrong.")(
    history_command.history
)


@app.command(epilog=EXIT_CODES)
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep the servers running and print their URIs.")] = False,
) -> None:
    """Start a throw-away MariaDB and an embedded Postgres with a small clinic, and load it.

    Everything is in a temporary folder and gone afterwards. MariaDB is found on the machine, or installed from the
    system's packages when this user may.
    """

    def command() -> int:
        from bulketl.cli.demo.demo import show  # its extra is not needed for anything else

        starting.begin()
        return show(out, keep=keep)

    run(command, False)


def main() -> None:
    """Run the command line."""
    share_memory()
    hear_signals()
    speak()
    app()


def speak() -> None:
    """Write what is logged or warned of on standard error, as any other line of a screen."""
    warnings.formatwarning = lambda message, *_, **__: f"note: {message}"
    logging.captureWarnings(True)
    for name in ("bulketl", "py.warnings"):
        logging.getLogger(name).addHandler(Spoken(err))


def hear_signals() -> None:
    """End after the steps under way at the first signal; at a second at once, and the servers roll back what was being done.

    A thread of its own hears them, since Python runs handlers in the main thread, which a driver may keep; only the
    KeyboardInterrupt that ends a command has to wait for that.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    threading.Thread(target=_listen, args=(heard, told), name="bulketl-signals", daemon=True).start()


def _listen(heard: socket.socket, _told: socket.socket) -> None:
    number = 0
    while signals := heard.recv(1):  # for ever: nobody waits for this thread
        if signals[0] in (signal.SIGINT, signal.SIGTERM):
            if number:
                _end_at_once(128 + number)
            number = signals[0]
            telling[-1]("ending after the steps under way; once more ends at once")
            for end in list(ending):
                end()


def _interrupted(_number: int, _frame: object) -> None:
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, lambda *_: None)  # the second one is heard
    raise KeyboardInterrupt


def _end_at_once(code: int) -> None:
    if err.is_terminal:
        os.write(2, b"\x1b[?25h\n")  # a live display has hidden the cursor
    os._exit(code)


def share_memory() -> None:
    """Have all threads take memory from one heap and give back what is free at its end, instead of a heap for each.

    Measured on a load of 1.5 million rows: 350 MB at the peak and 120,000 page faults. Heaps that
    are kept take 400 to 440 MB; giving back each block at once makes 250,000 page faults and a tenth more time. Elsewhere
    than on glibc nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(-8, 1)  # M_ARENA_MAX
        libc.mallopt(-3, 2 << 20)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 8 << 20)  # M_TRIM_THRESHOLD
