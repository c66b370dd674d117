"""What every recipe is handed, and what it must be: one function from a job to its log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from homing.dataset import Dataset
from homing.errors import NothingToDoError
from homing.progress import say
from homing.ranks import n_ranks
from homing.training.examples import Examples, choose_examples, training_examples
from homing.training.negatives import Mined
from homing.training.settings import TrainingSettings
from homing.types import Encoder, Retriever, TrainingLog

MIN_PAIRS = 8
DevScore = Callable[[Encoder], float]
"""Returns dev nDCG@10 of an encoder; higher is better."""
Miner = Callable[["TrainingJob"], Mined | None]
"""Returns what a job's base model mines elsewhere, None where the job is to do so itself."""
RetrieverScore = Callable[[Callable[[list[str]], Retriever]], float]
"""Returns dev nDCG@10 of what is built over the texts of the dev corpus; higher is better."""


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One model to be tuned.

    Attributes:
        dataset: Corpus, queries and qrels.
        base_model: Folder or hub id; for `adapter`, an endpoint's model as well.
        out: The folder that is made.
        settings: How to train; nothing in it is left open (`settled`).
        split: Which qrels to learn from.
        score_dev: Scores an encoder on questions that training does not see; None without any.
        score_retriever: The same for what is no encoder, such as a reranker over a first stage.
        cache_folder: Where vectors that do not change are kept between runs; None keeps none.
        base_url: Where an endpoint answers that names no address of its own.
        ledger: The file that keeps what endpoints were paid for.
        unlabelled: Questions whose answers nobody named, for recipes with a teacher.
        shares_batches: Whether `batch_passages` is that of all processes together, as on a cluster,
            where their number is to change nothing. Under a launcher it is that of each.
        saved: Called in the first process after each checkpoint; None for nothing.
        mined: What the base model mined before, for a corpus that is too large to do so in
            training; None mines there.
    """

    dataset: Dataset
    base_model: str
    out: Path
    settings: TrainingSettings
    split: str = "train"
    score_dev: DevScore | None = None
    score_retriever: RetrieverScore | None = None
    cache_folder: Path | None = None
    base_url: str | None = None
    ledger: Path | None = None
    unlabelled: tuple[str, ...] = ()
    shares_batches: bool = False
    saved: Callable[[], None] | None = None
    mined: Mined | None = None

    @property
    def n_batches_in_step(self) -> int:
        """Batches of `batch_passages` that make what all processes see at a time."""
        return 1 if self.shares_batches else n_ranks()

    def examples(self) -> Examples:
        """Return the passages to learn from, each with its questions, as the settings choose them.

        Raises:
            NothingToDoError: If there are fewer than `MIN_PAIRS` pairs, or one passage alone.
        """
        every = training_examples(self.dataset, self.split)
        most = self.settings.max_offline_passages
        examples = choose_examples(every, most, self.settings.seed)
        n_pairs = examples.n_pairs
        if n_pairs < MIN_PAIRS or len(examples) < 2:
            raise NothingToDoError(
                f"Only {n_pairs} question-passage pairs to train on; at least {MIN_PAIRS} over two "
                "passages are needed. Add documents, or questions with --train-questions."
            )
        drawn = f" of {len(every):,} (max_offline_passages)" if len(examples) < len(every) else ""
        say(f"train: {n_pairs:,} pairs over {len(examples):,} passages{drawn}")
        return examples


class Recipe(Protocol):
    """A way to tune: makes `job.out` and says what it did.

    What is saved is never worse than the base on dev: where nothing was better, the base (or a map
    that changes nothing) is saved, and the log says so.
    """

    def __call__(self, job: TrainingJob) -> TrainingLog: ...
