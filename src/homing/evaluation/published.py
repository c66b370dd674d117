"""Our measures under the names that other tables carry, so that they can be set side by side.

The original experiment (run-llama/finetune-embedding) reported two evaluations: a hit rate, the
share of questions whose passage is among the first five, and the table that sentence-transformers'
`InformationRetrievalEvaluator` writes as CSV. Ours are the same numbers: accuracy@k is hit@k.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from homing.types import Evaluation

HIT_RATE = "hit_rate@5"
COLUMNS = {
    HIT_RATE: "hit@5",
    **{f"cosine-Accuracy@{k}": f"hit@{k}" for k in (1, 3, 5, 10)},
    **{
        f"cosine-{kind}@{k}": f"{kind.lower()}@{k}"
        for k in (1, 3, 5, 10)
        for kind in ("Precision", "Recall")
    },
    "cosine-MRR@10": "mrr@10",
    "cosine-NDCG@10": "ndcg@10",
    "cosine-MAP@100": "map@100",
}
"""Name there -> name here, in the evaluator's order."""


def published_columns(measures: Mapping[str, float]) -> dict[str, float]:
    """Return the measures of one contender under the published names; those it has."""
    return {theirs: measures[ours] for theirs, ours in COLUMNS.items() if ours in measures}


def published_table(evaluation: Evaluation) -> str:
    """Return a CSV of all contenders, a row each, as the original experiment's tables."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["contender", *COLUMNS], lineterminator="\n")
    writer.writeheader()
    for name, result in evaluation.contenders.items():
        row = {name: repr(value) for name, value in published_columns(result.measures).items()}
        writer.writerow({"contender": name, **row})
    return text.getvalue()
