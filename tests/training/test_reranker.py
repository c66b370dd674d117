"""A reranker for real, on tiny models: it learns, and is handed over only where it helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from killing import whole_and_killed
from test_trainer import handbook

from handbook_sentences import HANDBOOK
from homing.errors import ModelNotFoundError
from homing.retrieval.reranking import load_reranker
from homing.training.examples import training_examples
from homing.training.negatives import Mined
from homing.training.pairs import PairCollator, question_rows
from homing.training.settings import NegativesSettings, RerankerSettings, TrainingSettings
from homing.training.trainer import train
from homing.types import Retriever, TrainingLog

pytest.importorskip("sentence_transformers")

SETTINGS = TrainingSettings(
    recipe="reranker",
    epochs=1,
    learning_rate=3e-3,
    device="cpu",
    reranker=RerankerSettings(pool=8, n_negatives=3, max_tokens=48, depth=5),
)


@pytest.fixture(scope="session")
def tiny_cross_encoder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from sentence_transformers import CrossEncoder

    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("cross") / "encoder"
    model = CrossEncoder(str(tiny_model), num_labels=1, device="cpu")
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


def tuned(
    base: Path,
    out: Path,
    settings: TrainingSettings = SETTINGS,
    dev: Callable[[Callable[[list[str]], Retriever]], float] | None = None,
) -> TrainingLog:
    return train(handbook(), base_model=str(base), out=out, settings=settings, score_retriever=dev)


def scripted(*scores: float) -> Callable[[Callable[[list[str]], Retriever]], float]:
    """A dev score that really searches, and says what was written down."""
    said: Iterator[float] = iter(scores)

    def score(build: Callable[[list[str]], Retriever]) -> float:
        found = build(list(HANDBOOK.values())).scores(["where is the lift"])
        assert found.shape == (1, len(HANDBOOK))
        return next(said)

    return score


def first_share(folder: Path) -> float:
    """Share of the questions whose own passage a saved reranker puts before all others."""
    from sentence_transformers import CrossEncoder

    dataset, model = handbook(), CrossEncoder(str(folder), device="cpu")
    right = 0
    for query_id, answers in dataset.split("train").items():
        pairs = [(dataset.queries[query_id].text, text) for text in dataset.passage_texts()]
        right += dataset.passage_ids()[int(model.predict(pairs).argmax())] in answers
    return right / len(dataset.queries)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["listwise", "binary"])
def test_from_an_encoder_it_learns_and_loads_as_a_cross_encoder(
    tiny_model: Path, tmp_path: Path, loss: str
) -> None:
    of_pairs = replace(SETTINGS.reranker, loss=loss, n_negatives=8, pool=11, batch_questions=4)
    settings = replace(
        SETTINGS,
        epochs=20,
        learning_rate=6e-3,
        reranker=of_pairs,
        negatives=NegativesSettings(ceiling=1.0),
    )
    log = tuned(tiny_model, tmp_path / "m", settings)
    assert log.kept == "tuned"
    assert log.n_pairs == 24
    assert np.mean([v for _, v in log.loss[-5:]]) < 0.6 * np.mean([v for _, v in log.loss[:5]])
    assert first_share(tmp_path / "m") >= 1 / 3  # by chance it were one in twelve
    assert load_reranker(str(tmp_path / "m")).model.max_seq_length == 48
    assert 0 <= (log.false_negative_fraction or -1) < 1
    assert not (tmp_path / "m" / "checkpoints").exists()


def test_a_first_stage_that_cannot_be_had_is_told(tiny_cross_encoder: Path, tmp_path: Path) -> None:
    first = str(tiny_cross_encoder.parents[0])
    with pytest.raises(ModelNotFoundError):
        tuned(
            tiny_cross_encoder,
            tmp_path / "m",
            replace(SETTINGS, reranker=replace(SETTINGS.reranker, first_stage=first)),
        )


def test_its_first_stage_may_be_another_encoder(
    tiny_model: Path, tiny_cross_encoder: Path, tmp_path: Path
) -> None:
    of_pairs = replace(SETTINGS.reranker, first_stage=str(tiny_model))
    settings = replace(SETTINGS, reranker=of_pairs)
    log = tuned(tiny_cross_encoder, tmp_path / "m", settings, scripted(0.5, 0.4, 0.6))
    assert log.kept == "tuned"
    assert log.dev == [(0, 0.5), (3, 0.6)]
    base, kept = load_reranker(str(tiny_cross_encoder)), load_reranker(str(tmp_path / "m"))
    pairs = [("a badge", text) for text in HANDBOOK.values()]
    assert np.abs(base.score(pairs) - kept.score(pairs)).max() > 1e-3
    assert "0.600" in (tmp_path / "m" / "README.md").read_text(encoding="utf-8")


def test_what_does_not_beat_the_first_stage_is_not_handed_over(
    tiny_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "m"
    assert tuned(tiny_model, out).kept == "tuned"
    load_reranker(str(out))
    log = tuned(tiny_model, out, dev=scripted(0.8, 0.7))
    assert log.kept == "base"
    assert log.dev == [(0, 0.8), (3, 0.7)]
    assert "0.800" in log.note
    assert "0.700" in log.note
    with pytest.raises(ModelNotFoundError, match="holds no model"):
        load_reranker(str(out))
    assert "Not to be deployed" in (out / "README.md").read_text(encoding="utf-8")
    assert "Not to be deployed" in (out / "not-better" / "README.md").read_text(encoding="utf-8")
    load_reranker(str(out / "not-better"))
    assert tuned(tiny_model, out, dev=scripted(0.8, 0.9)).kept == "tuned"
    load_reranker(str(out))
    assert not (out / "not-better").exists()


def test_a_base_that_reads_better_than_what_was_trained_is_kept(
    tiny_model: Path, tiny_cross_encoder: Path, tmp_path: Path
) -> None:
    of_pairs = replace(SETTINGS.reranker, first_stage=str(tiny_model))
    settings = replace(SETTINGS, reranker=of_pairs)
    log = tuned(tiny_cross_encoder, tmp_path / "m", settings, scripted(0.5, 0.7, 0.6))
    assert log.kept == "base"
    assert log.dev[0] == (0, 0.7)
    pairs = [("a badge", text[:40]) for text in HANDBOOK.values()]
    base, kept = load_reranker(str(tiny_cross_encoder)), load_reranker(str(tmp_path / "m"))
    assert (np.argsort(base.score(pairs)) == np.argsort(kept.score(pairs))).all()


def test_the_best_checkpoint_is_kept_and_not_the_last(tiny_model: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=2, evaluations=2)
    log = tuned(tiny_model, tmp_path / "best", settings, scripted(0.1, 0.9, 0.5))
    assert log.best_step == 3
    tuned(tiny_model, tmp_path / "last", settings, scripted(0.1, 0.5, 0.9))
    pairs = [("a badge", text) for text in HANDBOOK.values()]
    best, last = (load_reranker(str(tmp_path / n)).score(pairs) for n in ("best", "last"))
    assert np.abs(best - last).max() > 1e-4


@pytest.mark.slow
def test_same_seed_same_weights(tiny_model: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        tuned(tiny_model, tmp_path / name)
    tuned(tiny_model, tmp_path / "c", replace(SETTINGS, seed=1))
    a, b, c = ((tmp_path / n / "model.safetensors").read_bytes() for n in "abc")
    assert a == b
    assert a != c


def collator(mined: Mined, *, as_list: bool = True, n: int = 3) -> PairCollator:
    dataset = handbook()
    return PairCollator(
        question_rows(training_examples(dataset, "train")),
        dataset,
        mined,
        split="train",
        n_negatives=n,
        whole_fraction=0.5,
        seed=0,
        as_list=as_list,
    )


def test_negatives_are_drawn_from_what_was_mined_anew_each_epoch() -> None:
    topics = list(HANDBOOK)
    question = topics[0] + "a"
    pool = tuple(topics[1:7])
    batches = collator(Mined({question: pool}))
    row = batches.rows[0]
    assert row.query.id == question
    seen = set()
    for epoch in range(8):
        batches.epoch = epoch
        right, *wrong = batches.passages(row)
        assert right == HANDBOOK[topics[0]]
        assert len(set(wrong)) == 3
        assert set(wrong) <= {HANDBOOK[topic] for topic in pool}
        assert batches.passages(row) == [right, *wrong]
        seen.add(tuple(wrong))
    assert len(seen) > 4


def test_too_few_are_filled_up_but_not_with_answers_or_what_may_be_one() -> None:
    topics = list(HANDBOOK)
    question = topics[0] + "a"
    suspected = frozenset(topics[2:5])
    batches = collator(Mined({question: (topics[1],)}, {question: suspected}), n=7)
    _, *wrong = batches.passages(batches.rows[0])
    allowed = {HANDBOOK[topic] for topic in topics if topic not in {topics[0], *suspected}}
    assert set(wrong) <= allowed
    assert len(set(wrong)) == len(allowed) - 1
    assert len(wrong) == 7
    assert wrong[0] == HANDBOOK[topics[1]]


def test_labels_say_which_one_answers() -> None:
    import torch

    lists = collator(Mined())([{"position": 0}, {"position": 5}])
    assert [len(texts) for texts in lists["passage"]] == [4, 4]
    target = torch.stack([labels.softmax(0) for labels in lists["label"]])
    torch.testing.assert_close(target, torch.tensor([[1.0, 0, 0, 0], [1.0, 0, 0, 0]]))
    pairs = collator(Mined(), as_list=False)([{"position": 0}, {"position": 5}])
    assert pairs["label"].tolist() == [1, 0, 0, 0] * 2
    assert len(pairs["query"]) == len(pairs["passage"]) == 8


@pytest.mark.slow
def test_a_job_killed_in_the_middle_ends_with_the_same_weights(
    tiny_model: Path, tmp_path: Path
) -> None:
    script = """
        from test_reranker import SETTINGS, tuned
        import homing.training.recipes.reranker as reranker
        reranker.SAVE_EVERY_STEPS = 4
        tuned(Path(base), out, replace(SETTINGS, epochs=6, evaluations=3), score)
    """
    whole, killed = whole_and_killed(script, tiny_model, tmp_path)
    assert (whole / "model.safetensors").read_bytes() == (killed / "model.safetensors").read_bytes()
