"""Whose test questions these are, in words: the first thing that limits what the numbers mean."""

from __future__ import annotations

from homing.numbers import count, counted, percent
from homing.reporting.data import ReportData
from homing.reporting.naming import listed

REMEDY = "To know how it does for people, give questions that they asked with --test-questions."


def question_source(data: ReportData) -> str:
    """Return whose the test questions are, such as "written by the offline writer"."""
    source = data.evaluation.query_source
    if source == "people":
        return "your own test questions"
    if source == "unknown":
        return "of unknown origin"
    writers = _writers(data)
    if source == "mixed":
        n_own = writers.get("person", 0)
        return f"{count(n_own)} of them your own" if n_own else "from several sources"
    names = [_writer_name(writer) for writer in writers if writer not in ("", "person")]
    return f"written by {listed(names)}" if names else "written for the purpose"


def describe_questions(data: ReportData, owner: str = "your") -> str:
    """Return how many test questions there are and whose, such as "790 of your own test questions".

    Args:
        owner: Whose they are where they were given; a model card, which others read, says "its
            maker's".
    """
    n = data.evaluation.n_queries
    if data.evaluation.query_source == "people":
        return f"{count(n)} of {owner} own test questions"
    source = question_source(data)
    if data.evaluation.query_source == "mixed":
        return f"{counted(n, 'test question')} ({source.replace('your', owner)})"
    return f"{counted(n, 'test question')} {source}"


def source_caveat(data: ReportData, *, favours_bm25: bool) -> str:
    """Return what the questions' source means for the numbers; "" where all are the user's own.

    Args:
        favours_bm25: Whether to say what written questions do for BM25.
    """
    verdict = data.evaluation.verdict
    if data.evaluation.query_source == "people":
        return ""
    if verdict is not None and verdict.is_careful:  # it says the rest itself
        return f"The test questions were {question_source(data)}, not asked by people. {REMEDY}"
    if data.evaluation.query_source == "written":
        text = f"The test questions were {question_source(data)}, not asked by people."
    elif data.evaluation.query_source == "mixed":
        text = f"Not all test questions are known to be people's ({question_source(data)})."
    else:
        text = "Nothing says who asked the test questions, people or a writer."
    copied = data.evaluation.copied_fraction
    if copied is not None:
        text += f" On average {percent(copied)} of a question's content words stand in its passage."
    text += (
        " The numbers tell how well passages are found for such questions, not for people's. "
        f"{REMEDY}"
    )
    if favours_bm25:
        text += " Questions written from a passage reuse its words, which favours BM25."
    return text


def _writers(data: ReportData) -> dict[str, int]:
    """Return writer -> number of test questions."""
    writers: dict[str, int] = {}
    for kind in data.dataset.questions:
        n = kind.n_by_split.get(data.evaluation.split, 0)
        if n:
            writers[kind.writer] = writers.get(kind.writer, 0) + n
    return writers


def _writer_name(writer: str) -> str:
    return "the offline writer" if writer == "extractive" else writer
