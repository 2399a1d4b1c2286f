"""One question over HTTP, by the standard library: bounded in time and size, never redirected, and answered by a value.

What a library says of a URL that it cannot use quotes the URL, which may be a secret: none of that is repeated.
"""

from __future__ import annotations

import email.utils
import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message as Headers

from bulketl.connections.limited import within

SECONDS = 10.0  # for the whole of it
MOST_BYTES = 1 << 16  # of an answer that are read
LONGEST_WAIT = 86_400.0  # that is believed of another side


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the HTTP status, 0 when nothing did, and the text, or why nothing did.

    `wait_seconds`: for so long the other side wants to be left alone, 0 when it does not say.
    """

    status: int
    text: str
    wait_seconds: float = 0.0

    @property
    def well(self) -> bool:
        """Whether the other side took it."""
        return 200 <= self.status < 300


class _Unmoved(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: the next address would get the secrets of this one."""

    def redirect_request(self, *_args: object, **_more: object) -> None:
        return None


def ask(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, seconds: float = SECONDS) -> Reply:
    """Return what a URL answers to a GET, or with a body to a POST, within so many seconds; raise nothing."""
    try:
        return within(seconds, lambda: _asked(url, body, headers or {}, seconds))
    except TimeoutError:
        return Reply(0, f"{_host(url)} did not answer within {seconds:g} s")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Reply(0, f"{_host(url)} did not answer: {_reason(error)}")


def _asked(url: str, body: bytes | None, headers: Mapping[str, str], seconds: float) -> Reply:
    request = urllib.request.Request(url, body, {"User-Agent": "bulketl", **headers})  # noqa: S310  # checked as configured
    opener = urllib.request.build_opener(_Unmoved)
    try:
        with opener.open(request, timeout=seconds) as response:
            return Reply(response.status, _text(response.read(MOST_BYTES)), wait_of(response.headers))
    except urllib.error.HTTPError as error:
        with error:
            text = "is somewhere else now" if 300 <= error.code < 400 else _text(error.read(MOST_BYTES))
            return Reply(error.code, text, wait_of(error.headers))


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace").strip()


def wait_of(headers: Headers) -> float:
    """Return how long another side wants to be left alone, by its Retry-After: in seconds, or a moment by its own clock."""
    asked = (headers.get("Retry-After") or "").strip()
    if asked.isascii() and asked.isdigit():
        return min(float(asked[:12]), LONGEST_WAIT)
    try:
        until, now = (email.utils.parsedate_to_datetime(text) for text in (asked, headers.get("Date") or ""))
        return min(max((until - now).total_seconds(), 0.0), LONGEST_WAIT)
    except (TypeError, ValueError):
        return 0.0


def _host(url: str) -> str:
    try:
        return urllib.parse.urlsplit(url).hostname or "the other side"
    except ValueError:
        return "the other side"


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", error)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {inner.verify_message}"
    if isinstance(inner, TimeoutError):
        return "it took too long"
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return type(inner).__name__
