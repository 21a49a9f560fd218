"""What all tests share: no example of a property has to end in a certain time."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says how busy the machine is, not whether the property holds.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
