"""Which questions were asked before, against a walk through them one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from homing.curation.repetitions import content_keys, find_repetitions

PASSAGES = ["leave", "rent", "sick pay"]
QUESTIONS = ["How long is leave?", "leave: how long", "who pays the rent?", "When?", "is it so?"]


def one_by_one(asked: list[tuple[str, int, bool]]) -> list[tuple[str, str] | None]:
    """Return the fault of each question as the rules say it."""
    keys = [content_keys([text])[0] for text, _, _ in asked]
    of_key: dict[bytes, set[int]] = {}
    for key, (_, group, _) in zip(keys, asked, strict=True):
        of_key.setdefault(key, set()).add(group)
    first: dict[bytes, int] = {}
    faults: list[tuple[str, str] | None] = []
    for key, (_, group, is_sound) in zip(keys, asked, strict=True):
        if not is_sound:
            faults.append(None)
        elif len(of_key[key]) > 2:
            detail = f"{len(of_key[key])} different passages were asked this."
            faults.append(("ambiguous_question", detail))
        elif key not in first:
            first[key] = group
            faults.append(None)
        elif first[key] != group:
            detail = f"Passage {PASSAGES[first[key]]} was asked this, too, and keeps it."
            faults.append(("ambiguous_question", detail))
        else:
            detail = "The same passage, or one like it, was asked this before."
            faults.append(("duplicate_question", detail))
    return faults


@given(st.lists(st.tuples(st.sampled_from(QUESTIONS), st.integers(0, 2), st.booleans())))
def test_all_at_once_they_are_what_they_are_one_by_one(asked: list[tuple[str, int, bool]]) -> None:
    found = find_repetitions(
        content_keys(text for text, _, _ in asked),
        np.array([group for _, group, _ in asked], dtype=np.int64),
        np.array([is_sound for _, _, is_sound in asked], dtype=bool),
    )
    faults = [
        found.fault(row, PASSAGES.__getitem__) if is_sound else None
        for row, (_, _, is_sound) in enumerate(asked)
    ]
    assert faults == one_by_one(asked)


def test_questions_are_the_same_with_the_same_content_words() -> None:
    one, same, other, stopped = content_keys(["How long is leave?", "LEAVE long", "rent", "is it?"])
    assert one == same
    assert len({one, other, stopped}) == 3
