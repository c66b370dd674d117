"""The saved types through which the stages meet: plain data, no library but NumPy."""

from __future__ import annotations

from homing.types.arrays import FloatArray, IntArray, Values
from homing.types.evaluation import (
    Comparison,
    ContenderResult,
    Cost,
    Decision,
    Drift,
    Evaluation,
    Forgetting,
    Interval,
    Slice,
    Unjudged,
    Verdict,
)
from homing.types.questions import Audit, Qrel, Query, Question, query_id
from homing.types.retrieval import Encoder, Retriever, Run, TopKRetriever, passage_key
from homing.types.texts import (
    Document,
    Heading,
    Passage,
    Rejection,
    Span,
    content_id,
    passage_input,
)
from homing.types.training import TrainingLog, Trial

__all__ = [
    "Audit",
    "Comparison",
    "ContenderResult",
    "Cost",
    "Decision",
    "Document",
    "Drift",
    "Encoder",
    "Evaluation",
    "FloatArray",
    "Forgetting",
    "Heading",
    "IntArray",
    "Interval",
    "Passage",
    "Qrel",
    "Query",
    "Question",
    "Rejection",
    "Retriever",
    "Run",
    "Slice",
    "Span",
    "TopKRetriever",
    "TrainingLog",
    "Trial",
    "Unjudged",
    "Values",
    "Verdict",
    "content_id",
    "passage_input",
    "passage_key",
    "query_id",
]
