"""The picture of a training."""

from __future__ import annotations

from radresp.report import learning_curve


def rows(held_back: bool) -> list[dict[str, float | int | None]]:
    return [
        {
            "epoch": k,
            "train_loss": 1.0 / k,
            "validation_loss": 1.2 / k if held_back else None,
            "validation_auc": 0.5 + 0.03 * k if held_back else None,
        }
        for k in range(1, 9)
    ]


def test_a_curve_is_a_picture_with_words() -> None:
    drawn = learning_curve(rows(True), 6).decode()
    assert drawn.startswith("<?xml")
    for word in ("loss", "AUC", "epoch", "held back", "kept", "chance"):
        assert word in drawn
    assert learning_curve(rows(True), 6).decode() == drawn
    assert learning_curve(rows(True), 3).decode() != drawn


def test_without_cases_held_back_only_the_training_is_drawn() -> None:
    drawn = learning_curve(rows(False), 8).decode()
    assert "training" in drawn
    assert "held back" not in drawn
