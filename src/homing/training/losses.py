"""InfoNCE over a batch in which each passage is encoded once with all its questions.

With questions q (n_q of them), passages p (n_p) and unit vectors, S = Q Pᵀ / τ:

* question to passage: cross-entropy of each question's own passage among the batch's passages;
* passage to question: for each pair, cross-entropy of that question among the questions of other
  passages (a passage's other questions are right as well, so they are left out);
* question to question: for each pair, its score against those of the question with the questions
  of other passages: questions about different things are pushed apart (as in GTE's contrast,
  arXiv 2308.03281).

Those that are asked for are averaged, by default the first two. A passage that also answers the
question, or a near-duplicate of one that does, is neither positive nor negative: its score is
masked. Source of the form: CLIP's symmetric loss (arXiv 2103.00020) with the several-questions
case of arXiv 2004.11362 reduced to pairs.

Where several lengths of vector are asked for (Matryoshka, arXiv 2205.13147), the loss is averaged
over the prefixes, each a unit vector again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from homing.training.full_settings import BOTH_WAYS, Direction

if TYPE_CHECKING:
    from torch import Tensor

Embed = Callable[[dict[str, Any]], "Tensor"]

OWN, NEGATIVE, IGNORED = 1, 0, -1
"""Entries of the label matrix, (n_q, n_p)."""


def info_nce(
    questions: Tensor,
    passages: Tensor,
    labels: Tensor,
    tau: float | Tensor,
    directions: Sequence[Direction] = BOTH_WAYS,
) -> Tensor:
    """Return the scalar loss, the mean over the directions.

    Args:
        questions: (n_q, d), unit rows.
        passages: (n_p, d), unit rows.
        labels: (n_q, n_p) of `OWN` (one in each row), `NEGATIVE` and `IGNORED`.
        tau: Temperature, > 0.
        directions: At least one.
    """
    import torch
    import torch.nn.functional as F

    questions = questions.float()
    scores = questions @ passages.float().T / tau  # (n_q, n_p)
    own = (labels == OWN).int().argmax(dim=1)  # (n_q,)
    pair = scores.gather(1, own[:, None]).squeeze(1)  # (n_q,)

    def against(others: Tensor, not_negative: Tensor) -> Tensor:
        rest = others.masked_fill(not_negative, -torch.inf)
        return (torch.logsumexp(torch.cat([pair[:, None], rest], dim=1), dim=1) - pair).mean()

    terms = []
    if "query-to-passage" in directions:
        ignored = labels == IGNORED
        terms.append(F.cross_entropy(scores.masked_fill(ignored, -torch.inf), own))
    if "passage-to-query" in directions:
        # (n_q, n_q): row i, the scores of all questions for i's passage
        terms.append(against(scores.T[own], (labels != NEGATIVE).T[own]))
    if "query-to-query" in directions:
        # (n_q, n_q): row i, its scores with all questions; those count whose passage is no answer
        terms.append(against(questions @ questions.T / tau, (labels != NEGATIVE)[:, own]))
    return sum(terms[1:], terms[0]) / len(terms)


def over_prefixes(
    loss: Callable[[Tensor, Tensor], Tensor],
    questions: Tensor,
    passages: Tensor,
    dimensions: Sequence[int],
) -> Tensor:
    """Return the mean of a loss of unit vectors over prefixes of vectors of any length.

    Args:
        loss: Of questions (n_q, d) and passages (n_p, d).
        questions: (n_q, D).
        passages: (n_p, D).
        dimensions: Lengths of the prefixes, each at most D; none stands for D alone.
    """
    import torch.nn.functional as F

    terms = [
        loss(F.normalize(questions[:, :n], dim=1), F.normalize(passages[:, :n], dim=1))
        for n in dimensions or (questions.shape[1],)
    ]
    return sum(terms[1:], terms[0]) / len(terms)


def embed_by_length(embed: Embed, features: dict[str, Any], n_parts: int) -> Tensor:
    """Return the embeddings of the rows, (n, d), computed in parts of like length.

    The vectors are those of one pass over all rows; less is spent on padding. On a GPU, where
    few small passes cost more than padding does, one part is made.

    Args:
        embed: Features of rows to their embeddings, (rows, d).
        features: Tokenised rows; `attention_mask` is (n, length).
        n_parts: Most parts.
    """
    import torch

    mask = features["attention_mask"]
    parts = 1 if mask.device.type == "cuda" else max(1, min(n_parts, len(mask) // 2))
    split = parts_by_length(features, parts)
    order = torch.cat([rows for rows, _ in split])
    return torch.cat([embed(part) for _, part in split])[order.argsort()]


def parts_by_length(features: dict[str, Any], n_parts: int) -> list[tuple[Tensor, dict[str, Any]]]:
    """Return (rows, features of these rows alone), shortest rows first, without empty columns."""
    import torch

    mask = features["attention_mask"]
    order = mask.sum(dim=1).argsort(stable=True)
    split = []
    for rows in order.tensor_split(n_parts):
        columns = mask[rows].any(dim=0)
        part = {
            name: value[rows][:, columns] if value.shape[:2] == mask.shape else value[rows]
            for name, value in features.items()
            if torch.is_tensor(value) and value.ndim and len(value) == len(mask)
        }
        rest = {name: value for name, value in features.items() if name not in part}
        split.append((rows, {**rest, **part}))
    return split
