"""Write a synthetic visit as the DICOM that its scanner's vendor would send."""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from datetime import date, datetime, time
from pathlib import Path

from radresp import io, phantom
from radresp.core import Sequence, Timepoint, VolumeKey
from radresp.errors import PlanError

_START = time(9, 30)
_T2_NUMBER, _DWI_NUMBER = 4, 7
_DWI_AFTER_S = 420.0


def check_writes_dicom(scanners: Ordered[str]) -> None:
    """Refuse scanners that have no DICOM dialect.

    Parameters
    ----------
    scanners : sequence of str
        By name.

    Raises
    ------
    PlanError
        ``USAGE`` for a reference scanner.
    """
    mute = [name for name in scanners if name not in phantom.VENDOR_SCANNERS]
    if mute:
        raise PlanError(
            "USAGE",
            f"the scanner {mute[0]} writes no DICOM",
            expected=f"one of {', '.join(phantom.VENDOR_SCANNERS)}",
            action="name another with --scanner",
        )


def save_dicom_visit(
    patient: phantom.PhantomPatient, visit: Timepoint, folder: Path, seed: str
) -> dict[str, str]:
    """Write T2 and DWI of a visit as DICOM series, and its masks as SEG and RTSTRUCT.

    Parameters
    ----------
    patient : PhantomPatient
        Whose visit.
    visit : Timepoint
        Which.
    folder : Path
        Of the cohort; gets ``CASE/VISIT/t2/``, ``dwi/``, ``masks_seg.dcm``, ``masks_rtstruct.dcm``.
    seed : str
        What the UIDs are made from.

    Returns
    -------
    dict of str to str
        The cells of the cohort table, relative to the folder.
    """
    case, protocol = patient.case, patient.protocols[visit]
    study = _study(patient, visit, seed)
    place = f"{case.case_id}/{visit}"
    for sequence in (Sequence.T2, Sequence.DWI):
        volumes = [
            volume
            for key, volume in case.volumes.items()
            if (key.timepoint, key.sequence) == (visit, sequence)
        ]
        series = _series(protocol, sequence, patient.scaling[VolumeKey(visit, sequence)])
        io.save_dicom_series(volumes, folder / place / sequence, study, series)
    masks = [mask for key, mask in case.masks.items() if key.timepoint is visit]
    io.save_dicom_seg(masks, folder / place / "t2", folder / place / "masks_seg.dcm", study)
    io.save_rtstruct(masks, folder / place / "t2", folder / place / "masks_rtstruct.dcm", study)
    return {f"{visit}_{sequence}": f"{place}/{sequence}" for sequence in ("t2", "dwi")}


def _study(patient: phantom.PhantomPatient, visit: Timepoint, seed: str) -> io.DicomStudy:
    protocol, clinical = patient.protocols[visit], patient.clinical
    return io.DicomStudy(
        dialect=protocol.dialect,
        model=protocol.model,
        software=protocol.software,
        field_strength_t=protocol.field_strength_t,
        patient_id=patient.case.case_id,
        sex=clinical["sex"],
        age_years=int(clinical["age_years"]),
        when=datetime.combine(date.fromisoformat(clinical[f"{visit}_date"]), _START),
        seed=seed,
    )


def _series(
    protocol: phantom.Protocol, sequence: Sequence, scaling: phantom.Scaling
) -> io.DicomSeries:
    if sequence is Sequence.T2:
        return io.DicomSeries(
            number=_T2_NUMBER,
            description="T2 TSE axial oblique, synthetic",
            sequence_name="tse2d1",
            tr_ms=protocol.t2_tr_ms,
            te_ms=protocol.t2_te_ms,
            echo_train=protocol.t2_echo_train,
            thickness_mm=protocol.t2_thickness_mm,
            slope=scaling.slope,
            intercept=scaling.intercept,
            scale_slope=scaling.scale_slope,
        )
    return io.DicomSeries(
        number=_DWI_NUMBER,
        description="DWI SE-EPI axial, synthetic",
        sequence_name="ep",
        tr_ms=protocol.dwi_tr_ms,
        te_ms=protocol.dwi_te_ms,
        echo_train=protocol.pe_steps,
        thickness_mm=protocol.dwi_thickness_mm,
        averages=float(max(protocol.dwi_averages)),
        echo_spacing_ms=protocol.echo_spacing_ms / protocol.acceleration,
        acceleration=protocol.acceleration,
        start_s=_DWI_AFTER_S,
        slope=scaling.slope,
        intercept=scaling.intercept,
        scale_slope=scaling.scale_slope,
    )
