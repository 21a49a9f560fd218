"""Floor 1: the nouns. Everything above speaks in them; they know nothing of the floors above."""

from radresp.core.alignment import Alignment, Quality
from radresp.core.case import (
    Case,
    CaseFiles,
    ChangeMap,
    Region,
    RegionKey,
    VolumeKey,
    check_same_grid,
)
from radresp.core.endpoint import (
    BY_FOLLOW_UP,
    BY_PATHOLOGY,
    Composite,
    Endpoint,
    Reference,
    ReferenceKind,
    Truth,
    Unsettled,
    composite,
    kind_of,
)
from radresp.core.grid import Grid
from radresp.core.patch import PATCH_CHANNELS, PATCH_MASKS, Patch
from radresp.core.prepared import VISITS, Prepared
from radresp.core.resample import resample_mask, resample_values, resample_volume
from radresp.core.rows import FeatureRow, Score
from radresp.core.scene import Scene
from radresp.core.settings import Settings
from radresp.core.trail import Note, NoteKind, Step, Trail, notes_of
from radresp.core.volume import Mask, Volume
from radresp.core.words import (
    Decision,
    Roi,
    Sequence,
    Timepoint,
    Unit,
    Verdict,
)

__all__ = [
    "BY_FOLLOW_UP",
    "BY_PATHOLOGY",
    "PATCH_CHANNELS",
    "PATCH_MASKS",
    "VISITS",
    "Alignment",
    "Case",
    "CaseFiles",
    "ChangeMap",
    "Composite",
    "Decision",
    "Endpoint",
    "FeatureRow",
    "Grid",
    "Mask",
    "Note",
    "NoteKind",
    "Patch",
    "Prepared",
    "Quality",
    "Reference",
    "ReferenceKind",
    "Region",
    "RegionKey",
    "Roi",
    "Scene",
    "Score",
    "Sequence",
    "Settings",
    "Step",
    "Timepoint",
    "Trail",
    "Truth",
    "Unit",
    "Unsettled",
    "Verdict",
    "Volume",
    "VolumeKey",
    "check_same_grid",
    "composite",
    "kind_of",
    "notes_of",
    "resample_mask",
    "resample_values",
    "resample_volume",
]
