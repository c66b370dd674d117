"""A report on questions that a language model wrote, with what the filters dropped of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from handbook_report import handbook_report

from homing.reporting.data import ReportData
from homing.reporting.funnel import read_funnel
from homing.types import Rejection, query_id

DROPPED = {
    "form": [
        ("about_the_context", "What does the passage say about sick notes?"),
        ("about_the_context", "According to the text, who pays for the train?"),
        ("about_the_context", "Which rule is described in the excerpt?"),
        ("about_the_context", "What is the main idea of the given passage?"),
        ("wrong_language", "Wie lange dauert die Elternzeit?"),
        ("duplicate_question", "How long is parental leave?"),
    ],
    "copied": [
        ("copied_text", "Is a doctor's note needed from the fourth day on?"),
        ("copied_text", "Does nobody hold the shrouds when thunder follows lightning?"),
    ],
    "near_duplicate": [],
    "round_trip": [
        ("not_found_again", "What happens next?"),
        ("not_found_again", "Who is responsible for this in an emergency, and when exactly?"),
    ],
    "judge": [("judged_poor", "Why did the committee decide so in the end?")],
    "split": [("duplicate_question", "Who repairs torn sails?")],
}
DETAILS = {
    "about_the_context": "It asks about the passage as such, which nobody does who searches.",
    "wrong_language": "It is in another language (de) than its passage (en).",
    "copied_text": "{n} % of its words stand in its passage in a row; at most 50 %.",
    "not_found_again": "A search for it finds its passage only at rank {n}.",
    "judged_poor": "The judge gave it 3 of 10: it does not say which committee.",
    "duplicate_question": "It was asked already.",
}
N_KEPT = 90


def filter_rejections() -> list[Rejection]:
    """Return what the filters dropped, in the order in which they ran."""
    dropped = [item for items in DROPPED.values() for item in items]
    return [
        Rejection(query_id(text), "curate", reason, DETAILS[reason].format(n=60 + n), text)
        for n, (reason, text) in enumerate(dropped)
    ]


def funnel_summary() -> dict[str, Any]:
    """Return the summary of curation, as far as it tells of the filters."""
    n = n_written = N_KEPT + sum(map(len, DROPPED.values()))
    steps = []
    for name, items in DROPPED.items():
        reasons = dict(Counter(reason for reason, _ in items))
        steps.append({"filter": name, "n_in": n, "n_out": n - len(items), "reasons": reasons})
        n -= len(items)
    easy = [
        {"writer": "openai:gpt-5-mini", "kind": "factual", "n": 21, "of": 40},
        {"writer": "openai:gpt-5-mini", "kind": "keywords", "n": 9, "of": 30},
        {"writer": "extractive", "kind": "how_to", "n": 3, "of": 20},
    ]
    answers = {"n_extra": 14, "grades": {"1": 9, "2": 5}}
    funnel = {"n_written": n_written, "n_kept": n, "steps": steps}
    return {"funnel": {**funnel, "too_easy": easy, "answers": answers}}


def filtered_report() -> ReportData:
    """Return the handbook's report with a funnel, and what other stages dropped besides."""
    data = handbook_report()
    besides = [r for r in data.rejections if r.stage != "curate"]
    return replace(
        data,
        funnel=read_funnel(funnel_summary()),
        rejections=[*besides, *filter_rejections()],
    )
