"""A dataset to a tuned model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.curation.carving import carve_dev
from homing.dataset import Dataset, pick_split
from homing.engine.group import Group
from homing.engine.opening import open_group
from homing.errors import UsageError
from homing.pipeline.dev_scoring import (
    DevScorer,
    dev_scorer,
    general_score,
    has_dev,
    retriever_scorer,
)
from homing.pipeline.job import (
    CACHE,
    DATASET,
    EMBEDDINGS,
    MODEL,
    OFFLINE_MODEL,
    Job,
    StageResult,
    inputs_of,
    run_stage,
)
from homing.pipeline.ladder import Ladder
from homing.pipeline.rung_making import RungMaker
from homing.pipeline.sharded_mining import CorpusMiner
from homing.pipeline.stored_dataset import open_dataset
from homing.pipeline.training_summary import RERANKER, describe_trained, summary_of
from homing.pipeline.unlabelled import unlabelled_questions
from homing.progress import say
from homing.ranks import is_main, n_ranks
from homing.retrieval.models import EMBEDDED_MODEL, find_model
from homing.settings import Settings, TrainSettings
from homing.settings.engine import EngineSettings
from homing.settings.section import Section
from homing.storage import Place, is_remote
from homing.types import TrainingLog, content_id

if TYPE_CHECKING:
    from homing.training.job import Miner
    from homing.training.settings import TrainingSettings

PERSON = "person"
AUTO, FULL = "auto", "full"
MODEL_FILES = ("modules.json", "config.json", "adapter.json")
"""One of them lies in every folder that holds a model, or an adapter of an API's."""
ROOMS = (
    *("pipeline/training", "pipeline/ladder", "pipeline/rungs", "pipeline/rung_making"),
    *("pipeline/narrowing", "pipeline/pace", "pipeline/dev_scoring", "pipeline/unlabelled"),
    *("pipeline/stored_dataset", "pipeline/training_summary"),
    *("training", "writing", "retrieval", "dataset"),
)


def train(
    dataset: Dataset,
    *,
    out: str | Path,
    base_model: str | None = None,
    settings: TrainingSettings | None = None,
    split: str | None = None,
    dev_fraction: float = 0.1,
    cache_folder: Path | None = None,
    minutes: float | None = None,
    max_forgetting: float = 0.02,
    base_url: str | None = None,
    ledger: Path | None = None,
    group: Group | None = None,
    miner: Miner | None = None,
) -> TrainingLog:
    """Tune a base model on a dataset, save it in `out`, and return what training did.

    The checkpoint that is best on the dev split is kept, and the base model itself if none is
    better.

    Args:
        base_model: Hub id or folder, for the recipe `adapter` "openai:MODEL" as well; None takes
            the embedded default.
        settings: How to train; None takes the defaults.
        split: What to learn from; None takes "train", or the only split there is.
        dev_fraction: Share of the passages that become the dev split where the dataset has none;
            0 keeps the last weights unseen.
        cache_folder: Where the vectors of the dev scores are kept for an evaluation. Without it
            dev is scored over its passages and their rivals alone, at a fraction of the cost.
        minutes: Where given, the recipe is chosen within this time (`pipeline/ladder.py`), if there
            is a dev split to choose on.
        max_forgetting: What that choice may lose of nDCG@10 on general questions, in [0, 1].
        base_url: Where an endpoint answers that names no address of its own.
        ledger: The file that keeps the vectors that an endpoint was paid for.
        group: Processes that train one model together; None trains in this one, or in those that
            a launcher started.
        miner: Mines hard negatives of a large corpus.

    Raises:
        NothingToDoError: There are too few questions.
        ModelNotFoundError: The base model cannot be had.
    """
    from homing.training.settings import TrainingSettings
    from homing.training.trainer import train as tune

    split = pick_split(dataset, "train", asked=split)
    if dev_fraction and not has_dev(dataset, split):
        seed = settings.seed if settings else 0
        dataset = carve_dev(dataset, split, fraction=dev_fraction, seed=seed)
    if minutes is not None and n_ranks() > 1:
        say("train: several processes train one model and do not choose a recipe; full is taken")
        minutes = None
    if minutes is not None and has_dev(dataset, split):
        maker = RungMaker(
            dataset,
            base_model=base_model or EMBEDDED_MODEL,
            out=Path(out),
            settings=settings or TrainingSettings(),
            split=split,
            cache_folder=cache_folder,
            general=general_score(dataset),
            group=group,
            miner=miner,
        )
        return Ladder(maker, minutes=minutes, max_forgetting=max_forgetting).climb()
    if minutes is not None:
        say("train: without dev questions no recipe can be chosen; full is taken")
    settings = settings or TrainingSettings()
    return tune(
        dataset,
        base_model=base_model or EMBEDDED_MODEL,
        out=Path(out),
        settings=settings,
        split=split,
        score_dev=_reachable(dev_scorer(dataset, split, cache_folder), group, Path(out)),
        score_retriever=retriever_scorer(dataset, split),
        cache_folder=cache_folder,
        base_url=base_url,
        ledger=ledger,
        unlabelled=unlabelled_questions(dataset, split, settings),
        group=group,
        miner=miner,
    )


def _reachable(scorer: DevScorer | None, group: Group | None, out: Path) -> DevScorer | None:
    """Return the scorer as those who train can use it."""
    if scorer is None or group is None or not is_remote(group.place_of(out)):
        return scorer
    return scorer.without_cache()


def train_stage(job: Job) -> StageResult:
    """Tune the base model on the workspace's train split into `model/`."""
    settings = job.settings.train
    refuse_reranker(job.settings)
    source = find_model(settings.base_model)
    inputs = {
        **inputs_of(job, "curate", *DATASET),
        "base model": source.sha or source.name,
    }
    return run_stage(
        job,
        "train",
        lambda: _train_into(job, inputs),
        describe_trained,
        inputs=inputs,
        settings=settings.affecting_result(),
        rooms=ROOMS,
        outputs=[MODEL, *([OFFLINE_MODEL] if settings.ablation else [])],
        but_not=[f"{folder}/README.md" for folder in (MODEL, OFFLINE_MODEL)],
    )


def group_of(
    settings: EngineSettings, local: Path, shared: Place
) -> AbstractContextManager[Group | None]:
    """Give the processes of the cluster that the settings name, None where they name none."""
    return open_group(
        settings.name,
        address=settings.address,
        n_workers=settings.train_workers or None,
        local=local,
        shared=shared,
    )


def refuse_reranker(settings: Settings) -> None:
    """Raise `UsageError` if a workspace is to train what its evaluation cannot embed with."""
    if settings.train.recipe == RERANKER:
        raise UsageError(
            "A workspace's model embeds questions and passages, and a reranker does not. Train it "
            "beside the workspace: homing train WORKSPACE --recipe reranker --out RERANKER; then "
            "compare it: homing evaluate WORKSPACE --contender base=MODEL --contender words=bm25 "
            "--contender first='fusion(words,base)' --contender read='rerank(first,RERANKER)'"
        )


def training_settings(settings: TrainSettings) -> TrainingSettings:
    """Return the keywords of training as the settings have them, group by group."""
    from homing.training.settings import TrainingSettings

    is_open = settings.recipe in (None, AUTO)
    named = settings.model_copy(update={"recipe": FULL}) if is_open else settings
    filled: TrainingSettings = _filled(TrainingSettings(), named)
    return filled


def choice_of(settings: TrainSettings, *, is_default: bool) -> dict[str, Any]:
    """Return the keywords by which `train` chooses a recipe; none where one is named.

    Args:
        is_default: Whether it chooses where nothing was said.
    """
    if settings.recipe != AUTO and not (is_default and settings.recipe is None):
        return {}
    return {"minutes": settings.minutes, "max_forgetting": settings.max_forgetting}


def _filled(target: Any, section: Section) -> Any:
    """Return a dataclass with the values that a section has under its field names."""
    values = {f.name: getattr(section, f.name) for f in fields(target)}
    return replace(
        target,
        **{
            name: _filled(getattr(target, name), value) if isinstance(value, Section) else value
            for name, value in values.items()
        },
    )


def without_given_questions(dataset: Dataset) -> Dataset:
    """Return the dataset with the train split reduced to questions that a writer wrote."""
    written = [q for q in dataset.qrels["train"] if dataset.queries[q.query_id].writer != PERSON]
    return replace(dataset, qrels={**dataset.qrels, "train": written})


def _train_into(job: Job, inputs: Mapping[str, str]) -> dict[str, Any]:
    dataset = open_dataset(job, inputs)
    log = _tune(job, dataset, MODEL, inputs)
    summary: dict[str, Any] = summary_of(log)
    if job.settings.train.ablation:
        say("train: once more without the given questions")
        chosen = log.settings["recipe"] if log.trials and log.kept == "tuned" else None
        given_less = without_given_questions(dataset)
        offline = _tune(job, given_less, OFFLINE_MODEL, inputs, recipe=chosen)
        summary["offline_log"] = asdict(offline)
    return summary


def _tune(
    job: Job,
    dataset: Dataset,
    target: str,
    inputs: Mapping[str, str],
    recipe: str | None = None,
) -> TrainingLog:
    """Train in the cache, so that a stopped job goes on there, then put the model in its place.

    Args:
        recipe: Taken instead of that of the settings.
    """
    settings = job.settings.train
    if recipe:
        settings = settings.model_copy(update={"recipe": recipe})
    key = content_id(target, json.dumps([inputs, settings.affecting_result()], sort_keys=True))
    scratch = job.path(CACHE) / "training" / key
    for other in scratch.parent.glob("*") if scratch.parent.is_dir() else ():
        if other != scratch and target == MODEL and is_main():
            shutil.rmtree(other)
    with group_of(job.settings.engine, job.workspace.folder, job.shared) as group:
        log = train(
            dataset,
            out=scratch,
            base_model=settings.base_model,
            settings=training_settings(settings),
            dev_fraction=0,
            cache_folder=job.path(EMBEDDINGS),
            group=group,
            miner=CorpusMiner(job),
            **choice_of(settings, is_default=True),
        )
    job.workspace.put_in_place(scratch, target)
    return log
