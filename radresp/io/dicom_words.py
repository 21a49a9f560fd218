"""The DICOM attributes radresp reads and the values it lets out: closed lists, not free text."""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEYWORDS = """
SOPClassUID SOPInstanceUID SeriesInstanceUID SeriesNumber InstanceNumber ImagesInAcquisition
Modality ImageType Manufacturer ManufacturerModelName MagneticFieldStrength ScanningSequence
SequenceName EchoTime RepetitionTime SliceThickness PatientPosition BodyPartExamined
BurnedInAnnotation Rows Columns SamplesPerPixel NumberOfFrames BitsAllocated BitsStored HighBit
PixelRepresentation RescaleSlope RescaleIntercept PixelSpacing ImagePositionPatient
ImageOrientationPatient DiffusionBValue DiffusionGradientOrientation SeriesDescription PatientID
PatientName PatientBirthDate PatientSex AcquisitionDate AcquisitionTime SeriesDate SeriesTime
StudyDate StudyTime
"""
"""Attributes looked at. Those that name a person are used in memory only."""

IMAGE_TYPES = _set(
    """
    ORIGINAL DERIVED PRIMARY SECONDARY M P R I M_SE M_FFE M_IR SE FFE IR AXIAL NORM ND DIS2D DIS3D
    DIFFUSION TRACEW TRACE ADC EADC FA NONE OTHER PROCESSED LOCALIZER CALC_BVALUE MFSPLIT MPR
    UNSPECIFIED COMBINED
    """
)
SCANNING_SEQUENCES = _set("SE IR GR EP RM")
PATIENT_POSITIONS = _set("HFS HFP HFDR HFDL FFS FFP FFDR FFDL")
BODY_PARTS = _set(
    """
    ABDOMEN ABDOMENPELVIS PELVIS PROSTATE RECTUM COLON ANUS BLADDER UTERUS HIP BRAIN HEAD NECK
    CHEST BREAST HEART LIVER KIDNEY SPINE CSPINE TSPINE LSPINE SSPINE EXTREMITY KNEE SHOULDER
    WHOLEBODY
    """
)
