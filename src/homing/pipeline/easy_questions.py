"""Which questions BM25 alone answers first, where a search for all of them takes seconds."""

from __future__ import annotations

from homing.curation.deciding import Decisions
from homing.curation.passage_rows import PassageRows
from homing.curation.roundtrip import Easy, find_passages, key_of, too_easy
from homing.dataset import iter_questions, load_passages
from homing.pipeline.filtering import is_cheap_search
from homing.pipeline.job import PASSAGES, QUESTIONS, Job
from homing.types import IntArray


def label_easy(
    job: Job, decisions: Decisions, passages: PassageRows, groups: IntArray
) -> tuple[Easy, dict[str, bool]]:
    """Return the counts of easy questions, and query id -> whether it is one, of those kept.

    Where the search is not cheap, nothing is searched for and the texts are not read.

    Args:
        groups: For each passage the row of the one that stands for its group, int64 (n_passages,).
    """
    if not is_cheap_search(int(decisions.is_left.sum()), len(passages)):
        return Easy(frozenset(), {}), {}
    ids = passages.ids.to_pylist()
    group_of = {ids[row]: ids[group] for row, group in enumerate(groups.tolist())}
    written = iter_questions(job.path(QUESTIONS))
    is_left, is_kept = decisions.is_left.tolist(), decisions.homes.is_kept.tolist()
    left = [question for question, stays in zip(written, is_left, strict=True) if stays]
    found = find_passages(left, load_passages(job.path(PASSAGES)), group_of)
    kept = [question for question, stays in zip(left, is_kept, strict=True) if stays]
    easy = too_easy(kept, found)
    return easy, {key: key in easy.query_ids for key, _ in map(key_of, kept)}
