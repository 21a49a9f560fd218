"""Write what people look at: regions, transforms and pictures of a prepared case."""

from __future__ import annotations

from pathlib import Path

from radresp import io, report
from radresp.core import Prepared, Sequence, Timepoint


def save_prepared(prepared: Prepared, folder: Path) -> list[Path]:
    """Write regions, transforms, quality and pictures of one prepared case; returns the files."""
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
        name = f"{alignment.fixed}_from_{alignment.moving}.tfm"
        io.save_transform(alignment.transform, place("transforms", name))
    for title, data in region_pictures(prepared):
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
