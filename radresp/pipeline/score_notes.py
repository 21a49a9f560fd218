"""What a score has to repeat: doubts about the model, the case's place in it, and filled gaps.

Source: fault catalogue 2.9 (P07, P16), 2.10 (L06). When to use: from
:func:`radresp.pipeline.score.score_case`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from radresp import classify
from radresp.core import CaseFiles, FeatureRow, Note, NoteKind
from radresp.pipeline.records import input_hashes
from radresp.pipeline.score_checks import few

CARRIED = ("MODEL_VERSION", "TOO_FEW")
"""What was noticed of a model that every score by it repeats."""


def why_missing(model: classify.Model, row: FeatureRow) -> tuple[str, ...]:
    """Why the case lacks features the model looks at, each reason once."""
    return tuple(dict.fromkeys(row.absent[name] for name in model.selected if name in row.absent))


def filled_notes(prediction: classify.Prediction) -> tuple[Note, ...]:
    """Which features had no value and counted as their training median."""
    if not prediction.filled:
        return ()
    return (
        Note(
            NoteKind.WARNING,
            "FEATURE_FILLED",
            f"no value for {few(prediction.filled)}",
            "a value for every feature",
            "their training median stood in; together they carry little of the model's weight",
        ),
    )


def model_notes(
    files: CaseFiles,
    model: classify.Model | classify.Fused,
    manifest: Mapping[str, Any],
    protocol: Mapping[str, Any],
) -> tuple[Note, ...]:
    """Warnings about the model as such, and about this case having been learned from.

    Parameters
    ----------
    files : CaseFiles
        The case.
    model : classify.Model or classify.Fused
        What was noticed when it was learned and opened is repeated where ``CARRIED`` lists it.
    manifest, protocol : mapping
        Of the model folder: its training data, and the digests of their inputs.
    """
    notes = [note for note in _learned(model) if note.code in CARRIED]
    if manifest["training_data"] == "synthetic":
        notes.append(
            Note(
                NoteKind.WARNING,
                "SYNTHETIC_MODEL",
                "the model was trained on synthetic phantoms",
                action="its numbers show that the software works; they mean nothing for a patient",
            )
        )
    seen = {digest for roles in protocol["cases"].values() for digest in roles.values()}
    if seen & {digest for digest in input_hashes(files).values() if digest}:
        notes.append(
            Note(
                NoteKind.WARNING,
                "IN_TRAINING_SET",
                "an input of this case was used to train the model",
                action="the probability is optimistic",
            )
        )
    return tuple(dict.fromkeys(notes))


def _learned(model: classify.Model | classify.Fused) -> Iterator[Note]:
    models = [model] if isinstance(model, classify.Model) else list(model.models.values())
    for one in models:
        yield from one.step.notes
