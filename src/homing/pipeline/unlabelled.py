"""Questions without a label for recipes that have a teacher: the offline writer's, of any passage.

They are asked of every passage that training may see, those that somebody asked about and those
that nobody did; no answer is named, so that a poor question does little harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from homing.dataset import Dataset
from homing.types import Question, content_id
from homing.writing.extractive import ExtractiveWriter

if TYPE_CHECKING:
    from homing.training.settings import TrainingSettings

QUERY, FULL_QUERY, STATIC = "query", "full-query", "static"
"""The recipes that learn from them."""


def unlabelled_questions(dataset: Dataset, split: str, settings: TrainingSettings) -> list[str]:
    """Return offline questions about the passages that training may see; none without a teacher.

    Of more passages than `max_offline_passages` some are drawn by the seed and their ids. Equal
    seeds give equal questions.
    """
    from homing.training.negatives import held_out_groups
    from homing.training.settings import offline_limit

    if settings.recipe not in (QUERY, FULL_QUERY, STATIC):
        return []
    own = settings.static if settings.recipe == STATIC else settings.query
    if not own.offline_questions or not own.teacher_weight:
        return []
    hidden = held_out_groups(dataset, split)
    seen = [p for i, p in dataset.corpus.items() if dataset.group_of(i) not in hidden]
    most = offline_limit(settings, len(seen))
    seed = settings.seed
    drawn = sorted(seen, key=lambda passage: content_id("unlabelled", str(seed), passage.id))
    kept = {passage.id for passage in drawn[:most]}
    writer = ExtractiveWriter(questions_per_passage=own.offline_questions, seed=seed)
    written = writer.write([passage for passage in seen if passage.id in kept])
    return [question.text for question in written if isinstance(question, Question)]
