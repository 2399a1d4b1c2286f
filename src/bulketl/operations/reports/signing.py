"""Signatures of reports: Ed25519 (RFC 8032) over every byte of a file but the signature itself, which comes last in it.

A page or a text ends with a comment that holds it, a JSON document with a key. Nothing can follow it, and nothing of a file
is left out, so a file that verifies is the file that was signed. Who has the public key needs nothing else: no server, no
ledger, no network.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bulketl.errors import ConfigError, DataError

_FOR = b"bulketl report\n"  # what is signed begins with it, so that the key can be taken for nothing else
_SIGNATURE = r"ed25519 ([0-9a-f]{16}) ([A-Za-z0-9+/]{85}[AQgw]==)"  # its last digit has two bits, and one way to write them
_FORMS = (
    (re.compile(rf"<!-- bulketl-signature: {_SIGNATURE} -->\n\Z"), "", "<!-- bulketl-signature: ed25519 {} {} -->\n"),
    (re.compile(rf',\n  "signature": "{_SIGNATURE}"\n\}}\n\Z'), "\n}\n", ',\n  "signature": "ed25519 {} {}"\n}}\n'),
)
HOW = (
    "make one with `openssl genpkey -algorithm ed25519 -outform DER | base64 > report.key`, and its public half with"
    " `base64 -d report.key | openssl pkey -inform DER -pubout -out report.pub`"
)


class Signed(NamedTuple):
    """A file that is as it was signed: by which key, as `key_id` names it, and the SHA-256 of what was signed."""

    key: str
    digest: str

    def to_json(self) -> dict[str, str]:
        """Return it as plain values."""
        return self._asdict()


def sign(text: str, key: str) -> str:
    """Return a report with its signature at the end; `text` is a page or Markdown, or an indented JSON object.

    `key`: a private key, in PEM or its one line of base64. Raise ConfigError when it is none.
    """
    private = _private(key)
    form = _FORMS[text.endswith("\n}\n")]
    signature = base64.b64encode(private.sign(_FOR + text.encode())).decode()
    return text.removesuffix(form[1]) + form[2].format(key_id(private.public_key()), signature)


def check(text: str, key: str) -> Signed:
    """Return by which key a report was signed, and what its digest is; `key`: the public key, in PEM or base64.

    Raise DataError when it is unsigned, was signed by another key, or was altered; ConfigError when the key is none.
    """
    public = _public(key)
    found, end = next(((match, end) for pattern, end, _ in _FORMS if (match := pattern.search(text))), (None, ""))
    if found is None:
        raise DataError(
            "the report has no signature: it proves nothing",
            hint="a report is signed when BULKETL_REPORT_KEY is set where it is made; what follows a signature undoes it",
        )
    said, signature = found.groups()
    if said != key_id(public):
        raise DataError(
            f"the report says that key {said} signed it, and the key given is {key_id(public)}",
            hint="give the public key of whoever made the report; a report that somebody else signed is another report",
        )
    signed = _FOR + (text[: found.start()] + end).encode()
    try:
        public.verify(base64.b64decode(signature), signed)
    except InvalidSignature:
        raise DataError(
            "the report is not as it was signed: somebody has altered it, or its transport has",
            hint="ask for the file itself: a mail program or an editor that rewrites line ends is enough to alter it",
        ) from None
    return Signed(said, digest(text[: found.start()] + end))


def digest(text: str) -> str:
    """Return the SHA-256 of a report without its signature, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def key_id(public: Ed25519PublicKey) -> str:
    """Return the name of a key: the first 16 digits of the SHA-256 of its 32 bytes."""
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def signer(key: str) -> str:
    """Return the name of a private key's public half, for the report to tell who signs it. Raise ConfigError."""
    return key_id(_private(key).public_key())


def _private(key: str) -> Ed25519PrivateKey:
    try:
        found = serialization.load_der_private_key(_der(key), None)
    except (ValueError, TypeError, binascii.Error):
        raise ConfigError("BULKETL_REPORT_KEY is not a private key of Ed25519 without a password", hint=HOW) from None
    if not isinstance(found, Ed25519PrivateKey):
        raise ConfigError("BULKETL_REPORT_KEY is a private key, but not one of Ed25519", hint=HOW)
    return found


def _public(key: str) -> Ed25519PublicKey:
    try:
        found = serialization.load_der_public_key(_der(key))
    except (ValueError, binascii.Error):
        raise ConfigError("the key given is not a public key of Ed25519", hint=HOW) from None
    if not isinstance(found, Ed25519PublicKey):
        raise ConfigError("the key given is a public key, but not one of Ed25519", hint=HOW)
    return found


def _der(key: str) -> bytes:
    """Return the bytes of a key: what stands between the lines of PEM, or the one line without them."""
    lines = [line.strip() for line in key.strip().splitlines()]
    return base64.b64decode("".join(line for line in lines if not line.startswith("-----")), validate=True)
