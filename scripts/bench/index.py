"""Seconds to index a tree of studies, cold and from the cache, beside a walk that parses nothing.

    python scripts/bench/index.py [--cases 1000] [--slices 10] [--runs 3] [--folder DIR]

Each case has two studies of three series (T2, DWI with two b-values, ADC): 6 series. Files are
small synthetic DICOM with as many elements as a scanner writes. Cold means without the cache of
radresp; the files lie in the system's file cache, as after copying them. Every file is flushed when
the tree is made, which a memory disk (--folder /dev/shm) makes bearable. The walk lists and stats
every file, which is the least any index can do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from radresp import io
from radresp.pipeline import run_index

ROWS, COLUMNS = 64, 64
PRIVATE_ELEMENTS = 40
VISITS = ("20240102", "20240402")
KINDS = {
    "t2": ("SE", ["ORIGINAL", "PRIMARY", "M"], 104, 5660, (None,)),
    "dwi": ("EP", ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"], 63, 2700, (50, 800)),
    "adc": ("EP", ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"], 63, 2700, (None,)),
}


def main() -> None:
    """Print medians and their ratio."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", type=int, default=1000)
    arguments.add_argument("--slices", type=int, default=10)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--folder", type=Path)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        home = Path(name)
        files = make_tree(home / "data", chosen.cases, chosen.slices)
        seconds: dict[str, list[float]] = {"walk": [], "cold": [], "cached": []}
        busy: list[float] = []
        for _ in range(chosen.runs):
            shutil.rmtree(home / "w", ignore_errors=True)
            seconds["walk"].append(timed(lambda: walk(home / "data")))
            before = processor_seconds()
            seconds["cold"].append(timed(lambda: index(home, chosen.workers)))
            busy.append(processor_seconds() - before)
            seconds["cached"].append(timed(lambda: index(home, chosen.workers)))
    print(f"{chosen.cases} cases, {6 * chosen.cases} series, {files} files, medians of", end=" ")
    print(f"{chosen.runs} runs, {chosen.workers} workers, {os.cpu_count()} cores")
    for task, times in seconds.items():
        print(f"{task:7s} {median(times):7.2f} s   ({min(times):.2f} to {max(times):.2f})")
    print(f"processor time of a cold run {median(busy):.1f} s, readers included")
    print(f"cold / cached {median(seconds['cold']) / median(seconds['cached']):.1f}")


def index(home: Path, workers: int) -> None:
    """Index the tree; every case must come out complete."""
    done = run_index(
        home / "data", home / "cohort.csv", work=home / "w", workers=workers, force=True
    )
    if done.index.open:
        raise SystemExit(f"{len(done.index.open)} cases are not complete")


def walk(folder: Path) -> int:
    """List and stat every file."""
    return sum(
        (Path(here) / name).stat().st_size for here, _, names in os.walk(folder) for name in names
    )


def processor_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def timed(task: object) -> float:
    """Seconds a task takes."""
    start = time.perf_counter()
    task()  # type: ignore[operator]
    return time.perf_counter() - start


def make_tree(root: Path, cases: int, slices: int) -> int:
    """Write the studies; each file is made once, with 99999 where a case's identifiers go."""
    moulds = {
        (visit, kind): [mould(visit, kind, number, slices) for number in range(count(kind, slices))]
        for visit in VISITS
        for kind in KINDS
    }
    files = 0
    for case in range(cases):
        for (visit, kind), contents in moulds.items():
            folder = root / f"case{case:05d}" / visit / kind
            for number, content in enumerate(contents):
                stamped = content.replace(b"99999", f"{10_000 + case}".encode())
                io.write_bytes(folder / f"{number:04d}.dcm", stamped)
                files += 1
    return files


def count(kind: str, slices: int) -> int:
    """Files of a series."""
    return slices * len(KINDS[kind][4])


def mould(visit: str, kind: str, number: int, slices: int) -> bytes:
    """The bytes of one file of case 99999."""
    sequence, image_type, echo, repetition, b_values = KINDS[kind]
    b, place = b_values[number // slices], number % slices
    dataset = _header(visit, kind, number)
    dataset.ScanningSequence, dataset.ImageType = sequence, image_type
    dataset.EchoTime, dataset.RepetitionTime = echo, repetition
    dataset.ImagePositionPatient = [-64.0, -64.0, 3.0 * place]
    if b is not None:
        block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0C, "IS", b)
    filler = dataset.private_block(0x0051, "BENCH FILLER", create=True)
    for element in range(PRIVATE_ELEMENTS):
        filler.add_new(element, "LO", f"value {element}")
    content = BytesIO()
    pydicom.dcmwrite(content, dataset, enforce_file_format=True)
    return content.getvalue()


def _header(visit: str, kind: str, number: int) -> FileDataset:
    series = f"1.2.99999.{visit}.{list(KINDS).index(kind)}"
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = f"{series}.{number}"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": f"{series}.{number}",
        "SeriesInstanceUID": series,
        "StudyInstanceUID": generate_uid(),
        "PatientID": "bench-99999",
        "PatientName": "BENCH^99999",
        "Modality": "MR",
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "Skyra",
        "PatientSex": "O",
        "StudyDate": visit,
        "StudyTime": "120000",
        "AcquisitionDate": visit,
        "AcquisitionTime": f"12{list(KINDS).index(kind):02d}00",
        "SeriesDescription": f"{kind} tra",
        "SeriesNumber": list(KINDS).index(kind) + 1,
        "InstanceNumber": number + 1,
        "MagneticFieldStrength": 3,
        "SliceThickness": 3,
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [1, 1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": ROWS,
        "Columns": COLUMNS,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelData": np.random.default_rng(number).integers(0, 4096, (ROWS, COLUMNS), np.uint16)
        .tobytes(),
    }  # fmt: skip
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


if __name__ == "__main__":
    main()
