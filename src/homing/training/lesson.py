"""A lesson for the query tower: questions, the passages' vectors, and what is to be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homing.training.corpus_softmax import Targets
from homing.training.job import TrainingJob
from homing.training.negatives import seen_passages
from homing.training.questions import Asked, make_targets
from homing.training.teaching import teach
from homing.types import Encoder, FloatArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True, slots=True)
class Lesson:
    """What training needs of corpus and questions.

    Attributes:
        texts: The questions.
        lengths: Their tokens.
        vectors: Of the passages, (n_passages, dimensions).
        targets: What each question is to find.
    """

    texts: Sequence[str]
    lengths: Sequence[int]
    vectors: FloatArray
    targets: Targets


def prepare(
    job: TrainingJob, tower: SentenceTransformer, base: Encoder, questions: Sequence[Asked]
) -> Lesson:
    """Return the lesson of a job: embed the passages that training may see, ask the teacher.

    Args:
        tower: What is to be tuned: the tower for questions.
        base: Embeds the passages, once, and is the teacher's half beside BM25.
        questions: What is learnt from.
    """
    settings = job.settings.query
    seen = seen_passages(job.dataset, job.split)
    passages = list(seen.values())
    asked = [question.text for question in questions]
    has_teacher = settings.teacher_weight > 0 or any(not q.answers for q in questions)
    teaching = teach(asked, passages, base, depth=settings.teacher_depth) if has_teacher else None
    targets = make_targets(
        questions,
        {passage_id: row for row, passage_id in enumerate(seen)},
        teaching,
        teacher_weight=settings.teacher_weight,
        temperature=settings.teacher_temperature,
    )
    limit = tower.max_seq_length or 512
    prompt = tower.prompts.get("query") or ""
    ids = tower.tokenizer([prompt + text for text in asked], verbose=False)["input_ids"]
    lengths = [min(len(row), limit) for row in ids]
    return Lesson(asked, lengths, base.encode_passages(passages), targets)
