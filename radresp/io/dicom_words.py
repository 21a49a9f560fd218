"""The values radresp lets out of a DICOM header, and the names of makers: closed lists."""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


IMAGE_TYPES = _set(
    """
    ORIGINAL DERIVED MIXED PRIMARY SECONDARY M P R I M_SE M_FFE M_IR SE FFE IR AXIAL NORM ND DIS2D
    DIS3D DIFFUSION DIFFUSION_MAP TRACEW TRACE ADC EADC FA NONE OTHER PROCESSED LOCALIZER
    CALC_BVALUE MFSPLIT MOSAIC MPR UNSPECIFIED COMBINED VOLUME RESAMPLED PROTON_DENSITY
    SPIN_ECHO T1 T2 FILTERED
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
VENDORS = {
    "SIEMENS": "Siemens",
    "GE": "GE",
    "PHILIPS": "Philips",
    "UIH": "UIH",
    "UNITED IMAGING": "UIH",
    "CANON": "Canon",
    "TOSHIBA": "Canon",
}
"""How Manufacturer starts, and one name for the vendor; Canon bought Toshiba's scanners."""


def vendor_of(manufacturer: str) -> str:
    """One name for the vendor of a scanner, ``"other"`` for one not in the list.

    Examples
    --------
    >>> vendor_of("GE MEDICAL SYSTEMS"), vendor_of("TOSHIBA_MEC"), vendor_of("")
    ('GE', 'Canon', 'other')
    """
    name = manufacturer.upper()
    return next((vendor for start, vendor in VENDORS.items() if name.startswith(start)), "other")
