"""The inverse: exact for linear transforms, within tolerance for those of tissue, else refused."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS
from hypothesis import given, settings
from hypothesis import strategies as st
from registration.pictures import centred_grid

from radresp.errors import GeometryError
from radresp.registration import invert

MIDDLE = (10.0, -20.0, 30.0)
SIZE, SPACING = (24, 24, 12), (4.0, 4.0, 5.0)


def affine(seed: int, amount: float = 0.08) -> sitk.AffineTransform:
    rng = np.random.default_rng(seed)
    found = sitk.AffineTransform(3)
    found.SetCenter(MIDDLE)
    found.SetMatrix((np.eye(3) + amount * rng.normal(size=(3, 3))).ravel().tolist())
    found.SetTranslation((4 * rng.normal(size=3)).tolist())
    return found


def bent(seed: int, size_mm: float, grid) -> sitk.BSplineTransform:
    """A B-spline that is 0 at the border of its grid, as tissue far from the lesion is."""
    found = sitk.BSplineTransformInitializer(grid.blank(), (7, 7, 7))
    free = np.zeros((3, 10, 10, 10))
    rng = np.random.default_rng(seed)
    free[:, 3:-3, 3:-3, 3:-3] = size_mm * rng.normal(size=(3, 4, 4, 4))
    found.SetParameters(free.ravel().tolist())
    return found


def furthest_mm(one: sitk.Transform, other: sitk.Transform, grid) -> float:
    """How far ``one(other(y))`` ends from ``y`` at the voxels of a grid."""
    index = np.argwhere(np.ones(grid.size[::-1], bool))[::29, ::-1]
    points = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    ends = [one.TransformPoint(other.TransformPoint(p)) for p in points.tolist()]
    return float(np.linalg.norm(ends - points, axis=1).max())


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_linear_transforms_are_undone_exactly(seed):
    grid = centred_grid(size=SIZE, spacing_mm=SPACING)
    turn = sitk.Euler3DTransform(MIDDLE, 0.1, -0.2, 0.05, (3.0, 2.0, -1.0))
    chain = sitk.CompositeTransform([turn, affine(seed)])
    back = invert(chain, grid)
    assert back.IsLinear()
    assert furthest_mm(chain, back, grid) < 1e-9


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", ["spline", "field", "composite"])
def test_deformations_are_undone_both_ways(orientation, kind):
    grid = centred_grid(orientation, SIZE, SPACING)
    spline = bent(3, 2.0, grid)
    transform = spline
    if kind == "field":
        like = grid.blank()
        transform = sitk.DisplacementFieldTransform(
            sitk.TransformToDisplacementField(
                spline,
                sitk.sitkVectorFloat64,
                like.GetSize(),
                like.GetOrigin(),
                like.GetSpacing(),
                like.GetDirection(),
            )
        )
    if kind == "composite":
        transform = sitk.CompositeTransform([affine(1), spline])
    back = invert(transform, grid, tolerance_mm=0.05)
    assert furthest_mm(transform, back, grid) < 0.05
    # The other way round it is as exact as a field is between its voxels.
    assert furthest_mm(back, transform, grid) < 0.5


@given(seed=st.integers(0, 10_000), size_mm=st.floats(0.0, 5.0))
@settings(max_examples=10, deadline=None)
def test_any_gentle_deformation_has_an_inverse(seed, size_mm):
    grid = centred_grid(size=SIZE, spacing_mm=SPACING)
    transform = sitk.CompositeTransform([affine(seed, 0.03), bent(seed, size_mm, grid)])
    assert furthest_mm(transform, invert(transform, grid), grid) < 0.05


def test_folded_tissue_and_flat_matrices_have_none():
    grid = centred_grid(size=SIZE, spacing_mm=SPACING)
    with pytest.raises(GeometryError, match="best inverse") as caught:
        invert(bent(0, 60.0, grid), grid)
    assert caught.value.code == "REG_IMPLAUSIBLE"
    flat = sitk.AffineTransform(3)
    flat.SetMatrix([1, 0, 0, 0, 1, 0, 0, 1, 0])
    with pytest.raises(GeometryError, match="without an inverse"):
        invert(flat, grid)
