"""Which written questions are worth keeping: every filter in its turn, each on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from homing.curation.copied import drop_copied
from homing.curation.filters import filter_questions
from homing.curation.repeated import drop_repeated
from homing.curation.roundtrip import find_passages, keep_found_again
from homing.types import Encoder, Passage, Question, Rejection

OFFLINE_WRITER = "extractive"
ROUND_TRIP = 20

Filtered = tuple[list[Question], list[Rejection]]


def filter_written(
    questions: Sequence[Question],
    passages: Sequence[Passage],
    groups: Mapping[str, str],
    *,
    round_trip: int | None,
    copied: float,
    near_duplicate: float,
    encoder: Callable[[], Encoder],
) -> Filtered:
    """Return the questions worth keeping, in their order, and a rejection for each other one.

    Form is asked of all. Copied text, likeness and the round trip by the base model fused with
    BM25 are asked of language models' questions alone: what the offline writer copies, training
    hides. A round trip that is asked for holds for the offline writer, too, by BM25 alone.

    Args:
        encoder: Loads the base model; called only if there is something to embed.
    """
    by_id = {passage.id: passage for passage in passages}
    kept, rejections = filter_questions(questions, by_id, groups)
    offline = [q for q in kept if q.writer == OFFLINE_WRITER]
    modelled = [q for q in kept if q.writer != OFFLINE_WRITER]
    if modelled:
        modelled, dropped = _filter_modelled(
            modelled,
            passages,
            groups,
            k=ROUND_TRIP if round_trip is None else round_trip,
            copied=copied,
            near_duplicate=near_duplicate,
            encoder=encoder,
        )
        rejections += dropped
    if offline and round_trip:
        found = find_passages(offline, passages, groups)
        offline, dropped = keep_found_again(offline, found, k=round_trip)
        rejections += dropped
    stay = {id(question) for question in (*offline, *modelled)}
    return [question for question in kept if id(question) in stay], rejections


def _filter_modelled(
    questions: Sequence[Question],
    passages: Sequence[Passage],
    groups: Mapping[str, str],
    *,
    k: int,
    copied: float,
    near_duplicate: float,
    encoder: Callable[[], Encoder],
) -> Filtered:
    by_id = {passage.id: passage for passage in passages}
    kept, rejections = drop_copied(questions, by_id, most=copied)
    if not kept or (near_duplicate >= 1 and not k):
        return kept, rejections
    embedded = encoder()
    if near_duplicate < 1:
        kept, dropped = drop_repeated(kept, embedded, threshold=near_duplicate)
        rejections = [*rejections, *dropped]
    if k:
        found = find_passages(kept, passages, groups, encoder=embedded)
        kept, dropped = keep_found_again(kept, found, k=k)
        rejections = [*rejections, *dropped]
    return kept, rejections
