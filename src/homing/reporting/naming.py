"""What contenders are called, in a sentence and in a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from homing.reporting.data import ReportData

FUSION = re.compile(r"fusion\((?P<parts>[^()]*)\)")


def spoken_name(data: ReportData, name: str) -> str:
    """Return the contender as it stands in a sentence: "BM25 fused with the tuned model"."""
    return _told_apart(data, name, lambda each: _name(data, each, _spoken, " fused with "))


def short_name(data: ReportData, name: str) -> str:
    """Return the contender as it stands in a table: "Tuned model", "BM25 + tuned"."""
    return _told_apart(data, name, lambda each: _short_name(data, each))


def sentence_start(text: str) -> str:
    """Return the text with a capital first letter; the rest is left as it is."""
    return text[:1].upper() + text[1:]


def listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence, "a, b and c"; there is at least one."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def fused_parts(data: ReportData, name: str) -> tuple[str, ...]:
    """Return the names of the contenders that this one fuses; empty if it is not a fusion.

    BM25 comes first, however the fusion was written; weights are left out.
    """
    match = FUSION.fullmatch(data.evaluation.contenders[name].spec.replace(" ", ""))
    if match is None:
        return ()
    parts = [p for p in match["parts"].split(",") if p in data.evaluation.contenders]
    return tuple(sorted(parts, key=lambda part: not is_bm25(data, part)))


def is_bm25(data: ReportData, name: str) -> bool:
    """Return whether the contender is BM25 alone."""
    return data.evaluation.contenders[name].spec.strip().lower() == "bm25"


def uses_bm25(data: ReportData, name: str) -> bool:
    """Return whether the contender is BM25 or a fusion that holds it."""
    return is_bm25(data, name) or any(is_bm25(data, part) for part in fused_parts(data, name))


def _told_apart(data: ReportData, name: str, called: Callable[[str], str]) -> str:
    """Return what the contender is called, with its name where another is called the same."""
    label = called(name)
    others = (called(other) for other in data.evaluation.contenders if other != name)
    return f"{label} ({name})" if label in others else label


def _short_name(data: ReportData, name: str) -> str:
    if name in (data.tuned_name, data.base_name):
        return _spoken(data, name).removeprefix("the ").capitalize()
    return _name(data, name, _short, " + ")


def _name(data: ReportData, name: str, simple: Callable[[ReportData, str], str], joint: str) -> str:
    parts = fused_parts(data, name)
    if len(parts) < 2 or name in (data.tuned_name, data.base_name):
        return simple(data, name)
    return joint.join(simple(data, part) for part in parts)


def _spoken(data: ReportData, name: str) -> str:
    if name == data.tuned_name:
        return "the tuned model"
    if name == data.base_name:
        return "the base model"
    return "BM25" if is_bm25(data, name) else name


def _short(data: ReportData, name: str) -> str:
    return "BM25" if is_bm25(data, name) else name
