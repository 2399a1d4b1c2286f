"""The pages served: bound to an address, with what a person has to know printed first."""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bulketl.config import secrets as kept
from bulketl.config.config import Config
from bulketl.errors import ConfigError
from bulketl.operations.dashboard.doors import SHORTEST, Doors, is_here, names
from bulketl.tables.printable import count_of

VARIABLE = "BULKETL_DASHBOARD_TOKEN"
PORT = 8765
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the pages are served, and what to tell whoever started them; `made`: the token was made up for this time."""

    url: str
    doors: Doors
    made: bool
    socket: socket.socket = field(repr=False)


def place(environ: Mapping[str, str], host: str = "127.0.0.1", port: int = PORT, others: Sequence[str] = ()) -> Place:
    """Bind to an address and a port, 0 for any that is free; `others`: more names by which browsers may ask for the pages.

    Raise ConfigError when it cannot be bound to, or is another than this machine's own and no token is set.
    """
    try:
        token = kept.named(VARIABLE, environ)
    except kept.SecretError as error:
        raise ConfigError(f"the token of the dashboard: {error}", hint=f"see docs/dashboard.md for {VARIABLE}") from None
    for name in others:
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"--name {name!r} is not the name of a host", hint="write it as etl.example.org, without a port"
            )
    here = is_here(host)
    if token is None and not here:
        raise ConfigError(
            f"--host {host} lets others in, and no token is set",
            hint=f"set {VARIABLE} to at least {SHORTEST} characters that nobody guesses, or leave --host out",
        )
    if token is not None and len(token) < SHORTEST:
        raise ConfigError(
            f"{VARIABLE} has {count_of(len(token), 'character')}, and {SHORTEST} are needed",
            hint="`openssl rand -hex 16` makes one that nobody guesses",
        )
    bound = _bind(host, port)
    doors = Doors(names(host, others), token or secrets.token_urlsafe(24), always=not here)
    shown = f"[{host}]" if ":" in host else host
    return Place(f"http://{shown}:{bound.getsockname()[1]}/", doors, token is None, bound)


def _bind(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(address)
        except OSError:
            made.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"the dashboard cannot be served at {host} port {port}: {error.strerror or type(error).__name__}",
            hint="another program has the port, perhaps: choose one by --port, or 0 for any that is free",
        ) from None
    return made


def serve(config: Config, at: Place, told: Callable[[], object] = lambda: None) -> None:
    """Serve the pages until a signal ends that; `told` is called once they are served."""
    import uvicorn

    from bulketl.operations.dashboard.site import Site

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            told()

    settings = uvicorn.Config(
        Site(config, at.doors).app(), log_level="warning", access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    Server(settings).run([at.socket])
