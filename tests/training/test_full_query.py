"""Every weight, then the tower for questions: one model, one log, and no first part twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.dataset import Dataset
from homing.retrieval.encoders import encoder_for
from homing.training.recipes import full_query
from homing.training.settings import TrainingSettings
from homing.training.trainer import train
from homing.types import Encoder, Passage, Qrel, Query, TrainingLog

pytest.importorskip("sentence_transformers")

SETTINGS = TrainingSettings(
    recipe="full-query", epochs=8, learning_rate=3e-3, batch_passages=6, device="cpu"
)
TEXTS = list(HANDBOOK.values())


def handbook() -> Dataset:
    corpus = {t: Passage(t, "handbook", 0, len(s), s) for t, s in HANDBOOK.items()}
    queries = {t: Query(t, s[-30:]) for t, s in HANDBOOK.items()}
    return Dataset(corpus, queries, {"train": [Qrel(t, t) for t in HANDBOOK]})


class Rising:
    """A dev score that likes each model better than the one before."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, _: Encoder) -> float:
        self.n += 1
        return self.n / 100


def tuned(
    base: Path, out: Path, score: Rising, settings: TrainingSettings = SETTINGS
) -> TrainingLog:
    return train(
        handbook(),
        base_model=str(base),
        out=out,
        settings=settings,
        score_dev=score,
        unlabelled=[s[:25] for s in TEXTS],
    )


def test_passages_are_those_of_the_first_part_and_questions_those_of_the_second(
    tiny_model: Path, tmp_path: Path
) -> None:
    alone = replace(SETTINGS, recipe="full")
    tuned(tiny_model, tmp_path / "full", Rising(), alone)
    log = tuned(tiny_model, tmp_path / "both", Rising())
    both, full = (encoder_for(str(tmp_path / name)) for name in ("both", "full"))
    np.testing.assert_array_equal(both.encode_passages(TEXTS), full.encode_passages(TEXTS))
    assert np.abs(both.encode_queries(TEXTS) - full.encode_queries(TEXTS)).max() > 1e-3
    assert log.kept == "tuned"
    assert not log.index_stays
    (start, base), (middle, first), (end, second) = log.dev
    assert (base, first, second) == (0.01, 0.02, 0.04)  # 0.03: what the second part started from
    assert 0 == start < middle < end == log.best_step
    assert [step for step, _ in log.loss] == sorted(step for step, _ in log.loss)
    assert log.settings["recipe"] == "full-query"
    assert {path.name for path in (tmp_path / "both").iterdir()}.isdisjoint({"full", "checkpoints"})


@pytest.mark.slow
def test_a_job_that_was_stopped_in_the_second_part_does_not_train_the_first_again(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Path] = []
    real = full_query.full.tune
    monkeypatch.setattr(
        full_query.full, "tune", lambda job: (trained.append(job.out), real(job))[1]
    )

    def stopped(_: object) -> TrainingLog:
        raise KeyboardInterrupt

    score = Rising()
    with monkeypatch.context() as second_part:
        second_part.setattr(full_query.query, "tune", stopped)
        with pytest.raises(KeyboardInterrupt):
            tuned(tiny_model, tmp_path / "m", score)
    assert len(trained) == 1
    log = tuned(tiny_model, tmp_path / "m", score)
    assert len(trained) == 1
    again = tuned(tiny_model, tmp_path / "other", Rising())
    assert (log.dev, log.loss, log.best_step) == (again.dev, again.loss, again.best_step)
