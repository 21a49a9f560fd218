from __future__ import annotations

from builders import make_grid, make_volume

from radresp.core import Sequence, Step, Timepoint
from radresp.pipeline.acquisition import (
    acquisition_of,
    acquisition_step,
    outside_protocol,
    summarise,
)


def acquired(spacing: tuple[float, float, float], tesla: float) -> dict[str, object]:
    t2 = make_volume(make_grid(spacing_mm=spacing))
    dwi = tuple(make_volume(sequence=Sequence.DWI, b_s_per_mm2=b) for b in (0.0, 800.0))
    read = Step("io", "dicom", {"field_strength_t": tesla, "manufacturer": "SIEMENS"})
    step = acquisition_step(
        {
            (Timepoint.POST, Sequence.T2): ((t2,), read),
            (Timepoint.POST, Sequence.DWI): (dwi, Step("io", "nifti")),
        }
    )
    return acquisition_of((read, step))


def test_what_is_known_of_an_acquisition_is_said() -> None:
    said = acquired((0.5, 0.5, 3.0), 3.0)
    assert said["post.t2.in_plane_mm"] == 0.5
    assert said["post.t2.field_strength_t"] == 3.0
    assert said["post.dwi.b_values"] == "0 800"
    assert "post.dwi.field_strength_t" not in said


def test_a_protocol_within_the_training_range_is_inside() -> None:
    trained = summarise([acquired((0.5, 0.5, 3.0), 1.5), acquired((0.8, 0.8, 4.0), 3.0)])
    assert outside_protocol(acquired((0.6, 0.6, 3.0), 3.0), trained) == ()
    assert outside_protocol(acquired((0.46, 0.46, 3.0), 3.0), trained) == ()


def test_each_departure_is_a_reason_in_words() -> None:
    trained = summarise([acquired((0.8, 0.8, 4.0), 3.0)])
    reasons = outside_protocol(acquired((0.5, 0.5, 4.0), 1.5), trained)
    assert len(reasons) == 2
    assert any("in_plane_mm is 0.5; trained on 0.8 to 0.8" in reason for reason in reasons)
    other_b = {"post.dwi.b_values": "50 400 800"}
    assert "50 400 800" in outside_protocol(other_b, trained)[0]


def test_what_training_did_not_know_is_not_judged() -> None:
    assert outside_protocol({"post.t2.echo_time_ms": 100.0}, summarise([{}])) == ()
