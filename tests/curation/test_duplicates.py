"""Which passages say the same: long ones that hardly differ, short ones only word for word."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.curation.duplicates import find_groups
from homing.curation.shingles import WordHashes, minhash, shingle_sets
from homing.types import Passage
from homing.words import words_of

LEASE = (
    "The tenant shall keep the premises in good repair and shall not, without the written consent "
    "of the landlord, make any alteration to the walls, floors, doors or windows. The tenant shall "
    "give notice of any defect within seven days of its discovery, and the landlord shall have it "
    "mended within thirty days of that notice. Should the landlord fail to do so, the tenant may "
    "have it mended at the landlord's cost and withhold that cost from the rent of the next month."
)


def passage(passage_id: str, text: str, *heading_path: str) -> Passage:
    return Passage(passage_id, "d", 0, len(text), text, heading_path)


def together(*passages: Passage) -> bool:
    return len(set(find_groups(passages).values())) == 1


def test_a_passage_that_is_alone_is_its_own_group() -> None:
    assert find_groups([passage("a", LEASE), passage("b", "Trains are preferred.")]) == {
        "a": "a",
        "b": "b",
    }
    assert find_groups([]) == {}


def test_the_smallest_id_stands_for_the_group_whatever_the_order() -> None:
    copies = [passage(i, LEASE) for i in ("m", "c", "x")]
    assert find_groups(copies) == find_groups(copies[::-1]) == dict.fromkeys("mcx", "c")


def test_case_spacing_and_punctuation_make_no_difference() -> None:
    assert together(passage("a", LEASE), passage("b", LEASE.upper().replace(" ", "\n  ")))
    assert together(passage("a", LEASE), passage("b", LEASE.replace(",", "").replace(".", ";")))


def test_a_long_text_with_one_word_changed_is_a_near_duplicate() -> None:
    assert together(passage("a", LEASE), passage("b", LEASE.replace("thirty", "sixty")))


def test_a_long_text_under_another_heading_is_still_the_same() -> None:
    assert together(passage("a", LEASE, "Lease 2022"), passage("b", LEASE, "Lease 2023"))


def test_half_the_same_text_is_not_a_duplicate() -> None:
    half = LEASE[: len(LEASE) // 2] + " " + " ".join(reversed(LEASE[len(LEASE) // 2 :].split()))
    assert not together(passage("a", LEASE), passage("b", half))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "Return the sine of x (measured in radians).",
            "Return the cosine of x (measured in radians).",
        ),
        (
            "Return a left-justified string of length width. Padding is done using the specified "
            "fill character (default is a space).",
            "Return a right-justified string of length width. Padding is done using the specified "
            "fill character (default is a space).",
        ),
        (
            "Return the index of the first element of the list that is equal to the given value, "
            "searching from the start to the end, and raise ValueError if there is none at all.",
            "Return the index of the first element of the list that is equal to the given value, "
            "searching from the start to the end, and raise LookupError if there is none at all.",
        ),
    ],
)
def test_short_texts_that_differ_in_one_word_are_two(one: str, other: str) -> None:
    assert not together(passage("a", one), passage("b", other))


def test_a_very_short_text_under_two_titles_is_two() -> None:
    assert not together(
        passage("a", "25 days.", "Leave, Germany"), passage("b", "25 days.", "Leave, Spain")
    )
    assert together(passage("a", "25 days.", "Leave"), passage("b", "25  Days.", "leave"))
    assert not together(passage("a", "x + y"), passage("b", "x - y"))


def test_chains_of_near_duplicates_are_one_group() -> None:
    words = LEASE.split()
    versions = [LEASE]
    for at in (5, 25, 45, 65):
        words[at] = f"[{at}]"
        versions.append(" ".join(words))
    assert together(*(passage(f"v{i}", text) for i, text in enumerate(versions)))


def test_chinese_and_thai_are_compared_without_spaces() -> None:
    assert words_of("租户必须 rent2") == ["租", "户", "必", "须", "rent2"]
    text = (
        "租户应保持房屋处于良好状态，未经房东书面同意，不得对墙壁、地板、门窗进行任何改动。租户应在发现任何缺陷后七天内通知房东。"
        * 2
    )
    assert together(passage("a", text), passage("b", text.replace("七天", "八天", 1)))


def test_a_crowd_of_equal_texts_is_one_group() -> None:
    assert together(*(passage(f"p{i}", LEASE) for i in range(3000)))


def test_minhash_estimates_the_jaccard_similarity() -> None:
    rng = random.Random(1)
    common = [f"w{rng.random()}" for _ in range(600)]
    texts = [
        common + [f"{name}{i}" for i in range(200)] for name in ("a", "b")
    ]  # 598 shingles in common of 598 + 2 · 202
    sets = shingle_sets([WordHashes().of(words) for words in texts])
    assert sets.jaccard(0, 1) == pytest.approx(598 / 998, abs=0.005)
    sketches = minhash(sets, 2000, seed=3)
    assert (sketches[0] == sketches[1]).mean() == pytest.approx(598 / 998, abs=0.04)


def test_nearly_every_pair_above_the_threshold_is_found() -> None:
    rng = random.Random(7)
    words = [f"word{i}" for i in range(5000)]
    passages = []
    for i in range(400):
        text = rng.choices(words, k=150)
        passages.append(passage(f"{i:03}a", " ".join(text)))
        for at in rng.sample(range(150), 3):
            text[at] = rng.choice(words)
        passages.append(passage(f"{i:03}b", " ".join(text)))
    groups = find_groups(passages)
    found = [groups[f"{i:03}a"] == groups[f"{i:03}b"] for i in range(400)]
    assert sum(found) >= 398
    assert len(set(groups.values())) == 800 - sum(found)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["rent", "is", "due", "monthly"]), max_size=80), st.integers(0, 9))
def test_every_passage_is_in_a_group_that_is_named_after_its_smallest_member(
    words: list[str], cut: int
) -> None:
    passages = [passage(str(i), " ".join(words[i:])) for i in range(cut)]
    groups = find_groups(passages)
    assert list(groups) == [p.id for p in passages]
    for group in set(groups.values()):
        assert group == min(p for p, g in groups.items() if g == group)


def test_uber_and_lyft_share_no_passage_but_their_editions_do(shared_data: Path) -> None:
    corpora = {}
    for name in ("train", "val"):
        path = shared_data / "sec10k" / "gpt-3.5-turbo" / f"{name}_dataset.json"
        corpora[name] = json.loads(path.read_text("utf-8"))["corpus"]
    passages = [passage(i, t) for texts in corpora.values() for i, t in texts.items()]
    revised = [
        passage(f"{i}-r", t.replace("2021", "2022")) for i, t in list(corpora["val"].items())[20:60]
    ]
    groups = find_groups([*passages, *revised])
    pairs = [groups[p.id] == groups[p.id.removesuffix("-r")] for p in revised]
    assert sum(pairs) >= 36
    crossing = {groups[i] for i in corpora["train"]} & {groups[i] for i in corpora["val"]}
    assert len(crossing) == 0
