"""One question before several contenders: what each of them finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from homing.dataset import Dataset, load_dataset
from homing.errors import UsageError
from homing.evaluation.building import Builder
from homing.evaluation.contenders import Contender, in_building_order, parse_contenders
from homing.pipeline.copies import on_copies
from homing.pipeline.evaluation import BASE, TUNED
from homing.pipeline.job import EMBEDDINGS, MODEL, own_settings
from homing.pipeline.language_models import ledger_beside
from homing.retrieval.search import search
from homing.settings import Settings, load_settings
from homing.types import query_id
from homing.workspace import Workspace

ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Finding:
    """A passage that at least one contender found.

    Attributes:
        ranks: Contender -> rank, from 1; those that did not find it are missing.
        scores: Contender -> score; only comparable within one contender.
        is_right: Whether it is known to answer; None where the question is none of the dataset's.
    """

    passage_id: str
    title: str
    page: int | None
    text: str
    ranks: Mapping[str, int]
    scores: Mapping[str, float]
    is_right: bool | None = None


@dataclass(frozen=True)
class Searched:
    """What the contenders found for one question; findings by their best rank."""

    question: str
    contenders: tuple[str, ...]
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the one object that `--json` prints."""
        return {
            "question": self.question,
            "contenders": list(self.contenders),
            "findings": [asdict(finding) for finding in self.findings],
        }


@on_copies(write=False)
def search_dataset(
    source: str | Path,
    question: str,
    contenders: Sequence[str] | None = None,
    *,
    k: int = 5,
    config: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Searched:
    """Return the first `k` passages of each contender for a question.

    Args:
        contenders: "name=spec"; None takes a workspace's base, tuned model, BM25 and their fusion.
        k: From 1.

    Raises:
        UsageError: The question is empty, or there is nothing to search with.
        ModelNotFoundError: A model cannot be had.
    """
    if not question.strip():
        raise UsageError("The question is empty: homing search DATASET 'how do I …'.")
    settings = load_settings(config or own_settings(source), overrides)
    dataset = load_dataset(source)
    ordered = _contenders(source, contenders, settings)
    builder = Builder(
        dataset,
        ordered,
        split="test",
        cache_folder=Path(source) / EMBEDDINGS if Workspace.is_at(source) else None,
        max_tokens=settings.train.max_tokens,
        language=settings.evaluate.language,
        base_url=settings.evaluate.base_url,
        ledger=ledger_beside(source, settings.write.ledger, None),
    )
    found: dict[str, dict[str, tuple[int, float]]] = {}
    for contender in ordered:
        builder.settle(contender)
        retriever = builder.build(contender)
        run = search(retriever, [ASKED], [question], dataset.passage_ids(), k)
        for rank, passage_id in enumerate(run.ranked_ids(0), start=1):
            score = float(run.scores[0, rank - 1])
            found.setdefault(passage_id, {})[contender.name] = (rank, score)
    names = tuple(contender.name for contender in ordered)
    return Searched(question, names, _findings(dataset, question, found))


def _contenders(
    source: str | Path, asked: Sequence[str] | None, settings: Settings
) -> list[Contender]:
    if asked:
        return in_building_order(parse_contenders(asked))
    model = Path(source) / MODEL
    if not Workspace.is_at(source) or not model.is_dir():
        raise UsageError(
            f"{source} is no workspace with a tuned model, so name what to search with: "
            f"homing search {source} 'QUESTION' --contender words=bm25"
        )
    return [
        Contender(BASE, settings.train.base_model),
        Contender(TUNED, str(model)),
        Contender("bm25", "bm25"),
        Contender("bm25+tuned", "fusion(bm25,tuned)"),
    ]


def _findings(
    dataset: Dataset, question: str, found: Mapping[str, Mapping[str, tuple[int, float]]]
) -> tuple[Finding, ...]:
    right = right_groups(dataset, question)
    findings = []
    for passage_id, by_name in found.items():
        passage = dataset.corpus[passage_id]
        findings.append(
            Finding(
                passage_id=passage_id,
                title=passage.title,
                page=passage.page,
                text=passage.text,
                ranks={name: rank for name, (rank, _) in by_name.items()},
                scores={name: score for name, (_, score) in by_name.items()},
                is_right=None if right is None else dataset.group_of(passage_id) in right,
            )
        )
    return tuple(
        sorted(findings, key=lambda f: (min(f.ranks.values()), sum(f.ranks.values()), f.passage_id))
    )


def right_groups(dataset: Dataset, question: str) -> set[str] | None:
    """Return the groups of the passages that answer, None if nobody said."""
    asked = {query_id(question)}
    asked |= {key for key, query in dataset.queries.items() if query_id(query.text) in asked}
    right = {
        dataset.group_of(qrel.passage_id)
        for qrels in dataset.qrels.values()
        for qrel in qrels
        if qrel.query_id in asked and qrel.grade >= 1
    }
    return right or None
