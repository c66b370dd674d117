"""The test questions: who asked them, what they go together by, and what to know of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from homing.dataset import Dataset

MIN_DOCUMENTS = 8
"""With fewer, no test by document reaches 5 % among six contenders, however many questions."""
FEW_CLUSTERS = 20


def cluster_questions(
    dataset: Dataset, relevant: Mapping[str, Mapping[str, int]]
) -> tuple[str, list[str]]:
    """Return the unit that questions go together by, and each question's own.

    Documents if at least `MIN_DOCUMENTS` of them have questions, else passages (near-duplicates
    together); a question that several answer goes with the first.

    Args:
        relevant: Query id -> right passages, in the order of the result.
    """
    passages = [next(iter(grades)) for grades in relevant.values()]
    documents = [dataset.corpus[p].document_id for p in passages]
    if _knows_documents(dataset) and len(set(documents)) >= MIN_DOCUMENTS:
        return "document", documents
    return "passage", [dataset.groups.get(p, p) for p in passages]


def question_source(dataset: Dataset, query_ids: Iterable[str]) -> str:
    """Return "people", "written", "unknown" or "mixed", as `Evaluation.query_source` has it."""
    writers = {dataset.queries[query_id].writer for query_id in query_ids}
    kinds = {"people" if w == "person" else "written" if w else "unknown" for w in writers}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def describe_questions(
    dataset: Dataset, split: str, relevant: Mapping[str, Mapping[str, int]]
) -> tuple[str, ...]:
    """Return what a reader of the numbers has to know of the questions, in sentences."""
    notes = []
    judged = {qrel.query_id for qrel in dataset.qrels[split]}
    n_excluded = len(judged) - len(relevant)
    if n_excluded:
        were = "question was" if n_excluded == 1 else "questions were"
        notes.append(f"{n_excluded:,} {were} left out: no passage is known to answer it.")
    source = question_source(dataset, relevant)
    if source in ("written", "mixed"):
        writers = {dataset.queries[query_id].writer for query_id in relevant}
        names = ", ".join(sorted(w for w in writers if w and w != "person"))
        share = "The" if source == "written" else "Some of the"
        notes.append(
            f"{share} questions were written by {names}, not asked by people; such questions "
            "favour whatever finds their writer's words."
        )
    return (*notes, *_few_clusters(dataset, relevant))


def _few_clusters(dataset: Dataset, relevant: Mapping[str, Mapping[str, int]]) -> list[str]:
    unit, clusters = cluster_questions(dataset, relevant)
    notes = []
    n_clusters = len(set(clusters))
    if n_clusters < FEW_CLUSTERS:
        notes.append(
            f"The questions come from {n_clusters:,} {unit}s only: intervals and tests over so few "
            "are rough."
        )
    answers = (next(iter(grades)) for grades in relevant.values())
    n_documents = len({dataset.corpus[p].document_id for p in answers})
    if unit == "passage" and _knows_documents(dataset) and n_documents > 1:
        notes.append(
            f"The questions come from {n_documents:,} documents: intervals and tests hold for "
            "further questions about these documents, not for other documents."
        )
    return notes


def _knows_documents(dataset: Dataset) -> bool:
    # Imported sets may know no documents: each passage is then one of its own.
    return len({p.document_id for p in dataset.corpus.values()}) < dataset.n_passages
