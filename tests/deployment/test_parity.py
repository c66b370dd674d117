"""What an export is worth: cosines as they are, a broken one with its figure."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from homing import timing
from homing.deployment import speed
from homing.deployment.export_card import MARK, export_card
from homing.deployment.parity import Closeness, Parity, RankingLoss, closeness, evenly
from homing.deployment.speed import Speed, measure_speed
from homing.types import Interval

PARITY = Parity(
    "the dataset's test questions",
    Closeness(3, 0.99, 0.98),
    Closeness(5, 0.999, 0.9),
    RankingLoss(3, 5, 0.75, 0.7425, Interval(-0.0075, -0.02, 0.001)),
    Speed(12.0, 4.0, "a processor"),
)


def test_cosines_are_those_of_the_rows():
    a = np.array([[1, 0], [0, 1]], np.float32)
    b = np.array([[0.6, 0.8], [0, 1]], np.float32)
    found = closeness(a, b)
    assert (found.n, found.mean, found.least) == (2, pytest.approx(0.8), pytest.approx(0.6))


def test_what_is_no_number_is_as_far_as_can_be():
    a = np.array([[1, 0]], np.float32)
    assert closeness(a, np.full_like(a, np.nan)).least == -1.0


def test_vectors_of_other_lengths_cannot_be_compared():
    with pytest.raises(ValueError, match="cannot be set against"):
        closeness(np.ones((2, 3), np.float32), np.ones((2, 4), np.float32))


def test_it_is_saved_and_read_whole():
    assert Parity.from_json(json.loads(json.dumps(PARITY.as_json()))) == PARITY
    older = {key: value for key, value in PARITY.as_json().items() if key != "speed"}
    assert Parity.from_json(older) == replace(PARITY, speed=None)
    assert PARITY.ranking.lost_points == pytest.approx(0.75)


def test_the_card_says_it_once_under_the_models_own():
    card = export_card("---\ntags: [a]\n---\n\n# Mine\n", "onnx-int8", PARITY, two_towers=False)
    assert card.startswith("---\ntags: [a]\n---\n\n# Mine\n")
    assert "difference -0.75 (95 % interval -2.00 to +0.10)" in card
    assert "One question alone takes 4.0 ms, 12.0 before (median, best of three tries, " in card
    again = export_card(card, "onnx", PARITY, two_towers=True)
    assert again.count(MARK) == 1
    assert "`query/`" in again


def test_texts_are_taken_evenly_and_once():
    assert evenly(list("abcdefgh"), 4) == list("aceg")
    assert evenly(["a", "a", "b"], 9) == ["a", "b"]
    assert evenly([], 3) == []


class Slow:
    """An encoder that takes its time, by a clock of the test."""

    dimensions, key = 2, "slow"

    def __init__(self, clock: list[float], seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.asked: list[str] = []

    def encode_queries(self, texts):
        self.clock[0] += self.seconds
        self.asked += texts
        return np.ones((len(texts), 2), np.float32)


def test_questions_are_timed_one_at_a_time(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    original, exported = Slow(clock, 0.03), Slow(clock, 0.01)
    found = measure_speed(original, exported, ["a", "b", "c", "d"], "a processor")
    assert original.asked == exported.asked == 3 * ["a", "b", "c", *"abcd"]
    assert found.text == "a question in 10.0 ms here, 30.0 before (3.0 ×)"
    slower = Slow(clock, 0.6)
    found = measure_speed(original, slower, list("abcdefgh"), "a processor")
    assert len(slower.asked) == 3 * (speed.N_WARM_UP + 2)  # its time was over
    assert (found.original_ms, found.exported_ms) == (pytest.approx(30), pytest.approx(600))
    with pytest.raises(ValueError, match="no time"):
        measure_speed(original, exported, [], "")


def test_a_question_counts_by_its_best_try(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

    class Disturbed(Slow):
        """Takes ten times as long in all rounds but one."""

        def encode_queries(self, texts):
            in_first_round = len(self.asked) < speed.N_WARM_UP + 4
            self.clock[0] += 0.0 if in_first_round else 9 * self.seconds
            return super().encode_queries(texts)

    found = measure_speed(Disturbed(clock, 0.02), Slow(clock, 0.01), list("abcd"), "")
    assert (found.original_ms, found.exported_ms) == (pytest.approx(20), pytest.approx(10))
