"""The bundle of passages that a server searches: found beside a model, or made of a dataset."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from homing.dataset import Dataset, load_dataset
from homing.deployment.bundle import (
    BundleFacts,
    CorpusHash,
    Fusion,
    make_bundle,
    read_facts,
    update_fusion,
)
from homing.errors import UsageError
from homing.evaluation.choosing import read_choice
from homing.evaluation.files import JSON_NAME, load_evaluation
from homing.pipeline.job import EMBEDDINGS, EVALUATION, own_settings, paths_of_documents, plural
from homing.progress import say
from homing.retrieval.cache import CachedEncoder
from homing.settings import load_settings
from homing.types import Encoder, passage_key
from homing.workspace import Workspace, disk_errors

BUNDLE = "bundle"
FUSED = "bm25+tuned"
SIMPLEST_WORDS = "z-scores, 0.5 for the model, not chosen"


def found_bundle(folder: Path, encoder: Encoder) -> Path | None:
    """Return the bundle that lies in a model's folder or beside it.

    Raises:
        UsageError: It was made by another model.
    """
    for place in (folder / BUNDLE, folder.parent / BUNDLE):
        facts = read_facts(place)
        if facts is None:
            continue
        if facts.passage_key != passage_key(encoder):
            raise UsageError(
                f"The vectors in {place} are of {facts.model}, not of the model in {folder}: a "
                "search would find the wrong passages. Make them anew: homing serve "
                f"{folder} --corpus DATASET; or move {place} away."
            )
        return place
    return None


def current_bundle(
    origin: Path, home: Path, encoder: Encoder, model: str
) -> tuple[Path | None, str]:
    """Return the folder of an up-to-date bundle, made if it has to be; else why there is none."""
    dataset = _passages(origin)
    if dataset is None:
        return None, f"{origin} holds no passages yet: homing curate {origin} makes them."
    folder = home / BUNDLE
    is_job = Workspace.is_at(origin)
    paths = paths_of_documents(origin)
    fusion, language = _settled(origin) if is_job else (Fusion(), "")
    facts = read_facts(folder)
    if facts is not None and _is_current(facts, dataset, paths, encoder, language):
        if facts.fusion != fusion:
            update_fusion(folder, facts, fusion)
        return folder, ""
    cache = origin / EMBEDDINGS if is_job else None
    hold = Workspace(home, create=False) if Workspace.is_at(home) else nullcontext()
    with hold, disk_errors(home):
        made = make_bundle(
            folder,
            dataset.corpus.values(),
            CachedEncoder(encoder, cache),
            model=model,
            paths=paths,
            fusion=fusion,
            language=language,
        )
    say(f"bundle: {plural(made.n_passages, 'passage')} in {folder}; {fusion.source}")
    return folder, ""


def _passages(origin: Path) -> Dataset | None:
    """Return the dataset of a folder, None for a workspace that holds none yet."""
    if Workspace.is_at(origin) and not (origin / "corpus").is_dir():
        return None
    return load_dataset(origin)


def _settled(space: Path) -> tuple[Fusion, str]:
    """Return the fusion that a workspace's evaluation chose on dev, and the language of BM25."""
    language = load_settings(own_settings(space)).evaluate.language
    if not (space / EVALUATION / JSON_NAME).is_file():
        return Fusion(
            source="z-scores, 0.5 for tuned, not chosen: there is no evaluation"
        ), language
    evaluation = load_evaluation(space / EVALUATION)
    result = evaluation.contenders.get(FUSED)
    choice = read_choice(result.chosen) if result is not None else None
    if result is None or choice is None:
        return Fusion(source=f"{SIMPLEST_WORDS}: the evaluation has no {FUSED}"), language
    return Fusion(*choice, source=result.chosen), language


def _is_current(
    facts: BundleFacts, dataset: Dataset, paths: dict[str, str], encoder: Encoder, language: str
) -> bool:
    if facts.passage_key != passage_key(encoder) or facts.language != language:
        return False
    digest = CorpusHash(paths)
    for passage in dataset.corpus.values():
        digest.add(passage)
    return facts.corpus == digest.value()
