"""Embedding, searching and mining by workers: what comes out is what one process gives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sharded_work import DyingOnce, die

from homing.dataset import load_dataset, tables
from homing.dataset.mteb import save_dataset
from homing.engine.base import Engine, EngineError
from homing.engine.local import LocalEngine
from homing.pipeline import embedding, sharded_search
from homing.pipeline.embedding import (
    ModelDiffersError,
    ModelSpec,
    embed_corpus,
    load_encoder,
    spec_of,
)
from homing.pipeline.evaluation import evaluate_stage
from homing.pipeline.job import EMBEDDINGS, Job, open_job
from homing.pipeline.sharded_mining import CorpusMiner, ShardedMining
from homing.pipeline.sharded_search import RangeSearch, ShardedSearch, made_parts
from homing.pipeline.sharding import PARTS, Piece
from homing.retrieval.array_files import read_arrays, save_array
from homing.retrieval.cache import CachedEncoder, write_part
from homing.retrieval.encoders import SentenceTransformerEncoder, encoder_for
from homing.retrieval.nearest import nearest
from homing.retrieval.stacked import StackedVectors, VectorFile
from homing.settings import Settings
from homing.training.examples import training_examples
from homing.training.job import TrainingJob
from homing.training.mining import mine_for
from homing.training.negatives import mine
from homing.training.settings import NegativesSettings, TrainingSettings
from homing.types import FloatArray
from homing.vectors import normalised
from homing.workspace import Workspace

K = 20


@contextmanager
def job_in(folder: Path, engine: Engine | None = None) -> Iterator[Job]:
    """Give a job in a workspace that is there, by another engine if one is given."""
    with open_job(folder, create=False) as job:
        yield job if engine is None else Job(job.workspace, job.settings, engine)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """A job in an empty workspace, with two workers."""
    with LocalEngine(2) as engine, Workspace(tmp_path / "job", create=True) as workspace:
        yield Job(workspace, Settings(), engine)


@pytest.fixture
def in_shards(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace of a finished job whose corpus lies in row groups of three passages."""
    monkeypatch.setattr(tables, "ROWS_IN_GROUP", 3)
    save_dataset(load_dataset(copied), copied)
    shutil.rmtree(copied / EMBEDDINGS)
    return copied


def encoder_and_spec(job: Job) -> tuple[SentenceTransformerEncoder, ModelSpec]:
    settings = job.settings.train
    encoder = encoder_for(settings.base_model, max_tokens=settings.max_tokens)
    return encoder, spec_of(encoder, settings.base_model, settings)


def vectors_in(folder: Path, sizes: tuple[int, ...] = (40, 300, 7, 153)) -> StackedVectors:
    """Save unit vectors, of which every tenth is the one before once more."""
    table = np.random.default_rng(3).standard_normal((sum(sizes), 16)).astype(np.float32)
    table[1::10] = table[0::10]
    files, start = [], 0
    for number, size in enumerate(sizes):
        rows = normalised(table[start : start + size])
        write_part(
            folder / f"part-{number}.npz", [bytes([i % 256] * 32) for i in range(size)], rows
        )
        files.append(VectorFile(str(folder / f"part-{number}.npz"), size))
        start += size
    return StackedVectors(files, 16)


def questions(n: int = 200) -> FloatArray:
    return normalised(np.random.default_rng(4).standard_normal((n, 16)).astype(np.float32))


def assert_same(ours: tuple[np.ndarray, ...], theirs: tuple[np.ndarray, ...]) -> None:
    for mine_, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine_, other)


def test_a_search_over_shards_finds_the_same_ids_and_scores(job: Job, tmp_path: Path) -> None:
    vectors = vectors_in(tmp_path)
    for k in (1, K, 600):
        found = ShardedSearch(job)(questions(), vectors, k)
        assert_same(found, nearest(questions(), vectors[:], k))
    assert not list(job.path(PARTS).rglob("*.np?"))


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_worker_that_is_killed_over_a_range_changes_nothing(
    job: Job, tmp_path: Path, capfd: pytest.CaptureFixture[str], n_workers: int
) -> None:
    vectors = vectors_in(tmp_path)
    save_array(tmp_path / "queries.npy", questions())
    pieces = [
        Piece(f"{first}", RangeSearch(str(tmp_path / "queries.npy"), part, first, K))
        for first, part in vectors.ranges(100)
    ]
    dying = DyingOnce(str(tmp_path / "died"), pieces[1].item.first)
    per = "core" if n_workers == 2 else "device"
    parts = made_parts(job, "search/dying", dying, pieces, per=per)
    assert (tmp_path / "died").exists()
    assert "lost their worker" in capfd.readouterr().err
    for piece, part in zip(pieces, parts, strict=True):
        found = read_arrays(f"{part.folder}/found.npz")
        positions, scores = nearest(questions(), piece.item.vectors[:], K)
        positions[positions >= 0] += piece.item.first
        assert_same((found["positions"], found["scores"]), (positions, scores))


def test_workers_that_die_of_the_same_range_end_the_search_and_what_is_done_is_kept(
    job: Job, tmp_path: Path
) -> None:
    vectors = vectors_in(tmp_path)
    with pytest.raises(EngineError, match=r"again and again.*run the same command again"):
        made_parts(job, "search/dead", die, [Piece("0", RangeSearch("", vectors, 0, K))])


def test_few_questions_are_searched_without_a_worker(job: Job, tmp_path: Path) -> None:
    vectors = vectors_in(tmp_path)
    found = ShardedSearch(Job(job.workspace, job.settings, None))(questions(3), vectors, K)  # type: ignore[arg-type]
    assert_same(found, nearest(questions(3), vectors[:], K))


def test_what_workers_embedded_is_found_by_later_stages(
    in_shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with job_in(in_shards) as job:
        encoder, spec = encoder_and_spec(job)
        vectors = embed_corpus(job, spec)
        texts = load_dataset(in_shards).passage_texts()
        assert len(vectors.files) > 3
        np.testing.assert_allclose(vectors[:], encoder.encode_passages(texts), atol=1e-5)
        monkeypatch.setattr(encoder, "encode_passages", None)
        kept = CachedEncoder(encoder, job.path(EMBEDDINGS)).encode_passages(texts)
        np.testing.assert_array_equal(kept, vectors[:])


def test_a_corpus_that_is_embedded_is_not_embedded_again(in_shards: Path) -> None:
    with job_in(in_shards) as job:
        _, spec = encoder_and_spec(job)
        vectors = embed_corpus(job, spec)
        written = {file.place: Path(file.place).stat().st_mtime_ns for file in vectors.files}
        first = Path(vectors.files[0].place)
        first.unlink()
        again = embed_corpus(job, spec)
        assert again.files == vectors.files
        changed = {
            f.place for f in again.files if Path(f.place).stat().st_mtime_ns != written[f.place]
        }
        assert changed == {str(first)}


def test_a_worker_with_another_model_stops(tiny_model: Path) -> None:
    encoder = encoder_for(str(tiny_model))
    spec = ModelSpec(str(tiny_model), "0" * 64, encoder.dimensions, encoder.bf16)
    with pytest.raises(ModelDiffersError, match="is another one on this worker's machine"):
        load_encoder(spec)


@pytest.mark.slow
def test_negatives_mined_by_workers_are_those_of_one_process(in_shards: Path) -> None:
    dataset = load_dataset(in_shards)
    examples = training_examples(dataset, "train")
    with job_in(in_shards) as job:
        encoder, spec = encoder_and_spec(job)
        vectors = embed_corpus(job, spec)
        search = ShardedMining(job, vectors, encoder, dataset.passage_ids())
        ours = mine(dataset, examples, encoder, 4, ceiling=1.0, search=search)
        theirs = mine(dataset, examples, encoder, 4, ceiling=1.0, cache_folder=job.path(EMBEDDINGS))
        assert ours == theirs
        assert sum(map(len, ours.negatives.values())) > 20
        assert not list(job.path(f"{PARTS}/mine").rglob("*.np?"))


@pytest.mark.slow
def test_a_training_on_a_large_corpus_is_given_what_workers_mined(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with job_in(copied) as job:
        base = job.settings.train.base_model
        settings = TrainingSettings(
            negatives=NegativesSettings(n=2, ceiling=1.0), max_offline_passages=1000
        )
        training = TrainingJob(load_dataset(copied), base, copied / "m", settings)
        assert CorpusMiner(job)(training) is None
        monkeypatch.setattr(embedding, "LARGE", 0)
        mined = CorpusMiner(job)(training)
        encoder = encoder_for(base, max_tokens=settings.max_tokens)
        assert mined is not None
        assert any(mined.negatives.values())
        assert mined == mine_for(training, training.examples(), encoder, job.path(EMBEDDINGS))


def evaluated(folder: Path, engine: Engine | None = None) -> dict[str, bytes]:
    """Evaluate anew; return the bytes of what came out."""
    (folder / "manifests" / "evaluate.json").unlink(missing_ok=True)
    shutil.rmtree(folder / EMBEDDINGS, ignore_errors=True)
    with job_in(folder, engine) as job:
        assert evaluate_stage(job).ran
    files = (folder / "evaluation").rglob("*")
    return {path.name: path.read_bytes() for path in files if path.is_file()}


@pytest.mark.slow
def test_an_evaluation_over_shards_measures_the_same(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = evaluated(copied)
    monkeypatch.setattr(embedding, "LARGE", 0)
    monkeypatch.setattr(sharded_search, "FEW_QUERIES", 0)
    by_workers = evaluated(copied)
    assert by_workers == here
    assert "runs.parquet" in here
    assert not list((copied / PARTS).rglob("*.np?"))


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_both_engines_measure_the_same(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from homing.engine.ray import RayEngine

    here = evaluated(copied)
    with RayEngine(n_workers=2) as engine:
        assert evaluated(copied, engine) == here
        monkeypatch.setattr(embedding, "LARGE", 0)
        monkeypatch.setattr(sharded_search, "FEW_QUERIES", 0)
        assert evaluated(copied, engine) == here
