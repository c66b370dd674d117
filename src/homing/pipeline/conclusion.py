"""An evaluation in words."""

from __future__ import annotations

from homing.reporting.data import DatasetFacts, ModelFacts, ReportData
from homing.reporting.terminal import summary_lines
from homing.types import Evaluation


def verdict(evaluation: Evaluation) -> str:
    """Return who finds the right passage most often, by how much and how sure, and a table.

    The contenders called "base" and "tuned" are taken for the model before and after tuning.
    """
    data = ReportData(
        title="",
        created="",
        command="",
        evaluation=evaluation,
        dataset=DatasetFacts(n_documents=0, n_passages=evaluation.n_passages),
        model=ModelFacts(path="", base_model=""),
    )
    return "\n".join(summary_lines(data))
