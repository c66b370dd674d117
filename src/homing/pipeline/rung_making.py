"""One rung of the ladder: trained or averaged, scored, and kept the moment it is there."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.dataset import Dataset
from homing.dataset.tables import atomic
from homing.engine.group import Group
from homing.pipeline.dev_scoring import DEV, DevScorer, bounded, with_rivals_alone
from homing.pipeline.narrowing import few_questions, fewer_passages, some_questions
from homing.pipeline.rungs import Rung
from homing.pipeline.unlabelled import unlabelled_questions
from homing.progress import say
from homing.types import Encoder, TrainingLog, Trial, content_id

if TYPE_CHECKING:
    from homing.training.job import Miner
    from homing.training.settings import TrainingSettings

SCRATCH = "ladder"
"""Folder below the model's, gone when one is chosen."""


class RungMaker:
    """Makes rungs on one dataset; what an earlier run made is read.

    Args:
        dataset: With a dev split.
        base_model: Folder or hub id.
        out: Where the model goes; the rungs are kept below until one is chosen.
        settings: How to train, for every recipe.
        split: What to learn from.
        cache_folder: Where vectors of the whole corpus are kept for an evaluation; None keeps them
            until a recipe is chosen.
        general: Returns nDCG@10 of an encoder on questions that are not the user's; None measures
            nothing.
        group: Processes that train `full`; what is scored, and the other recipes, are this one's.
        miner: Mines hard negatives of a large corpus.

    Attributes:
        folder: Where rungs are kept; another where anything of the above is another.
        dev: What scores a rung.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        base_model: str,
        out: Path,
        settings: TrainingSettings,
        split: str,
        cache_folder: Path | None = None,
        general: Callable[[Encoder], float] | None = None,
        group: Group | None = None,
        miner: Miner | None = None,
    ) -> None:
        self.dataset, self.base_model, self.out = dataset, base_model, out
        self.settings, self.split = settings, split
        self.general, self.group, self.miner = general, group, miner
        key = content_id(base_model, json.dumps(asdict(settings), sort_keys=True), split)
        self.folder = out / SCRATCH / key
        self.cache_folder = cache_folder or self.folder / "vectors"
        few = bounded(few_questions(dataset, settings.seed), DEV)
        self.dev = DevScorer(with_rivals_alone(few, DEV), self.folder / "vectors")
        self._written: dict[str, list[str]] = {}

    def scored(
        self,
        trial: Trial,
        folder: Path | None,
        log: TrainingLog | None,
        *,
        with_general: bool = True,
    ) -> Rung:
        """Return a model as a rung, its trial with its dev scores.

        Args:
            folder: The model; None for the base.
            with_general: Whether the questions that are not the user's are asked, too.
        """
        encoder = self.encoder(folder)
        dense = self.dev.dense(encoder)
        values = self.dev.by_question(dense)
        fused = self.dev.by_question(self.dev.fused(dense))
        general = self.general(encoder) if self.general and with_general else None
        trial = replace(trial, dev=float(values.mean()), fused=float(fused.mean()), general=general)
        say(f"train: {trial.name}: dev nDCG@10 {trial.dev:.3f}, with BM25 {trial.fused:.3f}")
        return Rung(trial, values, folder, log)

    def made(
        self, name: str, settings: TrainingSettings, share: float, base_model: str, key: str
    ) -> Rung:
        """Train and score one rung, or read what an earlier run left of it.

        Args:
            share: Of the passages, or questions, that there would be to learn from.
            key: Tells rungs of the same name apart.

        Raises:
            HomingError: It cannot be trained.
        """
        folder = self.folder / content_id(name, key)
        log, share = self._trained(folder, settings, share, base_model)
        trial = Trial(name, settings.recipe, 0.0, 0.0, log.seconds - log.dev_seconds, share)
        return self.scored(trial, folder, log)

    def averaged(self, tuned: Rung, name: str, weight: float) -> Rung:
        """Average base and tuned weights: no training, one pass over the dev passages.

        Args:
            tuned: A rung that was trained.
            weight: Of the tuned weights, in [0, 1].
        """
        from homing.training.merging import save_average

        assert tuned.log is not None
        assert tuned.folder is not None
        folder = self.folder / content_id(name)
        if not (folder / "modules.json").is_file():
            save_average(self.base_model, tuned.folder, weight, folder, self.settings)
        own = float(tuned.log.settings.get("merge_weight") or 1.0)
        trial = replace(tuned.trial, name=name, seconds=0.0, note="")
        log = replace(tuned.log, settings={**tuned.log.settings, "merge_weight": own * weight})
        return self.scored(trial, folder, log)

    def put_in_place(self, kept: Rung) -> None:
        """Move the model of a rung, or the base, where the model goes; the rungs are deleted."""
        from homing.training.models import load_for_training, save_model

        if kept.folder is None:
            save_model(load_for_training(self.base_model, self.settings), self.out)
        else:
            for entry in kept.folder.iterdir():
                target = self.out / entry.name
                shutil.rmtree(target, ignore_errors=True)
                entry.replace(target)
        shutil.rmtree(self.out / SCRATCH, ignore_errors=True)

    def encoder(self, folder: Path | None) -> Encoder:
        """Return the encoder of a model folder; None for the base."""
        from homing.retrieval.encoders import encoder_for

        settings = self.settings
        spec = str(folder or self.base_model)
        return encoder_for(spec, max_tokens=settings.max_tokens, device=settings.device)

    def unlabelled(self, settings: TrainingSettings) -> list[str]:
        """Return the questions without a label for a recipe, written once."""
        if settings.recipe not in self._written:
            written = unlabelled_questions(self.dataset, self.split, settings)
            self._written[settings.recipe] = written
        return self._written[settings.recipe]

    @cached_property
    def n_learnt_from(self) -> int:
        """How many passages `full` would learn from, of all that have questions."""
        from homing.training.examples import choose_examples, training_examples
        from homing.training.settings import settled

        every = training_examples(self.dataset, self.split)
        device = self.group.device() if self.group else None
        settings = settled(replace(self.settings, recipe="full"), every, device=device)
        return len(choose_examples(every, settings.max_offline_passages, settings.seed))

    def _trained(
        self, folder: Path, settings: TrainingSettings, share: float, base_model: str
    ) -> tuple[TrainingLog, float]:
        """Return the log of a rung and its share, both of an earlier run where there was one."""
        from homing.training.trainer import train

        done = folder.with_suffix(".json")
        if done.is_file():
            kept = json.loads(done.read_text(encoding="utf-8"))
            return TrainingLog.from_json(kept["log"]), float(kept["share"])
        log = train(
            self._narrowed(share),
            base_model=base_model,
            out=folder,
            settings=settings,
            split=self.split,
            score_dev=self.dev.without_cache() if self.group else self.dev,
            cache_folder=self.cache_folder,
            unlabelled=some_questions(self.unlabelled(settings), share, settings.seed),
            group=self.group,
            miner=self.miner,
        )
        gc.collect()  # the Trainer and its model refer to each other
        keep(done, {"share": share, "log": asdict(log)})
        return log, share

    def _narrowed(self, share: float) -> Dataset:
        """Return the dataset with questions about a share of what `full` would learn from."""
        if share >= 1:
            return self.dataset
        asked = {qrel.passage_id for qrel in self.dataset.qrels[self.split]}
        fraction = share * self.n_learnt_from / len(asked)
        return fewer_passages(self.dataset, self.split, fraction, self.settings.seed)


def keep(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as JSON, whole or not at all."""
    with atomic(path) as scratch:
        scratch.write_text(json.dumps(values, default=str), encoding="utf-8")
