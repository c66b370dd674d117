"""How many of a question's words its passage holds."""

from __future__ import annotations

import numpy as np
import pytest

from homing.dataset import Dataset
from homing.evaluation.overlap import copied_fraction, shared_fractions
from homing.types import Passage, Qrel, Query


def asked(question: str, *passages: str, title: str = "", language: str = "") -> float:
    """The share of one question's words that the passages hold."""
    headings = (title,) if title else ()
    corpus = {t: Passage(t, "handbook", 0, len(t), t, headings) for t in passages}
    dataset = Dataset(
        corpus, {"q": Query("q", question)}, {"test": [Qrel("q", p) for p in passages]}
    )
    return float(shared_fractions(dataset, dataset.split("test"), language=language)[0])


LEAVE = "Employees are entitled to sixteen weeks of parental leave."


def test_words_count_in_any_form_and_small_words_do_not():
    assert asked("To which weeks of leave are employees entitled?", LEAVE) == 1.0
    assert asked("What is the entitlement of an employee?", LEAVE) == 1.0
    assert asked("Does the new baby bring weeks of absence?", LEAVE) == pytest.approx(1 / 5)
    assert asked("When does lunch begin?", LEAVE) == 0.0


def test_the_title_is_part_of_the_passage():
    assert asked("holiday rules in Norway", "Sixteen days.", title="Holiday rules of Norway") == 1.0


def test_of_several_right_passages_the_one_that_holds_most_counts():
    assert asked("parental leave", "Nothing of the kind.", LEAVE) == 1.0


def test_german_and_chinese_words_are_found_in_their_own_way():
    german = "Die Angestellten haben Anspruch auf sechzehn Wochen Elternzeit."
    assert asked("Wochen Elternzeit der Angestellte", german, language="de") == pytest.approx(3 / 4)
    assert asked("产假多少天", "员工享有九十八天产假。") > 0.2


def test_a_question_of_small_words_alone_has_no_share():
    assert np.isnan(asked("What is it about?", LEAVE))
    assert copied_fraction(np.array([np.nan])) is None
    assert copied_fraction(np.array([np.nan, 0.5, 1.0])) == 0.75
