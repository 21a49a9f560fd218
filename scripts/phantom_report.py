"""Write docs/reference/phantom.md and its picture sheet: what the digital pelvis measures.

    python scripts/phantom_report.py --imaged balanced=500 --cache cases.csv -o docs/reference
    python scripts/phantom_report.py --lists -o docs/reference

The second form takes seconds and renews only the lists that are read from the package; a test
holds the page to them. The measurements take about half an hour on two cores, most of it images of
the cases; those are kept in the cache, and a run that was broken off goes on from there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from string import Template
from time import perf_counter
from typing import Any

from phantom_report_parts import ceiling, cohort, geometry, sheet, signal
from phantom_report_parts.lists import lists
from phantom_report_parts.text import bullets

from radresp.io import write_text

PAGE, SHEET = "phantom.md", "phantom_sheet.webp"
TEMPLATE = Path(__file__).parent / "phantom_report_parts" / "page.md"
MARK = "<!-- Below: lists read from the package. -->"


class Watch(dict[str, float]):
    """Seconds by name of what was called."""

    def __call__(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call something and keep how long it took."""
        started = perf_counter()
        result = call(*arguments)
        self[name] = perf_counter() - started
        print(f"{name}: {self[name]:.0f} s", flush=True)
        return result


def measurements(
    cases: int, imaged_cases: dict[str, int], workers: int, cache: Path, folder: Path
) -> str:
    """The measured part of the page."""
    watch = Watch()
    contrast, off = watch("contrast", signal.contrast, workers)
    noise = watch("noise floor", signal.noise_floor)
    deformation = watch("deformation", geometry.deformation, workers)
    drawn = watch("cohorts", cohort.cohorts, cases, workers)
    rates, beside = cohort.rates(drawn)
    latent, outside = watch("latent ceiling", ceiling.latent)
    patients = watch("picture sheet", sheet.write_sheet, folder / SHEET)
    made = {
        preset: watch(
            f"imaged {preset}", ceiling.measured, preset, count, ceiling.SEED, workers, cache
        )
        for preset, count in imaged_cases.items()
    }
    imaged, missed = ceiling.imaged(made)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        patients=signal.PATIENTS,
        contrast=contrast,
        off=bullets("Further than 10 % from the table:", off),
        noise=noise,
        shift=geometry.epi_shift(),
        deformation=deformation,
        cases=cases,
        classes=cohort.classes(drawn),
        confusion=cohort.confusion(drawn),
        rates=rates,
        beside=bullets("Targets outside the interval (one in twenty is expected):", beside),
        references=cohort.references(drawn),
        missingness=cohort.missingness(drawn),
        draws=f"{ceiling.DRAWS:,}".replace(",", " "),
        latent=latent,
        outside=bullets(ceiling.BESIDE, outside),
        seed=ceiling.SEED,
        imaged=imaged,
        counts=", ".join(f"{count} {preset}" for preset, count in imaged_cases.items()),
        missed=bullets(ceiling.BESIDE, missed),
        scanner=sheet.SCANNER,
        sheet_seed=sheet.SEED,
        shown=", ".join(f"{index} ({sheet.SUBTYPES[name]})" for name, index in patients.items()),
        width=f"{2 * sheet.HALF_MM:g}",
        t2_top=f"{sheet.T2_TOP:g}",
        adc_top=f"{sheet.ADC_TOP:g}",
        sheet=SHEET,
        seconds=", ".join(f"{name} {value:.0f}" for name, value in watch.items()),
    )


def renewed(page: str) -> str:
    """A page with its lists read again."""
    measured, _, _ = page.partition(MARK)
    return f"{measured}{MARK}\n\n{lists()}\n"


def main() -> None:
    """Write the page, or only its lists."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=500, help="patients of each cohort")
    parser.add_argument(
        "--imaged",
        nargs="+",
        default=["balanced=500"],
        metavar="PRESET=CASES",
        help="how many patients of which cohorts are imaged for the ceiling",
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--cache", type=Path, default=Path("phantom_cases.csv"), help="imaged cases, kept as CSV"
    )
    parser.add_argument("--lists", action="store_true", help="renew only the lists")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/reference"))
    chosen = parser.parse_args()
    path = chosen.output / PAGE
    if chosen.lists:
        page = path.read_text(encoding="utf-8")
    else:
        counts = {name: int(n) for name, n in (pair.split("=") for pair in chosen.imaged)}
        page = measurements(chosen.cases, counts, chosen.workers, chosen.cache, chosen.output)
    write_text(path, renewed(page))


if __name__ == "__main__":
    main()
