"""The query tower alone: it learns, passages keep their vectors bit for bit, and it resumes."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from killing import whole_and_killed

from handbook_sentences import HANDBOOK
from homing.dataset import Dataset
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import SentenceTransformerEncoder, encoder_for
from homing.training.settings import QuerySettings, TrainingSettings
from homing.training.trainer import train
from homing.types import Encoder, Passage, Qrel, Query

pytest.importorskip("sentence_transformers")

SETTINGS = TrainingSettings(
    recipe="query",
    epochs=20,
    learning_rate=3e-3,
    query=QuerySettings(batch_questions=8),
    device="cpu",
)
PASSAGES = list(HANDBOOK.values())


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
    """Share of the questions whose passage is found first."""
    dataset = handbook()
    relevant = dataset.split("train")
    q = encoder.encode_queries([dataset.queries[i].text for i in relevant])
    best = (q @ encoder.encode_passages(dataset.passage_texts()).T).argmax(axis=1)
    ids = dataset.passage_ids()
    return float(np.mean([ids[b] in r for b, r in zip(best, relevant.values(), strict=True)]))


@pytest.fixture(scope="module")
def tuned(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("query") / "model"
    log = train(handbook(), base_model=str(tiny_model), out=out, settings=SETTINGS, score_dev=hits)
    assert log.kept == "tuned"
    assert log.index_stays
    assert log.n_pairs == 24
    assert log.loss[-1][1] < log.loss[0][1]
    assert not (out / "checkpoints").exists()
    return out


def test_questions_find_more_and_passages_keep_every_bit(tiny_model: Path, tuned: Path) -> None:
    base, model = encoder_for(str(tiny_model)), encoder_for(str(tuned))
    assert hits(model) >= max(0.9, hits(base) + 0.2)
    np.testing.assert_array_equal(model.encode_passages(PASSAGES), base.encode_passages(PASSAGES))
    assert np.abs(model.encode_queries(PASSAGES) - base.encode_queries(PASSAGES)).max() > 0.01


@pytest.mark.usefixtures("in_float32")
def test_the_folder_loads_without_homing_and_routes_each_side(
    tiny_model: Path, tuned: Path, tmp_path: Path
) -> None:
    script = """
        import sys, json
        import numpy as np
        from sentence_transformers import SentenceTransformer
        texts = json.loads(sys.argv[3])
        base, tuned = (SentenceTransformer(f, device="cpu") for f in sys.argv[1:3])
        assert not any(name.split(".")[0] == "homing" for name in sys.modules)
        same = np.array_equal(base.encode_document(texts), tuned.encode_document(texts))
        plain = np.array_equal(base.encode(texts), tuned.encode(texts))
        np.save(sys.argv[4], tuned.encode_query(texts, normalize_embeddings=True))
        print(json.dumps([same, plain]))
    """
    out = tmp_path / "queries.npy"
    arguments = [str(tiny_model), str(tuned), json.dumps(PASSAGES), str(out)]
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert json.loads(answer.stdout) == [True, True]
    ours = encoder_for(str(tuned)).encode_queries(PASSAGES)
    np.testing.assert_allclose(np.load(out), ours, atol=1e-5)


def test_vectors_that_the_base_left_in_a_cache_serve_the_tuned_model(
    tiny_model: Path, tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CachedEncoder(encoder_for(str(tiny_model)), tmp_path).encode_passages(PASSAGES)
    encoder = encoder_for(str(tuned))
    assert encoder.key != encoder.passage_key == encoder_for(str(tiny_model)).key

    def never(texts: object) -> None:
        raise AssertionError("embedded again")

    monkeypatch.setattr(encoder, "encode_passages", never)
    cached = CachedEncoder(encoder, tmp_path)
    assert cached.encode_passages(PASSAGES).shape == (len(PASSAGES), 32)
    assert hits(cached) >= 0.9


def test_a_tower_is_served_as_fast_as_a_plain_model(
    tuned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = encoder_for(str(tuned))

    def slowly(*_: object) -> None:
        raise AssertionError("the library's own loop was taken")

    monkeypatch.setattr(SentenceTransformerEncoder, "_encode_by_library", slowly)
    assert len(encoder.encode_queries(PASSAGES)) == len(encoder.encode_passages(PASSAGES))


def test_a_tuned_model_can_be_tuned_again_and_its_passages_stay(
    tiny_model: Path, tuned: Path, tmp_path: Path
) -> None:
    again = replace(SETTINGS, epochs=1)
    train(handbook(), base_model=str(tuned), out=tmp_path / "m", settings=again)
    first, second = encoder_for(str(tuned)), encoder_for(str(tmp_path / "m"))
    assert second.passage_key == encoder_for(str(tiny_model)).key
    assert np.abs(second.encode_queries(PASSAGES) - first.encode_queries(PASSAGES)).max() > 1e-3


def test_a_tower_that_is_no_better_on_dev_is_not_handed_over(
    tiny_model: Path, tmp_path: Path
) -> None:
    scores = iter([0.8, 0.7])
    log = train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=replace(SETTINGS, epochs=1),
        score_dev=lambda encoder: next(scores),
    )
    assert log.kept == "base"
    assert encoder_for(str(tmp_path / "m")).key == encoder_for(str(tiny_model)).key


def test_the_average_with_the_base_is_what_dev_is_asked_about_and_what_is_saved(
    tiny_model: Path, tmp_path: Path
) -> None:
    seen: list[np.ndarray] = []

    def score(encoder: Encoder) -> float:
        seen.append(encoder.encode_queries(PASSAGES))
        return float(len(seen))

    for name, weight in (("whole", 1.0), ("half", 0.5)):
        settings = replace(SETTINGS, epochs=2, merge_weight=weight)
        train(
            handbook(),
            base_model=str(tiny_model),
            out=tmp_path / name,
            settings=settings,
            score_dev=score,
        )
    base, whole, base_again, half = seen
    np.testing.assert_array_equal(base, base_again)
    assert 0 < np.abs(half - base).max() < np.abs(whole - base).max()
    for name, expected in (("whole", whole), ("half", half)):
        saved = encoder_for(str(tmp_path / name)).encode_queries(PASSAGES)
        np.testing.assert_allclose(saved, expected, atol=1e-5)


def test_questions_without_a_label_teach_by_what_the_teacher_finds(
    tiny_model: Path, tmp_path: Path
) -> None:
    dataset = handbook()
    few = replace(dataset, qrels={"train": dataset.qrels["train"][:8]})
    unlabelled = [dataset.queries[q.query_id].text for q in dataset.qrels["train"][8:]]
    logs = {}
    for name, questions in (("labels", []), ("teacher", unlabelled)):
        logs[name] = train(
            few,
            base_model=str(tiny_model),
            out=tmp_path / name,
            settings=SETTINGS,
            unlabelled=questions,
        )
    assert logs["teacher"].n_pairs == logs["labels"].n_pairs == 8
    assert logs["teacher"].n_tokens > logs["labels"].n_tokens
    labels, teacher = (hits(encoder_for(str(tmp_path / name))) for name in logs)
    assert teacher > labels + 0.2


def test_what_other_splits_ask_about_is_not_seen(tiny_model: Path, tmp_path: Path) -> None:
    dataset = handbook()
    qrels = {"train": dataset.qrels["train"][:12], "test": dataset.qrels["train"][12:]}
    held_out = list(HANDBOOK)[-1]
    models = []
    for name, text in (("a", HANDBOOK[held_out]), ("b", "Something else altogether.")):
        corpus = {**dataset.corpus, held_out: Passage(held_out, "handbook", 0, len(text), text)}
        train(
            replace(dataset, corpus=corpus, qrels=qrels),
            base_model=str(tiny_model),
            out=tmp_path / name,
            settings=replace(SETTINGS, epochs=2),
        )
        models.append(encoder_for(str(tmp_path / name)).key)
    assert models[0] == models[1]


def test_same_seed_same_weights(tiny_model: Path, tmp_path: Path) -> None:
    short = replace(SETTINGS, epochs=2)
    for name in ("a", "b"):
        train(handbook(), base_model=str(tiny_model), out=tmp_path / name, settings=short)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.safetensors"))
    assert len(files) == 2
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.slow
def test_a_job_killed_in_the_middle_ends_with_the_same_weights(
    tiny_model: Path, tmp_path: Path
) -> None:
    script = """
        from test_query import SETTINGS, handbook
        from homing.training.trainer import train
        import homing.training.recipes.query as query
        query.SAVE_EVERY_STEPS = 5
        settings = replace(SETTINGS, epochs=9, evaluations=3)
        train(handbook(), base_model=base, out=out, settings=settings, score_dev=score,
              unlabelled=["where may I park?", "who pays for training?"])
    """
    whole, killed = whole_and_killed(script, tiny_model, tmp_path)
    names = [path.relative_to(whole) for path in whole.rglob("*.safetensors")]
    assert names
    for name in names:
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
