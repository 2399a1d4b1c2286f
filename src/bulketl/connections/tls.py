"""How the line to a server is protected: four words, the same for both sides, and what else people write for them.

`disable`, `require`, `verify-ca`, `verify-full` mean what libpq means by them, for every driver. Parameters are understood
however they are spelt, `ssl-mode`, `sslmode`, `SSL_MODE`; words of MySQL's client are taken for the closest, and never
for less. A certificate authority that is given is used: alone, or with `require`, it means `verify-ca`. A certificate of our
own is shown to a server that asks for one; alone, `ssl-cert` and `ssl-key` mean `require`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import re
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bulketl.errors import ConfigError

MODES = ("disable", "require", "verify-ca", "verify-full")
OPPORTUNISTIC = ("allow", "prefer")  # libpq's: TLS or none, as the server likes
_OLDER = {
    "disabled": "disable", "preferred": "prefer", "required": "require", "verify-identity": "verify-full",
    "true": "require", "1": "require", "on": "require", "yes": "require",
    "false": "disable", "0": "disable", "off": "disable", "no": "disable",
}  # fmt: skip
_MODE = frozenset({"sslmode", "ssl", "tls", "usessl", "requiressl"})
# By the names of parameters, plainly written: the field of Protection.
_FILES = {
    "sslca": "ca", "sslrootcert": "ca", "sslcert": "cert", "sslkey": "key", "sslpassword": "password",
    "sslkeypassword": "password",
}  # fmt: skip
MEANT = {"sslmode": "ssl-mode", "sslca": "ssl-ca", "sslcert": "ssl-cert", "sslkey": "ssl-key", "sslpassword": "ssl-password"}


@dataclass(frozen=True, slots=True)
class Protection:
    """How a line is protected, '' for what is not given; `note`: what to say of how it was written.

    `ca`: the file of the authority that is trusted. `cert`, `key`: the files of our own certificate and of its key, in PEM,
    and the `password` of the key.
    """

    mode: str
    ca: str = ""
    note: str = ""
    cert: str = ""
    key: str = ""
    password: str = field(default="", repr=False)

    @property
    def verified(self) -> bool:
        """Whether the server has to prove who it is."""
        return self.mode.startswith("verify")


def protection(parameters: Mapping[str, str], side: str) -> tuple[Protection, dict[str, str]]:
    """Return what the parameters of a URI say of TLS, and the other ones; raise ConfigError, repeating no value.

    `side` is source or target.
    """
    mode = note = ""
    files: dict[str, str] = {}
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
                raise ConfigError(f"the {side} URI has two parameters that disagree about TLS", hint="leave one of them")
            mode, note = found, "" if word == found or word not in _OLDER else f"says {name}={word}; write ssl-mode={found}"
        elif plain in _FILES:
            files[_FILES[plain]] = value
        else:
            others[name] = value
    if files.get("ca") and mode in ("", "require"):
        mode = "verify-ca"
    return _shown(Protection(mode, note=note and f"the {side} URI {note}", **files), side), others


def _shown(found: Protection, side: str) -> Protection:
    """Return the protection, with TLS where a certificate of ours is to be shown; raise ConfigError when it cannot be."""
    if bool(found.cert) != bool(found.key):
        raise ConfigError(
            f"the {side} URI has {'ssl-cert without ssl-key' if found.cert else 'ssl-key without ssl-cert'}",
            hint="a client certificate takes both: the files of the certificate and of its key, in PEM",
        )
    if found.password and not found.key:
        raise ConfigError(f"the {side} URI has ssl-password without ssl-key", hint="it is the password of that file")
    if found.cert and found.mode == "disable":
        raise ConfigError(
            f"the {side} URI has a client certificate, and no TLS over which to show it",
            hint="write ssl-mode=require, or verify-full with ssl-ca; or leave ssl-cert and ssl-key out",
        )
    return dataclasses.replace(found, mode="require") if found.cert and not found.mode else found


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


def check_certificate(found: Protection, side: str) -> None:
    """Raise ConfigError when our own certificate cannot be read, is none, has expired, or does not fit its key."""
    if not found.cert:
        return
    for path, what in ((found.cert, "client certificate"), (found.key, "key of the client certificate")):
        try:
            with Path(path).open("rb"):
                mode, owner = Path(path).stat().st_mode, Path(path).stat().st_uid
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"the {what} in the {side} URI cannot be read: {getattr(error, 'strerror', None) or 'it is not a path'}",
                hint="ssl-cert and ssl-key are paths of PEM files on this machine",
            ) from None
    if mode & (0o027 if owner == 0 else 0o077):  # as libpq has it
        raise ConfigError(
            f"the key of the client certificate in the {side} URI may be read by others on this machine",
            hint="chmod 600 it; bulketl asks no server with a key that others may read",
        )
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), found, side)


def _load(context: ssl.SSLContext, found: Protection, side: str) -> None:
    try:
        context.load_cert_chain(found.cert, found.key, lambda: found.password)  # else OpenSSL asks the terminal
    except (ssl.SSLError, ValueError) as error:  # ValueError: of a password that is too long
        reason = getattr(error, "reason", None) or ""
        what, hint = "cannot be used", "ssl-cert and ssl-key are PEM files; an encrypted key needs ssl-password"
        if "MISMATCH" in reason:
            what, hint = "does not fit its key", "name the key that belongs to the certificate as ssl-key"
        raise ConfigError(f"the client certificate in the {side} URI {what}", hint=hint) from None
    from cryptography import x509  # few lines have a certificate of ours

    ends = x509.load_pem_x509_certificate(Path(found.cert).read_bytes()).not_valid_after_utc
    if ends < dt.datetime.now(dt.UTC):
        raise ConfigError(
            f"the client certificate in the {side} URI has expired on {ends:%Y-%m-%d}", hint="renew it; no server was asked"
        )


def context(found: Protection, authority: str, side: str) -> ssl.SSLContext:
    """Return what Python's TLS has to know: whom to trust, `authority` being a file of them, and what to show of ours.

    Raise ConfigError when our certificate cannot be used.
    """
    check_certificate(found, side)
    # Without a check, the system's authorities are not read: that takes 16 ms of each connection.
    made = ssl.create_default_context(cafile=authority) if found.verified else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Python 3.13 alone refuses certificates without key identifiers; libpq, connectorx and MySQL's clients take them.
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    made.check_hostname = found.mode == "verify-full"
    made.verify_mode = ssl.CERT_REQUIRED if found.verified else ssl.CERT_NONE
    if found.cert:
        _load(made, found, side)
    return made


def known(parameters: Mapping[str, str], names: Collection[str], side: str) -> dict[str, str]:
    """Return the parameters under the names that they are known by, however they are spelt; raise ConfigError for others."""
    plain = {_plain(name): name for name in names if _plain(name) not in MEANT}
    found: dict[str, str] = {}
    for name, value in parameters.items():
        if _plain(name) not in plain:
            shown = name if re.fullmatch(r"[\w-]{1,40}", name) else "one"
            meant = {**MEANT, **plain}
            close = difflib.get_close_matches(_plain(name), meant, n=1)
            hint = f"did you mean {meant[close[0]]!r}?" if close else f"known are {', '.join(meant.values())}"
            raise ConfigError(f"parameter {shown!r} of the {side} URI is not known", hint=hint)
        found[plain[_plain(name)]] = value
    return found


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


# What a server says of a certificate of ours, by a word of the alert.
_SIGNED = "name one that the server's authority signed as ssl-cert"
_ASKED = (
    "wants a certificate of ours", "name the files of a client certificate and its key as ssl-cert and ssl-key in the URI"
)  # fmt: skip
_OF_OURS = {
    "certificate required": _ASKED,
    "requires a valid client certificate": _ASKED,
    "alert unknown ca": ("does not know the authority of our client certificate", _SIGNED),
    "alert certificate expired": ("finds our client certificate expired", "renew the certificate in ssl-cert"),
    "alert certificate revoked": ("finds our client certificate revoked", "use another one as ssl-cert"),
    "alert bad certificate": ("does not take our client certificate", _SIGNED),
    "alert unsupported certificate": ("does not take our client certificate", "use one that is made for clients"),
    "certificate authentication failed": (
        "does not let this user in by our client certificate", "its common name is to be the user's name, or mapped to it"
    ),
}  # fmt: skip


def problem(text: str) -> tuple[str, str] | None:
    """Return what is wrong with a server's TLS and what to do, from whichever driver's words; None if it is not that."""
    words = text.lower()
    if found := next((said for word, said in _OF_OURS.items() if word in words), None):
        return found
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
