"""Seconds to perturb one full-size case 30 times with about a thousand features.

    python scripts/bench/stability.py [--rounds 3]

A phantom case at its full voxel size, the default plan with `original` on a ring as well; rigid
registration, which is done once a case and counted apart.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from radresp import pipeline
from radresp.pipeline import stability

PLAN = {
    "registration": {"method": "rigid_mi"},
    "regions": [
        f"{visit}.{sequence}.{roi}"
        for visit, core in (("pre", "tumour"), ("post", "bed"))
        for sequence in ("t2", "adc")
        for roi in (core, "ring")
    ],
}


def main() -> None:
    """Print medians."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    rounds = arguments.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        pipeline.make_phantom_cohort(Path(folder), 1, 5)
        plan = pipeline.parse_plan(PLAN)
        case = pipeline.load_case(pipeline.open_cases(Path(folder) / "cohort.csv").cases[0], plan)
        seconds: dict[int, list[float]] = {2: [], plan.stability.count: []}
        for _ in range(rounds):
            for count, times in seconds.items():
                asked = replace(plan, stability=plan.stability.model_copy(update={"count": count}))
                start = time.perf_counter()
                found = list(stability.perturb_case(case, asked))
                times.append(time.perf_counter() - start)
    few, many = (median(times) for times in seconds.values())
    each = (many - few) / (plan.stability.count - 2)
    print(
        f"{len(found[0])} features, {plan.stability.count} perturbations: {many:.1f} s; "
        f"{each:.2f} s each, preparing {few - 2 * each:.1f} s"
    )


if __name__ == "__main__":
    main()
