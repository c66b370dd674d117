"""The whole evaluation: from a dataset to numbers, on disk and back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from homing.dataset import Dataset, load_dataset
from homing.errors import ModelNotFoundError, UsageError
from homing.evaluation.contenders import Contender, parse_contenders
from homing.evaluation.evaluate import (
    INTERVAL_MEASURES,
    evaluate,
    evaluation_summary,
    load_evaluation,
    save_evaluation,
)
from homing.evaluation.verdict import decided
from homing.types import Evaluation, Passage, Qrel, Query

HANDBOOK = {
    "leave": "Employees are entitled to sixteen weeks of parental leave.",
    "leave copy": "Employees are entitled to sixteen weeks of parental leave!",
    "travel": "Travel costs are refunded within thirty days of the receipt.",
    "office": "The office is closed between Christmas and New Year.",
    "pension": "The company pays half of the pension contributions.",
    "sickness": "A doctor's note is needed from the third day of sickness.",
}
ASKED = {
    "how long is parental leave": "leave",
    "when are travel costs refunded": "travel",
    "is the office closed at Christmas": "office",
    "who pays the pension contributions": "pension",
    "do I need a doctor's note": "sickness",
    "what do I get when I am ill": "sickness",
}


class WordBag:
    """An encoder that sees only how many letters of each kind a text has."""

    key, dimensions = "letter counts", 26

    def encode_queries(self, texts):
        counts = [[t.lower().count(chr(97 + i)) + 0.01 for i in range(26)] for t in texts]
        table = np.array(counts, dtype=np.float32).reshape(len(texts), 26)
        return table / np.linalg.norm(table, axis=1, keepdims=True)

    encode_passages = encode_queries


def handbook(writer: str = "person", n_documents: int = 5) -> Dataset:
    """The passages in so many documents, a passage and its copy in the same one."""
    corpus = {
        name: Passage(name, f"document {max(i - 1, 0) % n_documents}", 0, len(text), text)
        for i, (name, text) in enumerate(HANDBOOK.items())
    }
    queries = {text: Query(text, text, writer=writer) for text in [*ASKED, "meaning of life"]}
    qrels = [Qrel("meaning of life", "travel", 0), *(Qrel(q, p) for q, p in ASKED.items())]
    groups = {"leave": "leave", "leave copy": "leave"}
    return Dataset(corpus, queries, {"test": qrels}, groups)


def contenders() -> list[Contender]:
    fused = parse_contenders(["both=fusion(words,words)", "words=bm25"])
    return [Contender("letters", "letter counts", WordBag()), *fused]


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return decided(evaluate(handbook(), contenders(), split="test", seed=3), seed=3)


def test_everyone_is_measured_on_the_same_questions(evaluation: Evaluation):
    assert list(evaluation.contenders) == ["letters", "both", "words"]
    assert (evaluation.n_queries, evaluation.n_passages) == (6, 6)
    assert evaluation.query_ids == tuple(ASKED)
    for name, result in evaluation.contenders.items():
        assert set(result.intervals) == set(INTERVAL_MEASURES)
        for measure, interval in result.intervals.items():
            values = evaluation.by_query[name][measure]
            assert result.measures[measure] == interval.value == values.mean()
            assert interval.low <= interval.value <= interval.high
        assert evaluation.runs[name].query_ids == evaluation.query_ids
    words = evaluation.contenders["words"].measures
    assert words["hit@1"] == pytest.approx(5 / 6)
    assert words["hit@1"] > evaluation.contenders["letters"].measures["hit@1"]


def test_a_fusion_of_one_with_itself_changes_nothing(evaluation: Evaluation):
    # Only ranks of passages that share a word: the others tie at different float values.
    both, words = evaluation.by_query["both"], evaluation.by_query["words"]
    assert np.array_equal(both["hit@1"], words["hit@1"])


def test_the_first_is_the_baseline_unless_one_is_called_base_or_asked_for(evaluation: Evaluation):
    compared = [(c.name, c.baseline, c.measure) for c in evaluation.comparisons]
    assert compared == [
        (name, "letters", measure)
        for name in ("both", "words")
        for measure in ("hit@5", "mrr@10", "ndcg@10")
    ]
    two = parse_contenders(["words=bm25", "base=bm25"])
    assert evaluate(handbook(), two, split="test").comparisons[0].baseline == "base"
    asked = evaluate(handbook(), two, split="test", baseline="words")
    assert asked.comparisons[0].baseline == "words"
    assert asked.comparisons[0].p_value == 1.0


def test_a_duplicate_of_the_right_passage_is_a_hit(evaluation: Evaluation):
    as_found = evaluation.runs["words"].ranked_ids(0)
    assert set(as_found[:2]) == {"leave", "leave copy"}
    assert evaluation.by_query["words"]["recall@1"][0] == 1.0


def test_passages_are_resampled_where_there_are_few_documents():
    few = evaluate(handbook(), contenders(), split="test")
    assert (few.cluster_unit, few.clusters[0]) == ("passage", "leave")
    assert any("not for other documents" in note for note in few.notes)


def test_a_document_for_each_passage_means_that_documents_are_not_known():
    known = handbook()
    corpus = {name: replace(p, document_id=name) for name, p in known.corpus.items()}
    imported = replace(known, corpus=corpus)
    assert evaluate(imported, contenders(), split="test").cluster_unit == "passage"


@pytest.mark.parametrize(
    ("writer", "source"), [("person", "people"), ("extractive", "written"), ("", "unknown")]
)
def test_it_is_told_who_asked(writer: str, source: str):
    evaluation = evaluate(handbook(writer), contenders(), split="test")
    assert evaluation.query_source == source
    says_written = any("written by extractive" in note for note in evaluation.notes)
    assert says_written == (source == "written")


def test_questions_without_an_answer_are_left_out_and_noted(evaluation: Evaluation):
    assert any("1 question was left out" in note for note in evaluation.notes)


def test_the_same_seed_gives_the_same_evaluation(evaluation: Evaluation):
    again = evaluate(handbook(), contenders(), split="test", seed=3)
    assert again.comparisons == evaluation.comparisons
    for name, result in evaluation.contenders.items():
        assert again.contenders[name].intervals == result.intervals


def test_saving_twice_gives_the_same_bytes(evaluation: Evaluation, tmp_path: Path):
    for name in ("once", "again"):
        save_evaluation(evaluation, tmp_path / name)
    for file in sorted((tmp_path / "once").iterdir()):
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_the_json_is_for_people_and_holds_the_curve(evaluation: Evaluation, tmp_path: Path):
    save_evaluation(evaluation, tmp_path)
    saved = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    curve = dict(saved["contenders"]["words"]["hit_curve"])
    assert curve[1] == evaluation.contenders["words"].measures["hit@1"]
    assert list(curve) == sorted(curve)
    assert {1, 2, 5, 10, 20, 100} <= set(curve)


@pytest.mark.parametrize("damage", ["missing", "cut", "older", "first format"])
def test_a_damaged_evaluation_is_an_error_with_a_remedy(
    evaluation: Evaluation, tmp_path: Path, damage: str
):
    save_evaluation(evaluation, tmp_path)
    if damage == "missing":
        (tmp_path / "evaluation.json").unlink()
    elif damage == "cut":
        raw = (tmp_path / "runs.parquet").read_bytes()
        (tmp_path / "runs.parquet").write_bytes(raw[: len(raw) // 2])
    elif damage == "first format":
        saved = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
        (tmp_path / "evaluation.json").write_text(json.dumps({**saved, "format": 1}))
    else:
        (tmp_path / "evaluation.json").write_text("{}")
    with pytest.raises(UsageError, match="homing evaluate"):
        load_evaluation(tmp_path)


def test_the_summary_is_plain_data_with_the_promised_measures(evaluation: Evaluation):
    summary = json.loads(json.dumps(evaluation_summary(evaluation)))
    assert (summary["n_queries"], summary["n_passages"], summary["split"]) == (6, 6, "test")
    promised = {
        "hit@1", "hit@3", "hit@5", "hit@10", "mrr@10", "ndcg@10", "map@100", "recall@10",
        "precision@5",
    }  # fmt: skip
    for measures in summary["contenders"].values():
        assert promised <= set(measures)


def test_the_evaluation_says_what_to_do_and_on_what_grounds(evaluation: Evaluation):
    assert evaluation.baseline == "letters"
    assert evaluation.verdict is not None
    assert evaluation.verdict.decision == "cannot tell"
    assert evaluation.copied_fraction == pytest.approx(0.75, abs=0.15)
    assert {part.dimension for part in evaluation.slices} == {"document", "overlap"}
    for comparison in evaluation.comparisons:
        assert comparison.p_adjusted is not None
        assert comparison.p_adjusted >= comparison.p_value
    summary = json.loads(json.dumps(evaluation_summary(evaluation)))
    assert summary["verdict"]["headline"] == evaluation.verdict.headline
    assert [part["n"] for part in summary["slices"]] == [part.n for part in evaluation.slices]
    assert summary["comparisons"][0]["p_adjusted"] == evaluation.comparisons[0].p_adjusted


def test_one_contender_alone_gets_no_verdict():
    alone = decided(evaluate(handbook(), parse_contenders(["words=bm25"]), split="test"), seed=0)
    assert (alone.verdict, alone.comparisons) == (None, ())
    assert all(part.differences == {} for part in alone.slices)


def test_slices_of_documents_go_by_their_paths():
    paths = {"document 0": "leave.md"}
    found = evaluate(handbook(), contenders(), split="test", document_paths=paths)
    labels = {part.label for part in found.slices if part.dimension == "document"}
    assert {"leave.md", "document 1"} <= labels


def test_mistakes_are_found_before_any_work_is_done(tmp_path: Path):
    class Untouchable(WordBag):
        def encode_passages(self, texts):
            raise AssertionError("embedded before the arguments were checked")

    costly = Contender("costly", "mine", Untouchable())
    with pytest.raises(UsageError, match="no split 'dev'"):
        evaluate(handbook(), [costly], split="dev")
    with pytest.raises(UsageError, match="'best' is not among the contenders: costly"):
        evaluate(handbook(), [costly], split="test", baseline="best")
    with pytest.raises(ModelNotFoundError, match="no model folder"):
        evaluate(handbook(), [costly, Contender("tuned", "./no/model")], split="test")
    unanswered = Dataset(handbook().corpus, handbook().queries, {"test": []})
    with pytest.raises(UsageError, match="no question with a relevant passage"):
        evaluate(unanswered, [costly], split="test")


def test_vectors_are_kept_between_evaluations(tmp_path: Path):
    class Once(WordBag):
        n_texts = 0

        def encode_queries(self, texts):
            Once.n_texts += len(texts)
            return super().encode_queries(texts)

    for _ in range(2):
        evaluate(handbook(), [Contender("l", "l", Once())], split="test", cache_folder=tmp_path)
    assert Once.n_texts == 6


def test_bm25_on_the_uber_report_scores_what_is_known(shared_data: Path):
    dataset = load_dataset(shared_data / "sec10k" / "gpt-3.5-turbo" / "val_dataset.json")
    (split,) = dataset.splits
    evaluation = evaluate(dataset, parse_contenders(["words=bm25"]), split=split)
    found = evaluation.contenders["words"].measures
    known = {"hit@1": 0.661, "hit@5": 0.884, "hit@10": 0.932, "mrr@10": 0.754, "ndcg@10": 0.798}
    assert {m: round(found[m], 3) for m in known} == known
    interval = evaluation.contenders["words"].intervals["hit@5"]
    assert 0.04 < interval.high - interval.low < 0.07
    assert (evaluation.n_queries, evaluation.n_passages) == (790, 395)


@pytest.mark.slow
@pytest.mark.usefixtures("in_float32")
def test_the_base_model_on_the_uber_report_scores_what_the_library_says(shared_data: Path):
    from sentence_transformers.sentence_transformer.evaluation import (
        InformationRetrievalEvaluator,
    )
    from sentence_transformers.util import cos_sim
    from test_measures import check_against_evaluator

    from homing.retrieval.models import load_sentence_transformer

    path = shared_data / "sec10k" / "gpt-3.5-turbo" / "val_dataset.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    # Every sixth passage with its questions: enough to tell, in bearable time.
    corpus = dict(list(data["corpus"].items())[::6])
    answers = {q: set(ps) for q, ps in data["relevant_docs"].items() if ps[0] in corpus}
    queries = {q: data["queries"][q] for q in answers}
    dataset = Dataset(
        {p: Passage(p, p, 0, len(text), text) for p, text in corpus.items()},
        {q: Query(q, text) for q, text in queries.items()},
        {"test": [Qrel(q, p) for q, ps in answers.items() for p in sorted(ps)]},
    )
    model = load_sentence_transformer(max_tokens=128)
    base = parse_contenders(["base=sentence-transformers/all-MiniLM-L6-v2"])
    evaluation = evaluate(dataset, base, split="test", max_tokens=128)
    ks = [1, 3, 5, 10, 100]
    evaluator = InformationRetrievalEvaluator(
        queries, corpus, answers, accuracy_at_k=ks, mrr_at_k=[10], ndcg_at_k=[10, 100],
        map_at_k=[10, 100], precision_recall_at_k=ks, score_functions={"cosine": cos_sim},
    )  # fmt: skip
    check_against_evaluator(dict(evaluation.contenders["base"].measures), evaluator, model)
