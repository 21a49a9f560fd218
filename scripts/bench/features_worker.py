"""One method of the feature benchmark on one image, in a process of its own.

    python scripts/bench/features_worker.py METHOD IMAGE MASK SET REPEATS

METHOD is radresp, pyradiomics or flash; SET is original or full (3 LoG, 8 sub-bands). Prints
one line of JSON: seconds of every repeat, peak memory and the values by pyradiomics' names.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import SimpleITK as sitk

LOG_SIGMA = [2.0, 3.0, 4.0]
Values = Mapping[str, Any]


def main() -> None:
    """Measure one method."""
    method, image, mask, wanted, repeats = sys.argv[1:]
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    volume = sitk.ReadImage(image, sitk.sitkFloat32)
    outline = sitk.ReadImage(mask, sitk.sitkUInt8)
    run = radresp if method == "radresp" else extractor
    extract = run(volume, outline, wanted == "full", method)
    extract()
    seconds = []
    for _ in range(int(repeats)):
        started = time.perf_counter()
        values = extract()
        seconds.append(time.perf_counter() - started)
    numbers = {name: number(value) for name, value in values.items()}
    told = {
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "values": {name: value for name, value in numbers.items() if math.isfinite(value)},
    }
    print(json.dumps(told))


def number(value: Any) -> float:
    """A value as a number; NaN for text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def radresp(
    volume: sitk.Image, outline: sitk.Image, full: bool, _: str
) -> Callable[[], dict[str, float]]:
    """The families of radresp, under pyradiomics' names."""
    from radresp.core import Mask, Region, RegionKey, Roi, Sequence, Timepoint, Volume
    from radresp.features import Filtered, Original, filtered, original

    key = RegionKey(Timepoint.PRE, Sequence.T2, Roi.TUMOUR)
    region = Region(key, Volume(volume, key.sequence), Mask(outline, key.roi))

    def run() -> dict[str, float]:
        plain = original.extract(region, Original()).values
        found = {f"original_{name}": value for name, value in plain.items()}
        return found | (dict(filtered.extract(region, Filtered()).values) if full else {})

    return run


def extractor(
    volume: sitk.Image, outline: sitk.Image, full: bool, method: str
) -> Callable[[], Values]:
    """The extractor of pyradiomics, or of flash-radiomics, which has the same interface."""
    import logging

    if method == "flash":
        from flash_radiomics import featureextractor
    else:
        from radiomics import featureextractor

        logging.getLogger("radiomics").setLevel(logging.CRITICAL)

    def run() -> Values:
        made = featureextractor.RadiomicsFeatureExtractor(binCount=32)
        if full:
            made.enableImageTypeByName("LoG", customArgs={"sigma": LOG_SIGMA})
            made.enableImageTypeByName("Wavelet")
        found: Values = made.execute(volume, outline)
        return found

    return run


if __name__ == "__main__":
    main()
