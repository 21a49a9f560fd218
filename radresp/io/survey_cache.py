"""What folders held when they were last looked at, kept by names, sizes and times of their files.

The file holds no path, no date and no identifier: folders and patients are keyed hashes, dates are
moved. It is readable by its owner alone, and a damaged or foreign one is the same as none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from radresp import __version__
from radresp.io import atomic
from radresp.io.dicom_survey import FolderSurvey
from radresp.io.dicom_wire import json_bytes
from radresp.io.json_file import read_json
from radresp.io.pseudonym import keyed_hash

SCHEMA = 1
_FOLDER = TypeAdapter(FolderSurvey)


class SurveyCache:
    """A memory of folders.

    Parameters
    ----------
    path : Path or None
        The file; None remembers nothing.
    key : bytes
        Of the project; under another one nothing is recalled.
    patterns : mapping of str to str
        Of the rules; likewise.
    """

    def __init__(self, path: Path | None, key: bytes, patterns: Mapping[str, str]) -> None:
        self._path, self._key = path, key
        said = [part for pair in sorted(patterns.items()) for part in pair]
        self._mark = keyed_hash(key, "cache", str(SCHEMA), __version__, *said)
        self._before = self._load()
        self._now: dict[str, Any] = {}
        self.kept = 0

    def recall(self, folder: str, stamp: str) -> FolderSurvey | None:
        """What a folder held, when its files are those of then."""
        name = keyed_hash(self._key, "folder", folder, stamp)
        entry = self._before.get(name)
        if entry is None:
            return None
        try:
            found = _FOLDER.validate_python(entry)
        except ValidationError:
            return None
        self._now[name] = entry
        self.kept += 1
        return found

    def keep(self, folder: str, stamp: str, found: FolderSurvey) -> None:
        """Remember a folder. One with damaged files is looked at again next time."""
        if not found.damaged:
            self._now[keyed_hash(self._key, "folder", folder, stamp)] = found

    def save(self) -> None:
        """Write what this run met; folders it did not meet are forgotten.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        if self._path is not None and self._now != self._before:
            content = {"mark": self._mark, "folders": self._now}
            atomic.write_bytes(self._path, json_bytes(content), private=True)

    def _load(self) -> dict[str, Any]:
        content = None if self._path is None or self._path.is_symlink() else read_json(self._path)
        if not isinstance(content, dict) or content.get("mark") != self._mark:
            return {}
        folders = content.get("folders")
        return folders if isinstance(folders, dict) else {}
