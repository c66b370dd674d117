"""The loss of questions against a whole corpus whose vectors stand still.

With a question's unit vector q, the passages' P and a target t over them (rows add up to 1), it is
the cross-entropy of t and softmax(q Pᵀ / τ): every passage of the corpus is a negative for every
question, but those that are masked because they are right as well.

Cost: two products of (questions, d) and (d, passages) forward and two backward, in blocks of
`BLOCK_PASSAGES`, which are computed again in the backward pass rather than kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homing.types import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_PASSAGES = 65_536
MASKED = -1e9
"""Stands for minus infinity, of which a block that is masked as a whole would make NaN."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What each question is to find, and what is no negative for it.

    Attributes:
        positions: Of passages in the corpus, int (n_questions, width); repeats are allowed.
        shares: Of each in the target, float32 (n_questions, width); rows add up to 1.
        masked: Positions that are neither target nor negative, int (n_questions, widest), filled up
            with -1.
    """

    positions: IntArray
    shares: FloatArray
    masked: IntArray


def corpus_cross_entropy(
    questions: Tensor,
    corpus: Tensor,
    positions: Tensor,
    shares: Tensor,
    masked: Tensor,
    tau: float,
) -> Tensor:
    """Return the mean cross-entropy over the questions, a scalar.

    Args:
        questions: (n_q, d), unit rows.
        corpus: (n_p, d), unit rows without gradient.
        positions: (n_q, width), where the targets are.
        shares: (n_q, width), their shares; rows add up to 1.
        masked: (n_q, widest), positions left out of the softmax, -1 for none.
        tau: Temperature, > 0.
    """
    import torch

    right = torch.einsum("qd,qwd->qw", questions, corpus[positions]) / tau
    total = log_sum_exp(questions, corpus, masked, tau)
    return (total - (shares * right).sum(dim=1)).mean()


def log_sum_exp(questions: Tensor, corpus: Tensor, masked: Tensor, tau: float) -> Tensor:
    """Return the logarithm of the sum of exp(q · p / tau) over all passages not masked, (n_q,)."""
    import torch
    from torch.utils.checkpoint import checkpoint

    starts = range(0, len(corpus), BLOCK_PASSAGES)
    if len(starts) == 1:
        return _block(questions, corpus, masked, tau)
    parts = [
        checkpoint(
            _block,
            questions,
            corpus[start : start + BLOCK_PASSAGES],
            masked - start,
            tau,
            use_reentrant=False,
        )
        for start in starts
    ]
    return torch.logsumexp(torch.stack(parts, dim=1), dim=1)


def _block(questions: Tensor, corpus: Tensor, masked: Tensor, tau: float) -> Tensor:
    import torch

    scores = questions @ corpus.T / tau  # (n_q, n_p)
    inside = (masked >= 0) & (masked < len(corpus))
    rows = torch.arange(len(masked), device=masked.device)[:, None].expand_as(masked)
    is_masked = torch.zeros_like(scores, dtype=torch.bool)
    is_masked[rows[inside], masked[inside]] = True
    return torch.logsumexp(scores.masked_fill(is_masked, MASKED), dim=1)


def make_corpus_loss(model: Any, corpus: FloatArray, targets: Targets, tau: float) -> Any:
    """Return the loss as the module that sentence-transformers' trainer calls.

    Its `forward(features, labels)` takes tokenised questions and their numbers in `targets`.

    Args:
        model: What embeds the questions.
        corpus: The passages' unit vectors, float32 (n_passages, d).
    """
    import torch
    import torch.nn.functional as F

    class CorpusCrossEntropy(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            device = model.device
            self.corpus = torch.from_numpy(corpus).to(device)
            self.positions = torch.from_numpy(targets.positions).long()
            self.shares = torch.from_numpy(targets.shares)
            self.masked = torch.from_numpy(targets.masked).long()

        def forward(self, features: list[dict[str, Tensor]], labels: Tensor) -> Tensor:
            questions = F.normalize(self.model(features[0])["sentence_embedding"].float(), dim=1)
            rows = labels.cpu()
            device = questions.device
            return corpus_cross_entropy(
                questions,
                self.corpus,
                self.positions[rows].to(device),
                self.shares[rows].to(device),
                self.masked[rows].to(device),
                tau,
            )

    return CorpusCrossEntropy()
