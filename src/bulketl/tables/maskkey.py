"""The key of masks: what is made of it, and how it is told from another one without being known.

The key itself stands in no plan, ledger, log or message. Each use has a key of its own, derived from it; what is on record
is a fingerprint, which costs so much to compute that it is no way to try keys.
"""

from __future__ import annotations

import functools
import hashlib
import hmac

LEAST = 32  # characters: 16 random bytes in hexadecimal
HOW = "make one with `openssl rand -hex 32`, keep a copy where your secrets are, and set BULKETL_MASK_KEY or mask_key_file"


def derived(key: str, use: str) -> bytes:
    """Return the key for one use."""
    return hmac.digest(key.encode(), f"bulketl mask {use}".encode(), "sha256")


@functools.lru_cache(maxsize=8)
def fingerprint(key: str) -> str:
    """Return sixteen hexadecimal digits by which a key is recognised; '' for none. Takes some 10 ms, once."""
    if not key:
        return ""
    return hashlib.scrypt(derived(key, "fingerprint"), salt=b"bulketl mask key", n=1 << 12, r=8, p=1, dklen=8).hex()
