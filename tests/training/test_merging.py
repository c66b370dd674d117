"""The average of base and tuned weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from homing.dataset import Dataset
from homing.retrieval.encoders import encoder_for
from homing.retrieval.models import load_sentence_transformer
from homing.training.merging import Merge
from homing.training.settings import TrainingSettings
from homing.training.trainer import train
from homing.types import Encoder, FloatArray, Passage, Qrel, Query

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

TOPICS = ("a badge for visitors", "fuel cards for drivers", "unpaid leave of a month")


def rota() -> Dataset:
    """Twelve passages about three topics, each asked for by its number."""
    corpus = {
        f"p{i}": Passage(f"p{i}", "rota", 0, 30, f"Week {i}: {TOPICS[i % 3]}.") for i in range(12)
    }
    queries = {f"q{i}": Query(f"q{i}", f"{TOPICS[i % 3]} in week {i}") for i in range(12)}
    return Dataset(corpus, queries, {"train": [Qrel(f"q{i}", f"p{i}") for i in range(12)]})


def weights(folder: Path) -> dict[str, FloatArray]:
    """Every tensor of a model folder, as NumPy."""
    from safetensors.numpy import load_file

    return load_file(str(folder / "model.safetensors"))


def settings(merge_weight: float) -> TrainingSettings:
    return TrainingSettings(
        epochs=4, learning_rate=3e-3, batch_passages=6, merge_weight=merge_weight, device="cpu"
    )


def test_each_weight_lies_between_the_base_and_the_tuned(tiny_model: Path, tmp_path: Path) -> None:
    for name, weight in (("tuned", 1.0), ("merged", 0.25)):
        out, chosen = tmp_path / name, settings(weight)
        train(rota(), base_model=str(tiny_model), out=out, settings=chosen)
    base = weights(tiny_model)
    tuned, merged = weights(tmp_path / "tuned"), weights(tmp_path / "merged")
    moved = 0.0
    for name, value in merged.items():
        expected = base[name] + 0.25 * (tuned[name] - base[name])
        np.testing.assert_allclose(value, expected, atol=1e-6)
        moved = max(moved, float(np.abs(tuned[name] - base[name]).max()))
    assert moved > 1e-3


def test_dev_scores_the_average_that_is_saved(tiny_model: Path, tmp_path: Path) -> None:
    seen: list[FloatArray] = []

    def score(encoder: Encoder) -> float:
        seen.append(encoder.encode_passages(TOPICS))
        return float(len(seen))

    out = tmp_path / "m"
    train(rota(), base_model=str(tiny_model), out=out, settings=settings(0.5), score_dev=score)
    saved = encoder_for(str(out)).encode_passages(TOPICS)
    np.testing.assert_allclose(saved, seen[-1], atol=1e-5)
    assert np.abs(saved - seen[0]).max() > 1e-3


def test_training_goes_on_from_its_own_weights(tiny_model: Path) -> None:
    model = load_sentence_transformer(str(tiny_model))
    merge = Merge(model, 0.5)
    first = next(model.parameters())
    before = first.detach().clone()
    with torch.no_grad():
        first += 1.0
    with merge.applied(model):
        torch.testing.assert_close(first.detach(), before + 0.5)
    torch.testing.assert_close(first.detach(), before + 1.0)
