"""Write what people look at: regions, transforms and pictures of a prepared case."""

from __future__ import annotations

from pathlib import Path

from radresp import io, report
from radresp.core import Prepared, Region, Roi, Sequence, Timepoint


def save_prepared(prepared: Prepared, folder: Path) -> list[Path]:
    """Write regions, transforms, change maps, quality and pictures of a case; returns the files."""
    written: list[Path] = []

    def place(*parts: str) -> Path:
        written.append(folder.joinpath(*parts))
        return written[-1]

    images = {(key.timepoint, key.sequence): r.volume for key, r in prepared.regions.items()}
    for (timepoint, sequence), volume in images.items():
        io.save_volume(volume, place("images", f"{timepoint}.{sequence}.nii.gz"))
    for key, region in prepared.regions.items():
        io.save_mask(region.mask, place("masks", f"{key}.nii.gz"))
    for alignment in prepared.alignments.values():
        suffix = io.transform_suffix(alignment.transform)
        name = f"{alignment.fixed}_from_{alignment.moving}{suffix}"
        io.save_transform(alignment.transform, place("transforms", name))
    for name, change in prepared.maps.items():
        io.save_volume(change.volume, place("change", f"{name}.nii.gz"))
        io.save_mask(change.mask, place("change", f"{name}.bed.nii.gz"))
    for title, data in (*region_pictures(prepared), *alignment_pictures(prepared)):
        io.write_bytes(place("qc", f"{title}.png"), data)
    # Without times: the same inputs give the same bytes.
    io.write_json(place("qc.json"), prepared.qc())
    return written


def region_pictures(prepared: Prepared) -> list[tuple[str, bytes]]:
    """A picture of every region, before treatment first."""
    visits, sequences = list(Timepoint), list(Sequence)
    order = sorted(
        prepared.regions,
        key=lambda key: (visits.index(key.timepoint), sequences.index(key.sequence), key.roi),
    )
    return [
        (str(key), report.contour_png(region.volume, region.mask, str(key)))
        for key, region in ((key, prepared.regions[key]) for key in order)
    ]


def alignment_pictures(prepared: Prepared) -> list[tuple[str, bytes]]:
    """A picture of every alignment whose two images the plan takes regions from."""
    shown = []
    for alignment in prepared.alignments.values():
        sides = [_side(prepared, name) for name in (alignment.fixed, alignment.moving)]
        fixed, moving = (next(iter(side), None) for side in sides)
        if fixed is None or moving is None:
            continue
        name = f"{alignment.fixed}_from_{alignment.moving}"
        picture = report.alignment_png(
            fixed.volume,
            moving.volume,
            alignment.transform,
            f"{name}: {alignment.quality.verdict}",
            fixed_mask=fixed.mask,
            moving_mask=moving.mask,
        )
        shown.append((name, picture))
    return shown


def _side(prepared: Prepared, name: str) -> list[Region]:
    """The regions of one side of an alignment, the tumour or bed first."""
    found = [
        region
        for key, region in prepared.regions.items()
        if f"{key.timepoint}.{key.sequence}" == name
    ]
    return sorted(found, key=lambda region: region.key.roi not in (Roi.TUMOUR, Roi.BED))
