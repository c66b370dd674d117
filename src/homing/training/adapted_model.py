"""A sentence-transformers model with a map on the side of the questions.

It is a `Router` over the base model's own modules: passages go through them as they always did,
questions through them and one or two `Dense` layers. So it loads without any code of ours, and the
transformer is stored once. Two layers beside the identity become two that follow each other: since
x = max(x, 0) − max(−x, 0), a rectified layer can carry the vector itself along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from homing.retrieval.query_map import QueryMap
from homing.retrieval.towers import join_towers, towers_of
from homing.types import FloatArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def with_query_map(model: SentenceTransformer, query_map: QueryMap) -> SentenceTransformer:
    """Return a model that answers `encode_query` through the map, `encode_document` as before.

    Args:
        model: Its modules are shared, not copied. Where it has two towers already, the map goes on
            top of the one for questions.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize

    towers = towers_of(model)
    query, document = (towers.query, towers.document) if towers else (model, model)
    below = list(query)
    if not isinstance(below[-1], Normalize):
        below.append(Normalize())
    mapped = SentenceTransformer(
        modules=[*below, *_layers(query_map), Normalize()],
        device=str(model.device),
        prompts=dict(query.prompts),
        similarity_fn_name=query.similarity_fn_name,
    )
    return join_towers(mapped, document).eval()


def _layers(query_map: QueryMap) -> list[Any]:
    arrays = query_map.arrays
    if query_map.kind != "two-layer":
        return [_dense(arrays["matrix"])]
    unit = np.eye(query_map.dimensions, dtype=np.float32)
    nothing = np.zeros(2 * query_map.dimensions, dtype=np.float32)
    return [
        _dense(
            np.vstack([unit, -unit, arrays["inner"]]),
            np.concatenate([nothing, arrays["bias"]]),
            is_rectified=True,
        ),
        _dense(np.hstack([unit, -unit, arrays["outer"]])),
    ]


def _dense(
    weight: FloatArray, bias: FloatArray | None = None, *, is_rectified: bool = False
) -> Any:
    """Return the layer weight @ x + bias, with max(…, 0) where it is rectified."""
    import torch
    from sentence_transformers.sentence_transformer.modules import Dense

    n_out, n_in = weight.shape
    return Dense(
        n_in,
        n_out,
        bias=bias is not None,
        activation_function=torch.nn.ReLU() if is_rectified else torch.nn.Identity(),
        init_weight=torch.from_numpy(np.ascontiguousarray(weight)),
        init_bias=None if bias is None else torch.from_numpy(bias),
    )
