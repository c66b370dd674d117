"""The explorer's data: every question, its passages by number, within its budget of bytes."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from handbook_full import full_report
from handbook_report import handbook_report, measured
from selectolax.lexbor import LexborHTMLParser
from test_report_page import ATTACK, attacked

from homing.reporting.data import ReportData
from homing.reporting.explorer import FIRST_CHARACTER, WIDEST, explorer_payload
from homing.reporting.highlighting import common_words
from homing.reporting.labels import suspected_labels
from homing.reporting.ranks import judged_queries, rank_all
from homing.reporting.render import render_report
from homing.types import ContenderResult, Passage, Run


def payload_of(data: ReportData, limit: int = 2_000_000) -> dict[str, Any]:
    """Return the explorer's data, unpacked."""
    answers = rank_all(data, WIDEST)
    packed = explorer_payload(data, answers, suspected_labels(data, answers), limit)
    assert len(packed) <= limit
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def numbers_met(payload: dict[str, Any]) -> list[list[int]]:
    """Return the numbers of the passages that each question meets, as the page's script does."""
    following = 0
    found: list[list[int]] = []
    for steps in payload["met"]:
        found.append([])
        for step in steps:
            found[-1].append(following if step < 0 else following - 1 - step)
            following += step < 0
    return found


def test_every_question_is_there_with_ranks_and_first_passages_of_every_contender() -> None:
    data = full_report()
    payload = payload_of(data)
    answers = rank_all(data, WIDEST)
    n_names, width = len(payload["names"]), payload["width"]
    met = numbers_met(payload)
    assert payload["questions"] == [data.query_texts[q] for q in judged_queries(data)]
    assert payload["names"] == ["Base model", "Tuned model", "BM25", "BM25 + base", "BM25 + tuned"]
    for row in range(len(payload["questions"])):
        for column, answer in enumerate(answers.values()):
            place = row * n_names + column
            assert payload["ranks"][place] == answer.first_right[row]
            order = payload["orders"][place * width : (place + 1) * width]
            numbers = [met[row][ord(sign) - FIRST_CHARACTER] for sign in order]
            texts = [payload["texts"][number] for number in numbers]
            ids = [answer.passage_ids[p] for p in answer.top[row]]
            assert texts == [data.passages[p].text for p in ids]


def test_each_passage_is_stored_once_with_its_place() -> None:
    data = full_report()
    payload = payload_of(data)
    assert len(set(payload["texts"])) == len(payload["texts"]) <= len(data.passages)
    number = next(n for n, text in enumerate(payload["texts"]) if text.startswith("Wages arrive"))
    document = payload["document"][number]
    assert payload["titles"][payload["title"][number]] == "Pay > Pay day and advances"
    assert (payload["paths"][document], payload["page"][number]) == ("people/pay.pdf", 3)
    assert (payload["root"], payload["linked"][document], payload["paged"][document]) == (
        "../handbook/",
        1,
        1,
    )
    growth = payload["paths"].index("people/growth.html")
    assert payload["linked"][growth] == 0, "a browser would run what is in it"


def test_slices_come_as_steps_and_labels_under_suspicion_with_their_reason() -> None:
    data = full_report()
    payload = payload_of(data)
    for steps, part in zip(payload["slices"], data.evaluation.slices, strict=True):
        assert np.cumsum(steps).tolist() == part.rows.tolist()
    assert len(payload["suspects"]) == 2
    assert all("put the same other passage first" in reason for _, reason in payload["suspects"])


def test_the_pair_is_the_baseline_and_what_the_verdict_deploys() -> None:
    payload = payload_of(full_report())
    assert [payload["names"][n] for n in payload["pair"]] == ["Base model", "BM25 + tuned"]


def test_passages_judged_not_to_answer_are_told_from_unjudged_ones() -> None:
    data = handbook_report()
    query_id = data.evaluation.query_ids[0]
    (right,) = data.relevant[query_id]
    first = next(p for p in data.evaluation.runs["base"].ranked_ids(0) if p != right)
    judged = {query_id: {right: 1, first: 0}}
    payload = payload_of(replace(data, judged=judged))
    (wrong,) = payload["wrong"][0]
    number = numbers_met(payload)[0][wrong]
    assert payload["texts"][number] == data.passages[first].text
    assert not any(payload["wrong"][1:])


@pytest.mark.parametrize("limit", [30_000, 20_000, 12_000])
def test_what_does_not_fit_is_cut_shorter_before_questions_are_left_out(limit: int) -> None:
    data = full_report()
    whole, less = payload_of(data), payload_of(data, limit)
    assert sum(map(len, less["texts"])) <= sum(map(len, whole["texts"]))
    assert less["total"] == 102
    kept = set(less["questions"])
    assert kept <= set(whole["questions"])
    if len(kept) < 102:
        assert less["width"] == 3
        assert max(map(len, less["texts"])) <= 122


def test_nothing_fits_into_nothing() -> None:
    data = full_report()
    assert explorer_payload(data, rank_all(data, WIDEST), (), limit=10) == ""


def test_words_that_say_nothing_are_counted_in_every_language() -> None:
    questions = [f"wo liegt der {word}" for word in ("Hafen", "Steg", "Kran", "Mast", "Anker")]
    common = common_words(questions, ["der Steg"] * 3)
    assert {"wo", "liegt", "der"} <= set(common)
    assert not {"hafen", "kran", "anker"} & set(common)


def test_hostile_texts_are_no_markup_in_the_explorers_data() -> None:
    page = LexborHTMLParser(render_report(attacked()))
    packed = page.css_first("#explorer-data").text().strip()
    payload = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert set(payload["texts"]) == {ATTACK}
    assert not set("<>&\"'") & set(packed)


def large_report(n_questions: int, n_passages: int) -> ReportData:
    """Return a report on many questions, its words drawn as those of a language are, by rank."""
    rng = np.random.default_rng(3)
    syllables = [a + b for a in "bdfgklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er")]
    words = ["".join(rng.choice(syllables, 1 + n % 3)) for n in range(8_000)]
    ids = np.minimum(rng.zipf(1.3, size=(n_passages, 110)), len(words)) - 1
    passages = {}
    for n, row in enumerate(ids):
        text = " ".join(words[i] for i in row)
        passages[f"p{n}"] = Passage(f"p{n}", f"d{n // 20}", 0, len(text), text, (f"Part {n // 5}",))
    right = rng.integers(n_passages, size=n_questions)
    texts = {f"q{n}": " ".join(words[i] for i in ids[p][20:30]) for n, p in enumerate(right)}
    near = (right[:, None] + rng.integers(-200, 200, size=(n_questions, 60))) % n_passages
    near[:, 0] = right
    shared = rng.normal(size=near.shape)
    runs, by_query, results = {}, {}, {}
    for n, name in enumerate(("base", "tuned", "bm25", "bm25+base", "bm25+tuned", "e5")):
        scores = 0.8 * shared + 0.4 * rng.normal(size=near.shape)
        scores[:, 0] += 1 + 0.3 * n
        order = np.argsort(-scores, axis=1)
        ranking = np.take_along_axis(near, order, axis=1).astype(np.int64)
        runs[name] = Run(tuple(texts), tuple(passages), ranking, scores.astype(np.float32))
        by_query[name] = measured(runs[name], right)
        means = {measure: float(values.mean()) for measure, values in by_query[name].items()}
        results[name] = ContenderResult(name, name, means, {})
    data = handbook_report()
    evaluation = replace(
        data.evaluation,
        n_queries=n_questions,
        n_passages=n_passages,
        query_ids=tuple(texts),
        contenders=results,
        comparisons=(),
        by_query=by_query,
        runs=runs,
    )
    return replace(
        data,
        evaluation=evaluation,
        query_texts=texts,
        passages=passages,
        relevant={f"q{n}": {f"p{p}": 1} for n, p in enumerate(right)},
        document_paths={f"d{n}": f"volume-{n}/text.pdf" for n in range(n_passages // 20 + 1)},
        hit_curve={},
    )


@pytest.mark.slow
def test_ten_thousand_questions_stay_below_three_megabytes_with_all_of_them() -> None:
    html = render_report(large_report(10_000, 8_000))
    assert len(html.encode("utf-8")) < 3_000_000
    packed = LexborHTMLParser(html).css_first("#explorer-data").text().strip()
    payload = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert len(payload["questions"]) == payload["total"] == 10_000
