"""How contenders look in every chart and table: a colour, a dash and a shape each.

Colours are CSS variables of the style sheet, for light and dark; dash and shape tell contenders
apart without colour.
"""

from __future__ import annotations

from homing.reporting.data import ReportData
from homing.reporting.naming import fused_parts, is_bm25

SPARE_STYLES = ("other-1", "other-2", "other-3", "other-4", "other-5", "other-6")
DASHES = {
    "tuned": [1, 0],
    "base": [6, 3],
    "bm25": [2, 3],
    "fused-tuned": [1, 0],
    "fused-base": [6, 3],
    "other-1": [1, 0],
    "other-2": [8, 2, 2, 2],
    "other-3": [4, 2],
    "other-4": [2, 2],
    "other-5": [10, 3],
    "other-6": [6, 2, 1, 2],
}
SHAPES = {
    "tuned": "M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0Z",
    "base": "M-.9-.9H.9V.9H-.9Z",
    "bm25": "M0-1.15 1.15 0 0 1.15-1.15 0Z",
    "fused-tuned": "M0-1.1 1.1.85H-1.1Z",
    "fused-base": "M0 1.1-1.1-.85H1.1Z",
    "other-1": "M-.35-1.1H.35V-.35H1.1V.35H.35V1.1H-.35V.35H-1.1V-.35H-.35Z",
    "other-2": "M-1.1 0 .85-1.1V1.1Z",
    "other-3": "M1.1 0-.85 1.1V-1.1Z",
    "other-4": "M-.5-1H.5L1 0 .5 1H-.5L-1 0Z",
    "other-5": "M-1.15-.45H1.15V.45H-1.15Z",
    "other-6": "M-.45-1.15H.45V1.15H-.45Z",
}
"""SVG paths between -1 and 1, about equal in area."""


def styles(data: ReportData) -> dict[str, str]:
    """Return contender -> style ("tuned", "base", "bm25", "fused-tuned", …), each used once.

    Beyond the six spare ones styles are used again.
    """
    chosen: dict[str, str] = {}
    n_spare = 0
    for name in data.evaluation.contenders:
        style = _style(data, name)
        if not style or style in chosen.values():
            style = SPARE_STYLES[n_spare % len(SPARE_STYLES)]
            n_spare += 1
        chosen[name] = style
    return chosen


def _style(data: ReportData, name: str) -> str:
    parts = fused_parts(data, name)
    if name == data.tuned_name:
        return "tuned"
    if name == data.base_name:
        return "base"
    if data.tuned_name in parts:
        return "fused-tuned"
    if data.base_name in parts:
        return "fused-base"
    return "bm25" if is_bm25(data, name) else ""
