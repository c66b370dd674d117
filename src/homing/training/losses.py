"""Symmetric InfoNCE over a batch in which each passage is encoded once with all its questions.

With questions q (n_q of them), passages p (n_p) and unit vectors, S = Q Pᵀ / τ:

* question to passage: cross-entropy of each question's own passage among the batch's passages;
* passage to question: for each pair, cross-entropy of that question among the questions of other
  passages (a passage's other questions are right as well, so they are left out).

The two are averaged. A passage that also answers the question, or a near-duplicate of one that
does, is neither positive nor negative: its score is masked. Source of the form: CLIP's symmetric
loss (arXiv 2103.00020) with the several-questions case of arXiv 2004.11362 reduced to pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

OWN, NEGATIVE, IGNORED = 1, 0, -1
"""Entries of the label matrix, (n_q, n_p)."""
QUESTION_PARTS = 4
"""Questions of one batch differ in length more than its passages, which the sampler sorts."""


def symmetric_info_nce(questions: Tensor, passages: Tensor, labels: Tensor, tau: float) -> Tensor:
    """Return the scalar loss.

    Args:
        questions: (n_q, d), unit rows.
        passages: (n_p, d), unit rows.
        labels: (n_q, n_p) of `OWN` (one in each row), `NEGATIVE` and `IGNORED`.
        tau: Temperature, > 0.
    """
    import torch
    import torch.nn.functional as F

    scores = questions.float() @ passages.float().T / tau  # (n_q, n_p)
    ignored = labels == IGNORED
    own = (labels == OWN).int().argmax(dim=1)  # (n_q,)
    to_passage = F.cross_entropy(scores.masked_fill(ignored, -torch.inf), own)
    pair = scores.gather(1, own[:, None]).squeeze(1)  # (n_q,)
    others = scores.T[own]  # (n_q, n_q): row i, the scores of all questions for i's passage
    not_negative = (labels != NEGATIVE).T[own]
    rest = others.masked_fill(not_negative, -torch.inf)
    to_question = torch.logsumexp(torch.cat([pair[:, None], rest], dim=1), dim=1) - pair
    return (to_passage + to_question.mean()) / 2


def embed_by_length(model: Any, features: dict[str, Any], n_parts: int) -> Tensor:
    """Return the embeddings of the rows, (n, d), computed in parts of like length.

    The vectors are those of one pass over all rows; less is spent on padding. On a GPU, where
    few small passes cost more than padding does, one part is made.

    Args:
        model: A SentenceTransformer.
        features: Tokenised rows; `attention_mask` is (n, length).
        n_parts: Most parts.
    """
    import torch

    mask = features["attention_mask"]
    parts = 1 if mask.device.type == "cuda" else max(1, min(n_parts, len(mask) // 2))
    order = mask.sum(dim=1).argsort(stable=True)
    found = []
    for rows in order.tensor_split(parts):
        columns = mask[rows].any(dim=0)
        part = {
            name: value[rows][:, columns] if value.shape[:2] == mask.shape else value[rows]
            for name, value in features.items()
            if torch.is_tensor(value) and value.ndim and len(value) == len(mask)
        }
        rest = {name: value for name, value in features.items() if name not in part}
        found.append(model({**rest, **part})["sentence_embedding"])
    return torch.cat(found)[order.argsort()]


def make_loss(model: Any, tau: float) -> Any:
    """Return the loss as the module that sentence-transformers' trainer calls.

    Its `forward(features, labels)` takes [passages, questions] as tokenised features.
    """
    import torch
    import torch.nn.functional as F

    class SymmetricInfoNCE(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: list[dict[str, Tensor]], labels: Tensor) -> Tensor:
            passages = self.model(features[0])["sentence_embedding"]
            questions = embed_by_length(self.model, features[1], QUESTION_PARTS)
            return symmetric_info_nce(
                F.normalize(questions, dim=1), F.normalize(passages, dim=1), labels, tau
            )

    return SymmetricInfoNCE()
