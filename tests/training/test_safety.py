"""Training that goes wrong: seen at once, tried again with half the rate, ended with the best."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from test_trainer import handbook  # noqa: E402

import homing.training.contrast as contrast  # noqa: E402
import homing.training.recipes.full as full  # noqa: E402
from homing.retrieval.encoders import encoder_for  # noqa: E402
from homing.training.safety import (  # noqa: E402
    WINDOW,
    Diverged,
    TrainingDivergedError,
    Watch,
)
from homing.training.settings import TrainingSettings  # noqa: E402
from homing.training.trainer import train  # noqa: E402
from homing.types import TrainingLog  # noqa: E402

SETTINGS = TrainingSettings(
    epochs=6, learning_rate=1e-3, batch_passages=6, evaluations=6, device="cpu"
)


@pytest.fixture(autouse=True)
def checkpoints_every_second_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full, "SAVE_EVERY_STEPS", 2)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the losses of some calls be another number, or break their gradients."""

    def at(*calls: int, loss: float | None = None, gradient: float | None = None) -> None:
        real = contrast.info_nce
        seen = []

        def info_nce(questions: Any, *rest: Any) -> Any:
            seen.append(1)
            if len(seen) in calls and gradient is not None:
                questions.register_hook(lambda g: g * gradient)
            value = real(questions, *rest)
            return value * loss if len(seen) in calls and loss is not None else value

        monkeypatch.setattr(contrast, "info_nce", info_nce)

    return at


def job(tiny_model: Path, out: Path, score: Any = None, settings: Any = SETTINGS) -> TrainingLog:
    return train(
        handbook(), base_model=str(tiny_model), out=out, settings=settings, score_dev=score
    )


def rising() -> Callable[[object], float]:
    scores = iter(range(1, 1000))
    return lambda encoder: next(scores) / 1000


def test_what_is_no_number_is_seen_at_once() -> None:
    watch = Watch()
    watch.see_loss(1, 0.5)
    with pytest.raises(Diverged, match="the loss is nan at step 2") as seen:
        watch.see_loss(2, math.nan)
    assert seen.value.step == 2
    with pytest.raises(Diverged, match="the gradient is inf at step 3"):
        watch.see_gradient(3, math.inf)


def test_a_loss_that_rises_far_is_seen_and_one_that_trembles_is_not() -> None:
    trembling, watch = Watch(), Watch()
    for step in range(1, 200):
        trembling.see_loss(step, 0.02 + 0.5 * (step % 3 == 0))
        watch.see_loss(step, 1.0 / step)

    def rise() -> None:
        for step in range(200, 300):
            watch.see_loss(step, 3.0)

    with pytest.raises(Diverged, match=r"the loss has risen to \d\.\d+ at step") as seen:
        rise()
    assert 200 <= seen.value.step + WINDOW - 1 < 210
    assert seen.value.step <= 200


def test_a_watch_goes_on_from_what_another_had_seen() -> None:
    first, second = Watch(), Watch()
    for step in range(1, 15):
        first.see_loss(step, 0.3)
    second.restore(json.loads(json.dumps(first.state())))
    assert second.state() == first.state()


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_the_rate_is_halved_once_and_training_goes_on_from_the_last_checkpoint(
    kind: str,
    tiny_model: Path,
    tmp_path: Path,
    broken: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken(6, **{kind: math.nan})
    rates: dict[int, float] = {}

    def score(encoder: object) -> float:
        for path in (tmp_path / "m").rglob("trainer_state.json"):
            for row in json.loads(path.read_text())["log_history"]:
                rates[row["step"]] = row["learning_rate"]
        return 0.1 + len(rates) / 100

    log = job(tiny_model, tmp_path / "m", score)
    assert f"the {kind} is nan at step 6" in log.note
    assert "halved to 0.0005" in log.note
    assert "going on from step 4" in capsys.readouterr().err
    assert log.kept == "tuned"
    assert [step for step, _ in log.loss] == list(range(1, 13))
    usual = {step: 1e-3 * (12 - step + 1) / 11 for step in rates if step > 1}
    for step in range(2, 11):
        half = 0.5 if step > 4 else 1.0
        assert rates[step] == pytest.approx(half * usual[step], rel=1e-6), step
    for value in encoder_for(str(tmp_path / "m")).model.state_dict().values():
        assert torch.isfinite(value).all()


@pytest.mark.slow
def test_a_divergence_before_the_first_checkpoint_starts_anew(
    tiny_model: Path,
    tmp_path: Path,
    broken: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken(1, loss=math.nan)
    log = job(tiny_model, tmp_path / "m")
    assert "once more from the start" in capsys.readouterr().err
    slower = job(tiny_model, tmp_path / "n", settings=replace(SETTINGS, learning_rate=5e-4))
    assert log.loss == slower.loss


def test_the_second_time_the_best_checkpoint_is_kept(
    tiny_model: Path, tmp_path: Path, broken: Callable[..., None]
) -> None:
    broken(6, 9, loss=math.nan)  # step 6, and after going on from step 4 step 7
    vectors: list[Any] = []
    given = rising()

    def score(encoder: Any) -> float:
        vectors.append(encoder.encode_passages(["a badge for visitors"]))
        return given(encoder)

    log = job(tiny_model, tmp_path / "m", score)
    assert "again the loss is nan at step 7" in log.note
    assert log.note.endswith("training was ended there, and the model of step 6 is kept")
    assert (log.kept, log.best_step) == ("tuned", 6)
    kept = encoder_for(str(tmp_path / "m")).encode_passages(["a badge for visitors"])
    assert abs(kept - vectors[-1]).max() < 1e-5
    assert log.loss[-1][0] == 6


def test_the_second_time_a_better_score_from_before_wins(
    tiny_model: Path, tmp_path: Path, broken: Callable[..., None]
) -> None:
    broken(6, 9, loss=math.nan)
    scores = iter([0.1, 0.9, 0.3, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
    log = job(tiny_model, tmp_path / "m", lambda encoder: next(scores))
    assert (log.kept, log.best_step) == ("tuned", 2)
    assert "the model of step 2 is kept" in log.note


def test_the_second_time_without_dev_the_last_checkpoint_is_kept(
    tiny_model: Path, tmp_path: Path, broken: Callable[..., None]
) -> None:
    broken(6, 9, loss=math.nan)
    log = job(tiny_model, tmp_path / "m")
    assert "the model of step 6 is kept" in log.note
    assert (tmp_path / "m" / "model.safetensors").exists()
    assert not (tmp_path / "m" / "checkpoints").exists()


@pytest.mark.slow
def test_the_second_time_with_nothing_reached_the_base_is_kept_or_it_is_an_error(
    tiny_model: Path, tmp_path: Path, broken: Callable[..., None]
) -> None:
    broken(1, 2, 3, 4, loss=math.inf)
    with pytest.raises(TrainingDivergedError, match=r"the loss is inf at step 1.*--lr"):
        job(tiny_model, tmp_path / "m")
    log = job(tiny_model, tmp_path / "n", rising())
    assert log.kept == "base"
    assert log.note.endswith("the base model is kept")


@pytest.mark.slow
def test_a_rate_that_is_far_too_high_is_survived(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full, "SAVE_EVERY_STEPS", 10)
    settings = replace(SETTINGS, epochs=50, learning_rate=0.3, evaluations=1, warmup_fraction=1.0)
    log = job(tiny_model, tmp_path / "m", rising(), settings)
    assert "the loss has risen to" in log.note
    assert "halved to 0.15" in log.note
    assert log.kept == "tuned"
    for value in encoder_for(str(tmp_path / "m")).model.state_dict().values():
        assert torch.isfinite(value).all()


@pytest.mark.slow
def test_a_job_stopped_after_the_halving_goes_on_with_the_halved_rate(
    tiny_model: Path,
    tmp_path: Path,
    broken: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = contrast.info_nce
    broken(6, loss=math.nan)
    whole = job(tiny_model, tmp_path / "whole", rising())
    monkeypatch.setattr(contrast, "info_nce", real)
    broken(6, loss=math.nan)
    given = rising()

    def stopping(encoder: object) -> float:
        value = given(encoder)
        if value > 0.0055:  # at step 8: after the base, 2, 4, 6
            raise KeyboardInterrupt
        return value

    with pytest.raises(KeyboardInterrupt):
        job(tiny_model, tmp_path / "stopped", stopping)
    monkeypatch.setattr(contrast, "info_nce", real)
    log = job(tiny_model, tmp_path / "stopped", rising())
    assert log.note == whole.note
    assert [loss for _, loss in log.loss] == pytest.approx(
        [loss for _, loss in whole.loss], abs=1e-6
    )
