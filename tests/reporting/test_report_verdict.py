"""The verdict claims what the intervals carry, and says what limits it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handbook_report import handbook_report

from homing.numbers import plain
from homing.reporting.data import ReportData
from homing.reporting.render import render_report
from homing.reporting.sources import describe_questions
from homing.reporting.verdict import open_report
from homing.types import Audit, Comparison, ContenderResult, Interval, Verdict


def with_results(
    base: float, tuned: float, difference: tuple[float, float], **others: float
) -> ReportData:
    """Return the handbook's report with given hit@5 values and interval of the difference."""
    data = handbook_report()
    specs = {
        "base": "base-id",
        "tuned": "tuned/model",
        "bm25": "bm25",
        "fused": "fusion(tuned,bm25)",
    }
    values = {"base": base, "tuned": tuned, **others}
    results = {
        name: ContenderResult(
            name,
            specs[name],
            {"hit@5": value, "ndcg@10": value - 0.1},
            {"hit@5": Interval(value, value - 0.03, value + 0.03)},
        )
        for name, value in values.items()
    }
    comparison = Comparison("tuned", "base", "hit@5", Interval(tuned - base, *difference), 0.01)
    evaluation = replace(
        data.evaluation,
        n_queries=790,
        contenders=results,
        comparisons=[comparison],
        query_source="people",
    )
    return replace(data, evaluation=evaluation)


def test_the_plain_sentence_is_the_one_that_people_quote() -> None:
    verdict = open_report(with_results(0.761, 0.842, (0.051, 0.108)))
    assert verdict.headline == "The tuned model scores highest."
    assert [plain(s) for s in verdict.sentences] == [
        "The tuned model finds the right passage among the first five for 84.2 % of the questions, "
        "the base model for 76.1 %: difference +8.1 points, 95 % interval +5.1 to +10.8 "
        "(790 questions, resampled by document)."
    ]
    assert verdict.outcome == "better"
    assert verdict.caveats == ()


def test_a_fusion_that_is_best_is_said_first_whatever_tuning_brought() -> None:
    verdict = open_report(with_results(0.761, 0.842, (0.051, 0.108), bm25=0.884, fused=0.923))
    assert verdict.headline == "BM25 fused with the tuned model scores highest."
    first, second = (plain(sentence) for sentence in verdict.sentences)
    assert first.startswith("BM25 fused with the tuned model finds the right passage")
    assert "92.3 % of the questions (95 % interval 89.3-95.3)" in first
    assert second.startswith("The tuned model finds")


def test_bm25_alone_may_win_and_then_it_is_said() -> None:
    verdict = open_report(with_results(0.761, 0.842, (0.051, 0.108), bm25=0.884))
    assert verdict.headline == "BM25 alone scores highest."


def test_an_interval_with_zero_in_it_is_no_clear_difference() -> None:
    verdict = open_report(with_results(0.761, 0.772, (-0.012, 0.034)))
    assert verdict.headline == "No clear difference between the tuned model and the base model."
    assert "interval includes zero" in verdict.sentences[-1]
    assert "−1.2 to +3.4" in verdict.sentences[0]


def test_tuning_that_did_harm_is_called_harm() -> None:
    verdict = open_report(with_results(0.842, 0.761, (-0.108, -0.051)))
    assert verdict.headline == "The base model scores highest."
    assert verdict.sentences[-1] == "Tuning did harm: keep the base model."


@pytest.mark.parametrize(
    ("ndcg", "said"),
    [
        (Interval(0.04, 0.02, 0.06), "In nDCG@10, which also counts the rank, there is one: +4.0"),
        (Interval(0.01, -0.02, 0.04), ""),
    ],
)
def test_a_clear_difference_in_rank_is_told_beside_an_unclear_hit_rate(
    ndcg: Interval, said: str
) -> None:
    data = with_results(0.761, 0.772, (-0.012, 0.034))
    comparisons = [
        *data.evaluation.comparisons,
        Comparison("tuned", "base", "ndcg@10", ndcg, 0.2),
    ]
    verdict = open_report(
        replace(data, evaluation=replace(data.evaluation, comparisons=comparisons))
    )
    assert any(said and sentence.startswith(said) for sentence in verdict.sentences) == bool(said)


def test_equal_hit_rates_are_decided_by_ndcg() -> None:
    data = with_results(0.8, 0.8, (-0.02, 0.02), bm25=0.8)
    results = dict(data.evaluation.contenders)
    results["bm25"] = replace(results["bm25"], measures={"hit@5": 0.8, "ndcg@10": 0.71})
    assert open_report(
        replace(data, evaluation=replace(data.evaluation, contenders=results))
    ).winner == ("bm25")


def test_a_base_that_training_kept_is_named_and_nothing_is_claimed_for_tuning() -> None:
    data = with_results(0.761, 0.761, (0.0, 0.0))
    assert data.training is not None
    verdict = open_report(replace(data, training=replace(data.training, kept="base", best_step=0)))
    assert verdict.headline == "Training found nothing better than the base model, and kept it."
    assert not any("tuned" in sentence for sentence in verdict.sentences)
    assert "the model folder holds the base model" in verdict.caveats[0].text


def test_questions_not_asked_by_people_are_named_with_the_remedy() -> None:
    text = open_report(handbook_report()).caveats[0].text
    assert "written by the offline writer, not asked by people" in text
    assert "not for people's" in text
    assert "favours BM25" in text
    assert "--test-questions" in text


def test_a_mixed_set_counts_the_people() -> None:
    data = handbook_report()
    cloze, heading = data.dataset.questions
    asked = replace(
        heading, kind="", writer="person", n_by_split={"train": 0, "dev": 0, "test": 40}
    )
    dataset = replace(data.dataset, questions=(cloze, asked))
    evaluation = replace(data.evaluation, query_source="mixed")
    verdict = open_report(replace(data, dataset=dataset, evaluation=evaluation))
    assert "40 of them your own" in verdict.caveats[0].text


def test_few_questions_and_leaking_splits_put_the_numbers_in_doubt() -> None:
    data = with_results(0.761, 0.842, (0.051, 0.108))
    leak = Audit({("train", "test"): {"passages": 2, "near_duplicates": 0, "questions": 0}})
    few = replace(data.evaluation, n_queries=64)
    caveats = open_report(replace(data, audit=leak, evaluation=few)).caveats
    assert [caveat.serious for caveat in caveats] == [True, True]
    assert "share passages or questions" in caveats[0].text
    assert caveats[1].text.startswith("Only 64 questions")


def test_notes_of_the_evaluation_are_passed_on() -> None:
    data = with_results(0.761, 0.842, (0.051, 0.108))
    noted = replace(data.evaluation, notes=("Three questions were left out.",))
    assert (
        open_report(replace(data, evaluation=noted)).caveats[-1].text
        == "Three questions were left out."
    )


def test_without_a_tuned_model_the_winner_is_still_told() -> None:
    data = with_results(0.761, 0.842, (0.051, 0.108), bm25=0.884)
    results = {n: r for n, r in data.evaluation.contenders.items() if n != "tuned"}
    evaluation = replace(data.evaluation, contenders=results, comparisons=[])
    verdict = open_report(replace(data, evaluation=evaluation, training=None))
    assert verdict.headline == "BM25 alone scores highest."
    assert verdict.outcome == "not compared"
    assert verdict.sentences[-1] == "Measured on 790 questions, resampled by document."


def test_the_source_is_told_once_although_the_evaluation_notes_it_too() -> None:
    data = handbook_report()
    notes = ("The questions were written by extractive, not asked by people; such questions …",)
    caveats = open_report(replace(data, evaluation=replace(data.evaluation, notes=notes))).caveats
    assert len(caveats) == 1


def test_questions_of_unknown_origin_are_not_passed_off_as_peoples() -> None:
    data = handbook_report()
    evaluation = replace(data.evaluation, query_source="unknown")
    caveat = open_report(replace(data, evaluation=evaluation)).caveats[0]
    assert caveat.text.startswith("Nothing says who asked the test questions")


KEEP = Verdict(
    decision="keep base",
    contender="base",
    headline="Keep the base model.",
    reasons=("No contender gains 1 point or more: the intervals rule it out.",),
)


def with_verdict(data: ReportData, verdict: Verdict, **changes: object) -> ReportData:
    """Return a report whose evaluation reached a verdict."""
    return replace(data, evaluation=replace(data.evaluation, verdict=verdict, **changes))  # type: ignore[arg-type]


def test_the_evaluations_own_verdict_is_quoted_and_nothing_is_said_beside_it() -> None:
    opening = open_report(with_verdict(with_results(0.761, 0.842, (0.051, 0.108)), KEEP))
    assert opening.headline == KEEP.headline
    assert opening.sentences == KEEP.reasons
    assert (opening.decision, opening.recommended, opening.winner) == ("keep base", "base", "tuned")
    assert opening.caveats == ()


def test_what_a_verdict_says_itself_is_no_caveat_again() -> None:
    data = with_verdict(with_results(0.761, 0.842, (0.051, 0.108)), KEEP, n_queries=64)
    assert open_report(data).caveats == ()


def test_a_careful_verdict_leaves_only_the_remedy_to_say() -> None:
    careful = replace(KEEP, is_careful=True)
    (caveat,) = open_report(with_verdict(handbook_report(), careful)).caveats
    assert caveat.text == (
        "The test questions were written by the offline writer, not asked by people. To know how "
        "it does for people, give questions that they asked with --test-questions."
    )


def test_what_questions_copy_is_told_where_no_verdict_tells_it() -> None:
    data = handbook_report()
    copied = replace(data, evaluation=replace(data.evaluation, copied_fraction=0.624))
    assert "62.4 % of a question's content words" in plain(open_report(copied).caveats[0].text)


def test_given_questions_are_the_users_own_not_anybodys() -> None:
    data = handbook_report()
    given = replace(data, evaluation=replace(data.evaluation, query_source="people"))
    assert describe_questions(given) == "102 of your own test questions"
    assert describe_questions(given, "its maker's") == "102 of its maker's own test questions"
    assert describe_questions(data) == "102 test questions written by the offline writer"


def test_where_passages_keep_their_vectors_the_index_stays_and_the_page_says_so() -> None:
    data = handbook_report()
    assert data.training is not None
    assert "index" not in " ".join(open_report(data).sentences)
    stays = replace(data, training=replace(data.training, index_stays=True))
    assert "The stored index stays valid" in open_report(stays).sentences[-1]
    assert "The stored index stays valid" in render_report(stays)
    kept_base = replace(data, training=replace(data.training, index_stays=True, kept="base"))
    assert "index stays" not in " ".join(open_report(kept_base).sentences)
