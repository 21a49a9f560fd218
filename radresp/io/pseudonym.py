"""Names for people that say nothing: keyed hashes, and dates moved by a secret number of days.

A plain hash of a hospital number is undone by hashing all numbers, so every hash here is an HMAC
under a key. The key of a project lies in its work folder, readable by its owner alone; whoever has
it and a hospital number can compute the pseudonym, nobody else can.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from pathlib import Path

from radresp.errors import PlanError
from radresp.io import atomic

KEY_FILE = "pseudonym.key"
_KEY_TEXT = re.compile(r"[0-9a-f]{64}")
_LEAST_DAYS, _MOST_DAYS = 1000, 9999


def keyed_hash(key: bytes, *parts: str) -> str:
    """HMAC-SHA256 of some texts as 64 hexadecimal digits.

    Examples
    --------
    >>> keyed_hash(b"key", "4711")[:16], keyed_hash(b"other", "4711")[:16]
    ('3f64db98781294e8', '62befdb6787101e3')
    """
    return hmac.new(key, "\0".join(parts).encode(), hashlib.sha256).hexdigest()


def case_name(patient: str) -> str:
    """The case id of a patient known by a keyed hash: ``rr-`` and 16 digits."""
    return f"rr-{patient[:16]}"


def hidden_shift(key: bytes, patient: str) -> tuple[int, int]:
    """Days and seconds by which one patient's dates and times are moved.

    Intervals of one patient stay what they are; the day itself is told to nobody.

    Parameters
    ----------
    key : bytes
        Of the project.
    patient : str
        Keyed hash.

    Returns
    -------
    int, int
        Days from 1000 to 9999, and seconds below one day.
    """
    number = int(keyed_hash(key, "shift", patient)[:16], 16)
    days, seconds = divmod(number, 86_400)
    return _LEAST_DAYS + days % (_MOST_DAYS - _LEAST_DAYS + 1), seconds


def load_key(folder: Path, *, keep: bool = True) -> bytes:
    """The key of a project; made on first use.

    Parameters
    ----------
    folder : Path
        Work folder of the project.
    keep : bool, optional
        Write a key that is made, mode 0600. Without it the key dies with the process.

    Raises
    ------
    PlanError
        ``KEY_FILE`` when the file holds anything else: another key would give every patient
        another name.
    OutputError
        When the key cannot be written.
    """
    path = folder / KEY_FILE
    if path.is_symlink() or path.exists():
        return _read(path)
    key = secrets.token_bytes(32)
    if keep:
        atomic.write_bytes(path, f"{key.hex()}\n".encode(), private=True)
    return key


def _read(path: Path) -> bytes:
    with_end = path.read_bytes()[:80] if path.is_file() and not path.is_symlink() else b""
    text = with_end.decode("ascii", "replace").strip()
    if not _KEY_TEXT.fullmatch(text):
        raise PlanError(
            "KEY_FILE",
            "the key of the pseudonyms is damaged",
            expected="64 hexadecimal digits",
            action="restore it from a copy; remove it only if all cases may get new names",
            file=path,
        )
    return bytes.fromhex(text)
