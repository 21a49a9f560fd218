"""Write volumes as a DICOM series that looks like one vendor's.

For synthetic data only: the toolkit writes phantoms, never a patient's images. The dialects differ
where real exports differ (one file a slice or many frames, where the b-value lives, in which order
slices are numbered, how stored numbers become values), so that a reader tested on them has met what
hospitals send.
"""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from pathlib import Path

from radresp.core import Sequence, Volume
from radresp.errors import GeometryError, PlanError
from radresp.io import atomic
from radresp.io.dicom_out_classic import classic_files
from radresp.io.dicom_out_enhanced import enhanced_files
from radresp.io.dicom_out_header import Scan
from radresp.io.dicom_out_pixels import display_window, stored_numbers
from radresp.io.dicom_out_study import DicomSeries, DicomStudy


def save_dicom_series(
    volumes: Ordered[Volume], folder: Path, study: DicomStudy, series: DicomSeries
) -> tuple[Path, ...]:
    """Write one series: a T2, or the b-values of one diffusion acquisition.

    Parameters
    ----------
    volumes : sequence of Volume
        One T2, or DWI volumes on one grid with different b-values, in any order. They hold the
        values a reader should see (see `DicomSeries` for Philips).
    folder : Path
        Becomes exactly this series; what stood there is replaced.
    study, series : DicomStudy, DicomSeries
        Whose, when, by which scanner and how.

    Returns
    -------
    tuple of Path
        The files, in order of InstanceNumber. The same arguments give the same bytes.

    Raises
    ------
    PlanError
        ``USAGE`` for other volumes, or a rescaling the dialect does not have.
    GeometryError
        ``GRID`` when the volumes lie on different grids.
    InputError
        ``DCM_RESCALE`` or ``DWI_OVERFLOW`` for values that cannot be stored without loss.
    OutputError
        When the folder cannot be written.
    """
    ordered = _checked(volumes)
    stored = stored_numbers(ordered, study, series)
    scan = Scan(
        study=study,
        series=series,
        grid=ordered[0].grid,
        sequence=ordered[0].sequence,
        b_values=tuple(volume.b_s_per_mm2 for volume in ordered),
        stored=stored,
        window=display_window(stored),
    )
    files = enhanced_files(scan) if study.enhanced else classic_files(scan)
    names = []
    with atomic.replacing_folder(folder) as aside:
        for name, content in files:
            atomic.write_bytes(aside / name, content)
            names.append(name)
    return tuple(folder / name for name in names)


def _checked(volumes: Ordered[Volume]) -> list[Volume]:
    ordered = sorted(volumes, key=lambda volume: volume.b_s_per_mm2 or 0.0)
    b_values = [volume.b_s_per_mm2 for volume in ordered]
    kinds = {volume.sequence for volume in ordered}
    single = kinds == {Sequence.T2} and len(ordered) == 1
    if not single and (kinds != {Sequence.DWI} or len(set(b_values)) != len(b_values)):
        raise PlanError(
            "USAGE",
            f"{len(ordered)} volumes ({', '.join(sorted(kinds)) or 'none'})",
            expected="one T2, or DWI with different b-values",
        )
    if not all(volume.grid.same_as(ordered[0].grid) for volume in ordered):
        raise GeometryError("GRID", "the b-values lie on different grids", expected="one grid")
    return ordered
