"""Images and masks of one subject of a BIDS data set. Addresses only; no image is opened.

Names: https://bids-specification.readthedocs.io (MRI; derivatives for masks and ADC maps). Two
sessions are the two visits. What BIDS leaves open is settled here: a mask is
``..._label-ROI_mask`` or ``..._label-ROI_dseg`` beside the image it was drawn on; in ``dwi/`` that
is the DWI, or the ADC map where there is no DWI.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from radresp.core import RegionKey, Roi, Sequence, Timepoint
from radresp.io.case_roles import MASK_ENDINGS, NIFTI, ImageKey, ambiguous, check_inside

SUBJECT = "sub-"
SESSIONS: Mapping[Timepoint, str] = MappingProxyType({t: str(t) for t in Timepoint})
"""Session of each visit, without ``ses-``: pre and post."""

BIDS_LAYOUT = (
    "sub-X/ses-pre/ and sub-X/ses-post/ with anat/sub-X_ses-pre_T2w.nii.gz, "
    "dwi/sub-X_ses-pre_dwi.nii.gz with its .bval, dwi/sub-X_ses-pre_ADC.nii.gz and masks such as "
    "anat/sub-X_ses-pre_label-tumour_mask.nii.gz"
)
_SUFFIXES = {
    Sequence.T2: ("anat", ("T2w",)),
    Sequence.DWI: ("dwi", ("dwi",)),
    Sequence.ADC: ("dwi", ("ADC", "adc")),
}
_MASK_SUFFIXES = ("mask", "dseg")
_Key = TypeVar("_Key")


def find_bids_files(
    subject: Path, root: Path, sessions: Mapping[Timepoint, str] = SESSIONS
) -> tuple[dict[ImageKey, Path], dict[RegionKey, Path]]:
    """The images and masks of one subject.

    Parameters
    ----------
    subject : Path
        Folder ``sub-...``.
    root : Path
        Data root that no link leaves.
    sessions : mapping of Timepoint to str, optional
        Session of each visit, without ``ses-``.

    Returns
    -------
    dict, dict
        Image role to path, and region to path.

    Raises
    ------
    InputError
        ``AMBIGUOUS_INPUT`` when two files (two runs, two endings) stand for the same thing.
    PlanError
        ``PATH_OUTSIDE_ROOT``.
    """
    images: dict[ImageKey, Path] = {}
    masks: dict[RegionKey, Path] = {}
    for timepoint, session in sessions.items():
        visit = subject / f"ses-{session}"
        prefix = f"{subject.name}_ses-{session}_"
        for sequence, (kind, suffixes) in _SUFFIXES.items():
            for path in _files(visit / kind, prefix, NIFTI):
                if _suffix(path, NIFTI) in suffixes:
                    _keep(images, (timepoint, sequence), path, root)
        in_dwi = Sequence.DWI if (timepoint, Sequence.DWI) in images else Sequence.ADC
        for kind, sequence in (("anat", Sequence.T2), ("dwi", in_dwi)):
            for path in _files(visit / kind, prefix, MASK_ENDINGS):
                if (roi := _region(path)) is not None:
                    _keep(masks, RegionKey(timepoint, sequence, roi), path, root)
    return images, masks


def _files(folder: Path, prefix: str, endings: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.startswith(prefix) and path.name.endswith(endings)
    )


def _keep(found: dict[_Key, Path], key: _Key, path: Path, root: Path) -> None:
    check_inside(str(path), root, where=path.name, file=root)
    if found.setdefault(key, path) != path:
        raise ambiguous(found[key], path, root)


def _stem(path: Path, endings: tuple[str, ...]) -> str:
    ending = next(end for end in endings if path.name.endswith(end))
    return path.name.removesuffix(ending)


def _suffix(path: Path, endings: tuple[str, ...]) -> str:
    return _stem(path, endings).rpartition("_")[2]


def _region(path: Path) -> Roi | None:
    """The region a mask's ``label-`` entity names; other masks are other people's."""
    words = _stem(path, MASK_ENDINGS).split("_")
    labels = [word.removeprefix("label-") for word in words if word.startswith("label-")]
    if words[-1] not in _MASK_SUFFIXES or len(labels) != 1:
        return None
    names = {str(roi).replace("_", ""): roi for roi in Roi}  # BIDS labels are alphanumeric
    return names.get(labels[0].lower())
