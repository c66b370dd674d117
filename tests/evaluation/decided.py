"""Evaluations made up of hits, to see what the verdict says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from homing.evaluation.certainty import compare
from homing.types import ContenderResult, Evaluation, Values

SPECS = {
    "base": "sentence-transformers/all-MiniLM-L6-v2",
    "tuned": "model",
    "bm25": "bm25",
    "bm25+base": "fusion(bm25,base)",
    "bm25+tuned": "fusion(bm25,tuned)",
    "reranked": "rerank(bm25,cross-encoder/ms-marco-MiniLM-L6-v2)",
    "api": "openai:text-embedding-3-small",
}


def found(n_hits: int, n: int = 400, shift: int = 0) -> Values:
    """Hits on `n_hits` of `n` questions, evenly mixed; `shift` moves the misses to others."""
    order = np.random.default_rng(0).permutation(n)
    values = np.zeros(n)
    values[order[(np.arange(n_hits) + shift) % n]] = 1.0
    return values


def evaluation_of(
    hits: Mapping[str, Values], *, clusters: Sequence[str] | None = None, **given: Any
) -> Evaluation:
    """An evaluation in which contenders hit what is given; nDCG@10 is the same."""
    by_query = {name: {"hit@5": v, "ndcg@10": v} for name, v in hits.items()}
    n = len(next(iter(hits.values())))
    labels = clusters or [f"passage {i // 2}" for i in range(n)]
    options: dict[str, Any] = {
        "split": "test",
        "n_queries": n,
        "n_passages": n,
        "query_ids": tuple(f"question {i}" for i in range(n)),
        "contenders": {
            name: ContenderResult(
                name,
                SPECS.get(name, name),
                {m: float(v.mean()) for m, v in values.items()},
                {},
            )
            for name, values in by_query.items()
        },
        "comparisons": compare(by_query, "base", labels, seed=0, measures=("hit@5", "ndcg@10")),
        "by_query": by_query,
        "runs": {},
        "cluster_unit": "passage",
        "query_source": "people",
        "clusters": tuple(labels),
    }
    return Evaluation(**{**options, **given})
