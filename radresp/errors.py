"""The error contract: one formula for every message and one exit code for every kind of trouble.

A message says what was found, what was expected, and what to do; the case and the file stand in
fields of their own so that every batch record, JSON result and terminal line is built from the
same parts. Codes are those of the fault catalogue (``docs/reference/faults.md``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path, PurePath
from typing import Any, Self


class ExitCode(IntEnum):
    """What a command tells the shell."""

    FINISHED = 0
    USAGE = 2
    CASE_REFUSED = 3
    SOME_REFUSED = 4
    NONE_USABLE = 5
    OUTPUT = 6
    MODEL = 7
    RESOURCE = 8
    ABSTAINED = 9
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


def printable(text: str) -> str:
    r"""A text that stays on its line and never talks to the terminal: the rest is escaped.

    Examples
    --------
    >>> printable("a\tb")
    'a\\tb'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


class RadrespError(Exception):
    """Base of every error radresp raises on purpose.

    Parameters
    ----------
    code : str
        Catalogue code in capitals, for example ``"MASK_EMPTY"``.
    found : str
        What was found, in words. Never holds a patient attribute.
    expected : str, optional
        What was expected.
    action : str, optional
        What the user can do about it.
    case : str, optional
        Case id, when known.
    file : path-like, optional
        File the trouble lies in; shown relative to the data root.

    Examples
    --------
    >>> str(InputError("MASK_EMPTY", "the mask has 0 voxels", expected="at least 64"))
    'the mask has 0 voxels; expected at least 64'
    """

    exit_code: ExitCode = ExitCode.BUG

    def __init__(
        self,
        code: str,
        found: str,
        *,
        expected: str = "",
        action: str = "",
        case: str | None = None,
        file: str | PurePath | None = None,
    ) -> None:
        self.code = code
        self.found = found
        self.expected = expected
        self.action = action
        self.case = case
        self.file = None if file is None else str(file)
        super().__init__(code, found)

    @property
    def message(self) -> str:
        """The sentence without code, case and file."""
        expected = f"expected {self.expected}" if self.expected else ""
        return "; ".join(part for part in (self.found, expected, self.action) if part)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes send errors home; the keyword-only fields must survive the journey.
        return (_rebuild, (type(self), self.code, self.found, self.fields()))

    def fields(self) -> dict[str, str | None]:
        """The keyword fields, as given."""
        return {
            "expected": self.expected,
            "action": self.action,
            "case": self.case,
            "file": self.file,
        }

    def located(self, *, case: str | None = None, root: Path | None = None) -> Self:
        """The same error with its case filled in and its file made relative to the data root.

        Parameters
        ----------
        case : str, optional
            Used where the error does not name a case yet.
        root : Path, optional
            Data root. A file outside it is shown by its name alone.
        """
        fields = self.fields()
        fields["case"] = self.case or case
        if self.file is not None and root is not None:
            fields["file"] = relative_name(Path(self.file), root)
        return type(self)(self.code, self.found, **fields)  # type: ignore[arg-type]

    def line(self) -> str:
        """One terminal line: ``ERROR CODE case=... file=... : sentence``.

        Names of files and keys come from whoever wrote them: what would break the line or talk to
        the terminal is escaped.
        """
        where = "".join(
            f" {name}={value}"
            for name, value in (("case", self.case), ("file", self.file))
            if value
        )
        return printable(f"ERROR {self.code}{where} : {self.message}")

    def record(self) -> dict[str, str | None]:
        """The machine-readable record written to ``status.jsonl`` and ``--json``."""
        return {
            "code": self.code,
            "severity": "refused",
            "case": self.case,
            "file": self.file,
            "found": self.found,
            "expected": self.expected,
            "action": self.action,
        }


def _rebuild(
    kind: type[RadrespError], code: str, found: str, fields: dict[str, Any]
) -> RadrespError:
    return kind(code, found, **fields)


def relative_name(path: Path, root: Path) -> str:
    """Path relative to the data root, or the bare file name when it lies outside."""
    if not path.is_absolute():
        return path.as_posix()
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.name


@contextmanager
def locating(case: str | None = None, root: Path | None = None) -> Iterator[None]:
    """Give every radresp error that passes through its case, and its file relative to the root.

    The file of an `OutputError` lies elsewhere, and stays as it is.
    """
    try:
        yield
    except OutputError as error:
        raise error.located(case=case) from error.__cause__
    except RadrespError as error:
        raise error.located(case=case, root=root) from error.__cause__


class InputError(RadrespError, ValueError):
    """An input of one case cannot be used."""

    exit_code = ExitCode.CASE_REFUSED


class GeometryError(InputError):
    """Grids, masks or transforms do not fit together in space."""


class PlanError(RadrespError, ValueError):
    """The plan, the command line or a table is wrong; nothing was touched."""

    exit_code = ExitCode.USAGE


class CohortError(RadrespError, ValueError):
    """No case is usable, or there is nothing to train on."""

    exit_code = ExitCode.NONE_USABLE


class OutputError(RadrespError, OSError):
    """The output cannot be written, is locked, or holds other content."""

    exit_code = ExitCode.OUTPUT


class ModelError(RadrespError, RuntimeError):
    """The model is refused."""

    exit_code = ExitCode.MODEL


class ResourceError(RadrespError, RuntimeError):
    """A limit of memory, device or time was reached."""

    exit_code = ExitCode.RESOURCE
