"""The final model: learned once from all patients, with everything scoring needs to be honest.

It holds its two fitted heads, its calibration line, a bootstrap ensemble for intervals, the extent
of its training cases, and what a reader must know: classes, counts, prevalence, endpoint, seed,
versions. Its quality is not measured here but by cross-validation beforehand.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy
import sklearn
from sklearn.pipeline import Pipeline

from radresp import __version__
from radresp.classify.calibration import Platt
from radresp.classify.conformal import Mondrian
from radresp.classify.ensemble import Ensemble, Refits, fit_ensemble
from radresp.classify.head import Head, head_of
from radresp.classify.preparation import Preparation
from radresp.classify.settings import ClassifierSettings
from radresp.classify.support import Support
from radresp.classify.table import RESIDUAL, Floats, TrainingTable, listed
from radresp.classify.training import combine, train_heads
from radresp.classify.tuning import Method, class_scores
from radresp.core import Note, NoteKind, Step

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Model:
    """Everything needed to score a case, and to say when not to.

    Parameters
    ----------
    method : str
        Name of the method.
    settings : ClassifierSettings
        Its settings.
    endpoint : str
        What "complete response" means in the training outcomes.
    classes : tuple of str
        Sorted outcome names; residual is one of them.
    columns : tuple of str
        Every column a case must bring, sorted; ``preparation`` may add some.
    counts : dict of str to int
        Training cases of each class.
    patients : int
        Training patients.
    seed : int
        The seed.
    residual, subtype : Head
        Residual against the rest; multinomial head only with three outcomes.
    platt : Platt
        Line from the residual head's score to log-odds.
    ensemble : Ensemble
        Spread of the residual head over bootstrap draws.
    support : Support
        Extent of the training cases.
    quantiles : dict of str to tuple of float
        5, 25, 50, 75 and 95 % training quantiles of each selected column.
    hyperparameters : dict
        The chosen combination of each head.
    versions : dict of str to str
        Versions it was fitted with.
    preparation : Preparation
        What is done to the columns of a case first.
    conformal : Mondrian
        Out-of-fold log-odds of the training cases by outcome.
    step : Step
        Settings, seconds and notes of the fit.
    subtype : Head, optional
        See above.
    doubted : Platt, optional
        Line learned from the cases a reader called less than complete.
    inner : ndarray of shape (repeats, cases), optional
        Out-of-fold log-odds of the training cases, sorted by case id; only right after the fit.
    """

    method: str
    settings: ClassifierSettings
    endpoint: str
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    counts: dict[str, int]
    patients: int
    seed: int
    residual: Head
    platt: Platt
    ensemble: Ensemble | Refits
    support: Support
    quantiles: dict[str, tuple[float, ...]]
    hyperparameters: dict[str, dict[str, float]]
    versions: dict[str, str]
    preparation: Preparation
    conformal: Mondrian
    step: Step
    subtype: Head | None = field(default=None)
    doubted: Platt | None = field(default=None)
    inner: Floats | None = field(default=None)

    @property
    def cases(self) -> int:
        """Number of training cases."""
        return sum(self.counts.values())

    @property
    def prevalence(self) -> float:
        """Share of complete responses among the training cases."""
        return 1.0 - self.counts[RESIDUAL] / self.cases

    @property
    def selected(self) -> tuple[str, ...]:
        """Columns some head looks at."""
        return self.support.selected

    def margins(self, x: Floats) -> Floats:
        """Score of residual tumour before calibration, for prepared x of shape (cases, columns)."""
        scores = self.residual.scores(x[:, self.places(self.residual.columns)], 2)
        return np.asarray(scores[:, 1] - scores[:, 0])

    def probabilities(self, x: Floats) -> Floats:
        """Probability of each class for prepared x, shape (cases, classes); rows sum to 1."""
        p = self.platt.probability(self.margins(x))
        if self.subtype is None:
            return combine(self.classes, p, None)
        values = x[:, self.places(self.subtype.columns)]
        return combine(self.classes, p, self.subtype.scores(values, len(self.classes)))

    def places(self, names: tuple[str, ...]) -> list[int]:
        """Positions of columns among the prepared ones."""
        where = {name: place for place, name in enumerate(self.preparation.all_columns)}
        return [where[name] for name in names]


def fit_table(
    name: str,
    method: Method,
    settings: ClassifierSettings,
    table: TrainingTable,
    *,
    endpoint: str,
    seed: int,
) -> Model:
    """Learn the final model from every case of a checked table.

    Parameters
    ----------
    name : str
        The method's name.
    method, settings
        The classifier.
    table : TrainingTable
        The checked table.
    endpoint : str
        What "complete response" means in the outcomes, for example ``"pCR"``.
    seed : int
        Makes tuning, solver and ensemble repeatable.
    """
    start = time.perf_counter()
    everything = np.ones(len(table.ids), dtype=bool)
    preparation = Preparation.of(table, everything, settings)
    raw_columns, table = table.columns, preparation.applied(table)
    heads = train_heads(method, settings, table, everything, repeats=settings.repeats, seed=seed)
    ensemble = fit_ensemble(method, settings, table, heads, seed)
    selected = heads.selected()
    support = Support.of(table.x, table.columns, selected, settings)
    chosen = {"residual": heads.candidate.record()}
    subtype = None
    if heads.subtype is not None and heads.subtype_candidate is not None:
        subtype = head_of(heads.subtype, table.columns)
        chosen["subtype"] = heads.subtype_candidate.record()
    inside = np.nanquantile(table.x[:, selected], QUANTILES, axis=0).T
    notes = (
        *table.notes,
        *heads.notes,
        *_fit_notes(heads.residual, table, selected, fills=settings.fills_gaps),
    )
    seconds = time.perf_counter() - start
    return Model(
        method=name,
        settings=settings,
        endpoint=endpoint,
        classes=table.classes,
        columns=raw_columns,
        counts=table.counts,
        patients=int(np.unique(table.groups).size),
        seed=seed,
        residual=head_of(heads.residual, table.columns),
        platt=heads.platt,
        ensemble=ensemble,
        support=support,
        quantiles=dict(zip(support.selected, map(tuple, inside.tolist()), strict=True)),
        hyperparameters=chosen,
        versions=current_versions(),
        preparation=preparation,
        conformal=heads.conformal,
        step=Step("classify", name, settings.model_dump(mode="json"), seconds, notes),
        subtype=subtype,
        doubted=heads.doubted,
        inner=heads.platt.log_odds(heads.scores),
    )


def current_versions() -> dict[str, str]:
    """Versions of the software that makes a model's numbers."""
    return {
        "radresp": __version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


def _fit_notes(
    residual: Pipeline, table: TrainingTable, selected: Any, *, fills: bool
) -> tuple[Note, ...]:
    notes = []
    classifier = residual["classify"]
    if hasattr(classifier, "coef_") and not classifier.coef_.any():
        notes.append(
            Note(
                NoteKind.WARNING,
                "NO_FEATURE_USED",
                "the penalty left no feature in the residual head",
                "",
                "every case gets the prevalence",
            )
        )
    z = residual[:-1].transform(table.x)
    scores = class_scores(classifier, z, 2)
    score, residual_cases = scores[:, 1] - scores[:, 0], table.residual == 1
    if score[residual_cases].min() > score[~residual_cases].max():
        notes.append(
            Note(
                NoteKind.WARNING,
                "SEPARATION",
                f"{selected.sum()} features separate the {len(table.ids)} training cases perfectly",
                "",
                "judge the model by its out-of-fold figures only",
            )
        )
    gaps = np.isnan(table.x[:, selected]).any(axis=0)
    if gaps.any():
        names = np.array(table.columns)[selected][gaps]
        notes.append(
            Note(
                NoteKind.INFO,
                "FEATURE_IMPUTED",
                f"selected columns with training gaps: {listed(names)}",
                "",
                "filled by the median while learning; "
                + ("as for a new case" if fills else "a new case without them is not scored"),
            )
        )
    return tuple(notes)
