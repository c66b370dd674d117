"""README.md of an export: the model's own card, and a section about this export."""

from __future__ import annotations

from homing.deployment.formats import FORMATS
from homing.deployment.parity import Closeness, Parity

MARK = "## This export"
LOADING = {
    "onnx": "onnxruntime alone (`onnx/model.onnx`), or "
    '`SentenceTransformer(FOLDER, backend="onnx")` where its extra can be installed',
    "openvino": "OpenVINO alone (`openvino/openvino_model.xml`)",
    "torch": "`SentenceTransformer(FOLDER)`",
}


def export_card(card: str, name: str, parity: Parity, *, two_towers: bool) -> str:
    """Return a card with the section in place of an earlier one.

    Args:
        card: The model's own; "" for none.
        name: The format.
    """
    own = card.split(MARK)[0].rstrip() or "# Embedding model"
    return f"{own}\n\n{_section(name, parity, two_towers=two_towers)}\n"


def _section(name: str, parity: Parity, *, two_towers: bool) -> str:
    chosen = FORMATS[name]
    lines = [
        MARK,
        "",
        f"Format `{name}`, made with Homing: {chosen.precision}. Loads with "
        f"{LOADING[chosen.backend]}.",
    ]
    if two_towers and chosen.backend != "torch":
        lines += [
            "",
            "Questions are embedded by the model in `query/`, passages by the one in `document/`.",
        ]
    lines += [
        "",
        f"Beside the original in float32, on {parity.measured_on}:",
        "",
        "| | texts | mean cosine | least cosine |",
        "|---|---|---|---|",
        _row("questions", parity.questions),
        _row("passages", parity.passages),
    ]
    ranking = parity.ranking
    if ranking is not None:
        found = ranking.difference
        lines += [
            "",
            f"nDCG@10 on {ranking.n_queries:,} questions over {ranking.n_passages:,} passages: "
            f"{100 * ranking.original:.2f} before, {100 * ranking.exported:.2f} after; difference "
            f"{100 * found.value:+.2f} (95 % interval {100 * found.low:+.2f} to "
            f"{100 * found.high:+.2f}).",
        ]
    if parity.speed is not None:
        speed = parity.speed
        lines += [
            "",
            f"One question alone takes {speed.exported_ms:.1f} ms, {speed.original_ms:.1f} before "
            f"(median, best of three tries, all cores, {speed.processor}). Other processors differ "
            "by the kind of products they have: measure where it will run.",
        ]
    return "\n".join(lines)


def _row(side: str, cosines: Closeness) -> str:
    return f"| {side} | {cosines.n:,} | {cosines.mean:.5f} | {cosines.least:.5f} |"
