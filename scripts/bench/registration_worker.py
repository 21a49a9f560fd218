"""One registration in a process of its own: `registration.py` starts it, nobody else need.

    python registration_worker.py METHOD FIXED MOVING THREADS > OUT.npz

Runs in any interpreter that has the method's package. Images are read before the clock starts;
what is timed ends when the transform is known. Standard output (.npz) gets ``places`` (moving LPS
mm of every fixed voxel, (z, y, x, 3), float32), ``wall_s``, ``cpu_s`` and ``peak_mb``.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

THREADS = sys.argv[4] if len(sys.argv) > 4 else "2"
for name in ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ[name] = THREADS

import numpy as np  # noqa: E402  # threads are read at import

Finish = Callable[[], np.ndarray]


def ours(fixed: str, moving: str) -> tuple[float, float, np.ndarray]:
    """The method of this toolkit through its public door, default settings."""
    import SimpleITK as sitk

    from radresp.core import Sequence, Volume
    from radresp.registration import METHODS

    method = METHODS["bspline_lncc"]
    pair = [Volume(sitk.ReadImage(path), Sequence.T2) for path in (fixed, moving)]
    settings = method.settings(device="cpu")
    find = lambda: method.find(*pair, settings, fixed_mask=None, moving_mask=None)  # noqa: E731
    return _timed(find, lambda found: _itk_places(pair[0].image, found.transform))


def elastix(fixed: str, moving: str, **bspline: str) -> tuple[float, float, np.ndarray]:
    """SimpleElastix: rigid, affine and B-spline with the default maps."""
    import SimpleITK as sitk

    still, moved = (sitk.ReadImage(path, sitk.sitkFloat32) for path in (fixed, moving))
    with tempfile.TemporaryDirectory() as folder:

        def find() -> object:
            elastix = sitk.ElastixImageFilter()
            elastix.SetFixedImage(still)
            elastix.SetMovingImage(moved)
            elastix.SetOutputDirectory(folder)
            elastix.LogToConsoleOff()
            maps = [sitk.GetDefaultParameterMap(kind) for kind in ("rigid", "affine", "bspline")]
            for key, value in bspline.items():
                if key in ("NumberOfSpatialSamples", "MaximumNumberOfIterations"):
                    maps[0][key] = maps[1][key] = [value]
                maps[2][key] = [value]
            if bspline and "GridSpacingSchedule" in maps[2]:
                maps[2].erase("GridSpacingSchedule")
            elastix.SetParameterMap(maps[0])
            for one in maps[1:]:
                elastix.AddParameterMap(one)
            elastix.Execute()
            return elastix.GetTransformParameterMap()

        def places(found: object) -> np.ndarray:
            transformix = sitk.TransformixImageFilter()
            transformix.SetTransformParameterMap(found)
            transformix.SetMovingImage(moved)
            transformix.SetOutputDirectory(folder)
            transformix.LogToConsoleOff()
            transformix.ComputeDeformationFieldOn()
            transformix.Execute()
            field = sitk.GetArrayFromImage(transformix.GetDeformationField())
            return _itk_places(still) + field

        return _timed(find, places)


def elastix_tuned(fixed: str, moving: str) -> tuple[float, float, np.ndarray]:
    """A 20-mm grid, twice the iterations and samples of the default."""
    return elastix(
        fixed,
        moving,
        FinalGridSpacingInPhysicalUnits="20",
        MaximumNumberOfIterations="500",
        NumberOfSpatialSamples="4096",
    )


def ants(fixed: str, moving: str, kind: str, **options: object) -> tuple[float, float, np.ndarray]:
    """A type of registration of antspyx."""
    import ants

    still, moved = ants.image_read(fixed), ants.image_read(moving)

    def find() -> dict:
        return ants.registration(still, moved, type_of_transform=kind, random_seed=1, **options)

    def places(found: dict) -> np.ndarray:
        import SimpleITK as sitk

        warp, affine = found["fwdtransforms"]
        field = sitk.DisplacementFieldTransform(sitk.ReadImage(warp, sitk.sitkVectorFloat64))
        both = sitk.CompositeTransform([sitk.ReadTransform(affine), field])
        return _itk_places(sitk.ReadImage(fixed), both)

    return _timed(find, places)


def greedy(
    fixed: str, moving: str, affine: str = "NMI", deform: str = "-m NCC 2x2x2 -n 100x50x10"
) -> tuple[float, float, np.ndarray]:
    """PICSL greedy: affine from the images' centres or headers, then diffeomorphic."""
    import SimpleITK as sitk
    from picsl_greedy import Greedy3D

    still, moved = (sitk.ReadImage(path, sitk.sitkFloat32) for path in (fixed, moving))
    engine = Greedy3D()
    threads = f"-threads {THREADS} -V 0"
    with tempfile.TemporaryDirectory() as folder:
        warp, both = Path(folder, "warp.nii.gz"), Path(folder, "both.nii.gz")
        # NIfTI rounds the header; the images keep theirs in memory.
        images = {"f": still, "m": moved}

        def find() -> None:
            engine.execute(
                f"-d 3 -a -dof 12 -m {affine} -i f m -ia-identity -n 100x50x10 -o aff {threads}",
                **images,
                aff=None,
            )
            engine.execute(f"-d 3 -i f m -it aff {deform} -o {warp} {threads}", **images)

        def places(_: None) -> np.ndarray:
            engine.execute(f"-d 3 -rf f -r {warp} aff -rc {both} {threads}", **images)
            field = sitk.GetArrayFromImage(sitk.ReadImage(str(both)))
            return _itk_places(still) + field

        return _timed(find, places)


METHODS: dict[str, Callable[[str, str], tuple[float, float, np.ndarray]]] = {
    "radresp bspline_lncc": ours,
    "elastix default": elastix,
    "elastix tuned": elastix_tuned,
    "ANTs SyNQuick": lambda f, m: ants(f, m, "antsRegistrationSyNQuick[s]"),
    "ANTs SyN default": lambda f, m: ants(f, m, "SyN"),
    "ANTs SyN tuned": lambda f, m: ants(
        f, m, "SyN", syn_metric="CC", syn_sampling=2, reg_iterations=(60, 40, 20)
    ),
    "greedy default": greedy,
    "greedy tuned": lambda f, m: greedy(
        f, m, "NCC 4x4x4", "-m NCC 2x2x2 -n 100x80x40 -s 1.5vox 0.5vox"
    ),
}


def _timed(find: Callable, places: Callable) -> tuple[float, float, np.ndarray]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = find()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu, places(found)


def _itk_places(image: object, transform: object | None = None) -> np.ndarray:
    import SimpleITK as sitk

    transform = transform or sitk.Transform(3, sitk.sitkIdentity)
    size, spacing = image.GetSize(), image.GetSpacing()
    z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in size[::-1]), indexing="ij")
    turned = np.stack([x, y, z], axis=-1) * spacing @ np.reshape(image.GetDirection(), (3, 3)).T
    field = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, size, image.GetOrigin(), spacing, image.GetDirection()
    )
    return turned + image.GetOrigin() + sitk.GetArrayFromImage(field)


def _peak_mb() -> float:
    """The most memory held since this program started; getrusage would count the parent's too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Run one method and write what it found to standard output, and nothing else."""
    result = os.dup(1)
    os.dup2(2, 1)  # libraries print as they like
    method, fixed, moving = sys.argv[1:4]
    wall, cpu, places = METHODS[method](fixed, moving)
    peak = _peak_mb()
    found = io.BytesIO()
    np.savez(found, places=places.astype(np.float32), wall_s=wall, cpu_s=cpu, peak_mb=peak)
    sys.stdout.flush()
    os.dup2(result, 1)
    sys.stdout.buffer.write(found.getvalue())


if __name__ == "__main__":
    main()
