"""Who is let in: by the name that the browser asked for, by a token where one is needed, and what a page may do there.

A browser on this machine can be made to ask a loopback address by a page of somebody else's whose name resolves to it (DNS
rebinding), so the name in the Host header is looked at everywhere. Nothing is written without the token, and nothing that
another site sends is taken.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bulketl.operations.dashboard.rendering import link

HERE = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN = ("/login", "/assets/")  # what is shown without a token everywhere
SHORTEST = 16  # characters of a token
DAYS = 30  # that a browser stays signed in
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True)
class Doors:
    """By which names the pages are asked for, the token, and whether reading needs it; without it nothing is written."""

    names: frozenset[str]
    token: str = field(repr=False)
    always: bool

    @property
    def cookie(self) -> str:
        """The name of the cookie of a browser that is signed in: another one for another token, as ports share cookies."""
        return f"bulketl-{_mark(self.token, 'name')[:12]}"

    @property
    def session(self) -> str:
        """Its value, of which nobody can tell the token."""
        return _mark(self.token, "session")

    def knows(self, token: str) -> bool:
        """Tell whether a token is ours, in a time that says nothing of it."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def signed_in(self, headers: Headers) -> bool:
        """Tell whether a request has the token, or the cookie of a browser that had it."""
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.knows(value.strip()):
            return True
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return False
        return found is not None and hmac.compare_digest(found.value.encode(), self.session.encode())


def _mark(token: str, of: str) -> str:
    return hmac.new(token.encode(), f"bulketl dashboard {of}".encode(), hashlib.sha256).hexdigest()


def is_here(host: str) -> bool:
    """Tell whether an address to bind to is this machine's alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def names(host: str, others: Iterable[str]) -> frozenset[str]:
    """Return the names by which pages that are bound to a host may be asked for."""
    given = {host.lower()} if host not in ("0.0.0.0", "::") else set()  # noqa: S104 - it is left out
    return frozenset({*HERE, *given, *(name.lower().rstrip(".") for name in others)})


def asked_name(host: str) -> str:
    """Return the name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower().rstrip(".") if ":" in host else host.lower().rstrip(".")


class Guard:
    """Lets a request pass to the pages, or answers it itself; every answer says what its page may do."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app, self._doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = self._refusal(scope)
        await (self._app if answer is None else answer)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        """Return the answer to a request that is not let in, None to one that is."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or asked_name(hosts[0]) not in self._doors.names:
            return PlainTextResponse(
                "The dashboard is not served under this name. `bulketl dashboard --name NAME` allows another one.\n", 400
            )
        if scope["method"] not in ("GET", "HEAD") and not _from_here(headers, hosts[0]):
            return PlainTextResponse("Another site has sent this, so it is not taken.\n", 403)
        path = str(scope["path"])
        writes = scope["method"] not in ("GET", "HEAD")
        if path.startswith(OPEN) or not (self._doors.always or writes) or self._doors.signed_in(headers):
            return None
        if "text/html" in headers.get("accept", ""):
            query = scope["query_string"].decode("latin-1")
            wanted = "/alerts" if writes else path + (f"?{query}" if query else "")
            return RedirectResponse(link("login", to=wanted), 303)
        return PlainTextResponse(
            "This needs the token: send it as `Authorization: Bearer TOKEN`.\n", 401, {"www-authenticate": "Bearer"}
        )


def _from_here(headers: Headers, host: str) -> bool:
    """Tell whether our own page has sent a request, as far as the browser says where it comes from."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == host.lower()
