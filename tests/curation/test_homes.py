"""The split that a question stays in, against a walk through them one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from homing.curation.homes import SPLITS, find_homes, question_digests

QUESTIONS = ["How long is leave?", "how long is leave", "Who pays the rent?", "???", "? ??"]
Placed = list[tuple[str, str, bool]]


def one_by_one(placed: Placed) -> list[tuple[str, str] | None]:
    keys = question_digests(text for text, _, _ in placed).tolist()
    home = {}
    for split in SPLITS:
        home |= {key: split for key, p in zip(keys, placed, strict=True) if p[1] == split}
    seen: set[bytes] = set()
    faults: list[tuple[str, str] | None] = []
    for key, (_, split, by_person) in zip(keys, placed, strict=True):
        if split != home[key]:
            faults.append((f"also_in_{home[key]}", f"The same question is in {home[key]}."))
        elif key in seen and not by_person:
            faults.append(("duplicate_question", "It was asked already."))
        else:
            seen.add(key)
            faults.append(None)
    return faults


@given(st.lists(st.tuples(st.sampled_from(QUESTIONS), st.sampled_from(SPLITS), st.booleans())))
def test_all_at_once_they_stay_where_they_stay_one_by_one(placed: Placed) -> None:
    homes = find_homes(
        question_digests(text for text, _, _ in placed),
        np.array([SPLITS.index(split) for _, split, _ in placed], dtype=np.int8),
        np.array([by_person for _, _, by_person in placed], dtype=bool),
    )
    faults = one_by_one(placed)
    assert [homes.fault(row) for row in range(len(placed))] == faults
    for split in SPLITS:
        kept = [p for p, fault in zip(placed, faults, strict=True) if not fault and p[1] == split]
        assert homes.n_kept(split) == len(kept)
