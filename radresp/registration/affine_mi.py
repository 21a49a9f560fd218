"""Affine registration by mutual information: the rigid fit with stretch and shear, twelve numbers.

What: `radresp.registration.rigid_mi` finds the rotation and translation from all its starts; a
descent on the two finest levels then frees stretch and shear. The same metric, copies, seed and
bounds; a free fit that agrees less than the rigid one is not taken.
Source: Mattes et al., IEEE Trans Med Imaging 2003;22:120-128, as implemented in ITK.

When: scanners whose gradients scale differently, other voxel sizes by wrong headers, and as the
start of a deformable method. Two visits on one scanner need no more than a rigid fit.
"""

from __future__ import annotations

import SimpleITK as sitk

from radresp.core import Mask, Note, Volume
from radresp.registration.descent import refined
from radresp.registration.quality import Found
from radresp.registration.rigid_mi import RigidMi, descent_of, is_backwards, pyramid
from radresp.registration.rigid_mi import find as find_rigid

_FREE_LEVELS = 2


class AffineMi(RigidMi):
    """Settings of the affine registration by mutual information, those of the rigid one."""


def find(
    fixed: Volume,
    moving: Volume,
    settings: RigidMi,
    *,
    fixed_mask: Mask | None = None,
    moving_mask: Mask | None = None,
) -> Found:
    """Find the affine transform from fixed to moving millimetres.

    Parameters
    ----------
    fixed, moving : Volume
        The images, finite everywhere.
    settings : RigidMi
        How to search.
    fixed_mask, moving_mask : Mask, optional
        As for the rigid method.

    Returns
    -------
    Found
        A ``SimpleITK.AffineTransform``, with the notes and figures of the rigid start.

    Raises
    ------
    GeometryError, InputError, ResourceError
        As the rigid method.
    """
    if is_backwards(fixed, moving, fixed_mask, moving_mask):
        back = find(moving, fixed, settings, fixed_mask=moving_mask)
        return Found(back.transform.GetInverse(), back.notes, back.numbers, back.doubts)
    masks = {"fixed_mask": fixed_mask, "moving_mask": moving_mask}
    rigid = find_rigid(fixed, moving, settings, **masks)
    notes: list[Note] = []
    transform = free(sitk.Euler3DTransform(rigid.transform))
    descent = descent_of(settings)
    for level in pyramid(fixed, moving, settings, fixed_mask)[-_FREE_LEVELS:]:
        transform = refined(descent, level, transform, notes)
    doubts = tuple(note.found for note in notes)
    return Found(transform, (*rigid.notes, *notes), rigid.numbers, (*rigid.doubts, *doubts))


def free(rigid: sitk.Euler3DTransform) -> sitk.AffineTransform:
    """The same motion as a transform that may stretch and shear."""
    affine = sitk.AffineTransform(3)
    affine.SetCenter(rigid.GetCenter())
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    return affine
