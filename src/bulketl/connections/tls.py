"""How the line to a server is protected: four words, the same for both sides, and what else people write for them.

`disable`, `require`, `verify-ca`, `verify-full` mean what libpq means by them, for every driver. Parameters are understood
however they are spelt, `ssl-mode`, `sslmode`, `SSL_MODE`; words of MySQL's client are taken for the closest, and never
for less. A certificate authority that is given is used: alone, or with `require`, it means `verify-ca`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from bulketl.errors import ConfigError

MODES = ("disable", "require", "verify-ca", "verify-full")
OPPORTUNISTIC = ("allow", "prefer")  # libpq's: TLS or none, as the server likes
_OLDER = {
    "disabled": "disable", "preferred": "prefer", "required": "require", "verify-identity": "verify-full",
    "true": "require", "1": "require", "on": "require", "yes": "require",
    "false": "disable", "0": "disable", "off": "disable", "no": "disable",
}  # fmt: skip
_MODE, _CA = frozenset({"sslmode", "ssl", "tls", "usessl", "requiressl"}), frozenset({"sslca", "sslrootcert"})


@dataclass(frozen=True, slots=True)
class Protection:
    """A mode, '' where none is given, the file of the certificate authority or '', and what to say of how it was written."""

    mode: str
    ca: str
    note: str = ""

    @property
    def verified(self) -> bool:
        """Whether the server has to prove who it is."""
        return self.mode.startswith("verify")


def protection(parameters: Mapping[str, str], side: str) -> tuple[Protection, dict[str, str]]:
    """Return what the parameters of a URI say of TLS, and the other ones; raise ConfigError, repeating no value.

    `side` is source or target.
    """
    mode = ca = note = ""
    others: dict[str, str] = {}
    for name, value in parameters.items():
        plain = _plain(name)
        if plain in _MODE:
            word = value.strip().lower().replace("_", "-")
            found = _OLDER.get(word, word)
            if found not in (*MODES, *OPPORTUNISTIC):
                raise ConfigError(
                    f"the value of {name!r} in the {side} URI is not known",
                    hint=f"one of {', '.join(MODES)}",
                )
            if mode not in ("", found):
                raise ConfigError(f"the {side} URI says twice, and otherwise, whether TLS is used", hint="leave one of them")
            mode, note = found, "" if word == found or word not in _OLDER else f"says {name}={word}; write ssl-mode={found}"
        elif plain in _CA:
            ca = value
        else:
            others[name] = value
    if ca and mode in ("", "require"):
        mode = "verify-ca"
    return Protection(mode, ca, note and f"the {side} URI {note}"), others


def check_file(ca: str, side: str) -> None:
    """Raise ConfigError when the file of the certificate authority is not there or cannot be read."""
    if ca and ca != "system":
        try:
            with Path(ca).open("rb"):
                pass
        except OSError as error:
            raise ConfigError(
                f"the file of the certificate authority in the {side} URI cannot be read: {error.strerror}",
                hint="ssl-ca is the path of a PEM file on this machine; a relative one begins where bulketl is started",
            ) from None


def known(parameters: Mapping[str, str], names: Collection[str], side: str) -> dict[str, str]:
    """Return the parameters under the names that they are known by, however they are spelt; raise ConfigError for others."""
    plain = {_plain(name): name for name in names}
    found: dict[str, str] = {}
    for name, value in parameters.items():
        if _plain(name) not in plain:
            shown = name if re.fullmatch(r"[\w-]{1,40}", name) else "one"
            close = difflib.get_close_matches(_plain(name), [*plain, "sslmode", "sslca"], n=1)
            meant = {"sslmode": "ssl-mode", "sslca": "ssl-ca", **plain}
            hint = (
                f"did you mean {meant[close[0]]!r}?" if close else f"known are {', '.join(['ssl-mode', 'ssl-ca', *names])}"
            )
            raise ConfigError(f"parameter {shown!r} of the {side} URI is not known", hint=hint)
        found[plain[_plain(name)]] = value
    return found


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def problem(text: str) -> tuple[str, str] | None:
    """Return what is wrong with a server's TLS and what to do, from whichever driver's words; None if it is not that."""
    words = text.lower()
    if "mismatch" in words or "does not match host name" in words or "doesn't match" in words:
        return (
            "has a certificate for another host",
            "write the host's name as the certificate has it; verify-ca does without that comparison",
        )
    if "certificate has expired" in words:
        return "has a certificate that has expired", "renew it at the server; nothing was sent"
    if "certificate verify failed" in words or "unknown ca" in words or "certificate error" in words:
        return (
            "has a certificate that cannot be trusted: of another authority, or expired",
            "name the file of the authority that signed it as ssl-ca in the URI",
        )
    if "server doesn't support" in words or "does not support ssl" in words or "does not have this capability" in words:
        return (
            "offers no TLS, and the URI asks for it",
            "enable TLS on the server, or give the protection up with ssl-mode=disable",
        )
    if "insecure transport" in words or ("no encryption" in words and "pg_hba" in words):
        return "accepts TLS connections only", "add ?ssl-mode=require to the URI, or verify-full with ssl-ca"
    return None
