"""A finished workspace into stores, with its own model and the vectors that it kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.dataset import Dataset, load_dataset, save_dataset, save_documents
from homing.errors import UsageError, WorkspaceBusyError
from homing.pipeline import index, search_store
from homing.pipeline.exporting import export_model
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import SentenceTransformerEncoder, encoder_for
from homing.training.settings import TrainingSettings
from homing.training.trainer import train
from homing.types import Document, Passage, Qrel, Query
from homing.workspace import Workspace

pytest.importorskip("lancedb")


@pytest.fixture
def no_passage_is_embedded(monkeypatch) -> None:
    """Let no model embed a passage."""

    def refuse(*_: object) -> None:
        raise AssertionError("a passage was embedded")

    monkeypatch.setattr(SentenceTransformerEncoder, "encode_passages", refuse)


def make_workspace(folder: Path, model: Path) -> Path:
    """Return a workspace as an evaluation leaves it: dataset, documents, model, kept vectors."""
    documents, corpus, queries, qrels = [], {}, {}, []
    for topic, sentence in HANDBOOK.items():
        text = f"{topic.title()}\n\n{sentence}"
        document = Document(f"doc-{topic}", f"handbook/{topic}.md", topic.title(), text)
        passage = Passage(
            topic, document.id, len(topic) + 2, len(text), sentence, ("Handbook", topic.title())
        )
        documents.append(document)
        corpus[topic] = passage
        for part, asked in (("a", sentence[:30]), ("b", sentence[-30:])):
            queries[topic + part] = Query(topic + part, asked)
            qrels.append(Qrel(topic + part, topic))
    with Workspace(folder) as workspace:
        dataset = Dataset(corpus, queries, {"train": qrels[::2], "test": qrels[1::2]})
        save_dataset(dataset, folder)
        save_documents(documents, folder / "documents" / "documents.parquet")
        workspace.write_text("homing.yaml", "train:\n  max_tokens: 48\n")
        shutil.copytree(model, folder / "model")
    keep_vectors(folder, model)
    return folder


def keep_vectors(folder: Path, model: Path) -> None:
    """Embed a workspace's passages as its evaluation does."""
    encoder = CachedEncoder(encoder_for(str(model), 48), folder / "cache" / "embeddings")
    encoder.encode_passages(load_dataset(folder).passage_texts())


@pytest.fixture
def copied(tmp_path, tiny_model) -> Path:
    """A workspace with a model of its own."""
    other = encoder_for(str(tiny_model)).model
    for parameter in other.parameters():
        parameter.data.mul_(1.5)
    other.save_pretrained(str(tmp_path / "other"), create_model_card=False)
    return make_workspace(tmp_path / "tuned", tmp_path / "other")


@pytest.fixture
def query_tuned(tmp_path, tiny_model) -> Path:
    """A workspace whose query tower alone was tuned."""
    folder = make_workspace(tmp_path / "query-tuned", tiny_model)
    shutil.rmtree(folder / "model")
    settings = TrainingSettings(
        recipe="query", epochs=4, learning_rate=3e-3, max_tokens=48, device="cpu"
    )
    dataset = load_dataset(folder)
    log = train(dataset, base_model=str(tiny_model), out=folder / "model", settings=settings)
    assert log.kept == "tuned"
    return folder


def test_what_the_evaluation_embedded_is_not_embedded_again(
    copied, tmp_path, no_passage_is_embedded
):
    done = index(copied, f"lancedb:{tmp_path / 'db'}")
    dataset = load_dataset(copied)
    assert done.filled.n_written == done.filled.n_passages == dataset.n_passages
    assert done.verified.n_bit_identical == done.verified.n_sampled
    assert done.verified.n_found_first == done.verified.n_sampled
    assert done.verified.n_questions > 0
    assert done.verified.recall == 1.0
    assert not done.had_index


def test_a_second_store_takes_the_vectors_from_the_first_run(copied, tmp_path, monkeypatch):
    other = copied / "cache"
    for folder in (other / "embeddings").iterdir():
        for part in folder.iterdir():
            part.unlink()
    index(copied, f"lancedb:{tmp_path / 'db'}")

    def refuse(*_: object) -> None:
        raise AssertionError("a passage was embedded")

    monkeypatch.setattr(SentenceTransformerEncoder, "encode_passages", refuse)
    assert index(copied, f"parquet:{tmp_path / 'vectors'}").verified.recall == 1.0


def test_stored_passages_say_where_they_are_from(copied, tmp_path):
    import lancedb

    index(copied, f"lancedb:{tmp_path / 'db'}")
    rows = lancedb.connect(tmp_path / "db").open_table("vectors").to_arrow().to_pylist()
    dataset = load_dataset(copied)
    assert {row["id"] for row in rows} == set(dataset.corpus)
    for row in rows:
        passage, known = dataset.corpus[row["id"]], row["metadata"]
        assert (row["text"], known["title"]) == (passage.text, passage.title)
        assert (known["start"], known["end"]) == (passage.start, passage.end)
        assert known["path"].endswith(".md")
        assert json.loads(known["_node_content"])["start_char_idx"] == passage.start


def test_the_vectors_are_those_of_title_and_text(copied, tmp_path):
    import pyarrow.parquet as pq

    index(copied, f"parquet:{tmp_path / 'vectors'}")
    rows = pq.read_table(tmp_path / "vectors").to_pylist()
    texts = [f"{row['title']}\n{row['text']}" for row in rows]
    encoder = CachedEncoder(encoder_for(str(copied / "model"), 48))
    stored = np.array([row["vector"] for row in rows], dtype=np.float32)
    np.testing.assert_allclose(stored, encoder.encode_passages(texts), atol=1e-2)
    assert (stored * encoder.encode_passages(texts)).sum(axis=1).min() > 0.999


def test_a_tuned_query_tower_keeps_the_index_of_the_base_and_proves_it(
    query_tuned, tiny_model, tmp_path, no_passage_is_embedded
):
    to = f"lancedb:{tmp_path / 'db'}"
    first = index(query_tuned, to, model=tiny_model)
    assert first.filled.n_written == first.filled.n_passages
    kept = index(query_tuned, to)
    assert kept.had_index
    assert (kept.filled.n_written, kept.filled.n_removed) == (0, 0)
    assert kept.filled.n_kept == first.filled.n_passages
    assert kept.verified.n_bit_identical == kept.verified.n_sampled > 0
    assert kept.verified.recall == 1.0
    assert "the index stays as it is" in kept.text


def test_questions_go_through_the_tuned_tower_where_the_index_stayed(
    query_tuned, tiny_model, tmp_path
):
    to = f"lancedb:{tmp_path / 'db'}"
    index(query_tuned, to, model=tiny_model)
    question = "when does the boat house open"
    base = search_store(query_tuned, question, to, model=tiny_model, k=3)
    tuned = search_store(query_tuned, question, to, k=3)
    scores = [[f.scores["lancedb"] for f in found.findings] for found in (base, tuned)]
    assert scores[0] != scores[1]
    encoder = encoder_for(str(query_tuned / "model"), 48)
    passages = load_dataset(query_tuned).passage_texts()
    best = (encoder.encode_queries([question]) @ encoder.encode_passages(passages).T).max()
    assert scores[1][0] == pytest.approx(float(best), abs=1e-2)


def test_a_model_that_was_tuned_as_a_whole_is_refused_by_the_index_of_the_base(
    copied, tiny_model, tmp_path
):
    to = f"lancedb:{tmp_path / 'db'}"
    index(copied, to, model=tiny_model)
    with pytest.raises(UsageError, match="--replace"):
        index(copied, to)
    with pytest.raises(UsageError, match="vectors of two models"):
        search_store(copied, "when is it open", to)
    assert index(copied, to, replace=True).filled.n_written > 0


def test_a_dataset_without_a_workspace_names_its_model(tmp_path, tiny_model):
    saved = {"queries": {"q": "a"}, "corpus": {"p": "A b c."}, "relevant_docs": {"q": ["p"]}}
    (tmp_path / "handbook.json").write_text(json.dumps(saved))
    with pytest.raises(UsageError, match="--model"):
        index(tmp_path / "handbook.json", f"lancedb:{tmp_path / 'db'}")
    done = index(tmp_path / "handbook.json", f"lancedb:{tmp_path / 'db'}", model=tiny_model)
    assert done.verified.n_questions == 1
    assert done.verified.recall == 1.0


def test_a_corpus_alone_is_enough(copied, tmp_path, tiny_model):
    (tmp_path / "alone").mkdir()
    (copied / "corpus").rename(tmp_path / "alone" / "corpus")
    done = index(tmp_path / "alone", f"parquet:{tmp_path / 'v'}", model=tiny_model)
    assert done.verified.n_questions == 0
    assert done.verified.recall is None
    assert done.filled.n_written > 0


def test_without_an_export_the_verb_that_makes_one_is_named(copied, tmp_path):
    with pytest.raises(UsageError, match=r"homing export .* --to onnx"):
        index(copied, f"lancedb:{tmp_path / 'db'}", backend="onnx")


@pytest.mark.slow
def test_an_export_embeds_too_unless_it_is_of_another_model(copied, tmp_path, tiny_model):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    export_model(copied, "onnx")
    done = index(copied, f"lancedb:{tmp_path / 'db'}", backend="onnx")
    assert done.model.endswith("exported/onnx")
    assert (done.verified.n_found_first, done.verified.recall) == (12, 1.0)
    with pytest.raises(UsageError, match="--replace"):
        index(copied, f"lancedb:{tmp_path / 'db'}")
    shutil.rmtree(copied / "model")
    shutil.copytree(tiny_model, copied / "model")
    with pytest.raises(UsageError, match="exported from another model"):
        index(copied, f"lancedb:{tmp_path / 'other'}", backend="onnx")


def test_nothing_is_indexed_while_another_job_works_in_the_workspace(copied, tmp_path):
    with Workspace(copied), pytest.raises(WorkspaceBusyError):
        index(copied, f"lancedb:{tmp_path / 'db'}")


def test_a_folder_that_cannot_be_made_is_told(copied):
    (copied / "file").write_text("mine")
    for kind in ("lancedb", "chroma", "faiss", "parquet"):
        with pytest.raises(UsageError, match="cannot be made"):
            index(copied, f"{kind}:{copied / 'file' / 'db'}")
