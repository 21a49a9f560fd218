"""Which networks are trained, and that no score is of a case its network had met."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from radresp import io
from radresp.errors import ModelError, ResourceError
from radresp.pipeline.cnn_folds import Scored, duties, fold_fractions, fold_scores
from radresp.pipeline.cnn_store import load_cnn, save_cnn
from radresp.pipeline.network_training import await_patches, launch_name
from radresp.pipeline.plan import parse_plan

PLAN = parse_plan({"cnn": {}})
CLASSES = ("complete", "residual")


def said(folds: pd.Series) -> dict[tuple[int, ...], Scored]:
    """Every network names itself: the score tells which folds it had not met."""
    found = {}
    for duty in duties(int(folds.max()) + 1):
        if not duty.left_out:
            continue
        cases = folds.index[folds.isin(duty.left_out)]
        mark = float(sum(10**fold for fold in duty.left_out))
        shares = np.tile([0.25, 0.75], (len(cases), 1))
        found[duty.left_out] = Scored(
            tuple(cases), np.full(len(cases), mark), shares, np.full(len(cases), mark / 1000)
        )
    return found


@pytest.fixture
def folds() -> pd.Series:
    return pd.Series(np.arange(12) % 3, index=[f"c{i:02d}" for i in range(12)])


@pytest.mark.parametrize("number", [2, 3, 5])
def test_one_network_a_fold_and_a_pair_and_one_of_all(number: int) -> None:
    found = list(duties(number))
    assert len(found) == number + number * (number - 1) // 2 + 1
    assert found[-1].left_out == ()
    assert len({duty.name for duty in found}) == len(found)


def test_every_score_is_by_a_network_that_met_neither_case_nor_fold(folds: pd.Series) -> None:
    found = fold_scores(folds, said(folds), CLASSES)
    for case, own in folds.items():
        assert found.outer[case] == 10**own
        for fold in range(3):
            mark = found.inner.loc[case, fold]
            if fold == own:
                assert np.isnan(mark)
            else:
                assert mark == 10**own + 10**fold
    assert (found.classes["residual"] == 0.75).all()


def test_a_fraction_is_by_the_network_that_met_no_case_of_the_fold(folds: pd.Series) -> None:
    found = fold_fractions(said(folds))
    assert found.index.is_unique
    assert {case: found[case] for case in folds.index} == {
        case: 10**fold / 1000 for case, fold in folds.items()
    }


def test_patches_of_an_earlier_launch_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = {"launch": launch_name(PLAN), "cases": ["a", "b"]}
    io.write_json(tmp_path / "patches.json", cut)
    assert await_patches(tmp_path, PLAN) == ["a", "b"]
    for variable in ("MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"):
        with monkeypatch.context() as other:
            other.setenv(variable, "another")
            with pytest.raises(ResourceError, match="no patches"):
                await_patches(tmp_path, PLAN, hours=0.2 / 3600)
    with pytest.raises(ResourceError, match="no patches"):
        await_patches(tmp_path, parse_plan({"cnn": {"width": 16}}), hours=0.2 / 3600)


def test_a_trained_cnn_comes_back_whole_or_is_refused(folds: pd.Series, tmp_path: Path) -> None:
    scores = fold_scores(folds, said(folds), CLASSES)
    members = {"network.safetensors": b"weights", "network.json": b"{}"}
    io.write_text(tmp_path / "plan.yaml", io.dump_mapping(PLAN.record()))
    save_cnn(tmp_path, scores, members, PLAN, {"classes": list(CLASSES), "networks": {}})
    found = load_cnn(tmp_path)
    pd.testing.assert_frame_equal(found.scores.inner, scores.inner, check_names=False)
    pd.testing.assert_series_equal(found.scores.outer, scores.outer, check_names=False)
    assert dict(found.members) == members
    (tmp_path / "network" / "network.safetensors").write_bytes(b"weightz")
    with pytest.raises(ModelError) as caught:
        load_cnn(tmp_path)
    assert caught.value.code == "MODEL_HASH"
    (tmp_path / "cnn.json").unlink()
    with pytest.raises(ModelError, match="finished") as caught:
        load_cnn(tmp_path)
    assert caught.value.code == "MODEL_FORMAT"


def test_another_plan_in_the_folder_is_noticed(folds: pd.Series, tmp_path: Path) -> None:
    scores = fold_scores(folds, said(folds), CLASSES)
    save_cnn(tmp_path, scores, {"network.json": b"{}"}, PLAN, {"networks": {}})
    other = parse_plan({"cnn": {"width": 16}})
    io.write_text(tmp_path / "plan.yaml", io.dump_mapping(other.record()))
    with pytest.raises(ModelError, match="plan"):
        load_cnn(tmp_path)
