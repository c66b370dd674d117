"""What must not be separated, against every pair of passages."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from homing.curation.components import find_components
from homing.types import Passage

ids = st.text("abcxyzä\U00020000", min_size=1, max_size=3)
spans = st.tuples(st.sampled_from(["lease", "guide"]), st.integers(0, 30), st.integers(0, 8))


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[Passage], dict[str, str]]:
    names = draw(st.lists(ids, unique=True, max_size=12))
    places = [draw(spans) for _ in names]
    passages = [
        Passage(name, document, start, start + size, "")
        for name, (document, start, size) in zip(names, places, strict=True)
    ]
    return passages, {p.id: draw(ids) for p in passages if draw(st.booleans())}


def pair_by_pair(passages: list[Passage], groups: dict[str, str]) -> dict[str, str]:
    component = {p.id: {p.id} for p in passages}
    for a, b in combinations(passages, 2):
        is_one_group = groups.get(a.id, a.id) == groups.get(b.id, b.id)
        first, second = sorted((a, b), key=lambda p: (p.start, p.end))
        overlap = a.document_id == b.document_id and second.start < first.end
        if is_one_group or overlap:
            both = component[a.id] | component[b.id]
            for member in both:
                component[member] = both
    return {p.id: min(component[p.id]) for p in passages}


@given(corpora())
def test_components_are_those_of_all_pairs(corpus: tuple[list[Passage], dict[str, str]]) -> None:
    passages, groups = corpus
    found = find_components(passages, groups)
    assert found == pair_by_pair(passages, groups)
    assert list(found) == [p.id for p in passages]
