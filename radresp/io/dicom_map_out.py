"""Write how much each voxel changed as a DICOM parametric map, on the slices it was measured on.

Frames are as large as the slices they lie on, so that any viewer can lay one over the other; where
nothing was measured stands `PADDING`, for 0 means no change. Values are stored as they are (32-bit
floating point), in 1e-6 mm2/s.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp import __version__
from radresp.core import ChangeMap, Timepoint
from radresp.errors import GeometryError
from radresp.io.dicom_codes import ADC_CHANGE, coded, coding_schemes, unit
from radresp.io.dicom_origin import Origin
from radresp.io.dicom_out_source import refer
from radresp.io.mask_place import start_in
from radresp.io.seg_out import settle

PADDING = -32768.0
"""Stands where nothing was measured; far from any ADC."""

WINDOW = (0.0, 2000.0)
"""Centre and width of the display window, 1e-6 mm2/s."""


def change_map(change: ChangeMap, origin: Origin, series_number: int) -> Any:
    """A parametric map of the change of ADC.

    Parameters
    ----------
    change : ChangeMap
        On a cut of the later image's grid; later minus earlier, 1e-6 mm2/s.
    origin : Origin
        The case and the later diffusion images.
    series_number : int
        SeriesNumber, from 1.

    Returns
    -------
    highdicom.pm.ParametricMap
        One frame for each slice of the cut.

    Raises
    ------
    GeometryError
        ``MASK_GEOMETRY`` when the cut is none of the images' grid.
    """
    from highdicom import VOILUTTransformation
    from highdicom.pm import ParametricMap, RealWorldValueMapping

    values, first = _on_slices(change, origin)
    slices = origin.slices()[first : first + len(values)]
    role = ("adc change", hashlib.sha256(values.tobytes()).hexdigest())
    made = ParametricMap(
        source_images=[place.image for place in slices],
        pixel_array=values,
        **origin.names(series_number, *role),
        instance_number=1,
        manufacturer="radresp",
        software_versions=__version__,
        device_serial_number="none",
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[
            RealWorldValueMapping(
                lut_label="ADC change",
                lut_explanation=ADC_CHANGE.meaning,
                unit=coded(unit("um2/s")),
                # With the padding in it: readers refuse a whole map for a value outside.
                value_range=(PADDING, max(0.0, float(values.max()))),
                slope=1.0,
                intercept=0.0,
                quantity_definition=coded(ADC_CHANGE),
            )
        ],
        voi_lut_transformations=[
            VOILUTTransformation(window_center=WINDOW[0], window_width=WINDOW[1])
        ],
        content_label="ADC_CHANGE",
        content_description=f"{ADC_CHANGE.meaning}; research use only"[:64],
        series_description=f"radresp {Timepoint.POST} ADC change, research use only",
    )
    made.CodingSchemeIdentificationSequence = coding_schemes()
    made.FloatPixelPaddingValue = made.FloatPixelPaddingRangeLimit = PADDING
    made.BodyPartExamined = "RECTUM"  # not paired, so that a laterality is not asked for
    refer(made, slices)
    settle(made, origin.uid("dimensions", *role))
    origin.settle(made)
    return made


def _on_slices(change: ChangeMap, origin: Origin) -> tuple[NDArray[np.float32], int]:
    """The change on whole slices, and which slice of the images is the first."""
    grid, cut = origin.sources.grid, change.volume.grid
    start = start_in(cut, grid)
    if start is None:
        raise GeometryError(
            "MASK_GEOMETRY",
            f"the change map lies between the voxels of its image: {cut.difference(grid)}",
            expected="a cut of the image's grid",
        )
    values = np.full((cut.size[2], grid.size[1], grid.size[0]), PADDING, np.float32)
    x, y, z = start
    inside = change.volume.array
    if change.volume.background is not None:
        inside[sitk.GetArrayViewFromImage(change.volume.background) != 0] = PADDING
    values[:, y : y + cut.size[1], x : x + cut.size[0]] = inside
    return values, z
