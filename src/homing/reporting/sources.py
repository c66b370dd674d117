"""Who asked the test questions, in words: the first thing that limits what the numbers mean."""

from __future__ import annotations

from homing.reporting.data import ReportData
from homing.reporting.numbers import count


def question_source(data: ReportData) -> str:
    """Return who asked the test questions, such as "written by the offline writer"."""
    source = data.evaluation.query_source
    if source == "people":
        return "asked by people"
    if source == "unknown":
        return "of unknown origin"
    writers = _writers(data)
    if source == "mixed":
        n_people = writers.get("person", 0)
        return f"{count(n_people)} of them asked by people" if n_people else "from several sources"
    names = [_writer_name(writer) for writer in writers if writer not in ("", "person")]
    return f"written by {_listed(names)}" if names else "written for the purpose"


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


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def source_caveat(data: ReportData, *, favours_bm25: bool) -> str:
    """Return what the questions' source means for the numbers; "" where people asked them all.

    Args:
        favours_bm25: Whether to say what written questions do for BM25.
    """
    if data.evaluation.query_source == "people":
        return ""
    if data.evaluation.query_source == "written":
        text = f"The test questions were {question_source(data)}, not asked by people."
    elif data.evaluation.query_source == "mixed":
        text = f"Not all test questions are known to be people's ({question_source(data)})."
    else:
        text = "Nothing says who asked the test questions, people or a writer."
    text += (
        " The numbers tell how well passages are found for such questions, not for people's; "
        "to know that, give questions that people asked with --test-questions."
    )
    if favours_bm25:
        text += " Questions written from a passage reuse its words, which favours BM25."
    return text
