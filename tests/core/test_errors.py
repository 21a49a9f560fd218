from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from radresp import errors
from radresp.errors import ExitCode, GeometryError, InputError, RadrespError, locating

PARTS = {"expected": "at least 64", "action": "draw the ROI"}


def test_the_line_names_code_case_file_and_all_parts() -> None:
    error = InputError("MASK_EMPTY", "0 voxels", **PARTS, case="c1", file="post/bed.nii.gz")
    assert error.line() == (
        "ERROR MASK_EMPTY case=c1 file=post/bed.nii.gz : "
        "0 voxels; expected at least 64; draw the ROI"
    )
    assert error.record()["severity"] == "refused"


@pytest.mark.parametrize(
    ("kind", "builtin", "exit_code"),
    [
        (errors.InputError, ValueError, 3),
        (errors.GeometryError, ValueError, 3),
        (errors.PlanError, ValueError, 2),
        (errors.CohortError, ValueError, 5),
        (errors.OutputError, OSError, 6),
        (errors.ModelError, RuntimeError, 7),
        (errors.ResourceError, RuntimeError, 8),
    ],
)
def test_every_kind_is_a_builtin_too_and_has_its_exit_code(
    kind: type[RadrespError], builtin: type[Exception], exit_code: int
) -> None:
    error = kind("CODE", "found", **PARTS)
    assert isinstance(error, builtin)
    assert error.exit_code == exit_code
    assert str(error) == "found; expected at least 64; draw the ROI"


def test_errors_survive_the_journey_between_processes() -> None:
    error = GeometryError("MASK_GEOMETRY", "5 mm off", **PARTS, case="c1", file="a")
    home = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(home) is GeometryError
    assert home.record() == error.record()


def test_files_are_shown_relative_to_the_root_or_by_name() -> None:
    root = Path("/data/cohort")
    inside = InputError("X", "y", file=root / "c1" / "t2.nii.gz").located(root=root)
    outside = InputError("X", "y", file=Path("/home/patient/t2.nii.gz")).located(root=root)
    assert inside.file == "c1/t2.nii.gz"
    assert outside.file == "t2.nii.gz"


def test_locating_keeps_a_case_that_is_known() -> None:
    with pytest.raises(InputError) as caught, locating("outer", Path("/r")):
        raise InputError("X", "y", case="inner", file="/r/a/b")
    assert (caught.value.case, caught.value.file) == ("inner", "a/b")


def test_exit_codes_are_the_documented_numbers() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "FINISHED": 0,
        "USAGE": 2,
        "CASE_REFUSED": 3,
        "SOME_REFUSED": 4,
        "NONE_USABLE": 5,
        "OUTPUT": 6,
        "MODEL": 7,
        "RESOURCE": 8,
        "ABSTAINED": 9,
        "BUG": 70,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }
