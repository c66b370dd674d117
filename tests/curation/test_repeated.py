"""Which questions say what another one says already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from homing.curation import repeated
from homing.curation.repeated import drop_repeated
from homing.types import Encoder, FloatArray, Question, query_id


def ask(text: str, passage_id: str = "leave") -> Question:
    return Question(text, passage_id, "factual", "openai:gpt-5-mini")


class Angles:
    """An encoder that knows in which direction each question points, in degrees."""

    key = "angles"
    dimensions = 2

    def __init__(self, angles: dict[str, float]) -> None:
        self.angles = angles

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        radians = np.radians([self.angles[text] for text in texts])
        return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)

    encode_passages = encode_queries


ANGLES = {
    "How long is parental leave?": 0.0,
    "What is the length of leave for parents?": 20.0,
    "For how long may a parent stay at home?": 40.0,
    "Who pays for parental leave?": 80.0,
}


def test_of_questions_that_say_the_same_the_first_is_kept() -> None:
    asked = [ask(text) for text in ANGLES]
    kept, (rejection,) = drop_repeated(asked, Angles(ANGLES))
    # The third is like the second alone, which is not there to be repeated.
    assert kept == [asked[0], asked[2], asked[3]]
    assert rejection.reason == "near_duplicate_question"
    assert rejection.item_id == query_id(asked[1].text)
    assert rejection.text == asked[1].text
    assert "How long is parental leave?" in rejection.detail


def test_it_makes_no_difference_which_passage_was_asked() -> None:
    asked = [ask(text, passage_id) for text, passage_id in zip(ANGLES, "abcd", strict=True)]
    _, rejections = drop_repeated(asked, Angles(ANGLES))
    assert [r.text for r in rejections] == [asked[1].text]


def test_questions_with_other_numbers_are_other_questions() -> None:
    angles = {
        "What was the revenue in 2020?": 0.0,
        "What was the revenue in 2021?": 1.0,
        "What were the revenues of 2021?": 2.0,
    }
    asked = [ask(text) for text in angles]
    assert drop_repeated(asked, Angles(angles))[0] == asked[:2]


def test_a_threshold_of_one_drops_equal_vectors_alone() -> None:
    angles = {"How long is leave?": 30.0, "Leave is how long?": 30.0, "How long is it?": 31.0}
    asked = [ask(text) for text in angles]
    assert drop_repeated(asked, Angles(angles), threshold=1.0)[0] == [asked[0], asked[2]]
    assert drop_repeated([], Angles({})) == ([], [])


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    angles = {f"question {'x' * i}": float(rng.uniform(0, 3_000)) for i in range(200)}
    asked = [ask(text) for text in angles]
    whole = drop_repeated(asked, Angles(angles), threshold=0.999)
    monkeypatch.setattr(repeated, "BLOCK", 7)
    monkeypatch.setattr(repeated, "TILE", 5)
    assert drop_repeated(asked, Angles(angles), threshold=0.999) == whole
    kept = Angles(angles).encode_queries([q.text for q in whole[0]])
    assert np.tril(kept @ kept.T, -1).max() < 0.999
    assert 20 < len(whole[0]) < 120


@pytest.mark.slow
def test_few_of_a_language_models_questions_repeat_each_other(shared_data: Path) -> None:
    from homing.retrieval.encoders import encoder_for

    encoder: Encoder = encoder_for()
    path = shared_data / "sec10k" / "gpt-3.5-turbo" / "val_dataset.json"
    asked = [ask(text) for text in json.loads(path.read_text("utf-8"))["queries"].values()]
    kept, rejections = drop_repeated(asked, encoder)
    assert len(kept) + len(rejections) == len(asked)
    assert 3 <= len(rejections) <= 12
    assert not any("December 31, 2019, to" in r.text for r in rejections)
