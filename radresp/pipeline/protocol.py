"""What images say against their roles and against what ESGAR asks of a rectal MRI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from radresp.core import Note, NoteKind, Sequence, Timepoint, Volume

ESGAR_SLICE_MM = 3.0
ESGAR_HIGH_B_S_PER_MM2 = 800.0
T2_COARSER = 1.2
"""A T2 whose pixels are so much larger than those of its DWI is likely not the T2."""

Volumes = Mapping[tuple[Timepoint, Sequence], tuple[Volume, ...]]


def protocol_notes(
    timepoint: Timepoint, sequence: Sequence, volumes: tuple[Volume, ...]
) -> Iterator[Note]:
    """What ESGAR asks of a rectal MRI and these images do not give (clinical.md 2.3)."""
    spacing = volumes[0].grid.spacing_mm
    if sequence is Sequence.T2 and spacing[2] > ESGAR_SLICE_MM * 1.05:
        yield Note(
            NoteKind.WARNING,
            "SLICE_THICKNESS",
            f"T2 slices every {spacing[2]:.2g} mm",
            expected=f"at most {ESGAR_SLICE_MM:g} mm (ESGAR)",
        )
    if sequence is not Sequence.DWI:
        return
    b_values = [volume.b_s_per_mm2 or 0.0 for volume in volumes]
    said = ", ".join(f"{b:g}" for b in b_values)
    if max(b_values) < ESGAR_HIGH_B_S_PER_MM2:
        yield Note(
            NoteKind.WARNING,
            "B_HIGH_LOW",
            f"b-values {said} s/mm2",
            expected=f"a high b of at least {ESGAR_HIGH_B_S_PER_MM2:g} (ESGAR)",
        )
    if min(b_values) > 0:
        yield Note(
            NoteKind.INFO,
            "NO_B0",
            f"b-values {said} s/mm2, none at 0",
            action="the lowest b-value stands in for S0 in the ADC fit",
        )


def role_notes(volumes: Volumes) -> Iterator[tuple[str, Note]]:
    """Doubts from the images alone, since a NIfTI file does not tell what it shows.

    Yields
    ------
    str, Note
        Role and doubt.
    """
    for timepoint in Timepoint:
        t2 = volumes.get((timepoint, Sequence.T2))
        for sequence in (Sequence.DWI, Sequence.ADC):
            other = volumes.get((timepoint, sequence))
            if not t2 or not other:
                continue
            fine, coarse = (max(found[0].grid.spacing_mm[:2]) for found in (t2, other))
            if fine > coarse * T2_COARSER:
                note = Note(
                    NoteKind.WARNING,
                    "ROLE_SUSPECT",
                    f"the T2 has pixels of {fine:.2g} mm, the {sequence} of {coarse:.2g} mm",
                    expected="a T2 finer than the diffusion images",
                    action="check that the two are not exchanged",
                )
                yield f"{timepoint}.{Sequence.T2}", note


def position_notes(positions: Mapping[Timepoint, str]) -> Iterator[Note]:
    """Whether the patient lay otherwise at the second visit; geometry does not depend on it."""
    told = [position for position in positions.values() if position]
    if len(set(told)) > 1:
        yield Note(
            NoteKind.WARNING,
            "POSITION_CHANGED",
            f"the patient lay as {' then '.join(told)}",
            expected="one position at both visits",
            action="look at the registration of this case",
        )
