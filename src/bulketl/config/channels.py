"""The channels that alerts go by, each with what its other side wants: keys of `alerts` in `bulketl.yaml`, typed.

A channel is one way to reach people. Secrets come by `${VAR}`; no repr and no mistake shows them.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from bulketl.config.values import Model

Channel = Literal["pagerduty", "email", "slack", "webhook", "command", "apprise"]
HEARTBEAT = "heartbeat"  # no channel: it hears of loads, and of no alerts
CHANNELS: tuple[Channel, ...] = get_args(Channel)
Channels = Annotated[tuple[Channel, ...], Field(strict=False)]
Text = Annotated[str, Field(min_length=1)]


def _url(text: str, schemes: tuple[str, ...]) -> urllib.parse.SplitResult:
    """Return the parts of a URL; raise ValueError, without the URL, for what is none."""
    expected = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urllib.parse.urlsplit(text)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port, or half an IPv6 address
        usable = False
    if not usable or any(not character.isprintable() or character.isspace() for character in text):
        raise ValueError(f"a URL that begins with {expected} and names a host is expected")
    return parts


def scheme_and_host(url: str) -> tuple[str, str]:
    """Return the scheme of a URL that was checked, and the host that it names."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname or ""


def on_this_machine(host: str) -> bool:
    """Tell whether a host is this machine, so that what is said to it goes over no line."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret_url(text: str) -> str:
    """Return a URL over which, or in which, a secret travels: it has to be encrypted, except to this machine."""
    parts = _url(text, ("https", "http"))
    if parts.scheme == "http" and not on_this_machine(parts.hostname or ""):
        raise ValueError("it carries a secret: a URL that begins with https:// is expected")
    return text


def _web_url(text: str) -> str:
    _url(text, ("https", "http"))
    return text


def _mail_url(text: str) -> str:
    parts = _url(text, ("smtp", "smtps"))
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("a mail server is smtp://user:password@host:port; percent-encode / ? # @ in user and password")
    return text


def _address(text: str) -> str:
    if not text.isascii() or not re.fullmatch(r"[^@\s<>,]+@[^@\s<>,]+", text):
        raise ValueError("an address alone, in ASCII, is expected, like dba@clinic.example")
    return text


SecretUrl = Annotated[str, AfterValidator(_secret_url)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
Address = Annotated[str, AfterValidator(_address)]
MailServer = Annotated[str, AfterValidator(_mail_url)]
PAGERDUTY = {
    "us": ("https://events.pagerduty.com", "https://api.pagerduty.com"),
    "eu": ("https://events.eu.pagerduty.com", "https://api.eu.pagerduty.com"),
}


class PagerDuty(Model):
    """A service of PagerDuty, by the routing key of its Events API v2; the key alone is short for it.

    With `api_token` bulketl asks who has acknowledged. `events_url` and `api_url` stand in for those of the region.
    """

    routing_key: str = Field(min_length=1, repr=False)
    api_token: str | None = Field(default=None, min_length=1, repr=False)
    region: Literal["us", "eu"] = "us"
    events_url: SecretUrl | None = None
    api_url: SecretUrl | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"routing_key": value} if isinstance(value, str) else value

    @property
    def events(self) -> str:
        """Where events go."""
        return self.events_url or PAGERDUTY[self.region][0]

    @property
    def api(self) -> str:
        """Where incidents are asked for."""
        return self.api_url or PAGERDUTY[self.region][1]


class Slack(Model):
    """A channel of Slack: by a bot's token, which makes threads and hears acknowledgements, or by an incoming webhook.

    The URL of the webhook alone is short for that.
    """

    webhook: SecretUrl | None = Field(default=None, repr=False)
    token: str | None = Field(default=None, min_length=1, repr=False)
    channel: Text | None = None
    api_url: SecretUrl = "https://slack.com/api"

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"webhook": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one(self) -> Slack:
        if (self.token is None) != (self.channel is None):
            raise ValueError("token and channel belong together")
        if (self.webhook is None) == (self.token is None):
            raise ValueError("either the URL of an incoming webhook is expected, or token and channel")
        return self


class ChannelSettings(Model):
    """What is set of each channel, and of the mail server.

    `heartbeat` is no channel: whoever watches over it tells people of what it did not get.
    """

    pagerduty: PagerDuty | None = Field(default=None, repr=False)
    email: tuple[Address, ...] = Field(default=(), strict=False)
    email_from: Address | None = None
    smtp: MailServer = Field(default="smtp://localhost", repr=False)
    slack: Slack | None = Field(default=None, repr=False)
    webhook: WebUrl | None = Field(default=None, repr=False)
    command: tuple[Text, ...] = Field(default=(), strict=False, repr=False)
    apprise: tuple[Text, ...] = Field(default=(), strict=False, repr=False)
    heartbeat: WebUrl | None = Field(default=None, repr=False)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that are set."""
        every: tuple[Channel, ...] = get_args(Channel)
        return tuple(name for name in every if getattr(self, name))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Keys, tokens, passwords and URLs, the longest first: no answer may repeat them, whatever the other side quotes."""
        found = [urllib.parse.urlsplit(self.smtp).password]
        if self.pagerduty:
            found += [self.pagerduty.routing_key, self.pagerduty.api_token]
        if self.slack:
            found += [self.slack.token]
        for url in (self.webhook, self.heartbeat, self.slack.webhook if self.slack else None, *self.apprise):
            found += [url, *_parts(url or "")]
        every = {text for one in found if one for text in (one, urllib.parse.unquote(one))}
        return tuple(sorted(every, key=len, reverse=True))


SECRET_CHARACTERS = 6  # a part of a URL that is shorter is a word


def _parts(url: str) -> list[str]:
    """Return the parts of a URL that may be secrets."""
    scheme, _, rest = url.partition("://")
    parts = re.split(r"[/?&=:@#]", rest)  # apprise has tokens where others have a host
    return [part for part in (parts[1:] if scheme in ("http", "https") else parts) if len(part) >= SECRET_CHARACTERS]
