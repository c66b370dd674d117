"""What a report is made of: plain facts from the saved types, gathered by the pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from homing.reporting.funnel import Funnel
from homing.types import Audit, Evaluation, Passage, Query, Rejection, TrainingLog

N_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class QuestionKind:
    """Questions made in one way by one writer.

    Attributes:
        kind: As in `Query.kind`, such as "heading"; "" when unknown.
        writer: As in `Query.writer`; "" when unknown.
        n_by_split: Split -> how many questions.
        examples: A few of the questions.
    """

    kind: str
    writer: str
    n_by_split: Mapping[str, int]
    examples: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Return how many questions there are over all splits."""
        return sum(self.n_by_split.values())


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """How large the dataset is.

    Attributes:
        n_duplicate_groups: Groups of at least two passages that are exact or near duplicates.
        n_duplicates: Passages in those groups.
        questions: By kind and writer; `count_questions` makes them.
    """

    n_documents: int
    n_passages: int
    n_duplicate_groups: int = 0
    n_duplicates: int = 0
    questions: tuple[QuestionKind, ...] = ()

    def n_questions(self, split: str) -> int:
        """Return how many questions a split has."""
        return sum(kind.n_by_split.get(split, 0) for kind in self.questions)

    @property
    def splits(self) -> tuple[str, ...]:
        """Return the names of the splits in the order in which they were counted."""
        return tuple(dict.fromkeys(s for kind in self.questions for s in kind.n_by_split))


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What one must know to use the tuned model.

    Attributes:
        path: The model's folder as the user would type it, such as "tuned/model".
        base_model: Hub id of the base, or the folder it was loaded from.
        query_prompt: Text put before every query, or "".
        passage_prompt: Text put before every passage, or "".
        max_tokens: Longest input, or None when unknown.
        dimensions: Length of a vector, or None when unknown.
        two_towers: Whether questions are embedded otherwise than passages.
    """

    path: str
    base_model: str
    query_prompt: str = ""
    passage_prompt: str = ""
    max_tokens: int | None = None
    dimensions: int | None = None
    two_towers: bool = False


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that the report, the model card and the summary show.

    Attributes:
        title: What the documents are called, such as "handbook".
        created: When, as it shall be printed; never read from the clock here.
        command: The command line, exactly.
        model: How to use the tuned model.
        hit_curve: Contender -> hit rate at k = 1, 2, 3, …, in [0, 1]; where it is empty, the
            evaluation's measures hit@1 to hit@20 serve, as far as they are there.
        query_texts: Query id -> text, of the test questions.
        passages: Passage id -> passage: at least the first five of each run and the relevant
            ones; more do no harm.
        relevant: Query id -> {passage id: grade}, as `Dataset.split` returns it.
        groups: Passage id -> duplicate group; passages without one stand alone.
        judged: Query id -> {passage id: grade} of every judgement there is, grade 0 included; where
            it is empty, `relevant` holds them all.
        document_paths: Document id -> path, as it is shown.
        document_files: Document id -> the file's path relative to the report's folder, with `/`;
            those that are there get a link.
        rejections: Of all stages, each in the order in which it was saved.
        funnel: What the filters left of the written questions; None where that was not counted.
        audit: None for datasets that Homing did not split.
        training: None where nothing was trained.
        ablation_notes: Sentences on what each part brings, such as the offline writer alone.
        stage_seconds: Stage -> seconds, in their order.
        base_name: The base model's name among the contenders.
        tuned_name: The tuned model's name among the contenders.
    """

    title: str
    created: str
    command: str
    evaluation: Evaluation
    dataset: DatasetFacts
    model: ModelFacts
    hit_curve: Mapping[str, Sequence[float]] = field(default_factory=dict)
    query_texts: Mapping[str, str] = field(default_factory=dict)
    passages: Mapping[str, Passage] = field(default_factory=dict)
    relevant: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    judged: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    document_paths: Mapping[str, str] = field(default_factory=dict)
    document_files: Mapping[str, str] = field(default_factory=dict)
    rejections: Sequence[Rejection] = ()
    funnel: Funnel | None = None
    audit: Audit | None = None
    training: TrainingLog | None = None
    ablation_notes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    base_name: str = "base"
    tuned_name: str = "tuned"


def count_questions(
    queries: Mapping[str, Iterable[Query]], n_examples: int = N_EXAMPLES
) -> tuple[QuestionKind, ...]:
    """Return the questions of each kind and writer, the most numerous first.

    Args:
        queries: Split -> its queries.
        n_examples: How many examples of each to keep; taken in the order of the ids, which are
            hashes, so that they do not all come from the first document.
    """
    splits = tuple(queries)
    found: dict[tuple[str, str], dict[str, list[Query]]] = {}
    for split, members in queries.items():
        for query in members:
            by_split = found.setdefault((query.kind, query.writer), {name: [] for name in splits})
            by_split[split].append(query)
    kinds = []
    for (kind, writer), by_split in found.items():
        texts = {query.id: query.text for members in by_split.values() for query in members}
        examples = tuple(texts[query_id] for query_id in sorted(texts)[:n_examples])
        n_by_split = {split: len(members) for split, members in by_split.items()}
        kinds.append(QuestionKind(kind, writer, n_by_split, examples))
    return tuple(sorted(kinds, key=lambda kind: (-kind.n, kind.kind, kind.writer)))
