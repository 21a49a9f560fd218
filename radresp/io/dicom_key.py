"""The key under which this process hashes what may not leave it as it is.

It lives as long as the process, unless the parent of a reader process gives it one, so that
answers of several processes, or of today and tomorrow, can be compared.
"""

from __future__ import annotations

import secrets
from functools import lru_cache

from radresp.io.pseudonym import hidden_shift, keyed_hash

_key = secrets.token_bytes(32)


def use_key(key: bytes) -> None:
    """Hash under this key from now on."""
    global _key
    _key = key
    _remembered.cache_clear()


def hashed(*parts: str) -> str:
    """Keyed hash of some texts."""
    return _remembered(parts)


@lru_cache(256)  # every slice of a series names the same patient
def _remembered(parts: tuple[str, ...]) -> str:
    return keyed_hash(_key, *parts)


def shift_of(patient: str) -> tuple[int, int]:
    """Days and seconds by which a patient's dates are moved, see `pseudonym.hidden_shift`."""
    return hidden_shift(_key, patient)
