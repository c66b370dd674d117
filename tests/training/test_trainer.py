"""Training for real, on a tiny model: it learns, keeps the better model, and resumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from killing import whole_and_killed

from handbook_sentences import HANDBOOK
from homing.dataset import Dataset
from homing.errors import NothingToDoError
from homing.retrieval.encoders import encoder_for
from homing.training.examples import Example
from homing.training.settings import GIVEN_WEIGHT, OFFLINE_WEIGHT, TrainingSettings, settled
from homing.training.trainer import train
from homing.types import Encoder, Passage, Qrel, Query

pytest.importorskip("sentence_transformers")

SETTINGS = TrainingSettings(epochs=12, learning_rate=3e-3, batch_passages=6, device="cpu")


def handbook() -> Dataset:
    """Each topic's passage, asked for by its first and by its last words."""
    corpus = {t: Passage(t, "handbook", 0, len(s), s) for t, s in HANDBOOK.items()}
    queries, qrels = {}, []
    for topic, sentence in HANDBOOK.items():
        for part, text in (("a", sentence[:30]), ("b", sentence[-30:])):
            queries[topic + part] = Query(topic + part, text)
            qrels.append(Qrel(topic + part, topic))
    return Dataset(corpus, queries, {"train": qrels})


def hits(encoder: Encoder) -> float:
    """Share of the training questions whose passage is found first."""
    dataset = handbook()
    relevant = dataset.split("train")
    q = encoder.encode_queries([dataset.queries[i].text for i in relevant])
    best = (q @ encoder.encode_passages(dataset.passage_texts()).T).argmax(axis=1)
    ids = dataset.passage_ids()
    return float(np.mean([ids[b] in r for b, r in zip(best, relevant.values(), strict=True)]))


def test_it_learns_and_the_folder_loads_with_sentence_transformers(
    tiny_model: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    before = hits(encoder_for(str(tiny_model)))
    log = train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=SETTINGS,
        score_dev=hits,
    )
    assert log.kept == "tuned"
    assert log.dev[0] == (0, pytest.approx(before))
    assert log.n_pairs == 24
    assert log.n_passages == 12
    assert hits(encoder_for(str(tmp_path / "m"))) == pytest.approx(max(s for _, s in log.dev))
    assert hits(encoder_for(str(tmp_path / "m"))) >= max(0.9, before + 0.1)
    assert log.loss[-1][1] < log.loss[0][1]
    assert SentenceTransformer(str(tmp_path / "m")).encode("a badge").shape == (32,)
    assert not (tmp_path / "m" / "checkpoints").exists()


def test_a_model_that_is_no_better_on_dev_is_not_handed_over(
    tiny_model: Path, tmp_path: Path
) -> None:
    scores = iter([0.8, 0.7])
    log = train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=SETTINGS,
        score_dev=lambda encoder: next(scores),
    )
    assert log.kept == "base"
    texts = list(HANDBOOK.values())
    base, kept = encoder_for(str(tiny_model)), encoder_for(str(tmp_path / "m"))
    np.testing.assert_array_equal(base.encode_passages(texts), kept.encode_passages(texts))


def test_the_best_checkpoint_is_kept_and_not_the_last(tiny_model: Path, tmp_path: Path) -> None:
    scores = iter([0.1, 0.9, 0.5])
    seen: list[np.ndarray] = []

    def score(encoder: Encoder) -> float:
        seen.append(encoder.encode_passages(["a badge for visitors"]))
        return next(scores)

    settings = TrainingSettings(
        epochs=4, learning_rate=3e-3, batch_passages=6, evaluations=2, device="cpu"
    )
    log = train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=settings,
        score_dev=score,
    )
    assert log.best_step == 4
    kept = encoder_for(str(tmp_path / "m")).encode_passages(["a badge for visitors"])
    np.testing.assert_allclose(kept, seen[1], atol=1e-5)
    assert np.abs(kept - seen[2]).max() > 1e-3


def test_how_much_of_the_base_is_kept_follows_from_who_asked() -> None:
    written = [
        Example(Passage(str(i), "d", 0, 0, "x"), (Query("q", "q", writer="extractive"),), {}, "")
        for i in range(3)
    ]
    asked = [Example(Passage("p", "d", 0, 0, "x"), (Query("p", "p", writer="person"),), {}, "")]
    settings = TrainingSettings(device="cpu")
    assert settled(settings, asked).merge_weight == GIVEN_WEIGHT
    assert settled(settings, written).merge_weight == OFFLINE_WEIGHT
    mixed = settled(settings, [*asked, *written]).merge_weight
    assert mixed == pytest.approx(OFFLINE_WEIGHT + (GIVEN_WEIGHT - OFFLINE_WEIGHT) / 4)
    assert settled(TrainingSettings(merge_weight=0.7), written).merge_weight == 0.7


def test_too_few_questions_are_an_error_that_says_what_to_do(
    tiny_model: Path, tmp_path: Path
) -> None:
    empty = Dataset(handbook().corpus, {}, {"train": []})
    with pytest.raises(NothingToDoError, match="Add documents"):
        train(empty, base_model=str(tiny_model), out=tmp_path / "m")


def test_same_seed_same_weights(tiny_model: Path, tmp_path: Path) -> None:
    short = TrainingSettings(epochs=2, learning_rate=1e-3, batch_passages=6, device="cpu")
    for name in ("a", "b"):
        train(handbook(), base_model=str(tiny_model), out=tmp_path / name, settings=short)
    first, second = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("a", "b"))
    assert first == second


@pytest.mark.slow
def test_a_job_killed_in_the_middle_ends_with_the_same_weights(
    tiny_model: Path, tmp_path: Path
) -> None:
    script = """
        from test_trainer import handbook
        from homing.training.settings import TrainingSettings
        from homing.training.trainer import train
        import homing.training.recipes.full as full
        full.SAVE_EVERY_STEPS = 5
        settings = TrainingSettings(epochs=9, learning_rate=1e-3, batch_passages=6,
                                    evaluations=3, device="cpu")
        train(handbook(), base_model=base, out=out, settings=settings, score_dev=score)
    """
    whole, killed = whole_and_killed(script, tiny_model, tmp_path)
    assert (whole / "model.safetensors").read_bytes() == (killed / "model.safetensors").read_bytes()
