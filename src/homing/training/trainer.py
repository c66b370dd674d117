"""The door to training: what was left open is settled, then the recipe does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from homing.dataset import Dataset
from homing.engine.group import Group
from homing.errors import UsageError
from homing.progress import say
from homing.ranks import n_ranks
from homing.training.examples import choose_examples, training_examples
from homing.training.grouped import tune_together
from homing.training.job import DevScore, Miner, Recipe, RetrieverScore, TrainingJob
from homing.training.settings import OF_WEIGHTS, TrainingSettings, settled
from homing.types import TrainingLog


def train(
    dataset: Dataset,
    *,
    base_model: str,
    out: Path,
    settings: TrainingSettings | None = None,
    split: str = "train",
    score_dev: DevScore | None = None,
    score_retriever: RetrieverScore | None = None,
    cache_folder: Path | None = None,
    base_url: str | None = None,
    ledger: Path | None = None,
    unlabelled: Sequence[str] = (),
    group: Group | None = None,
    miner: Miner | None = None,
) -> TrainingLog:
    """Tune `base_model` on a split by the recipe of the settings; return what was done.

    Args:
        dataset: Corpus, queries and qrels.
        base_model: Folder or hub id.
        out: The model folder that is made; loads with `SentenceTransformer(out)`.
        settings: How to train.
        split: Which qrels to learn from.
        score_dev: Scores an encoder on questions that training does not see. Without it the last
            weights are kept.
        score_retriever: The same for what is no encoder.
        cache_folder: Where vectors that do not change are kept between runs.
        base_url: Where an endpoint answers that names no address of its own.
        ledger: The file that keeps what endpoints were paid for.
        unlabelled: Questions whose answers nobody named, for recipes with a teacher.
        group: Processes that do what several can share (`OF_WEIGHTS`); None does all in this one.
        miner: Mines hard negatives of a large corpus before `full` and `lora`.

    Raises:
        NothingToDoError: If the split has too few pairs.
        UsageError: If several processes were launched for a recipe that works in one.
        ModelNotFoundError: If the base model cannot be had.
        MissingDependencyError: If the libraries of the extra `train` are absent.
    """
    settings = settings or TrainingSettings()
    if n_ranks() > 1 and settings.recipe not in OF_WEIGHTS:
        raise UsageError(
            f"The recipe {settings.recipe} works in one process, but {n_ranks()} were launched. "
            "Run it without the launcher, or take --recipe full."
        )
    if settings.recipe not in OF_WEIGHTS:
        group = None
    every = training_examples(dataset, split)
    settings = settled(settings, every, device=group.device() if group else None)
    job = TrainingJob(
        dataset=dataset,
        base_model=base_model,
        out=out,
        settings=settings,
        split=split,
        score_dev=score_dev,
        score_retriever=score_retriever,
        cache_folder=cache_folder,
        base_url=base_url,
        ledger=ledger,
        unlabelled=tuple(unlabelled),
    )
    if settings.dimensions and settings.recipe not in OF_WEIGHTS:
        say(
            f"train: {settings.recipe} makes whole vectors alone; --dimensions is for full and lora"
        )
    if miner is not None and settings.negatives.n and settings.recipe in OF_WEIGHTS:
        job = replace(job, mined=miner(job))
    recipe = find_recipe(settings.recipe)
    if group is None:
        return recipe(job)
    chosen = choose_examples(every, settings.max_offline_passages, settings.seed)
    return tune_together(group, recipe, job, len(chosen))


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a name; what it needs is imported now, not before."""
    recipe: Recipe = import_module(f"homing.training.recipes.{name.replace('-', '_')}").tune
    return recipe
