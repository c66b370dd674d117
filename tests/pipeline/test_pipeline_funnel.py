"""What curation counted, as the report and a look at the questions show it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from selectolax.lexbor import LexborHTMLParser

from homing.dataset import load_questions
from homing.dataset.tables import write_table
from homing.pipeline import look_at_questions, open_job
from homing.pipeline.fates import LABELS
from homing.pipeline.job import QUESTIONS, REPORT
from homing.pipeline.reporting import report_stage
from homing.types import query_id


def count(workspace: Path, funnel: dict[str, Any] | None) -> None:
    """Put a funnel into the summary of curation, or none as older versions did."""
    path = workspace / "manifests" / "curate.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["summary"].pop("funnel", None)
    manifest["summary"] |= {"funnel": funnel} if funnel else {}
    path.write_text(json.dumps(manifest), encoding="utf-8")


def report(workspace: Path) -> tuple[dict[str, Any], LexborHTMLParser]:
    with open_job(workspace, create=False) as job:
        summary = dict(report_stage(job).summary)
    return summary, LexborHTMLParser((workspace / REPORT).read_text(encoding="utf-8"))


def test_the_report_shows_what_curation_counted(copied: Path) -> None:
    step = {"filter": "form", "n_in": 60, "n_out": 57, "reasons": {"too_short": 3}}
    count(copied, {"n_written": 60, "n_kept": 57, "steps": [step], "too_easy": []})
    summary, page = report(copied)
    assert (summary["n_written"], summary["n_kept"]) == (60, 57)
    assert "60 → 57" in " ".join(page.css_first(".funnel .flow").text().split())


def test_the_report_of_an_older_workspace_has_no_funnel(copied: Path) -> None:
    count(copied, None)
    summary, page = report(copied)
    assert (summary["n_written"], summary["n_kept"]) == (None, None)
    assert page.css_first("#funnel") is None
    assert page.css_first("#dropped") is not None


def test_easy_questions_are_known_where_somebody_has_searched(copied: Path) -> None:
    written = load_questions(copied / QUESTIONS)
    easy = query_id(next(q.text for q in written if q.kind == "heading"))
    schema = pa.schema([("_id", pa.string()), ("too_easy", pa.bool_())])
    write_table([(easy, True)], copied / LABELS, schema)
    searched = [{"writer": "extractive", "kind": "heading", "n": 1, "of": 34}]
    count(copied, {"n_written": 57, "n_kept": 57, "steps": [], "too_easy": searched})
    seen = look_at_questions(copied, sample=0).questions
    assert {q.too_easy for q in seen if q.kind == "heading"} == {True, False}
    assert {q.too_easy for q in seen if q.kind != "heading"} == {None}
