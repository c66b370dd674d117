"""Questions won and lost, read from the runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from handbook_report import handbook_report
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.reporting.data import ReportData
from homing.reporting.outcomes import RankChange, WonAndLost, rank_changes, won_and_lost
from homing.reporting.ranks import rank_all
from homing.types import Passage, Run

LEAVE = Passage("leave", "people.md", 0, 20, "Thirty days of leave.", ("People", "Leave"), page=3)
COPY = replace(LEAVE, id="copy", document_id="old.md", page=None)
KEYS = replace(LEAVE, id="keys", text="Lost keys cost fifteen crowns.", heading_path=("Keys",))
ALARM = replace(LEAVE, id="alarm", text="The alarm is set by code.", heading_path=("Alarm",))
FIRE = replace(LEAVE, id="fire", text="Close the hatches first.", heading_path=("Fire",))
CORPUS = (LEAVE, COPY, KEYS, ALARM, FIRE)


def run_of(*rankings: str) -> Run:
    """Return a run of questions q1, q2, … from rankings such as "keys leave"."""
    ids = tuple(passage.id for passage in CORPUS)
    rows = [[ids.index(p) for p in ranking.split()] for ranking in rankings]
    width = max(map(len, rows))
    ranking = np.array([row + [-1] * (width - len(row)) for row in rows], dtype=np.int64)
    query_ids = tuple(f"q{n}" for n in range(1, len(rows) + 1))
    return Run(query_ids, ids, ranking, np.zeros(ranking.shape, dtype=np.float32))


def report_of(base: Run, tuned: Run, relevant: dict[str, dict[str, int]]) -> ReportData:
    """Return a report on two runs."""
    data = handbook_report()
    evaluation = replace(
        data.evaluation, query_ids=base.query_ids, runs={"base": base, "tuned": tuned}
    )
    return replace(
        data,
        evaluation=evaluation,
        relevant=relevant,
        query_texts={"q1": "how much leave do I get"},
        passages={passage.id: passage for passage in CORPUS},
        groups={"leave": "g1", "copy": "g1"},
        document_paths={"people.md": "staff/people.md"},
    )


def changes_of(data: ReportData) -> list[RankChange]:
    """Return what became of every question from base to tuned."""
    answers = rank_all(data, 3)
    return rank_changes(answers["base"], answers["tuned"])


def outcome_of(data: ReportData, n: int = 20) -> WonAndLost:
    """Return the questions won and lost."""
    outcome = won_and_lost(data, rank_all(data, 3), n)
    assert outcome is not None
    return outcome


def test_the_rank_is_that_of_the_first_right_passage() -> None:
    data = report_of(
        run_of("keys alarm leave", "keys alarm fire"),
        run_of("leave keys alarm", "alarm keys fire"),
        {"q1": {"leave": 1}, "q2": {"leave": 1, "fire": 0}},
    )
    first, second = changes_of(data)
    assert (first.before, first.after) == (3, 1)
    assert (second.before, second.after) == (None, None)
    assert second.change == 0.0


def test_a_duplicate_of_the_right_passage_is_right() -> None:
    data = report_of(run_of("keys leave"), run_of("copy keys"), {"q1": {"leave": 1}})
    assert changes_of(data)[0].after == 1
    outcome = outcome_of(data)
    assert [passage.mark for passage in outcome.won[0].challenger] == ["duplicate", ""]
    assert [passage.mark for passage in outcome.won[0].baseline] == ["", "right"]


def test_duplicates_share_one_rank_as_in_the_evaluation() -> None:
    data = report_of(
        run_of("keys alarm fire leave"), run_of("keys leave copy fire"), {"q1": {"fire": 1}}
    )
    change = changes_of(data)[0]
    assert (change.before, change.after) == (3, 3)
    assert outcome_of(data).n_same == 1


def test_a_passage_is_shown_with_title_path_and_page() -> None:
    data = report_of(run_of("keys leave"), run_of("leave keys"), {"q1": {"leave": 1}})
    outcome = outcome_of(data)
    shown = outcome.won[0].challenger[0]
    assert (shown.title, shown.place) == ("People > Leave", "staff/people.md, page 3")
    assert outcome.won[0].text == "how much leave do I get"


def test_the_right_passage_is_shown_where_neither_model_has_it_among_three() -> None:
    data = report_of(
        run_of("keys alarm fire leave"), run_of("keys alarm fire copy leave"), {"q1": {"leave": 1}}
    )
    data = replace(data, groups={})
    outcome = outcome_of(data)
    (lost,) = outcome.lost
    assert (lost.before, lost.after) == (4, 5)
    assert [passage.title for passage in lost.missing] == ["People > Leave"]


def test_a_long_passage_is_cut_between_words() -> None:
    long = replace(LEAVE, text="word " * 1000)
    data = report_of(run_of("keys leave"), run_of("leave keys"), {"q1": {"leave": 1}})
    outcome = outcome_of(replace(data, passages={**data.passages, "leave": long}))
    shown = outcome.won[0].challenger[0]
    assert shown.cut
    assert len(shown.text) <= 360
    assert shown.text.endswith("word")


def test_without_the_base_there_is_nothing_to_win() -> None:
    data = handbook_report()
    runs = {"tuned": data.evaluation.runs["tuned"]}
    alone = replace(data, evaluation=replace(data.evaluation, runs=runs))
    assert won_and_lost(alone, rank_all(alone, 3)) is None


@given(seed=st.integers(0, 50), n=st.integers(1, 30))
@settings(max_examples=20, deadline=None)
def test_won_lost_and_same_are_all_questions_and_the_largest_change_comes_first(
    seed: int, n: int
) -> None:
    data = handbook_report(seed=seed)
    changes = changes_of(data)
    outcome = outcome_of(data, n)
    assert outcome.n_won + outcome.n_same + outcome.n_lost == data.evaluation.n_queries
    assert len(outcome.won) == min(n, outcome.n_won)
    gains = [1 / (q.after or np.inf) - 1 / (q.before or np.inf) for q in outcome.won]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == max(change.change for change in changes)
