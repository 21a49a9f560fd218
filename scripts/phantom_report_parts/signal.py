"""Contrast and diffusion of every tissue against the tissue table, and ADC near the noise floor."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from phantom_report_parts.blocks import LABELS, image
from phantom_report_parts.text import difference, table
from radresp.phantom import PhantomSettings, protocols, tissue_table
from radresp.phantom.tissue import Label, properties, vary

FIELDS = {"reference_1p5t": "1p5T", "reference_3t": "3T"}
PATIENTS = 48
TARGET = 0.10
PUBLISHED_BIAS = {
    10: ("0.90 ± 0.27", "1.06 ± 0.56", "1.32", "2.77"),
    20: ("0.90 ± 0.13", "1.10 ± 0.30", "1.49", "2.99"),
    30: ("0.90 ± 0.09", "1.10 ± 0.20", "-", "-"),
}
"""``docs/reference/clinical.md`` 2.3: ADC at 3 T from b 0 and 1000, 1e-3 mm2/s."""
_BIAS_LABELS = (Label.TUMOUR, Label.BED_FIBROSIS, Label.MUSCLE, Label.URINE)


def region_means(seed: int, scanner: str, settings: PhantomSettings) -> NDArray[np.float64]:
    """T2/muscle, b1000/muscle and ADC (1e-3 mm2/s) of every tissue, (tissues, 3), one patient."""
    protocol = protocols()[scanner]
    mean = properties(protocol.field_strength_t)
    tissue = vary(mean, np.random.default_rng([seed, 3]), settings.variation)
    names, labels = list(LABELS), list(LABELS.values())
    seen = image(labels, tissue, protocol, settings, seed)
    muscle = names.index("skeletal_muscle")
    columns = []
    for values in (seen.t2, seen.dwi[-1]):
        means = np.array([part.mean(dtype=float) for part in values])
        columns.append(means / means[muscle])
    columns.append(np.array([part.mean(dtype=float) for part in seen.adc]) / 1000)
    return np.stack(columns, axis=1)


def contrast(workers: int) -> tuple[str, list[str]]:
    """The table of contrasts, and what misses the target."""
    mean_patient = PhantomSettings(coil=0, noise=0, variation=0)
    everyone = PhantomSettings(coil=0)
    rows, missed = [], []
    for scanner, field in FIELDS.items():
        exact = region_means(0, scanner, mean_patient)
        with ProcessPoolExecutor(workers) as pool:
            call = partial(region_means, scanner=scanner, settings=everyone)
            found = np.stack(list(pool.map(call, range(1, PATIENTS + 1))))
        means, sds = found.mean(axis=0), found.std(axis=0, ddof=1)
        for i, name in enumerate(LABELS):
            entry = tissue_table()[name]
            wanted = [
                entry[column]
                for column in (
                    f"T2TSE_ratio_to_muscle_{field}",
                    f"b1000_ratio_{field}",
                    "ADC_1e-3_mm2_s",
                )
            ]
            cells = [name, field.replace("p", ".").replace("T", " T")]
            for j, (what, target) in enumerate(zip(("T2", "b1000", "ADC"), wanted, strict=True)):
                spread = f" ± {entry['ADC_sd']:.2f}" if what == "ADC" else ""
                off = difference(means[i, j], target)
                cells += [
                    f"{target:.2f}{spread}",
                    f"{exact[i, j]:.2f} ({difference(exact[i, j], target)})",
                    f"{means[i, j]:.2f} ± {sds[i, j]:.2f} ({off})",
                ]
                for kind, value in (("mean patient", exact[i, j]), ("patients", means[i, j])):
                    if abs(value / target - 1) > TARGET:
                        missed.append(
                            f"{name}, {cells[1]}, {what}, {kind}: {value:.2f} for {target:.2f} "
                            f"({difference(value, target)} %)"
                        )
            rows.append(cells)
    head = ["tissue", "field"]
    for what in ("T2/muscle", "b1000/muscle", "ADC"):
        head += [f"{what}: table", "mean patient (%)", "patients (%)"]
    return table(head, rows), missed


def noise_floor() -> str:
    """ADC per voxel near the noise floor, from b 0 and 1000 at 3 T."""
    settings = PhantomSettings(coil=0, variation=0, texture=0, distortion=0)
    rows = []
    for snr, published in PUBLISHED_BIAS.items():
        protocol = replace(
            protocols()["reference_3t"],
            dwi_snr=float(snr),
            b_values_s_per_mm2=(0.0, 1000.0),
            dwi_averages=(1, 1),
            bits_stored=16,
            gain_dwi=2000.0,
        )
        seen = image(_BIAS_LABELS, properties(3.0), protocol, settings, snr)
        for label, said, values in zip(_BIAS_LABELS, published, seen.adc, strict=True):
            true = properties(3.0).adc_um2_per_s[label] / 1000
            adc = values / 1000
            rows.append(
                [
                    snr,
                    label.name.lower(),
                    f"{true:.2f}",
                    said,
                    f"{adc.mean():.2f} ± {adc.std():.2f}",
                ]
            )
    return table(["SNR of tumour at b 0", "tissue", "true", "clinical.md 2.3", "phantom"], rows)
