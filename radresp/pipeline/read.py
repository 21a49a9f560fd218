"""From addresses to volumes: everything the plan needs of one case, read and checked."""

from __future__ import annotations

from pathlib import Path

from radresp import intensity, io
from radresp.core import (
    Case,
    CaseFiles,
    Mask,
    Note,
    NoteKind,
    RegionKey,
    Roi,
    Sequence,
    Step,
    Timepoint,
    Trail,
    Volume,
    VolumeKey,
)
from radresp.errors import InputError, locating
from radresp.pipeline.acquisition import Role, acquisition_step
from radresp.pipeline.pair import check_pair
from radresp.pipeline.plan import Plan


def load_case(files: CaseFiles, plan: Plan) -> Case:
    """Read the images and masks of one case that the plan asks for.

    Parameters
    ----------
    files : CaseFiles
        Addresses.
    plan : Plan
        Its regions say which visits and sequences are needed; T2 of those visits is always read.

    Raises
    ------
    InputError
        ``MISSING_INPUT`` naming the role, or whatever the readers refuse, with case and file.
    """
    volumes: dict[VolumeKey, Volume] = {}
    roles: dict[Role, tuple[tuple[Volume, ...], Step]] = {}
    trail: list[Step] = []
    with locating(files.case_id, files.root):
        trail.append(check_pair(files))
        for timepoint in needed_visits(plan):
            for sequence in _sequences(files, plan, timepoint):
                read, steps = load_role(files, timepoint, sequence)
                trail += steps
                roles[timepoint, read[0].sequence] = (read, steps[0])
                volumes |= {VolumeKey(timepoint, v.sequence, v.b_s_per_mm2): v for v in read}
        masks, steps = _load_masks(files, volumes, plan)
        trail += [*steps, acquisition_step(roles)]
        return Case(files.case_id, volumes, masks, files.clinical, tuple(trail))


def needed_visits(plan: Plan) -> tuple[Timepoint, ...]:
    """The visits the plan takes regions from, earliest first."""
    asked = {key.timepoint for key in plan.regions}
    return tuple(timepoint for timepoint in Timepoint if timepoint in asked)


def needed_sequences(plan: Plan, timepoint: Timepoint) -> tuple[Sequence, ...]:
    """The sequences the plan needs of one visit; T2 always, since masks are drawn on it."""
    asked = {key.sequence for key in plan.regions if key.timepoint is timepoint}
    return tuple(s for s in Sequence if s in asked | {Sequence.T2})


def _sequences(files: CaseFiles, plan: Plan, timepoint: Timepoint) -> tuple[Sequence, ...]:
    """What is read of one visit: what the plan needs, and diffusion its measures look at if there.

    An ADC map alone does not show the high b-value.
    """
    needed = needed_sequences(plan, timepoint)
    shown = plan.measures and Sequence.ADC in needed and (timepoint, Sequence.DWI) in files.images
    return tuple(s for s in Sequence if s in needed or (shown and s is Sequence.DWI))


def needed_outlines(plan: Plan) -> frozenset[Roi]:
    """The outlines that can matter to the plan: a broken one that does not must refuse no case."""
    asked = {key.roi for key in plan.regions} | {Roi.TUMOUR, Roi.BED}
    if plan.measures:
        asked |= {Roi.RESIDUAL, Roi.MUSCLE, Roi.NORMAL_WALL, Roi.LUMEN}
    if isinstance(plan.t2.settings, intensity.ReferenceTissue):
        asked.add(Roi(plan.t2.settings.tissue))
    return frozenset(asked)


def load_role(
    files: CaseFiles, timepoint: Timepoint, sequence: Sequence
) -> tuple[tuple[Volume, ...], Trail]:
    """Read one role of a case; an ADC that was not given is replaced by the DWI to fit it from.

    Raises
    ------
    InputError
        ``MISSING_INPUT`` when the case has neither.
    """
    path = files.images.get((timepoint, sequence))
    if path is None and sequence is Sequence.ADC:
        sequence = Sequence.DWI
        path = files.images.get((timepoint, sequence))
    if path is None:
        role = "adc or dwi" if sequence is Sequence.DWI else str(sequence)
        raise InputError(
            "MISSING_INPUT",
            f"no {timepoint} {role} image is named",
            expected=f"a path in column {timepoint}_{sequence}",
            action="add the image, or take its regions out of the plan",
        )
    series = files.series.get((timepoint, sequence))
    if sequence is Sequence.ADC:
        image, step = io.load_adc_image(path, series)
        volume, unit_step = intensity.adc_volume(image)
        return (volume,), (step, unit_step)
    volumes, step = io.load_volumes(path, sequence, series)
    return volumes, (step,)


def _load_masks(
    files: CaseFiles, volumes: dict[VolumeKey, Volume], plan: Plan
) -> tuple[dict[RegionKey, Mask], Trail]:
    """Read the masks the plan can use, each onto the image it was drawn on."""
    masks: dict[RegionKey, Mask] = {}
    steps: list[Step] = []
    read = {key[:2]: volume for key, volume in volumes.items()}
    for key, path in files.masks.items():
        if key.roi not in needed_outlines(plan):
            continue
        drawn_on = _drawn_on(key, set(read))
        if drawn_on is None:
            steps.append(_unused(key, path))
            continue
        image = read[drawn_on.timepoint, drawn_on.sequence]
        masks[drawn_on], step = load_outline(files, key, image, plan)
        steps.append(step)
    for key in sorted(files.empty):
        drawn_on = _drawn_on(key, set(read))
        if key.roi in needed_outlines(plan) and drawn_on is not None:
            image = read[drawn_on.timepoint, drawn_on.sequence]
            masks[drawn_on], step = io.empty_mask(key.roi, image.grid)
            steps.append(step)
    return masks, tuple(steps)


def _drawn_on(key: RegionKey, read: set[Role]) -> RegionKey | None:
    """The key of an outline among the images that were read.

    An ADC map fitted here lies on the grid of its DWI, so what was drawn on one fits the other.
    """
    others = {Sequence.ADC: Sequence.DWI, Sequence.DWI: Sequence.ADC}
    for sequence in (key.sequence, others.get(key.sequence, key.sequence)):
        if (key.timepoint, sequence) in read:
            return RegionKey(key.timepoint, sequence, key.roi)
    return None


def _unused(key: RegionKey, path: Path) -> Step:
    note = Note(
        NoteKind.WARNING,
        "MASK_UNUSED",
        f"the {key.roi} mask was drawn on the {key.timepoint} {key.sequence}, which was not read",
        "a mask on an image the plan asks for",
        file=path.name,
    )
    return Step("pipeline", "load_masks", notes=(note,))


def load_outline(files: CaseFiles, key: RegionKey, volume: Volume, plan: Plan) -> tuple[Mask, Step]:
    """Read one mask of a case onto the grid of the image it was drawn on."""
    drawn_on = (key.timepoint, key.sequence)
    mask, step = io.load_mask(
        files.masks[key],
        key.roi,
        volume.grid,
        choice=files.choices.get(key),
        resample=plan.rules.resample,
        # A folder of several series does not say which of them an outline must refer to.
        image=None if drawn_on in files.series else files.images.get(drawn_on),
    )
    if mask.is_empty and key.roi is Roi.BED:
        raise InputError(
            "MASK_EMPTY",
            "the bed mask has 0 voxels",
            expected="the whole treated bed",
            action="draw it, leave the cell empty to carry the tumour over, or write 'empty' in "
            "post_bed when the reader saw no bed",
            file=files.masks[key],
        )
    return mask, step
