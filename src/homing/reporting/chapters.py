"""What each chapter of the page shows, gathered for the templates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml
from markupsafe import Markup

from homing import numbers
from homing.reporting import forgetting
from homing.reporting.charts import curve_cutoffs, hit_curves
from homing.reporting.contenders import baseline_of, challenger_of, ranked_contenders
from homing.reporting.costs import LEADERBOARD_COLUMNS, cost_columns, cost_points, cost_rows
from homing.reporting.data import ReportData
from homing.reporting.explorer import WIDEST, explorer_payload
from homing.reporting.funnel import show_funnel
from homing.reporting.labels import show_suspicions, suspected_labels
from homing.reporting.leaderboard import all_measures, big_numbers, measures_shown, rows, ticks
from homing.reporting.looks import styles
from homing.reporting.naming import short_name
from homing.reporting.outcomes import won_and_lost
from homing.reporting.ranks import rank_all
from homing.reporting.rejections import group_rejections, in_words
from homing.reporting.slices import forest, listed_slices, slice_options
from homing.reporting.snippets import prompt_sentence, snippets
from homing.reporting.sources import describe_questions, question_source
from homing.reporting.unjudged import judge_sentence, unjudged_rows
from homing.reporting.verdict import UNIT_NAMES, open_report
from homing.types import TrainingLog

EXPLAINED = {
    "hit@5": "the right passage is among the first five",
    "ndcg@10": "how high the right passage stands in the first ten",
    "mrr@10": "one over the right passage's rank, averaged",
}
DECISIONS = {"deploy": "Deploy", "keep base": "Keep the base", "cannot tell": "Cannot tell"}
WRITERS = {"extractive": "offline writer", "person": "your own"}


def opening_parts(data: ReportData) -> dict[str, Any]:
    """Return the verdict and the numbers beside it."""
    opening = open_report(data)
    baseline, challenger = baseline_of(data), challenger_of(data)
    return {
        "opening": opening,
        "decision": DECISIONS.get(opening.decision or "", ""),
        "is_careful": bool(data.evaluation.verdict and data.evaluation.verdict.is_careful),
        "source": question_source(data),
        "tested_on": describe_questions(data),
        "unit": UNIT_NAMES.get(data.evaluation.cluster_unit, data.evaluation.cluster_unit),
        "big": big_numbers(data),
        "baseline": short_name(data, baseline) if baseline else "",
        "challenger": short_name(data, challenger) if challenger else "",
        "against": "base" if baseline == data.base_name else short_name(data, baseline or ""),
        "challenger_style": styles(data)[challenger] if challenger else "",
        "explained": EXPLAINED,
    }


def contender_parts(data: ReportData) -> dict[str, Any]:
    """Return the tables of contenders: what they reach, how deep, and what they cost."""
    table = rows(data, open_report(data).recommended)
    curves = hit_curves(data)
    return {
        "rows": table,
        "has_against": any(row.against for row in table),
        "has_chance": any(row.against and row.against.chance for row in table),
        "ticks": ticks(data),
        "measures": measures_shown(data),
        "all_measures": all_measures(data),
        "labels": [short_name(data, name) for name in ranked_contenders(data)],
        "comparisons": data.evaluation.comparisons,
        "curves": curves,
        "cutoffs": curve_cutoffs(curves),
        "leaderboard_costs": cost_columns(data, LEADERBOARD_COLUMNS),
        "cost_columns": cost_columns(data),
        "cost_rows": cost_rows(data),
        "cost_legend": cost_points(data, "p50_ms") or cost_points(data, "index_bytes"),
    }


def question_parts(data: ReportData) -> dict[str, Any]:
    """Return what is shown question by question: slices, won and lost, labels, the explorer."""
    answers = rank_all(data, WIDEST)
    suspicions = suspected_labels(data, answers)
    packed = explorer_payload(data, answers, suspicions)
    return {
        "forest": forest(data),
        "listed_slices": listed_slices(data),
        "slice_options": slice_options(data),
        "outcomes": won_and_lost(data, answers),
        "answering": [short_name(data, name) for name in answers],
        "n_suspicions": len(suspicions),
        "suspicions": show_suspicions(data, suspicions),
        # Markup: base64 holds no character of markup.
        "explorer_data": Markup(packed),  # noqa: S704
        "unjudged_rows": unjudged_rows(data),
        "judge_sentence": judge_sentence(data.evaluation.unjudged)
        if data.evaluation.unjudged
        else "",
    }


def evidence_parts(data: ReportData) -> dict[str, Any]:
    """Return what lies behind the numbers: forgetting, training, questions, what was dropped."""
    funnel = show_funnel(data.funnel, data.rejections) if data.funnel else None
    dropped = funnel.rest if funnel else data.rejections
    shared = data.audit.shared if data.audit else {}
    found = data.evaluation
    return {
        "forgetting_rows": forgetting.forgetting_rows(data),
        "forgetting_sentence": forgetting.forgetting_sentence(found.forgetting),
        "drift_sentence": forgetting.drift_sentence(found.drift),
        "drift_facts": forgetting.drift_facts(found.drift),
        "kept_dev": _kept_dev(data.training),
        "training_settings": _as_yaml(data.training.settings) if data.training else "",
        "kinds": data.dataset.questions,
        "splits": data.dataset.splits,
        "writer_label": _writer_label,
        "funnel_steps": funnel.steps if funnel else (),
        "n_dropped": len(dropped),
        "rejections": group_rejections(dropped),
        "audit_columns": list(dict.fromkeys(what for counts in shared.values() for what in counts)),
    }


def making_parts(data: ReportData) -> dict[str, Any]:
    """Return how to use the model, and how all of this was made."""
    return {
        "prompt_sentence": prompt_sentence(data.model),
        "snippets": snippets(data.model),
        "timings": _timings(data.stage_seconds),
        "settings": _as_yaml(data.settings) if data.settings else "",
    }


def _kept_dev(log: TrainingLog | None) -> str:
    """Return the way of dev nDCG@10 from base to what was kept, "61.2 → 68.9 %"."""
    dev = dict(log.dev) if log else {}
    if log is None or 0 not in dev or log.best_step not in dev:
        return ""
    return f"{numbers.bare_percent(dev[0])} → {numbers.percent(dev[log.best_step])}"


def _timings(stage_seconds: Mapping[str, float]) -> list[tuple[str, str]]:
    if not stage_seconds:
        return []
    rows = [(in_words(stage), numbers.duration(s)) for stage, s in stage_seconds.items()]
    return [*rows, ("Together", numbers.duration(sum(stage_seconds.values())))]


def _writer_label(writer: str) -> str:
    return WRITERS.get(writer, writer)


def _as_yaml(settings: Mapping[str, Any]) -> str:
    """Return settings as YAML; what YAML does not know, such as a path, as its text."""
    known = json.loads(json.dumps(dict(settings), default=str))
    return yaml.safe_dump(known, sort_keys=False, allow_unicode=True).strip()
