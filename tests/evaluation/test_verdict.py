"""What to do, in words that anyone understands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from decided import evaluation_of, found

from homing.evaluation.verdict import decide
from homing.types import ContenderResult, Forgetting, Interval, Slice

ALL = {
    "base": found(300),
    "tuned": found(340),
    "bm25": found(310, shift=395),
    "bm25+base": found(360, shift=395),
    "bm25+tuned": found(364),
}


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2212", "-")


def test_a_clear_gain_is_deployed():
    verdict = decide(evaluation_of({"base": found(300), "tuned": found(340)}))
    assert (verdict.decision, verdict.contender) == ("deploy", "tuned")
    assert verdict.headline == "Deploy tuned."
    first, second = map(plain, verdict.reasons)
    assert first.startswith(
        "Tuned finds the right passage among the first five for 85.0 % of 400 questions, base for "
        "75.0 %: +10.0 points, 95 % interval +7"
    )
    assert second.startswith("nDCG@10, which also counts the rank, agrees (+10.0 points")
    assert (verdict.n_more, verdict.is_careful) == (None, False)


def test_of_two_that_are_as_good_the_one_without_tuning_is_used():
    verdict = decide(evaluation_of(ALL))
    assert (verdict.decision, verdict.contender) == ("deploy", "bm25+base")
    assert verdict.headline == "Use BM25 + base: tuning adds nothing clear."
    assert plain(verdict.reasons[1]).startswith(
        "BM25 + tuned scores highest, but it is not clearly better (+1.0 points, -"
    )
    assert verdict.reasons[1].endswith("and BM25 + base needs no tuning.")


def test_the_best_is_deployed_where_it_is_clearly_better_than_the_simpler_one():
    verdict = decide(evaluation_of({**ALL, "bm25+tuned": found(390)}))
    assert (verdict.contender, verdict.headline) == ("bm25+tuned", "Deploy BM25 + tuned.")


@pytest.mark.parametrize("costly", ["reranked", "api"])
def test_what_costs_money_or_time_at_each_question_must_be_clearly_better(costly: str):
    hits = {"base": found(300), "bm25": found(340), costly: found(344)}
    assert decide(evaluation_of(hits)).contender == "bm25"
    assert decide(evaluation_of({**hits, costly: found(380)})).contender == costly


def test_a_gain_that_may_be_chance_is_not_told_from_none():
    hits = {"base": found(300), "tuned": found(304, shift=395)}
    verdict = decide(evaluation_of(hits))
    assert (verdict.decision, verdict.contender) == ("cannot tell", "base")
    assert verdict.n_more is not None
    assert verdict.n_more > 400
    assert verdict.headline == (
        f"Not enough questions to tell: about {verdict.n_more:,} more are needed."
    )
    assert "400 questions reliably show differences of" in verdict.reasons[1]
    by_document = decide(evaluation_of(hits, cluster_unit="document"))
    assert "from further documents" in by_document.reasons[1]


def test_a_gain_that_is_clear_alone_may_be_luck_among_many():
    base, tuned = found(300), found(308)
    alone = decide(evaluation_of({"base": base, "tuned": tuned}))
    others = {f"rival {i}": found(300, shift=20 + i) for i in range(20)}
    crowd = decide(evaluation_of({"base": base, "tuned": tuned, **others}))
    assert alone.decision == "deploy"
    assert crowd.decision == "cannot tell"
    assert "among so many contenders it may be luck" in crowd.reasons[1]


def test_a_loss_keeps_the_base():
    verdict = decide(evaluation_of({"base": found(300), "tuned": found(240)}))
    assert (verdict.decision, verdict.contender) == ("keep base", "base")
    assert verdict.headline == "Keep the base model."
    assert verdict.reasons[1] == "Every contender is clearly worse."


def test_a_gain_too_small_to_matter_keeps_the_base_however_certain():
    hits = {"base": found(15_000, 20_000), "tuned": found(15_050, 20_000)}
    evaluation = evaluation_of(hits)
    verdict = decide(evaluation)
    assert verdict.decision == "keep base"
    assert "No contender gains 1 point or more" in verdict.reasons[1]
    assert decide(evaluation, worthwhile=0.001).decision == "deploy"


def test_a_model_that_training_left_as_it_was_keeps_the_base_on_any_number_of_questions():
    verdict = decide(evaluation_of({"base": found(20, 30), "tuned": found(20, 30)}))
    assert verdict.decision == "keep base"
    assert "just as base does" in verdict.reasons[0]


def test_one_contender_that_may_be_better_is_enough_not_to_give_up():
    hits = {"base": found(300), "tuned": found(240), "bm25": found(302, shift=380)}
    verdict = decide(evaluation_of(hits))
    assert verdict.decision == "cannot tell"
    assert verdict.reasons[0].startswith("BM25 finds")


def test_below_a_hundred_questions_there_is_a_warning():
    few = decide(evaluation_of({"base": found(40, 60), "tuned": found(58, 60)}))
    assert few.decision == "deploy"
    assert "With only 60 questions, another set of them could turn this." in few.reasons


def test_four_questions_about_one_passage_show_nothing():
    hits = {"base": found(3, 4), "tuned": found(4, 4)}
    verdict = decide(evaluation_of(hits, clusters=["one"] * 4))
    assert (verdict.decision, verdict.n_more) == ("cannot tell", None)
    assert verdict.headline == "Not enough questions to tell."


def test_on_written_questions_it_speaks_with_care_and_names_the_words_they_copy():
    written = evaluation_of(ALL, query_source="written", copied_fraction=0.784)
    verdict = decide(written)
    assert verdict.is_careful
    assert verdict.headline.startswith("On questions that a program wrote, use BM25 + base:")
    assert plain(verdict.reasons[2]) == (
        "A program wrote all questions, and 78 % of their words stand in the passage, which "
        "favours BM25: people ask in their own words, and for them this may not hold."
    )
    tuned = decide(evaluation_of({"base": found(300), "tuned": found(340)}, query_source="written"))
    assert tuned.headline == "On questions that a program wrote, deploy tuned."
    assert "BM25" not in " ".join(tuned.reasons)


@pytest.mark.parametrize(("source", "said"), [("unknown", "Nothing says who"), ("mixed", "People")])
def test_of_questions_that_people_may_not_have_asked_the_shared_words_are_named(
    source: str, said: str
):
    hits = {"base": found(300), "tuned": found(340)}
    verdict = decide(evaluation_of(hits, query_source=source, copied_fraction=0.71))
    assert (verdict.headline, verdict.is_careful) == ("Deploy tuned.", False)
    assert verdict.reasons[2].startswith(said)
    assert "and 71 % of their words stand in the passage:" in plain(verdict.reasons[2])


def test_word_matching_that_gains_only_where_words_are_shared_is_told():
    few = Slice(
        "overlap",
        "0–20 % of words shared",
        np.arange(30),
        {},
        {name: Interval(-0.02, -0.1, 0.06) for name in ALL if name != "base"},
    )
    verdict = decide(evaluation_of(ALL, slices=[few]))
    assert plain(verdict.reasons[2]) == (
        "Where question and passage share least (0–20 % of words shared, 30 questions), it gains "
        "nothing (-2.0 points, -10.0 to +6.0)."
    )


def test_what_tuning_forgot_is_told_where_it_is_much_and_a_tuned_model_is_deployed():
    hits = {"base": found(300), "tuned": found(340)}
    much = Forgetting("Python docs", 300, 900, "ndcg@10", 0.6, 0.5, Interval(-0.1, -0.13, -0.07))
    little = Forgetting("Python docs", 300, 900, "ndcg@10", 0.6, 0.58, Interval(-0.02, -0.04, 0.0))
    told = decide(evaluation_of(hits, forgetting=[much]))
    assert told.decision == "deploy"
    assert plain(told.reasons[2]) == (
        "Tuning cost 10 points of nDCG@10 on general questions (Python docs, -13.0 to -7.0)."
    )
    assert "general" not in " ".join(decide(evaluation_of(hits, forgetting=[little])).reasons)
    untuned = decide(evaluation_of({"base": found(300), "bm25": found(340)}, forgetting=[much]))
    assert "general" not in " ".join(untuned.reasons)


def test_there_are_never_more_than_three_sentences():
    much = Forgetting("Python docs", 300, 900, "ndcg@10", 0.6, 0.5, Interval(-0.1, -0.13, -0.07))
    evaluation = evaluation_of(
        {"base": found(40, 60), "tuned": found(58, 60)},
        forgetting=[much],
        query_source="written",
        copied_fraction=0.5,
    )
    reasons = decide(evaluation).reasons
    assert len(reasons) == 3
    assert all(reason.endswith(".") and reason[0].isupper() for reason in reasons)
    assert "60 questions" in reasons[2]
    assert "program wrote" in reasons[2]


def test_a_folder_other_than_the_baselines_counts_as_tuned(tmp_path: Path):
    from homing.evaluation.simplicity import effort_of, needs_tuning

    specs = {"base": str(tmp_path), "mine": str(tmp_path), "both": "fusion(words,mine)"}
    specs |= {"words": "bm25", "letters": "letter counts, as a library gives them"}
    contenders = {name: ContenderResult(name, spec, {}, {}) for name, spec in specs.items()}
    tuned = [name for name in contenders if needs_tuning(name, contenders, "base")]
    assert tuned == ["mine", "both"]
    order = sorted(contenders, key=lambda name: effort_of(name, contenders, "base"))
    assert order == ["base", "words", "letters", "mine", "both"]


def test_nothing_to_decide_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="no comparison"):
        decide(evaluation_of({"base": found(300)}))


@pytest.mark.parametrize("seed", range(3))
def test_the_verdict_does_not_hang_on_the_seed(seed: int):
    evaluation = evaluation_of(ALL)
    verdict, other = decide(evaluation, seed=seed), decide(evaluation, seed=99)
    assert (verdict.contender, verdict.headline) == (other.contender, other.headline)
