"""The header of an enhanced MR object and what all its frames share.

Follows the Enhanced MR Image IOD (PS3.3 A.36.2); every attribute the standard requires is here,
with the values of a 2-D turbo spin echo or of a single-shot spin-echo EPI.
"""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset

from radresp.io.dicom_out_header import (
    HZ_PER_TESLA,
    Scan,
    code_item,
    date_text,
    image_header,
    item,
    time_text,
)
from radresp.io.dicom_out_pixels import ds

_PELVIS = ("816092008", "SCT", "Pelvis")


def enhanced_header(scan: Scan, acquired: datetime) -> Dataset:
    """The top of an enhanced object: everything outside its functional groups and pixels."""
    dataset = image_header(scan)
    dataset.AcquisitionDate, dataset.AcquisitionTime = date_text(acquired), time_text(acquired)
    dataset.AcquisitionDateTime = date_text(acquired) + time_text(acquired)
    dataset.AcquisitionDuration = scan.series.tr_ms * scan.series.averages / 1000
    dataset.ContentDate, dataset.ContentTime = date_text(acquired), time_text(acquired)
    dataset.InstanceCreationDate = date_text(acquired)
    dataset.InstanceCreationTime = time_text(acquired)
    dataset.DeviceSerialNumber = "SYNTHETIC"
    dataset.update(frame_kind(scan))
    dataset.ResonantNucleus = "1H"
    dataset.KSpaceFiltering = "NONE"
    dataset.ApplicableSafetyStandardAgency = "IEC"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.ContentQualification = "RESEARCH"
    dataset.AcquisitionContextSequence = []
    _add_pulse_sequence(dataset, scan)
    return dataset


def frame_kind(scan: Scan) -> Dataset:
    """ImageType and the words that go with it, for the object and for each frame."""
    kind = ["DIFFUSION", "NONE"] if scan.diffusion else ["T2", "NONE"]
    return item(
        ImageType=["ORIGINAL", "PRIMARY", *kind],
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
        ComplexImageComponent="MAGNITUDE",
        AcquisitionContrast=kind[0],
    )


def shared_groups(scan: Scan) -> Dataset:
    """Functional groups whose values no frame changes."""
    groups = Dataset()
    groups.FrameAnatomySequence = [
        item(AnatomicRegionSequence=[code_item(_PELVIS)], FrameLaterality="U")
    ]
    groups.MRTimingAndRelatedParametersSequence = [_timing(scan)]
    groups.MRFOVGeometrySequence = [_field_of_view(scan)]
    groups.MREchoSequence = [item(EffectiveEchoTime=scan.series.te_ms)]
    groups.MRModifierSequence = [_modifier(scan)]
    groups.MRImagingModifierSequence = [
        item(
            MagnetizationTransfer="NONE",
            BloodSignalNulling="NO",
            Tagging="NONE",
            TransmitterFrequency=round(HZ_PER_TESLA * scan.study.field_strength_t, 6),
            PixelBandwidth=ds(scan.series.bandwidth_hz),
        )
    ]
    groups.MRReceiveCoilSequence = [
        item(
            ReceiveCoilName="BODY",
            ReceiveCoilManufacturerName="",
            ReceiveCoilType="MULTICOIL",
            QuadratureReceiveCoil="NO",
            MultiCoilDefinitionSequence=[
                item(MultiCoilElementName="BODY", MultiCoilElementUsed="YES")
            ],
        )
    ]
    groups.MRTransmitCoilSequence = [
        item(TransmitCoilName="BODY", TransmitCoilManufacturerName="", TransmitCoilType="BODY")
    ]
    groups.MRAveragesSequence = [item(NumberOfAverages=ds(scan.series.averages))]
    return groups


def _add_pulse_sequence(dataset: Dataset, scan: Scan) -> None:
    yes_in_epi = "YES" if scan.diffusion else "NO"
    dataset.PulseSequenceName = scan.series.sequence_name
    dataset.MRAcquisitionType = "2D"
    dataset.EchoPulseSequence = "SPIN"
    dataset.MultipleSpinEcho = "NO" if scan.diffusion else "YES"
    dataset.MultiPlanarExcitation = "NO"
    dataset.PhaseContrast = "NO"
    dataset.TimeOfFlightContrast = "NO"
    dataset.SteadyStatePulseSequence = "NONE"
    dataset.EchoPlanarPulseSequence = yes_in_epi
    dataset.SaturationRecovery = "NO"
    dataset.SpectrallySelectedSuppression = "FAT" if scan.diffusion else "NONE"
    dataset.OversamplingPhase = "NONE"
    dataset.GeometryOfKSpaceTraversal = "RECTILINEAR"
    dataset.RectilinearPhaseEncodeReordering = "LINEAR"
    dataset.SegmentedKSpaceTraversal = "SINGLE" if scan.diffusion else "PARTIAL"
    dataset.NumberOfKSpaceTrajectories = 1


def _timing(scan: Scan) -> Dataset:
    series = scan.series
    modes = (("STATIC FIELD", "IEC_NORMAL"), ("RF", "IEC_NORMAL"), ("GRADIENT", "IEC_NORMAL"))
    return item(
        RepetitionTime=ds(series.tr_ms),
        EchoTrainLength=series.echo_train,
        FlipAngle=ds(series.flip_deg),
        RFEchoTrainLength=1 if scan.diffusion else series.echo_train,
        GradientEchoTrainLength=series.echo_train if scan.diffusion else 0,
        OperatingModeSequence=[item(OperatingModeType=t, OperatingMode=m) for t, m in modes],
        GradientOutputType="DB_DT",
        GradientOutput=0.0,
        SpecificAbsorptionRateSequence=[
            item(SpecificAbsorptionRateDefinition="IEC_WHOLE_BODY", SpecificAbsorptionRateValue=0.0)
        ],
    )


def _field_of_view(scan: Scan) -> Dataset:
    columns, rows, _ = scan.grid.size
    along_columns = scan.series.phase_axis == "COL"
    return item(
        PercentSampling="100",
        PercentPhaseFieldOfView="100",
        InPlanePhaseEncodingDirection="COLUMN" if along_columns else "ROW",
        MRAcquisitionFrequencyEncodingSteps=columns if along_columns else rows,
        MRAcquisitionPhaseEncodingStepsInPlane=scan.phase_steps,
    )


def _modifier(scan: Scan) -> Dataset:
    accelerated = scan.series.acceleration > 1
    modifier = item(
        InversionRecovery="NO",
        FlowCompensation="NONE",
        Spoiling="NONE",
        T2Preparation="NO",
        SpectrallySelectedExcitation="NONE",
        SpatialPresaturation="NONE",
        PartialFourier="NO",
        ParallelAcquisition="YES" if accelerated else "NO",
    )
    if accelerated:
        philips = scan.study.dialect == "philips_enhanced"
        modifier.ParallelAcquisitionTechnique = "SENSE" if philips else "OTHER"
        modifier.ParallelReductionFactorInPlane = float(scan.series.acceleration)
        modifier.ParallelReductionFactorSecondInPlane = 1.0
        modifier.ParallelReductionFactorOutOfPlane = 1.0
    return modifier
