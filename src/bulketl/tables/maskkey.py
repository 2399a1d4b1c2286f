"""The key of masks: what is derived from it, and how to tell it from another key without knowing it.

No plan, ledger, log or message contains the key. Each use has a key of its own, which is derived from it. The ledger
keeps a fingerprint, which costs so much to compute that nobody can try keys with it.
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
