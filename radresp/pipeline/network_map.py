"""Where a network sees the residual fraction of a bed: a map to look at, and a file to keep."""

from __future__ import annotations

from pathlib import Path

from radresp import cnn, io, report
from radresp.pipeline.network import NetworkAnswer

FILE = "residual_map.nii.gz"


def residual_maps(answer: NetworkAnswer | None) -> tuple[report.Map, ...]:
    """What may be laid over the later T2; nothing of a network that keeps no map.

    Parameters
    ----------
    answer : NetworkAnswer, optional
        What the network says of the case.
    """
    if answer is None or answer.map is None:
        return ()
    return (
        report.Map(
            "network.residual",
            "Network, residual tumour",
            "probability of tumour by which the network fills the bed; learned from fractions of "
            "whole beds, never from outlines of tumour",
            cnn.as_volume(answer.map, answer.patch),
            full=1.0,
        ),
    )


def save_residual_map(answer: NetworkAnswer | None, folder: Path) -> list[Path]:
    """Write the map as NIfTI in patient space, where there is one.

    Parameters
    ----------
    answer : NetworkAnswer, optional
        What the network says of the case.
    folder : Path
        Where to.
    """
    if answer is None or answer.map is None:
        return []
    io.save_map(answer.map, answer.patch.grid, folder / FILE)
    return [folder / FILE]
