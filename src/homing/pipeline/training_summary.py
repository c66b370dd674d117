"""What came out of training, as values for the manifest and in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from homing.pipeline.job import plural
from homing.types import TrainingLog

RERANKER = "reranker"


def summary_of(log: TrainingLog) -> dict[str, Any]:
    """Return what the manifest and the answer say of a training."""
    return {
        "kept": log.kept,
        "best_step": log.best_step,
        "n_pairs": log.n_pairs,
        "n_passages": log.n_passages,
        "log": asdict(log),
    }


def describe_trained(summary: Mapping[str, Any]) -> str:
    """Return what came out, such as "3,912 pairs → tuned, dev nDCG@10 0.612 → 0.655"."""
    log = summary["log"]
    pairs = plural(log["n_pairs"], "pair")
    if log["settings"].get("recipe") == RERANKER:
        return f"{pairs} → {log['note'].removesuffix('.')}{_mined(log)}"
    if log["kept"] == "base":
        where = "on dev" if log["dev"] else "on training questions that were held out"
        return f"{pairs} → the base model is kept: nothing was better {where}"
    if not log["dev"]:
        return f"{pairs} → tuned{_index(log)}{_mined(log)}"
    base, best = log["dev"][0][1], max(value for _, value in log["dev"])
    kept = next((trial["name"] for trial in log.get("trials", ()) if trial["is_kept"]), "")
    chosen = f" ({kept})" if kept else ""
    gain = f"dev nDCG@10 {base:.3f} → {best:.3f}"
    return f"{pairs} → tuned{chosen}, {gain}{_index(log)}{_mined(log)}"


def _index(log: Mapping[str, Any]) -> str:
    """Return that an index need not be made again, where that is so."""
    return "; an index made with the base stays valid" if log.get("index_stays") else ""


def _mined(log: Mapping[str, Any]) -> str:
    """Return what mining passed over, where there was any: an estimate of its false negatives."""
    share = log.get("false_negative_fraction")
    if share is None:
        return ""
    return f"; {100 * share:.0f} % of the mined candidates passed over as probable answers"


def load_log(summary: Mapping[str, Any]) -> TrainingLog:
    """Return the training log that a summary holds."""
    return TrainingLog.from_json(summary["log"])
