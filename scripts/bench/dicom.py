"""Seconds to read a classic DWI study of 120 slices, beside dcm2niix on the same files.

    python scripts/bench/dicom.py [--runs 15] [--slices 40] [--folder DIR]

Medians of alternating runs, so that both meet the same load. dcm2niix is timed as it is used: a
program that writes an uncompressed NIfTI file. The files are made here with as many elements as a
scanner writes, or taken from a folder of one series.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from radresp import io
from radresp.io import dicom_guard, dicom_series

B_VALUES = (50, 400, 800)
ROWS, COLUMNS = 128, 84
PRIVATE_ELEMENTS = 60


def main() -> None:
    """Print medians and their ratio."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=15)
    arguments.add_argument("--slices", type=int, default=40)
    arguments.add_argument("--folder", type=Path)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.folder or make_study(Path(name) / "study", chosen.slices)
        out = Path(name) / "out"
        tasks: dict[str, Callable[[], object]] = {
            "radresp, reader process": lambda: dicom_guard.read_series(folder),
            "radresp, in this process": lambda: dicom_series.read_series(folder),
        }
        if (program := converter()) is not None:
            tasks["dcm2niix"] = lambda: convert(program, folder, out)
        start = time.perf_counter()
        dicom_guard.read_series(folder)
        print(
            f"first read, with the start of the reader process {time.perf_counter() - start:.3f} s"
        )
        seconds = {task: median(times) for task, times in alternate(tasks, chosen.runs).items()}
    print(f"medians of {chosen.runs} runs")
    for task, value in seconds.items():
        ratio = f"  {value / seconds['dcm2niix']:.2f} x dcm2niix" if program else ""
        print(f"{task:26s} {value:.3f} s{ratio}")


def alternate(tasks: dict[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Seconds of every task, run in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(runs):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def converter() -> str | None:
    """dcm2niix on the path or beside this Python."""
    beside = Path(sys.executable).parent / "dcm2niix"
    return shutil.which("dcm2niix") or (str(beside) if beside.exists() else None)


def convert(program: str, folder: Path, out: Path) -> None:
    """Convert a folder into an empty one."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    command = [program, "-b", "n", "-z", "n", "-o", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def make_study(folder: Path, slices: int) -> Path:
    """Write a DWI series of three b-values."""
    folder.mkdir()
    series, rng = generate_uid(), np.random.default_rng(1)
    for number in range(slices * len(B_VALUES)):
        b, index = B_VALUES[number // slices], number % slices
        dataset = _slice(number + 1, index, b)
        dataset.SeriesInstanceUID = series
        dataset.PixelData = rng.integers(0, 4096, (ROWS, COLUMNS), np.uint16).tobytes()
        content = BytesIO()
        pydicom.dcmwrite(content, dataset, enforce_file_format=True)
        io.write_bytes(folder / f"{number:04d}.dcm", content.getvalue())
    return folder


def _slice(number: int, index: int, b: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "MR",
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "Skyra",
        "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"],
        "ScanningSequence": "EP",
        "SequenceName": f"*ep_b{b}t",
        "PatientID": "bench",
        "StudyDate": "20200101",
        "StudyTime": "120000",
        "AcquisitionDate": "20200101",
        "AcquisitionTime": "120000",
        "StudyInstanceUID": "1.2.3",
        "SeriesNumber": 7,
        "InstanceNumber": number,
        "EchoTime": 63,
        "RepetitionTime": 2700,
        "MagneticFieldStrength": 3,
        "SliceThickness": 3,
        "ImagePositionPatient": [-84.0, -128.0, 3.0 * index],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [2, 2],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": ROWS,
        "Columns": COLUMNS,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
    }
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", b)
    filler = dataset.private_block(0x0051, "BENCH FILLER", create=True)
    for element in range(PRIVATE_ELEMENTS):
        filler.add_new(element, "LO", f"value {element}")
    return dataset


if __name__ == "__main__":
    main()
