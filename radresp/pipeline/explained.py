"""Where the answer of a model's network comes from, for one case: maps, files and pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from radresp import cnn, io, report
from radresp.core import Patch, Timepoint
from radresp.errors import ModelError
from radresp.pipeline.case_view import WHEN
from radresp.pipeline.score import Scored, ScoringModel


class Explained(NamedTuple):
    """An explanation with the patch it lies on."""

    found: cnn.Explanation
    patch: Patch

    def record(self) -> dict[str, Any]:
        """What is said of it in ``score.json``."""
        agreement: Mapping[str, float] = self.found.agreement
        return {
            "method": self.found.method,
            "target": self.found.target,
            "log_odds": self.found.score,
            "completeness_error": self.found.completeness_error,
            "agreement_with_random": {
                visit: None if math.isnan(size) else size for visit, size in agreement.items()
            },
            "hidden": self.found.reason_hidden,
        }

    def maps(self) -> tuple[report.Map, ...]:
        """The maps of both visits; none where they say nothing about the network."""
        if self.found.reason_hidden:
            return ()
        target = self.found.target
        return tuple(
            report.Map(
                f"network.{visit}",
                f"Network, {WHEN[Timepoint(visit)]} treatment ({self.found.method})",
                f"where the network looked, not where tumour is: orange speaks for {target}, "
                "blue against",
                cnn.as_volume(values, self.patch),
                unit="log-odds",
            )
            for visit, values in self.found.maps.items()
        )


def explain_score(scored: Scored, scoring: ScoringModel, method: str) -> Explained:
    """Trace the network's answer on a scored case back to voxels around the bed.

    Parameters
    ----------
    scored : Scored
        The case.
    scoring : ScoringModel
        Its model.
    method : str
        ``integrated_gradients``, ``grad_cam`` or ``occlusion``.

    Raises
    ------
    ModelError
        ``NO_NETWORK`` when the model asks no network, or the case has no patch.
    PlanError
        ``CONFIG_VALUE`` for an unknown method.
    """
    patch, network = scored.prepared.patch, scoring.network
    if network is None or patch is None:
        lacking = "the model asks no network" if network is None else "the case has no patch"
        raise ModelError(
            "NO_NETWORK",
            f"there is nothing to explain: {lacking}",
            expected="a model trained with --cnn and --fuse",
            action="leave out --explain; score.json names the features that drove the answer",
            case=scored.score.case_id,
        )
    # Not at the top: a model without a network is answered where torch is not installed.
    from radresp.cnn.explain import explain

    found = explain(
        network.net,
        cnn.inputs_of(patch),
        classes=network.card.classes,
        spacing_mm=patch.grid.spacing_mm,
        method=method,
        settings=scoring.plan.explain,
    )
    return Explained(cnn.masked(found, patch), patch)


def save_explained(explained: Explained, folder: Path) -> list[Path]:
    """Write the maps as NIfTI in patient space, unless they say nothing about the network."""
    if explained.found.reason_hidden:
        return []
    paths = []
    for visit, values in explained.found.maps.items():
        paths.append(folder / f"explanation_{visit}.nii.gz")
        io.save_map(values, explained.patch.grid, paths[-1])
    return paths
