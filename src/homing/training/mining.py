"""The hard negatives of a job: mined once or before every epoch, and put into its batches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.dataset.tables import atomic
from homing.progress import say
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.training.examples import Example
from homing.training.job import TrainingJob
from homing.training.negatives import Mined, mine
from homing.types import Encoder, Passage, Query

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True, slots=True)
class Hard:
    """A mined passage in a batch; no question of the batch is its own."""

    passage: Passage
    group: str


@dataclass
class HardNegatives:
    """Mines for a job, and says what a batch is shown.

    What was mined is kept in `folder`, so that a job that was stopped goes on with the same
    negatives: those of an epoch depend on the weights at its beginning.

    Attributes:
        job: Its settings say how many are mined, how and when.
        examples: Whose questions are asked.
        folder: The job's checkpoints.
        mined: What is in use now.
        fractions: Epoch -> estimated share of probable answers among the candidates.
    """

    job: TrainingJob
    examples: Sequence[Example]
    folder: Path
    mined: Mined = field(default_factory=Mined)
    fractions: dict[int, float] = field(default_factory=dict)

    def mine(self, epoch: int, model: SentenceTransformer) -> None:
        """Mine for an epoch with the model as it is, or take what was mined for it before."""
        settings = self.job.settings.negatives
        if epoch and not settings.refresh:
            epoch = 0
        if epoch not in self.fractions:
            before = None if epoch else self.job.mined
            self.mined = before or self._kept(epoch) or self._mine(epoch, model)
            self.fractions[epoch] = self.mined.false_negative_fraction
            say(describe_mined(self.mined))

    def beside(self, batch: Sequence[Example], queries: Sequence[Query]) -> list[Hard]:
        """Return the passages mined for these questions, each once, duplicates of the batch not."""
        dataset, n = self.job.dataset, self.job.settings.negatives.n
        seen = {example.group for example in batch}
        found = []
        for query in queries:
            for passage_id in self.mined.negatives.get(query.id, ())[:n]:
                group = dataset.group_of(passage_id)
                if group not in seen:
                    seen.add(group)
                    found.append(Hard(dataset.corpus[passage_id], group))
        return found

    def _mine(self, epoch: int, model: SentenceTransformer) -> Mined:
        # Vectors of the base may serve an evaluation; those of one epoch serve nothing else.
        cache_folder = None if epoch else self.job.cache_folder
        was_training = model.training
        mined = mine_for(self.job, self.examples, SentenceTransformerEncoder(model), cache_folder)
        model.train(was_training)
        with atomic(self._file(epoch)) as scratch:
            scratch.write_text(json.dumps(_as_json(mined)), encoding="utf-8")
        return mined

    def _kept(self, epoch: int) -> Mined | None:
        try:
            return _from_json(json.loads(self._file(epoch).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError):
            return None

    def _file(self, epoch: int) -> Path:
        return self.folder / f"negatives-{epoch}.json"


def mine_for(
    job: TrainingJob,
    examples: Sequence[Example],
    encoder: Encoder,
    cache_folder: Path | None,
    n: int | None = None,
) -> Mined:
    """Return the hard negatives of a job's questions, by its settings; `n` for each or theirs."""
    settings = job.settings.negatives
    return mine(
        job.dataset,
        examples,
        encoder,
        settings.n if n is None else n,
        split=job.split,
        ceiling=settings.ceiling,
        cache_folder=cache_folder,
    )


def describe_mined(mined: Mined) -> str:
    """Return what came out, such as "1,336 hard negatives; 12 % of the candidates …"."""
    n = sum(map(len, mined.negatives.values()))
    share = f"{100 * mined.false_negative_fraction:.0f} %"
    return f"train: {n:,} hard negatives; {share} of the candidates passed over as probable answers"


def _as_json(mined: Mined) -> dict[str, Any]:
    return {
        "negatives": {key: list(ids) for key, ids in mined.negatives.items()},
        "suspected": {key: sorted(ids) for key, ids in mined.suspected.items()},
        "n_looked_at": mined.n_looked_at,
    }


def _from_json(values: Mapping[str, Any]) -> Mined:
    return Mined(
        {key: tuple(ids) for key, ids in values["negatives"].items()},
        {key: frozenset(ids) for key, ids in values["suspected"].items()},
        int(values["n_looked_at"]),
    )
