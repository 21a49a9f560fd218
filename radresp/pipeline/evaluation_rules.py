"""Settings of the evaluation a training run makes."""

from __future__ import annotations

from pydantic import Field

from radresp.core import Settings


class EvaluationRules(Settings):
    """What an evaluation looks at."""

    minimum_events: int = Field(
        5,
        ge=1,
        le=1000,
        description="Fewest cases of either outcome for an AUC, of a subgroup as of all.",
    )
    permutations: int = Field(
        3, ge=0, le=1000, description="Runs on shuffled outcomes that must find nothing; 0 is none."
    )
    bootstrap: int = Field(2000, ge=100, le=100_000, description="Draws of patients.")
