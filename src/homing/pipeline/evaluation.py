"""A dataset and contenders to an evaluation."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from homing.dataset import Dataset, load_dataset, pick_split
from homing.evaluation.contenders import Contender, parse_contender, parse_contenders
from homing.evaluation.evaluate import evaluate as measure
from homing.evaluation.evaluate import evaluation_summary
from homing.evaluation.files import save_evaluation
from homing.pipeline.conclusion import verdict
from homing.pipeline.job import (
    DATASET,
    EMBEDDINGS,
    EVALUATION,
    MODEL,
    OFFLINE_MODEL,
    Job,
    StageResult,
    inputs_of,
    plural,
    run_stage,
)
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import SentenceTransformerEncoder, encoder_for
from homing.retrieval.models import find_model
from homing.settings import load_settings
from homing.types import Encoder, Evaluation, Retriever

BASE, TUNED, OFFLINE = "base", "tuned", "tuned-offline"
FOLDERS = {TUNED: MODEL, OFFLINE: OFFLINE_MODEL}
HEADLINE = "hit@5"


def evaluate(
    dataset: Dataset,
    contenders: Mapping[str, str | Encoder | Retriever],
    *,
    split: str | None = None,
    baseline: str | None = None,
    seed: int = 0,
    max_tokens: int | None = None,
    cache_folder: Path | None = None,
) -> Evaluation:
    """Return how each contender finds the right passages, with intervals and paired tests.

    Args:
        contenders: Name -> "bm25", a model folder or hub id, "fusion(a,b)" of two names, or any
            `Encoder` or `Retriever` of your own.
        split: Whose questions are asked; None takes "test", or the only split there is.
        baseline: Whom the others are compared with; None takes "base", or else the first.
        max_tokens: Longest input of every model; None takes each model's own.
        cache_folder: Where vectors are kept between calls.

    Raises:
        UsageError: Split, baseline or contenders are not sound.
        ModelNotFoundError: A model cannot be had.
    """
    return measure(
        dataset,
        [
            parse_contender(f"{name}={spec}")
            if isinstance(spec, str)
            else Contender(name, type(spec).__name__, given=spec)
            for name, spec in contenders.items()
        ],
        split=pick_split(dataset, "test", asked=split),
        baseline=baseline,
        seed=seed,
        max_tokens=max_tokens,
        cache_folder=cache_folder,
    )


def evaluate_stage(job: Job) -> StageResult:
    """Compare base, tuned, BM25 and their fusions on the workspace's test questions."""
    settings = job.settings
    source = find_model(settings.train.base_model)
    names = [TUNED, OFFLINE] if "offline_log" in job.summary("train") else [TUNED]
    hashes = inputs_of(job, "train", *(FOLDERS[name] for name in names))
    inputs = {
        **inputs_of(job, "curate", *DATASET),
        **{name: value for name, value in hashes.items() if not name.endswith("README.md")},
        "base model": source.sha or source.name,
    }
    return run_stage(
        job,
        "evaluate",
        lambda: _evaluate_into(job, names),
        describe_evaluated,
        inputs=inputs,
        settings=settings.evaluate.affecting_result() | {"max_tokens": settings.train.max_tokens},
        rooms=("pipeline/evaluation", "evaluation", "retrieval", "dataset"),
        outputs=[EVALUATION],
    )


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of any dataset, for people and for programs."""

    evaluation: Evaluation

    def as_json(self) -> dict[str, Any]:
        """Return the one object that `--json` prints."""
        return evaluation_summary(self.evaluation)

    @property
    def text(self) -> str:
        """The verdict and a table of all contenders."""
        return verdict(self.evaluation)


def evaluate_dataset(
    source: str | Path,
    contenders: Sequence[str],
    *,
    split: str | None = None,
    out: str | Path | None = None,
    config: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Evaluated:
    """Compare "name=spec" contenders on any dataset; runs and measurements are saved in `out`."""
    parsed = parse_contenders(contenders)
    settings = load_settings(config, overrides)
    dataset = load_dataset(source)
    evaluation = measure(
        dataset,
        parsed,
        split=pick_split(dataset, "test", asked=split),
        seed=settings.evaluate.seed,
        max_tokens=settings.train.max_tokens,
        language=settings.evaluate.language,
    )
    if out is not None:
        save_evaluation(evaluation, Path(out))
    return Evaluated(evaluation)


def describe_evaluated(summary: Mapping[str, Any]) -> str:
    """Return what came out, such as "336 questions, hit@5 base 0.762, tuned 0.842, bm25 0.884"."""
    scores = [f"{n} {values[HEADLINE]:.3f}" for n, values in summary["contenders"].items()]
    return f"{plural(summary['n_queries'], 'question')}, {HEADLINE} {', '.join(scores)}"


def standard_contenders(
    base_model: str, encoders: Mapping[str, SentenceTransformerEncoder]
) -> list[Contender]:
    """Return the base, the tuned models, BM25, and BM25 fused with base and tuned."""
    specs = {BASE: base_model, **FOLDERS}
    return [
        *(Contender(name, specs[name], given=encoder) for name, encoder in encoders.items()),
        Contender("bm25", "bm25"),
        Contender("bm25+base", "fusion(bm25,base)"),
        Contender("bm25+tuned", "fusion(bm25,tuned)"),
    ]


def with_seconds(evaluation: Evaluation, seconds: Mapping[str, float]) -> Evaluation:
    """Return the evaluation with each contender's wall time, 0.0 where none is given."""
    timed = {
        name: replace(result, seconds=seconds.get(name, 0.0))
        for name, result in evaluation.contenders.items()
    }
    return replace(evaluation, contenders=timed)


def _evaluate_into(job: Job, names: Sequence[str]) -> dict[str, Any]:
    settings = job.settings
    dataset = load_dataset(job.workspace.folder)
    specs = {BASE: settings.train.base_model, **{n: str(job.path(FOLDERS[n])) for n in names}}
    encoders = {
        name: encoder_for(spec, max_tokens=settings.train.max_tokens, device=settings.train.device)
        for name, spec in specs.items()
    }
    evaluation = measure(
        dataset,
        standard_contenders(settings.train.base_model, encoders),
        split=pick_split(dataset, "test"),
        baseline=BASE,
        seed=settings.evaluate.seed,
        cache_folder=job.path(EMBEDDINGS),
        language=settings.evaluate.language,
    )
    _forget_others(job.path(EMBEDDINGS), encoders.values())
    # Times go into the manifest: what lies in `evaluation/` is the same however long it took.
    with job.workspace.replace_folder(EVALUATION) as folder:
        save_evaluation(with_seconds(evaluation, {}), folder)
    seconds = {name: round(r.seconds, 3) for name, r in evaluation.contenders.items()}
    return {
        **evaluation_summary(evaluation),
        "verdict": verdict(evaluation),
        "contender_seconds": seconds,
        "model": _model_facts(encoders[TUNED]),
    }


def _forget_others(folder: Path, encoders: Iterable[Encoder]) -> None:
    """Remove the vectors of models that are no longer compared, such as earlier checkpoints."""
    kept = {CachedEncoder(encoder, folder).folder for encoder in encoders}
    for other in folder.iterdir() if folder.is_dir() else ():
        if other not in kept:
            shutil.rmtree(other)


def _model_facts(encoder: SentenceTransformerEncoder) -> dict[str, Any]:
    return {
        "query_prompt": encoder.prompts.query,
        "passage_prompt": encoder.prompts.passage,
        "max_tokens": encoder.model.max_seq_length,
        "dimensions": encoder.dimensions,
    }
