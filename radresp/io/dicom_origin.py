"""Whose a written result is and what it rests on: the part of a header results have in common.

Nothing of the patient is copied unless that was asked for. What every object has to carry is then
empty or the case id, and the object stands in a study of its own: an object of the source's study
under another patient id is what archives refuse, or file under the wrong person. UIDs are hashes
of what they name, and no date is that of the run: the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from radresp import __version__
from radresp.io.dicom_nouns import IDENTITY, SourceImage, Sources
from radresp.io.dicom_out_header import item, orientation, pixel_spacing, point_text
from radresp.io.dicom_out_source import SourceSlice
from radresp.io.dicom_out_study import stable_uid
from radresp.io.dicom_values import quiet

NO_DATE, NO_TIME = "19000101", "000000"
"""Stand where a date has to be and none is told."""

MOST_CHARACTERS = 64
_HASH_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Origin:
    """The case and the images some results are of.

    Parameters
    ----------
    case_id : str
        Name of the case.
    sources : Sources
        The images, and whose they are if that is to be kept.
    """

    case_id: str
    sources: Sources

    @property
    def keeps(self) -> bool:
        """Whether results say whose they are, and stand in the study of the images."""
        return bool(self.sources.identity)

    @property
    def study_uid(self) -> str:
        """The study results stand in."""
        own = stable_uid("study of results", self.case_id, self.sources.study_uid)
        return self.sources.study_uid if self.keeps else own

    @property
    def head(self) -> dict[str, str]:
        """What every object has to carry of patient and study."""
        if self.keeps:
            return {**self.sources.identity, "StudyInstanceUID": self.study_uid}
        name = short_text(self.case_id, MOST_CHARACTERS - 1).translate(_NAME_PARTS)
        known = {"PatientName": f"{name}^", "PatientID": short_text(self.case_id)}
        return {**dict.fromkeys(IDENTITY, ""), **known, "StudyInstanceUID": self.study_uid}

    def uid(self, *role: str) -> str:
        """The UID of something made from these images for this case."""
        told = self.sources.identity
        identity = [f"{keyword}={told[keyword]}" for keyword in sorted(told)]
        series = self.sources.series_uid
        return stable_uid(__version__, self.case_id, self.study_uid, series, *identity, *role)

    def names(self, series_number: int, *role: str) -> dict[str, Any]:
        """What highdicom is told of an object's series and its own UID."""
        return {
            "series_instance_uid": self.uid("series", *role),
            "series_number": series_number,
            "sop_instance_uid": self.uid(*role),
            "manufacturer_model_name": "radresp",
        }

    def slices(self) -> tuple[SourceSlice, ...]:
        """The images as highdicom needs them: places and UIDs, and the study of the results.

        Of the patient nothing: highdicom repeats a name it finds odd in a warning.
        """
        grid, sources = self.sources.grid, self.sources
        shared = {
            **self._nobody(self.study_uid),
            "Modality": "MR",
            "SeriesInstanceUID": sources.series_uid,
            "FrameOfReferenceUID": sources.frame_of_reference_uid,
            "PositionReferenceIndicator": "",
            "ImageOrientationPatient": orientation(grid),
            "PixelSpacing": pixel_spacing(grid),
            "SliceThickness": f"{grid.spacing_mm[2]:.6g}",
            "Columns": grid.size[0],
            "Rows": grid.size[1],
        }
        return tuple(_slice(image, shared) for image in sources.images)

    def evidence(self) -> list[Dataset]:
        """The files of the images, as a report needs them; where they are, not where it is."""
        shared = self._nobody(self.sources.study_uid)
        shared["SeriesInstanceUID"] = self.sources.series_uid
        files = {image.sop_uid: image.sop_class for image in self.sources.images}
        return [item(SOPClassUID=kind, SOPInstanceUID=uid, **shared) for uid, kind in files.items()]

    def settle(self, made: Any) -> None:
        """Say whose it is, put the date of the study, or none, in the place of the clock.

        Parameters
        ----------
        made : highdicom object
            Made from `slices` or `evidence`.
        """
        del made.InstanceCreationDate, made.InstanceCreationTime
        made.pop("ContributingEquipmentSequence", None)
        made.ContentDate = self.sources.identity.get("StudyDate") or NO_DATE
        made.ContentTime = self.sources.identity.get("StudyTime") or NO_TIME
        made.SpecificCharacterSet = "ISO_IR 192"
        with quiet():
            for keyword, value in self.head.items():
                setattr(made, keyword, value)
        if self.keeps:
            return
        made.PatientIdentityRemoved = "YES"
        made.DeidentificationMethod = "identity of the source not copied; named by case id"
        made.LongitudinalTemporalInformationModified = "REMOVED"
        if "ReferencedSeriesSequence" in made:
            elsewhere = item(
                StudyInstanceUID=self.sources.study_uid,
                ReferencedSeriesSequence=made.ReferencedSeriesSequence,
            )
            del made.ReferencedSeriesSequence
            made.StudiesContainingOtherReferencedInstancesSequence = [elsewhere]

    @staticmethod
    def _nobody(study_uid: str) -> dict[str, str]:
        return {**dict.fromkeys(IDENTITY, ""), "StudyInstanceUID": study_uid}


def short_text(text: str, most: int = MOST_CHARACTERS) -> str:
    r"""A text as a DICOM long string: no control character, no backslash, not too long.

    A longer one keeps its beginning and ends in a hash, so that two of them stay different.

    Parameters
    ----------
    text : str
        Any.
    most : int, optional
        Characters; a name has one less, for the mark that ends its first part.

    Examples
    --------
    >>> short_text("case-7"), short_text("a\\b"), len(short_text("x" * 99))
    ('case-7', 'a_b', 64)
    """
    plain = "".join(
        "_" if letter == "\\" or unicodedata.category(letter).startswith("C") else letter
        for letter in text.strip()
    )
    if len(plain) <= most:
        return plain
    digits = hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{plain[: most - _HASH_DIGITS - 1]}~{digits}"


_NAME_PARTS = str.maketrans("^=", "__")
"""Characters that divide the name of a person."""


def _slice(image: SourceImage, shared: Mapping[str, Any]) -> SourceSlice:
    reference = item(ReferencedSOPClassUID=image.sop_class, ReferencedSOPInstanceUID=image.sop_uid)
    if image.frame is not None:
        reference.ReferencedFrameNumber = image.frame
    place = np.asarray(image.position)
    classic = item(
        SOPClassUID=MRImageStorage,
        # Of a frame: one that stands in no file, for highdicom tells images apart by it.
        SOPInstanceUID=stable_uid(image.sop_uid, image.frame or 0),
        ImagePositionPatient=point_text(place),
        **shared,
    )
    x, y, z = map(float, classic.ImagePositionPatient)
    return SourceSlice(classic, (x, y, z), reference)
