"""A second opinion on a batch: what a guide scores above the right passage is no negative.

In-batch negatives are taken blindly, and some of them answer the question. GIST (arXiv 2402.16829)
asks a model that already knows something: a passage that it scores above the right one is left out
of the contrast. Its vectors do not change, so each text is embedded once.

Cost: one vector for each passage and question; n_q · n_p products a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import encoder_for
from homing.training.examples import Example
from homing.training.job import TrainingJob
from homing.training.losses import IGNORED, NEGATIVE, OWN
from homing.types import Encoder, IntArray, Passage, passage_input

BASE = "base"


class Guide:
    """Takes negatives that are probably right out of the labels of a batch.

    Args:
        encoder: Whose scores decide.
        margin: Share of the right passage's score above which another is left out.
    """

    def __init__(self, encoder: Encoder, margin: float) -> None:
        self.encoder = encoder
        self.margin = margin

    def read(self, examples: Iterable[Example]) -> None:
        """Embed what batches are made of, all at once, which is faster than batch by batch."""
        examples = list(examples)
        self.encoder.encode_passages([_text(example.passage) for example in examples])
        self.encoder.encode_queries([query.text for e in examples for query in e.queries])

    def without_probable(
        self, labels: Sequence[Sequence[int]], questions: Sequence[str], passages: Sequence[Passage]
    ) -> IntArray:
        """Return the labels, (n_q, n_p), with `IGNORED` for negatives that are probably right.

        A right passage whose score is not positive is its own limit: a share of it would lie above.

        Args:
            labels: Of `OWN` (one in each row), `NEGATIVE` and `IGNORED`.
            questions: Texts of the rows.
            passages: Of the columns; the guide reads them whole, whatever view training shows.
        """
        found = np.array(labels)
        q = self.encoder.encode_queries(questions)
        scores = q @ self.encoder.encode_passages([_text(passage) for passage in passages]).T
        own = (found == OWN).argmax(axis=1)
        right = scores[np.arange(len(own)), own][:, None]
        limit = np.where(right > 0, self.margin * right, right)
        found[(found == NEGATIVE) & (scores > limit)] = IGNORED
        return found


def make_guide(job: TrainingJob) -> Guide | None:
    """Return the guide of a job's settings, None where there is none.

    Raises:
        ModelNotFoundError: It cannot be had.
    """
    full = job.settings.full
    if not full.guide:
        return None
    encoder = encoder_for(
        job.base_model if full.guide == BASE else full.guide,
        max_tokens=job.settings.max_tokens,
        device=job.settings.device,
    )
    return Guide(CachedEncoder(encoder, job.cache_folder), full.guide_margin)


def _text(passage: Passage) -> str:
    return passage_input(passage.title, passage.text)
