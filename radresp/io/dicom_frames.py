"""The frames of a multi-frame object, each seen as if it were a classic slice.

An enhanced object (PS3.3 C.7.6.16) keeps what differs between frames in per-frame functional
groups and the rest in shared ones. A frame's view puts the content of its own groups before the
shared ones before the data set, so that one reader of attributes serves all: Philips' private
groups and the unassigned attributes of legacy-converted objects, which repeat the classic header,
come last of all.
"""

from __future__ import annotations

from radresp.errors import InputError
from radresp.io.dicom_elements import Elements, Place
from radresp.io.dicom_values import items, text, whole, words

MULTI_FRAME_MR = {
    "1.2.840.10008.5.1.4.1.1.4.1": "enhanced",
    "1.2.840.10008.5.1.4.1.1.4.3": "enhanced colour",
    "1.2.840.10008.5.1.4.1.1.4.4": "legacy-converted enhanced",
    "1.2.840.10008.5.1.4.1.1.30": "parametric map",
}
"""SOP classes with functional groups."""

_GROUPS = """
PlanePositionSequence PlaneOrientationSequence PixelMeasuresSequence MRDiffusionSequence
PixelValueTransformationSequence MREchoSequence MRTimingAndRelatedParametersSequence
MRImageFrameTypeSequence ParametricMapFrameTypeSequence FrameContentSequence MRModifierSequence
MRImagingModifierSequence
"""
_CLASSIC = """
UnassignedPerFrameConvertedAttributesSequence UnassignedSharedConvertedAttributesSequence
"""
_INNER = "DiffusionGradientDirectionSequence"
_PHILIPS_FRAME = ("Philips MR Imaging DD 005", 0x2005, 0x0F)
_MOST_FRAMES = 65_536


def frames_of(elements: Elements) -> tuple[Elements, ...]:
    """One view a frame; the data set itself when it is no object with functional groups.

    Parameters
    ----------
    elements : Elements
        A whole data set.

    Raises
    ------
    InputError
        ``DCM_INCOMPLETE`` when there are not as many functional groups as frames.
    """
    if text(elements, "SOPClassUID") not in MULTI_FRAME_MR:
        return (elements,)
    groups = items(elements, "PerFrameFunctionalGroupsSequence")
    declared = whole(elements, "NumberOfFrames") or 0
    if not groups or len(groups) != declared or declared > _MOST_FRAMES:
        raise InputError(
            "DCM_INCOMPLETE",
            f"functional groups of {len(groups)} frames where {declared} are declared",
            expected="one for each frame",
            action="copy or export the file again",
        )
    shared = items(elements, "SharedFunctionalGroupsSequence")
    common_near, common_far = _layers(shared[0]) if shared else ([], [])
    views = []
    for group in groups:
        near, far = _layers(group)
        layers = (*near, *common_near, *elements.layers, *far, *common_far)
        views.append(
            Elements(
                elements.buffer, elements.encoding, layers, elements.syntax, elements.overshoot
            )
        )
    return tuple(views)


def _layers(group: Elements) -> tuple[list[dict[int, Place]], list[dict[int, Place]]]:
    """The contents of one item's functional groups: standard ones, and repeated classic ones."""
    near = [group.layers[0]]
    for keyword in _GROUPS.split():
        for item in items(group, keyword)[:1]:
            near.append(item.layers[0])
            near += [inner.layers[0] for inner in items(item, _INNER)[:1]]
    far = [item.layers[0] for name in _CLASSIC.split() for item in items(group, name)[:1]]
    philips = group.private(*_PHILIPS_FRAME)
    if philips is not None:
        far += [item.layers[0] for item in group.items_at(philips)[:1]]
    return near, far


def frame_type(elements: Elements) -> tuple[str, ...]:
    """FrameType of a frame, or ImageType of a classic slice."""
    return words(elements, "FrameType") or words(elements, "ImageType")


def pulse_words(elements: Elements) -> tuple[str, ...]:
    """ScanningSequence in its classic words, also from the attributes of an enhanced object."""
    echo = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}
    found = words(elements, "EchoPulseSequence")
    if not found or found[0] not in echo:
        return words(elements, "ScanningSequence")
    planar = text(elements, "EchoPlanarPulseSequence").upper() == "YES"
    return echo[found[0]] + (("EP",) if planar else ())


def stack_of(elements: Elements) -> str:
    """StackID of a frame; empty when it tells none."""
    return text(elements, "StackID")
