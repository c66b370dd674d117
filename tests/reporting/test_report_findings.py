"""Slices, costs, forgetting, unjudged results and suspicious labels: told with n, and in words."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from handbook_full import full_report
from handbook_report import handbook_report
from selectolax.lexbor import LexborHTMLParser
from test_report_page import text_of

from homing.reporting.axes import Axis
from homing.reporting.contenders import baseline_of, challenger_of
from homing.reporting.costs import cost_points
from homing.reporting.data import ReportData
from homing.reporting.forgetting import drift_sentence, forgetting_sentence
from homing.reporting.labels import suspected_labels
from homing.reporting.leaderboard import measures_shown, rows
from homing.reporting.ranks import judged_queries, rank_all
from homing.reporting.render import render_report
from homing.reporting.slices import forest, slice_label
from homing.reporting.spreadsheet import leaderboard_csv
from homing.types import Cost, Drift, Forgetting, Interval, Slice, Unjudged


@pytest.fixture(scope="module")
def data() -> ReportData:
    return full_report()


@pytest.fixture(scope="module")
def page(data: ReportData) -> LexborHTMLParser:
    return LexborHTMLParser(render_report(data))


def test_the_page_opens_with_the_evaluations_verdict(page: LexborHTMLParser) -> None:
    assert text_of(page, "h1") == "On questions that a program wrote, deploy BM25 + tuned."
    assert text_of(page, ".rulings") == "Clearly better Written questions alone"
    assert text_of(page, ".pairing") == "From Base model to BM25 + tuned:"
    assert "scores highest" not in (page.body.text() if page.body else "")


@pytest.mark.parametrize(
    ("decision", "said"), [("keep base", "Not better"), ("cannot tell", "Cannot tell")]
)
def test_a_verdict_that_deploys_nothing_is_marked_so(
    data: ReportData, decision: str, said: str
) -> None:
    assert data.evaluation.verdict is not None
    verdict = replace(
        data.evaluation.verdict, decision=decision, contender="base", is_careful=False
    )
    html = render_report(replace(data, evaluation=replace(data.evaluation, verdict=verdict)))
    assert text_of(LexborHTMLParser(html), ".rulings") == said


def test_the_row_that_the_verdict_deploys_is_marked_and_others_are_not(data: ReportData) -> None:
    table = rows(data, "bm25+tuned")
    assert [row.name for row in table if row.recommended] == ["bm25+tuned"]
    assert [row.name for row in table if row.is_baseline] == ["base"]


def test_the_difference_to_the_baseline_is_said_with_chance_in_words(
    page: LexborHTMLParser,
) -> None:
    last = " ".join(page.css("#leaderboard tbody tr")[-1].text().split())
    assert "−2.0" in last
    assert "may be chance (p = 1.000)" in last
    head = [" ".join(node.text().split()) for node in page.css("#leaderboard thead th")]
    assert head == [
        *("Contender", "Hit@5", "Hit@1", "nDCG@10", "Against base"),
        *("One query", "Index", "$ a million"),
    ]


def test_costs_take_the_room_of_some_measures_which_stay_in_their_table(
    data: ReportData, page: LexborHTMLParser
) -> None:
    assert measures_shown(data) == ["hit@5", "hit@1", "ndcg@10"]
    assert measures_shown(handbook_report()) == ["hit@5", "hit@1", "hit@10", "mrr@10", "ndcg@10"]
    assert "MRR@10" in text_of(page, "details:has([aria-label='All measures, a table'])")


def test_a_cost_that_does_not_apply_is_a_dash(page: LexborHTMLParser) -> None:
    cells = {
        row.css_first("th").text().strip(): row for row in page.css("section:has(#costs) tbody tr")
    }
    bm25 = [" ".join(cell.text().split()) for cell in cells["BM25"].css("td")]
    assert bm25 == ["21,400", "9,800", "0.31 ms", "0.55 ms", "–", "21 kB", "–"]


def test_contenders_without_a_cost_are_not_drawn_against_it(data: ReportData) -> None:
    costs = {"base": Cost(p50_ms=5.0), "bm25": Cost(p50_ms=0.0), "tuned": Cost()}
    partly = replace(data, evaluation=replace(data.evaluation, costs=costs))
    assert [point.label for point in cost_points(partly, "p50_ms")] == ["Base model"]


def test_slices_keep_their_order_and_small_ones_are_grey(
    data: ReportData, page: LexborHTMLParser
) -> None:
    table = page.css_first(".forest")
    headings = [node.text() for node in table.css(".part-heading th")]
    assert headings == ["Kind of question", "Words shared by question and passage", "Document"]
    labels = [node.text().split("34")[0] for node in table.css("tr.up th, tr.level th")]
    assert labels[:3] == ["How to", "Keywords", "Cloze"]
    few = table.css("tr.few")
    assert len(few) == 5
    assert all("too few questions to compare" in row.text() for row in few)
    plot = forest(data)
    assert plot is not None
    assert plot.n_compared == 6


def test_an_interval_beyond_the_axis_is_drawn_to_its_edge(data: ReportData) -> None:
    plot = forest(data)
    assert plot is not None
    drawn = [row.drawing for part in plot.parts for row in part.rows]
    assert all(0 <= d.low <= d.value <= d.high <= 200 for d in drawn)
    assert any(d.cut_low or d.cut_high for d in drawn)
    compared = [row.drawing for part in plot.parts for row in part.rows if row.direction != "few"]
    assert not any(d.cut_low or d.cut_high for d in compared)
    outside = Axis(-0.1, 0.2).draw(Interval(0.3, 0.25, 0.4))
    assert (outside.is_inside, outside.low, outside.high) == (False, 192.0, 192.0)


def test_given_questions_are_a_slice_of_the_users_own() -> None:
    part = Slice("source", "asked by people", np.arange(3), {}, {})
    assert slice_label(part) == "your own test questions"


def test_what_was_forgotten_is_said_in_a_sentence(page: LexborHTMLParser) -> None:
    said = text_of(page, "section:has(#elsewhere)")
    assert "finds less than the base on Python documentation" in said
    assert "must be made again" in said
    level = Forgetting("Others", 9, 9, "hit@5", 0.5, 0.5, Interval(0.0, -0.1, 0.1))
    better = replace(level, difference=Interval(0.1, 0.05, 0.15))
    assert "no clear difference" in forgetting_sentence([level])
    assert "more on Others" in forgetting_sentence([level, better])
    assert forgetting_sentence([]) == ""


def test_an_index_can_stay_where_no_vector_moved() -> None:
    assert "can stay" in drift_sentence(Drift(1.0, 1.0, 1.0, must_rebuild=False))
    assert drift_sentence(None) == ""


def test_unjudged_results_are_counted_before_and_after_the_judge(
    data: ReportData, page: LexborHTMLParser
) -> None:
    said = text_of(page, "section:has(#unjudged)")
    assert "openai:gpt-5-mini judged 1,284 pairs" in said
    assert "97 of them answer" in said
    assert "with the judge" in said
    unasked = replace(data.evaluation, unjudged=Unjudged(5, {"base": 0.81, "tuned": 0.62}))
    html = render_report(replace(data, evaluation=unasked))
    said = text_of(LexborHTMLParser(html), "section:has(#unjudged)").replace("\u00a0", " ")
    assert "62.0 to 81.0 % of the first 5 results have no label" in said
    assert "with the judge" not in said


def test_a_label_that_all_strong_contenders_contradict_is_suspected(data: ReportData) -> None:
    answers = rank_all(data, 5)
    found = suspected_labels(data, answers)
    assert len(found) == 2
    for suspicion in found:
        row = suspicion.row
        firsts = {answers[n].passage_ids[answers[n].top[row, 0]] for n in ("base", "tuned", "bm25")}
        assert firsts == {suspicion.rival}
        assert all(not 0 < answers[n].first_right[row] <= 10 for n in ("base", "tuned", "bm25"))
        assert suspicion.reason.startswith("All 3 strong contenders put the same other passage")


def test_a_passage_that_nobody_finds_is_suspected_if_it_could_have_been_missed() -> None:
    data = handbook_report()
    query_id = data.evaluation.query_ids[0]
    relevant = {**data.relevant, query_id: {"nowhere": 1}}
    lost = replace(data, relevant=relevant)
    (found,) = [s for s in suspected_labels(lost, rank_all(lost, 1)) if s.row == 0]
    assert found.reason == "No contender finds the labelled passage among the first 30."
    whole = replace(lost, evaluation=replace(lost.evaluation, n_passages=30))
    assert suspected_labels(whole, rank_all(whole, 1)) == []
    assert judged_queries(lost)[0] == query_id


def test_contenders_that_are_far_worse_are_no_witnesses() -> None:
    data = handbook_report()
    assert data.evaluation.contenders["tuned"].measures["hit@5"] > 0.7
    assert data.evaluation.contenders["base"].measures["hit@5"] < 0.6
    assert not any(s.rival for s in suspected_labels(data, rank_all(data, 1)))


def test_the_csv_has_every_contender_measure_and_cost(data: ReportData) -> None:
    table = list(csv.DictReader(io.StringIO(leaderboard_csv(data))))
    assert [row["contender"] for row in table] == [
        *("bm25+tuned", "tuned", "bm25+base", "base", "bm25"),
    ]
    first = table[0]
    assert float(first["hit@5"]) == pytest.approx(0.941, abs=1e-3)
    assert float(first["hit@5_low"]) < float(first["hit@5"]) < float(first["hit@5_high"])
    assert float(first["hit@5_p_adjusted_against_base"]) == pytest.approx(0.0016)
    assert table[3]["hit@5_difference_against_base"] == ""
    assert table[4]["p50_ms"] == "0.31"
    assert table[4]["dimensions"] == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_name_becomes_a_formula_in_a_spreadsheet(data: ReportData, start: str) -> None:
    results = dict(data.evaluation.contenders)
    results["base"] = replace(results["base"], spec=f'{start}HYPERLINK("http://x.example")')
    table = leaderboard_csv(replace(data, evaluation=replace(data.evaluation, contenders=results)))
    cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
    assert f'\'{start}HYPERLINK("http://x.example")' in cells


def test_the_challenger_is_what_the_verdict_deploys_else_the_tuned_model() -> None:
    data = full_report()
    assert (baseline_of(data), challenger_of(data)) == ("base", "bm25+tuned")
    plain = handbook_report()
    assert challenger_of(plain) == "tuned"
    against_bm25 = replace(plain, evaluation=replace(plain.evaluation, baseline="bm25"))
    assert (baseline_of(against_bm25), challenger_of(against_bm25)) == ("bm25", "tuned")
    alone = {"base": plain.evaluation.contenders["base"]}
    single = replace(plain, evaluation=replace(plain.evaluation, contenders=alone))
    assert challenger_of(single) is None


def test_an_evaluation_without_findings_has_none_of_their_chapters() -> None:
    page = LexborHTMLParser(render_report(handbook_report()))
    ids = {node.attributes["id"] for node in page.css("h2")}
    assert not ids & {"costs", "slices", "unjudged", "elsewhere", "labels"}
    assert page.css_first(".rulings") is None
    charts = json.loads(page.css_first("#page-data").text())["charts"]
    assert set(charts) == {"chart-hits", "chart-loss", "chart-dev"}


def test_a_single_contender_makes_a_page_too() -> None:
    data = handbook_report()
    alone = {"bm25": data.evaluation.contenders["bm25"]}
    runs = {"bm25": data.evaluation.runs["bm25"]}
    evaluation = replace(
        data.evaluation, contenders=alone, runs=runs, comparisons=(), baseline="bm25"
    )
    page = LexborHTMLParser(render_report(replace(data, evaluation=evaluation, training=None)))
    assert text_of(page, "h1") == "BM25 alone scores highest."
    assert page.css_first("#explorer") is None


def test_every_table_has_a_caption_and_every_chart_its_numbers(page: LexborHTMLParser) -> None:
    assert all(table.css_first("caption") is not None for table in page.css("table"))
    for chart in ("chart-hits", "chart-loss", "chart-dev"):
        assert page.css_first(f"#{chart} details") is not None
    assert len(page.css("section:has(#costs) tbody tr")) == 5
