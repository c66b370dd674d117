"""A dataset and contenders to an evaluation."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from homing.dataset import Dataset, iter_documents, pick_split
from homing.evaluation.building import kept_folders
from homing.evaluation.contenders import (
    Contender,
    parse_beside,
    parse_contender,
)
from homing.evaluation.evaluate import evaluate as measure
from homing.evaluation.evaluate import evaluation_summary
from homing.evaluation.files import save_evaluation
from homing.evaluation.identities import fingerprints
from homing.evaluation.verdict import decided
from homing.pipeline.breakage import (
    general_inputs,
    general_sets,
    with_breakage,
    with_measured_costs,
)
from homing.pipeline.conclusion import verdict
from homing.pipeline.embedding import STEP as EMBED_STEP
from homing.pipeline.embedding import (
    ModelSpec,
    embed_corpus,
    embeds_by_workers,
    is_large,
    shared_model,
    spec_of,
)
from homing.pipeline.job import (
    DATASET,
    DOCUMENTS,
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
from homing.pipeline.language_models import ledger_path
from homing.pipeline.pooling import assessed
from homing.pipeline.sharded_search import STEP as SEARCH_STEP
from homing.pipeline.sharded_search import SearchedCorpus
from homing.pipeline.sharding import forget_parts
from homing.pipeline.stored_dataset import open_dataset
from homing.retrieval.encoders import SentenceTransformerEncoder, encoder_for
from homing.retrieval.models import find_model
from homing.retrieval.truncating import TruncatedEncoder
from homing.settings import Settings
from homing.storage import join
from homing.types import Encoder, Evaluation, Retriever

BASE, TUNED, OFFLINE = "base", "tuned", "tuned-offline"
FOLDERS = {TUNED: MODEL, OFFLINE: OFFLINE_MODEL}
HEADLINE = "hit@5"
WITH_WORDS = {
    "bm25": "bm25",
    "bm25+base": "fusion(bm25,base)",
    "bm25+tuned": "fusion(bm25,tuned)",
}
ROOMS = (
    *(
        "pipeline/evaluation",
        "pipeline/breakage",
        "pipeline/pooling",
        "pipeline/embedding",
        "pipeline/sharded_search",
        "evaluation",
        "retrieval",
        "dataset",
    ),
    *("numbers", "vectors", "words"),
    *("llm/embedding", "llm/embedding_calls", "llm/openai_embeddings"),
)


def evaluate(
    dataset: Dataset,
    contenders: Mapping[str, str | Encoder | Retriever],
    *,
    split: str | None = None,
    baseline: str | None = None,
    seed: int = 0,
    max_tokens: int | None = None,
    cache_folder: Path | None = None,
    base_url: str | None = None,
    ledger: Path | None = None,
) -> Evaluation:
    """Return how each contender finds the right passages, with intervals and paired tests.

    Args:
        contenders: Name -> "bm25", a model folder or hub id, "openai:MODEL", "fusion(a,b)" of two
            names or whatever else docs/contenders.md lists, or any `Encoder` or `Retriever` of
            your own.
        split: Whose questions are asked; None takes "test", or the only split there is.
        baseline: Whom the others are compared with; None takes "base", or else the first.
        max_tokens: Longest input of every model; None takes each model's own.
        cache_folder: Where vectors are kept between calls.
        base_url: Where endpoints answer that name no address of their own.
        ledger: The file that keeps the vectors that endpoints were paid for.

    Raises:
        UsageError: Split, baseline or contenders are not sound.
        ModelNotFoundError: A model cannot be had.
        ProviderError: An endpoint answers nothing.
    """
    evaluation = measure(
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
        base_url=base_url,
        ledger=ledger,
    )
    return decided(evaluation, seed)


def evaluate_stage(job: Job) -> StageResult:
    """Compare base, tuned, BM25 and their fusions on the workspace's test questions."""
    settings = job.settings
    source = find_model(settings.train.base_model)
    names = [TUNED, OFFLINE] if "offline_log" in job.summary("train") else [TUNED]
    hashes = inputs_of(job, "train", *(FOLDERS[name] for name in names))
    learnt_from = {
        **inputs_of(job, "curate", *DATASET),
        "base model": source.sha or source.name,
    }
    inputs = {
        **learnt_from,
        **{name: value for name, value in hashes.items() if not name.endswith("README.md")},
        **fingerprints(further_contenders(settings)),
        **general_inputs(settings.evaluate.general),
    }
    return run_stage(
        job,
        "evaluate",
        lambda: _evaluate_into(job, names, learnt_from),
        describe_evaluated,
        inputs=inputs,
        settings=settings.evaluate.affecting_result()
        | {"max_tokens": settings.train.max_tokens, "dimensions": settings.train.dimensions},
        rooms=ROOMS,
        outputs=[EVALUATION],
    )


def describe_evaluated(summary: Mapping[str, Any]) -> str:
    """Return what came out, such as "336 questions, hit@5 base 0.762, tuned 0.842, bm25 0.884"."""
    scores = [f"{n} {values[HEADLINE]:.3f}" for n, values in summary["contenders"].items()]
    return f"{plural(summary['n_queries'], 'question')}, {HEADLINE} {', '.join(scores)}"


def standard_contenders(
    base_model: str,
    encoders: Mapping[str, SentenceTransformerEncoder],
    dimensions: Sequence[int] = (),
) -> list[Contender]:
    """Return the base, the tuned models, BM25, BM25 fused with base and tuned, and shorter vectors.

    Args:
        encoders: Of base and tuned models, by name.
        dimensions: Lengths to which the tuned model's vectors are cut, each a contender such as
            "tuned@128"; none as long as the whole vectors.
    """
    specs = {BASE: base_model, **FOLDERS}
    return [
        *(Contender(name, specs[name], given=encoder) for name, encoder in encoders.items()),
        *(Contender(name, spec) for name, spec in WITH_WORDS.items()),
        *(
            Contender(f"{TUNED}@{n}", f"{MODEL}?dimensions={n}", given=TruncatedEncoder(tuned, n))
            for n in sorted(set(dimensions), reverse=True)
            if (tuned := encoders[TUNED]).dimensions > n
        ),
    ]


def further_contenders(settings: Settings) -> list[Contender]:
    """Return the contenders that the settings name beside a workspace's own, which must fit."""
    cut = [f"{TUNED}@{n}" for n in set(settings.train.dimensions)]
    return parse_beside(settings.evaluate.contenders, [BASE, *FOLDERS, *WITH_WORDS, *cut])


def with_seconds(evaluation: Evaluation, seconds: Mapping[str, float]) -> Evaluation:
    """Return the evaluation with each contender's wall time, 0.0 where none is given."""
    timed = {
        name: replace(result, seconds=seconds.get(name, 0.0))
        for name, result in evaluation.contenders.items()
    }
    return replace(evaluation, contenders=timed)


def _evaluate_into(
    job: Job, names: Sequence[str], learnt_from: Mapping[str, str]
) -> dict[str, Any]:
    settings = job.settings
    dataset = open_dataset(job, learnt_from)  # under the name that training gave it
    general, notes = general_sets(settings.evaluate.general, dataset)
    built: dict[str, Retriever] = {}
    encoders = _encoders(job, names)
    models = worker_models(job, encoders)
    if embeds_by_workers(job, dataset.n_passages):
        for model in models.values():
            embed_corpus(job, model)
    evaluation = measure(
        dataset,
        [
            *standard_contenders(settings.train.base_model, encoders, settings.train.dimensions),
            *further_contenders(settings),
        ],
        split=pick_split(dataset, "test"),
        baseline=BASE,
        seed=settings.evaluate.seed,
        cache_folder=job.path(EMBEDDINGS),
        max_tokens=settings.train.max_tokens,
        language=settings.evaluate.language,
        base_url=settings.evaluate.base_url,
        ledger=ledger_path(job),
        document_paths={d.id: d.path for d in iter_documents(job.path(DOCUMENTS))},
        on_built=built.__setitem__,
        searched=SearchedCorpus(job, models) if is_large(dataset.n_passages) else None,
    )
    evaluation = replace(evaluation, notes=(*evaluation.notes, *notes))
    evaluation = with_breakage(
        evaluation, built, general, base=BASE, tuned=TUNED, seed=settings.evaluate.seed
    )
    evaluation = decided(evaluation, settings.evaluate.seed)
    evaluation = assessed(evaluation, dataset, settings, ledger_path(job))
    if settings.evaluate.costs:
        evaluation = with_measured_costs(evaluation, built, dataset)
    _forget_others(job.path(EMBEDDINGS), kept_folders(built.values()))
    for step in (EMBED_STEP, SEARCH_STEP):
        forget_parts(job, step)
    # Times go into the manifest: what lies in `evaluation/` is the same however long it took.
    with job.workspace.replace_folder(EVALUATION) as folder:
        save_evaluation(replace(with_seconds(evaluation, {}), costs={}), folder)
    seconds = {name: round(r.seconds, 3) for name, r in evaluation.contenders.items()}
    return {
        **evaluation_summary(evaluation),
        "text": verdict(evaluation),
        "contender_seconds": seconds,
        "model": _model_facts(encoders[TUNED]),
    }


def _encoders(job: Job, names: Sequence[str]) -> dict[str, SentenceTransformerEncoder]:
    """Return the encoders of the base model and of those in the workspace, by name."""
    settings = job.settings.train
    specs = {BASE: settings.base_model, **{name: str(job.path(FOLDERS[name])) for name in names}}
    return {
        name: encoder_for(spec, max_tokens=settings.max_tokens, device=settings.device)
        for name, spec in specs.items()
    }


def worker_models(
    job: Job, encoders: Mapping[str, SentenceTransformerEncoder]
) -> dict[str, ModelSpec]:
    """Return key of a model's passages -> how workers load it, of base and tuned models by name."""
    settings = job.settings.train
    places = {name: join(job.shared, folder) for name, folder in FOLDERS.items()}
    base = shared_model(settings.base_model)
    return {
        encoder.passage_key: spec_of(encoder, places.get(name, base), settings)
        for name, encoder in encoders.items()
    }


def _forget_others(folder: Path, kept: set[Path]) -> None:
    """Remove the vectors of models that are no longer compared, such as earlier checkpoints."""
    for other in set(folder.iterdir() if folder.is_dir() else ()) - kept:
        shutil.rmtree(other)


def _model_facts(encoder: SentenceTransformerEncoder) -> dict[str, Any]:
    longest = encoder.model.max_seq_length
    return {
        "query_prompt": encoder.prompts.query,
        "passage_prompt": encoder.prompts.passage,
        # Static models have no limit, and the library says so with infinity.
        "max_tokens": None if longest == math.inf else longest,
        "dimensions": encoder.dimensions,
        "two_towers": encoder.key != encoder.passage_key,
    }
