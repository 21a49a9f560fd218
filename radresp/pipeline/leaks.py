"""The leak guard of a training run: shuffled outcomes, and features of shuffled voxels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from radresp import classify, evaluate
from radresp.errors import CohortError
from radresp.pipeline.learning_table import TrainingTable
from radresp.pipeline.plan import Plan


def leak_guard(
    table: TrainingTable,
    found: classify.OutOfFold,
    settings: Any,
    plan: Plan,
    stage: Callable[[str, int], Callable[[int, int], None]],
) -> dict[str, Any]:
    """What the guard saw; it stops the run where shuffled outcomes could be predicted.

    Parameters
    ----------
    table : TrainingTable
        The cases.
    found : OutOfFold
        The model's own evaluation.
    settings : ClassifierSettings
        Of the model.
    plan : Plan
        How often outcomes are shuffled, and the seed.
    stage : callable
        Opens a progress line.

    Raises
    ------
    ModelError
        ``LEAK_CANARY``.
    """
    control = _control(table, found, settings, plan, stage)
    permutations = plan.evaluation.permutations
    if permutations == 0:
        return {"permutations": 0, "aucs": [], "bound": None, "passed": None, "control": control}
    tick = stage("shuffled outcomes", permutations)
    canary = classify.permute(
        table.x,
        table.y,
        table.groups,
        settings,
        seed=plan.seed,
        permutations=permutations,
        sites=table.sites,
    )
    tick(permutations, permutations)
    return {
        "permutations": permutations,
        "aucs": list(canary.aucs),
        "bound": canary.bound,
        "passed": True,
        "control": control,
    }


def _control(
    table: TrainingTable,
    found: classify.OutOfFold,
    settings: Any,
    plan: Plan,
    stage: Callable[[str, int], Callable[[int, int], None]],
) -> dict[str, Any] | None:
    """The same evaluation where texture was destroyed: what is left is size and histogram."""
    if table.control is None:
        return None
    try:
        shuffled = classify.cross_validate(
            table.control,
            table.y,
            table.groups,
            settings,
            seed=plan.seed,
            sites=table.sites,
            progress=stage("shuffled voxels", 0),
        )
    except CohortError as error:
        return {"reason": error.message}
    cases = found.p.index
    pair = evaluate.compare(
        table.complete.loc[cases].to_numpy(),
        found.p_ccr.to_numpy(),
        shuffled.p_ccr.loc[cases].to_numpy(),
        table.groups.loc[cases].to_numpy(),
        seed=plan.seed,
        repeats=plan.evaluation.bootstrap,
    )["auc"]
    ends = {name: pair[name] for name in ("value", "low", "high")}
    return {"auc": pair["b"], "difference": ends, "better": bool((pair["low"] or 0.0) > 0)}
