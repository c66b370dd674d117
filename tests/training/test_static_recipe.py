"""A static model distilled for real: what it keeps, how it loads, and that it stays the same."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.dataset import Dataset
from homing.retrieval.encoders import encoder_for
from homing.retrieval.models import load_sentence_transformer
from homing.retrieval.static import load_static
from homing.training.settings import StaticSettings, TrainingSettings
from homing.training.static_fit import first_vectors
from homing.training.static_tokens import bare_tokenizer, counted_tokens, token_vectors
from homing.training.trainer import train
from homing.types import Encoder, Passage, Qrel, Query

pytest.importorskip("sentence_transformers")

PASSAGES = list(HANDBOOK.values())
SETTINGS = TrainingSettings(
    recipe="static", epochs=40, static=StaticSettings(batch_questions=8), device="cpu"
)


def handbook(n: int = 12) -> Dataset:
    """The passages, the first `n` asked for by their first and by their last words."""
    corpus = {t: Passage(t, "handbook", 0, len(s), s) for t, s in HANDBOOK.items()}
    queries, qrels = {}, []
    for topic, sentence in list(HANDBOOK.items())[:n]:
        for part, text in (("a", sentence[:30]), ("b", sentence[-30:])):
            queries[topic + part] = Query(topic + part, text)
            qrels.append(Qrel(topic + part, topic))
    return Dataset(corpus, queries, {"train": qrels})


def hits(encoder: Encoder) -> float:
    """Share of all 24 questions whose passage is found first."""
    dataset = handbook()
    relevant = dataset.split("train")
    q = encoder.encode_queries([dataset.queries[i].text for i in relevant])
    best = (q @ encoder.encode_passages(dataset.passage_texts()).T).argmax(axis=1)
    ids = dataset.passage_ids()
    return float(np.mean([ids[b] in r for b, r in zip(best, relevant.values(), strict=True)]))


def margin(encoder: Encoder) -> float:
    """Mean lead of the right passage over the best of the others, for all 24 questions."""
    dataset = handbook()
    relevant = dataset.split("train")
    q = encoder.encode_queries([dataset.queries[i].text for i in relevant])
    scores = q @ encoder.encode_passages(dataset.passage_texts()).T
    ids = dataset.passage_ids()
    is_right = np.array([[i in right for i in ids] for right in relevant.values()])
    best_right = np.where(is_right, scores, -np.inf).max(axis=1)
    return float((best_right - np.where(is_right, -np.inf, scores).max(axis=1)).mean())


@pytest.fixture(scope="module")
def distilled(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("static") / "model"
    log = train(handbook(), base_model=str(tiny_model), out=out, settings=SETTINGS, score_dev=hits)
    teacher, untuned, tuned = (score for _, score in log.dev)
    assert teacher == pytest.approx(hits(encoder_for(str(tiny_model))))
    assert tuned == pytest.approx(hits(encoder_for(str(out)))) == log.dev[-1][1]
    assert tuned > untuned
    assert log.kept == "tuned"
    assert log.best_step == log.dev[-1][0]
    assert "of its teacher's nDCG@10" in log.note
    assert log.loss[-1][1] < log.loss[0][1]
    assert not log.index_stays
    return out


def test_it_finds_more_than_85_percent_of_what_its_teacher_finds(
    tiny_model: Path, distilled: Path
) -> None:
    assert hits(encoder_for(str(distilled))) >= 0.85 * hits(encoder_for(str(tiny_model)))


def test_it_lies_where_its_teacher_puts_the_same_text(tiny_model: Path, distilled: Path) -> None:
    teacher, static = encoder_for(str(tiny_model)), encoder_for(str(distilled))
    apart = (teacher.encode_passages(PASSAGES) * static.encode_passages(PASSAGES)).sum(axis=1)
    assert apart.mean() > 0.7


@pytest.mark.slow
def test_the_folder_loads_without_homing_and_with_model2vec(
    distilled: Path, tmp_path: Path
) -> None:
    script = """
        import sys, json
        import numpy as np
        from sentence_transformers import SentenceTransformer
        model = SentenceTransformer(sys.argv[1], device="cpu")
        assert not any(name.split(".")[0] == "homing" for name in sys.modules)
        np.save(sys.argv[3], model.encode_query(json.loads(sys.argv[2])))
        print(type(model[0]).__name__)
    """
    out = tmp_path / "vectors.npy"
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), distilled, json.dumps(PASSAGES), out],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert answer.stdout.strip() == "StaticEmbedding"
    ours = encoder_for(str(distilled)).encode_queries(PASSAGES)
    np.testing.assert_allclose(np.load(out), ours, atol=1e-6)
    np.testing.assert_allclose(
        load_static(str(distilled)).encode_passages(PASSAGES), ours, atol=1e-5
    )


def test_the_teacher_may_have_two_towers(tiny_model: Path, tmp_path: Path) -> None:
    query = replace(SETTINGS, recipe="query", epochs=10, learning_rate=3e-3)
    train(handbook(), base_model=str(tiny_model), out=tmp_path / "towers", settings=query)
    train(handbook(), base_model=str(tmp_path / "towers"), out=tmp_path / "m", settings=SETTINGS)
    assert hits(encoder_for(str(tmp_path / "m"))) >= 0.85


def test_unlabelled_questions_teach_about_passages_that_nobody_asked_about(
    tiny_model: Path, tmp_path: Path
) -> None:
    rest = [q.text for q in handbook().queries.values()][8:]
    found = []
    for name, unlabelled in (("few", []), ("more", rest)):
        train(
            handbook(4),
            base_model=str(tiny_model),
            out=tmp_path / name,
            settings=SETTINGS,
            unlabelled=unlabelled,
        )
        found.append(margin(encoder_for(str(tmp_path / name))))
    assert found[1] > found[0]


def test_same_seed_same_bytes(tiny_model: Path, tmp_path: Path) -> None:
    short = replace(SETTINGS, epochs=2)
    for name in ("a", "b"):
        train(handbook(), base_model=str(tiny_model), out=tmp_path / name, settings=short)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert files
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_each_token_is_what_the_teacher_makes_of_it_alone(tiny_model: Path) -> None:
    model = load_sentence_transformer(str(tiny_model), device="cpu")
    vectors = token_vectors(model)
    token = model.tokenizer.convert_tokens_to_ids("badge")
    alone = model.encode(["badge"], normalize_embeddings=True)[0]
    np.testing.assert_allclose(vectors[token], alone, atol=1e-5)
    assert not vectors[model.tokenizer.unk_token_id].any()


def test_frequent_tokens_start_lighter(tiny_model: Path) -> None:
    model = load_sentence_transformer(str(tiny_model), device="cpu")
    tokens = counted_tokens(bare_tokenizer(model), PASSAGES)
    rows = first_vectors(token_vectors(model), tokens, 0.01)
    ids = model.tokenizer.convert_tokens_to_ids
    unweighted = first_vectors(token_vectors(model), tokens, 1e9)
    share = np.linalg.norm(rows, axis=1) / np.maximum(np.linalg.norm(unweighted, axis=1), 1e-9)
    assert share[ids("the")] < share[ids("badge")] < 1
