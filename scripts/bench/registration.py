"""Accuracy, folding, time and memory of `bspline_lncc` and its peers on pairs with a known truth.

    python scripts/bench/registration.py OUT.jsonl --data DATA --peers-python /path/to/python
        [--seed 101] [--minutes 9] [--only METHOD ...] [--pairs small|all] [--threads 2]
    python scripts/bench/registration.py OUT.jsonl --table

DATA holds the public images that `fields.IMAGES` names. The peers' interpreter has antspyx,
picsl-greedy and SimpleITK-SimpleElastix (which must not share an environment with SimpleITK).
Methods take turns within a pair, each in a process of its own. One line of JSON a pair and method;
what OUT holds already is not run again, so that the work can be cut into pieces by ``--minutes``.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from fields import Pair, determinant, make_pair

from radresp.core import Sequence, Volume
from radresp.io import save_volume, write_text

WORKER = Path(__file__).with_name("registration_worker.py")
OURS = "radresp bspline_lncc"
METHODS = (
    OURS,
    "greedy default",
    "greedy tuned",
    "elastix default",
    "elastix tuned",
    "ANTs SyNQuick",
    "ANTs SyN default",
    "ANTs SyN tuned",
)
PAIRS = (
    ("prostatex", "bspline"),
    ("openms", "random_smooth"),
    ("phantom", "random_rough"),
    ("brain1", "thin_plate"),
    ("prostatex", "sliding"),
    ("phantom", "filling"),
    ("prostatex", "shrinkage"),
    ("brain1", "bspline"),
    ("phantom", "random_smooth"),
    ("prostatex", "random_rough"),
    ("openms", "thin_plate"),
    ("phantom", "sliding"),
    ("brain1", "shrinkage"),
)
KINDS = 7
LIGHT = tuple(method for method in METHODS if not method.startswith("ANTs"))
ROUNDS = ((PAIRS[:KINDS], LIGHT), (PAIRS[:KINDS], METHODS), (PAIRS[KINDS:], LIGHT))
"""ANTs needs minutes a pair: it runs on the first pair of every kind of field only."""


def main() -> None:
    """Run what is missing, or print the tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--peers-python", default=sys.executable)
    arguments.add_argument("--seed", type=int, default=101)
    arguments.add_argument("--minutes", type=float, default=1e9)
    arguments.add_argument("--only", nargs="*", default=METHODS, choices=METHODS)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--table", action="store_true")
    chosen = arguments.parse_args()
    rows = _read(chosen.out)
    if chosen.table:
        print("\n".join(_table(rows)))
        return
    until = time.monotonic() + 60 * chosen.minutes
    for row in _measured(chosen, {_key(row) for row in rows}, until):
        print(json.dumps(row), flush=True)
        rows.append(row)
        write_text(chosen.out, "".join(json.dumps(one) + "\n" for one in rows))


def _measured(chosen: argparse.Namespace, done: set, until: float) -> Iterator[dict]:
    """A row for every method and pair that is not done, while there is time."""
    for pairs, methods in ROUNDS:
        for image, kind in pairs:
            row = {"image": image, "kind": kind, "seed": chosen.seed}
            named = {method: row | {"method": method} for method in methods}
            wanted = [
                one for name, one in named.items() if name in chosen.only and _key(one) not in done
            ]
            if wanted and time.monotonic() < until:
                pair = make_pair(chosen.data, image, kind, chosen.seed)
                yield from _taking_turns(chosen, pair, wanted, done, until)


def _taking_turns(
    chosen: argparse.Namespace, pair: Pair, rows: list[dict], done: set, until: float
) -> Iterator[dict]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{name}.nii.gz") for name in ("fixed", "moving")]
        for path, image in zip(paths, (pair.fixed, pair.moving), strict=True):
            save_volume(Volume(image, Sequence.T2), path)
        for row in rows:
            if time.monotonic() > until:
                return
            python = sys.executable if row["method"] == OURS else chosen.peers_python
            command = [python, str(WORKER), row["method"], *map(str, paths)]
            yield row | _outcome([*command, str(chosen.threads)], pair)
            done.add(_key(row))


def _outcome(command: list[str], pair: Pair) -> dict:
    ended = subprocess.run(command, capture_output=True)
    if ended.returncode:
        return {"failed": ended.returncode, "said": ended.stderr.decode(errors="replace")[-300:]}
    found = np.load(io.BytesIO(ended.stdout), allow_pickle=False)
    places = found["places"].astype(np.float64)
    error = np.linalg.norm(places - pair.truth, axis=-1)
    body, near = error[pair.counted], error[pair.near]
    return {
        "start_mm": round(_start_mm(pair), 3),
        "mean_mm": round(float(body.mean()), 4),
        "p95_mm": round(float(np.percentile(body, 95)), 4),
        "near_mean_mm": round(float(near.mean()), 4),
        "near_p95_mm": round(float(np.percentile(near, 95)), 4),
        "folded_percent": round(_folded_percent(pair, places), 4),
        **{name: round(float(found[name]), 2) for name in ("wall_s", "cpu_s", "peak_mb")},
    }


def _start_mm(pair: Pair) -> float:
    size, image = pair.fixed.GetSize(), pair.fixed
    index = np.stack(np.meshgrid(*(np.arange(n) for n in size[::-1]), indexing="ij")[::-1], axis=-1)
    turn = np.reshape(image.GetDirection(), (3, 3))
    here = index * image.GetSpacing() @ turn.T + image.GetOrigin()
    return float(np.linalg.norm(pair.truth - here, axis=-1)[pair.counted].mean())


def _folded_percent(pair: Pair, places: np.ndarray) -> float:
    """Share of body voxels whose neighbourhood is turned inside out."""
    turn = np.reshape(pair.fixed.GetDirection(), (3, 3))
    local = places @ turn  # along the image's own axes
    index = np.meshgrid(*(np.arange(n, dtype=float) for n in local.shape[:3]), indexing="ij")[::-1]
    still = np.stack(index, axis=-1) * pair.fixed.GetSpacing()
    values = determinant(local - still, pair.fixed.GetSpacing()[::-1])
    return 100 * float((values[pair.counted] <= 0).mean())


def _read(path: Path) -> list[dict]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def _key(row: dict) -> tuple:
    return row["image"], row["kind"], row["seed"], row["method"]


def _table(rows: list[dict]) -> Iterator[str]:
    """Markdown: one line a pair and method."""
    pairs = defaultdict(list)
    for row in rows:
        pairs[row["kind"], row["image"], row["seed"]].append(row)
    yield (
        "| field, image (start) | method | mean mm | p95 | near ROI mean | p95 | folded % "
        "| wall s | CPU s | MB |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for (kind, image, _), group in pairs.items():
        start = next((row["start_mm"] for row in group if "start_mm" in row), float("nan"))
        name = f"{kind}, {image} ({start:.1f} mm)"
        for row in sorted(group, key=lambda row: METHODS.index(row["method"])):
            yield f"| {name} | {row['method']} | {_cells(row)} |"
            name = ""


def _cells(row: dict) -> str:
    if "failed" in row:
        return "failed | | | | | | | "
    errors = ("mean_mm", "p95_mm", "near_mean_mm", "near_p95_mm")
    cells = [f"{row[name]:.2f}" for name in errors]
    cells += [f"{row['folded_percent']:.3g}"]
    cells += [f"{row[name]:.{n}f}" for name, n in (("wall_s", 1), ("cpu_s", 1), ("peak_mb", 0))]
    return " | ".join(cells)


if __name__ == "__main__":
    main()
