"""What all tests share: properties without a clock, and commands that start no processes."""

from __future__ import annotations

import os

from hypothesis import settings

# How long an example takes says how busy the machine is, not whether the property holds.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A process of its own for every cohort of two cases would be most of what the suite takes; the
# tests of the engine ask for workers by name.
os.environ.setdefault("RADRESP_WORKERS", "0")
