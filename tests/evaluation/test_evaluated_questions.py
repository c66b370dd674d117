"""What questions go together by."""

from __future__ import annotations

import pytest

from homing.dataset import Dataset
from homing.evaluation.questions import MIN_DOCUMENTS, cluster_questions, describe_questions
from homing.types import Passage, Qrel, Query


def reports(n_documents: int, per_document: int = 3) -> Dataset:
    """So many reports of a few passages, with a question about each passage."""
    corpus, qrels = {}, []
    for i in range(n_documents * per_document):
        text = f"Revenue of year {i}."
        corpus[f"p{i}"] = Passage(f"p{i}", f"report {i % n_documents}", 0, len(text), text)
        qrels.append(Qrel(f"q{i}", f"p{i}"))
    queries = {q.query_id: Query(q.query_id, q.query_id, writer="person") for q in qrels}
    return Dataset(corpus, queries, {"test": qrels}, {"p0": "same", "p3": "same"})


def test_by_document_where_there_are_enough_else_by_passage():
    many = reports(MIN_DOCUMENTS)
    unit, labels = cluster_questions(many, many.split("test"))
    assert (unit, labels[0], len(set(labels))) == ("document", "report 0", MIN_DOCUMENTS)
    few = reports(MIN_DOCUMENTS - 1)
    unit, labels = cluster_questions(few, few.split("test"))
    assert (unit, labels[0], labels[3], labels[1]) == ("passage", "same", "same", "p1")


@pytest.mark.parametrize(
    ("n_documents", "per_document", "said", "unsaid"),
    [
        (8, 3, "8 documents only", "not for other documents"),
        (30, 3, "", "only"),
        (3, 10, "3 documents: intervals and tests hold for further questions", "only"),
        (3, 2, "5 passages only", ""),
        (1, 30, "", "only"),
    ],
)
def test_few_documents_are_noted(n_documents: int, per_document: int, said: str, unsaid: str):
    dataset = reports(n_documents, per_document)
    text = " ".join(describe_questions(dataset, "test", dataset.split("test")))
    assert said in text
    assert not unsaid or unsaid not in text
