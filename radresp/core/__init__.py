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
from radresp.core.grid import Grid
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
    "VISITS",
    "Alignment",
    "Case",
    "CaseFiles",
    "ChangeMap",
    "Decision",
    "FeatureRow",
    "Grid",
    "Mask",
    "Note",
    "NoteKind",
    "Prepared",
    "Quality",
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
    "Unit",
    "Verdict",
    "Volume",
    "VolumeKey",
    "check_same_grid",
    "notes_of",
    "resample_mask",
    "resample_values",
    "resample_volume",
]
