"""Curves for TensorBoard, written for real; and what stands beside the count of steps."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sentence_transformers")

from test_trainer import handbook, hits

from homing.errors import MissingDependencyError
from homing.progress import Task
from homing.training.callbacks import Pace
from homing.training.settings import TrainingSettings
from homing.training.tracking import check_tracking
from homing.training.trainer import train

SETTINGS = TrainingSettings(
    epochs=3, learning_rate=1e-3, batch_passages=6, evaluations=3, device="cpu", track="tensorboard"
)


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """Return curve -> {step: value} of the one run in a folder."""
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    [run] = folder.iterdir()
    read = accumulators.EventAccumulator(str(run))
    read.Reload()
    return {
        name: {event.step: event.value for event in read.Scalars(name)}
        for name in read.Tags()["scalars"]
    }


def test_loss_and_dev_scores_are_drawn_beside_the_model(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    before = dict(os.environ)
    log = train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=SETTINGS,
        score_dev=hits,
    )
    assert [step for step, _ in log.loss] == [1, 2, 3, 4, 5, 6]
    drawn = curves(tmp_path / "tracking")
    assert drawn["train/loss"] == pytest.approx(dict(log.loss), rel=1e-5)
    assert drawn["train/dev_ndcg@10"] == pytest.approx(dict(log.dev[1:]), rel=1e-5)
    assert drawn["train/learning_rate"]
    assert f"tensorboard --logdir {tmp_path / 'tracking'}" in capsys.readouterr().err
    assert {name: os.environ.get(name) for name in before} == before
    assert "TENSORBOARD_LOGGING_DIR" not in os.environ


def test_a_job_with_a_cache_draws_there_and_the_weights_are_the_same(
    tiny_model: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    for name, track in (("a", "tensorboard"), ("b", None)):
        train(
            handbook(),
            base_model=str(tiny_model),
            out=tmp_path / "training" / name,
            settings=replace(SETTINGS, track=track),  # type: ignore[arg-type]
            cache_folder=tmp_path / "cache" / "embeddings",
        )
    assert curves(tmp_path / "cache" / "tracking")["train/loss"]
    first, second = (
        (tmp_path / "training" / n / "model.safetensors").read_bytes() for n in ("a", "b")
    )
    assert first == second


@pytest.mark.parametrize(
    ("track", "remedy"),
    [("tensorboard", r"pip install 'homing\[track\]'"), ("trackio", "pip install trackio")],
)
def test_a_library_that_is_not_there_is_named_before_anything_is_done(
    track: str, remedy: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == track else found(name, *a)
    )
    check_tracking(None)
    with pytest.raises(MissingDependencyError, match=remedy):
        train(
            handbook(),
            base_model=str(tiny_model),
            out=tmp_path / "m",
            settings=replace(SETTINGS, track=track),  # type: ignore[arg-type]
        )
    assert not (tmp_path / "m").exists()


def test_loss_dev_score_and_questions_a_second_are_shown() -> None:
    task, asked = Task("Training", 10), [5]
    pace = Pace(task, lambda: asked[0])
    pace.loss, pace.dev = "loss 0.250", "dev nDCG@10 0.600 (base 0.500)"
    asked[0] = 25
    pace.show()
    loss, dev, rate = task.text.split("  ")
    assert (loss, dev) == ("loss 0.250", "dev nDCG@10 0.600 (base 0.500)")
    assert rate.endswith(" questions/s")
    assert float(rate.split()[0].replace(",", "")) > 0
    task.advance(5)
    assert " s left" in task.line()


def test_the_time_of_dev_scores_is_no_time_of_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    import homing.training.callbacks as callbacks

    now, asked = [100.0], [0]
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: now[0])
    task = Task("Training", 10)
    pace = Pace(task, lambda: asked[0])
    now[0], asked[0] = 102.0, 20
    with pace.paused():
        now[0] += 50
    pace.show()
    assert task.text == "10.0 questions/s"


def test_progress_says_all_of_it(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=replace(SETTINGS, epochs=12, track=None),
        score_dev=hits,
    )
    err = capsys.readouterr().err
    for part in ("Training: 24 of 24", "loss ", "dev nDCG@10 ", "questions/s"):
        assert part in err
