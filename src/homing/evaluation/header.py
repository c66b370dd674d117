"""`evaluation.json`: all of an evaluation that is not a table, to plain data and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from homing.evaluation.measures import HIT_CUTOFFS
from homing.types import (
    Comparison,
    ContenderResult,
    Cost,
    Drift,
    Evaluation,
    Forgetting,
    Interval,
    Slice,
    Unjudged,
    Verdict,
)

Header = Mapping[str, Any]
Rows = Mapping[int, Any]


def to_header(evaluation: Evaluation) -> dict[str, Any]:
    """Return everything that is no table; the verdict comes first, for people."""
    drift, unjudged, verdict = evaluation.drift, evaluation.unjudged, evaluation.verdict
    return {
        "verdict": verdict and asdict(verdict),
        "split": evaluation.split,
        "n_queries": evaluation.n_queries,
        "n_passages": evaluation.n_passages,
        "baseline": evaluation.baseline,
        "cluster_unit": evaluation.cluster_unit,
        "query_source": evaluation.query_source,
        "copied_fraction": evaluation.copied_fraction,
        "notes": list(evaluation.notes),
        "contenders": {
            name: {
                "spec": result.spec,
                "seconds": result.seconds,
                "chosen": result.chosen,
                "measures": dict(result.measures),
                "intervals": _to_intervals(result.intervals),
                "hit_curve": _hit_curve(result),
            }
            for name, result in evaluation.contenders.items()
        },
        "comparisons": [asdict(comparison) for comparison in evaluation.comparisons],
        "slices": [
            {
                "dimension": part.dimension,
                "label": part.label,
                "n": part.n,
                "results": _to_intervals(part.results),
                "differences": _to_intervals(part.differences),
            }
            for part in evaluation.slices
        ],
        "costs": {name: asdict(cost) for name, cost in evaluation.costs.items()},
        "forgetting": [asdict(found) for found in evaluation.forgetting],
        "drift": drift and asdict(drift),
        "unjudged": unjudged and asdict(unjudged),
    }


def from_header(header: Header, slice_rows: Rows) -> dict[str, Any]:
    """Return the fields of `Evaluation` that a header holds.

    Args:
        slice_rows: Position of a slice -> its rows; those not named have none.
    """
    return {
        **{
            name: header[name]
            for name in (
                "split", "n_queries", "n_passages", "baseline", "cluster_unit", "query_source",
                "copied_fraction",
            )
        },
        "notes": tuple(header["notes"]),
        "contenders": {name: _result(name, saved) for name, saved in header["contenders"].items()},
        "comparisons": tuple(_difference(Comparison, saved) for saved in header["comparisons"]),
        "slices": tuple(
            Slice(
                saved["dimension"],
                saved["label"],
                np.asarray(slice_rows.get(position, ()), dtype=np.int64),
                _from_intervals(saved["results"]),
                _from_intervals(saved["differences"]),
            )
            for position, saved in enumerate(header["slices"])
        ),
        "costs": {name: Cost(**saved) for name, saved in header["costs"].items()},
        "forgetting": tuple(_difference(Forgetting, saved) for saved in header["forgetting"]),
        "drift": header["drift"] and Drift(**header["drift"]),
        "unjudged": header["unjudged"] and Unjudged(**header["unjudged"]),
        "verdict": header["verdict"] and _verdict(header["verdict"]),
    }  # fmt: skip


def _result(name: str, saved: Mapping[str, Any]) -> ContenderResult:
    return ContenderResult(
        name=name,
        spec=saved["spec"],
        measures=saved["measures"],
        intervals=_from_intervals(saved["intervals"]),
        seconds=saved["seconds"],
        chosen=saved["chosen"],
    )


def _hit_curve(result: ContenderResult) -> list[list[float]]:
    known = ((k, result.measures.get(f"hit@{k}")) for k in HIT_CUTOFFS)
    return [[k, value] for k, value in known if value is not None]


def _to_intervals(intervals: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: asdict(interval) for name, interval in intervals.items()}


def _from_intervals(saved: Mapping[str, Any]) -> dict[str, Interval]:
    return {name: Interval(**interval) for name, interval in saved.items()}


def _difference(kind: Any, saved: Mapping[str, Any]) -> Any:
    return kind(**{**saved, "difference": Interval(**saved["difference"])})


def _verdict(saved: Mapping[str, Any]) -> Verdict:
    reasons: Sequence[str] = saved["reasons"]
    return Verdict(**{**saved, "reasons": tuple(reasons)})
