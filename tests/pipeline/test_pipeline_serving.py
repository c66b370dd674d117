"""A workspace, a model folder or an export, made ready to be served."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from homing.dataset import load_dataset, load_documents
from homing.deployment.backends import encoder_at
from homing.deployment.bundle import load_bundle
from homing.errors import ModelNotFoundError, UsageError, WorkspaceBusyError
from homing.evaluation.choosing import read_choice
from homing.evaluation.files import load_evaluation
from homing.pipeline.serving import Prepared, api_key_from, prepare
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.fusion import FusedRetriever
from homing.retrieval.models import load_sentence_transformer
from homing.retrieval.search import search
from homing.workspace import Workspace

pytest.importorskip("fastapi")


@pytest.fixture
def other_model(tiny_model, tmp_path) -> Path:
    """A model that is neither the tuned one nor its base, which training may have kept."""
    import torch

    model = load_sentence_transformer(str(tiny_model), device="cpu")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.25)
    model.save_pretrained(str(tmp_path / "other-model"))
    return tmp_path / "other-model"


def changed_at(prepared: Prepared, workspace: Path) -> int:
    return (workspace / "bundle" / "passages.parquet").stat().st_mtime_ns


def test_a_workspace_is_served_with_its_passages_and_the_fusion_of_its_evaluation(copied):
    prepared = prepare(copied)
    assert (prepared.model.name, prepared.backend) == ("tuned", "torch")
    assert prepared.folder == copied.resolve() / "model"
    dataset = load_dataset(copied)
    index = prepared.index
    assert index is not None
    assert index.n_passages == dataset.n_passages
    evaluation = load_evaluation(copied / "evaluation")
    fused = evaluation.contenders["bm25+tuned"]
    fusion = index.bundle.facts.fusion
    assert (fusion.method, fusion.weight) == read_choice(fused.chosen)
    assert fusion.source == fused.chosen
    documents = {d.id: d.path for d in load_documents(copied / "documents" / "documents.parquet")}
    for row, passage in enumerate(dataset.corpus.values()):
        assert index.bundle.passage(row) == {
            "id": passage.id,
            "title": passage.title,
            "text": passage.text,
            "page": passage.page,
            "path": documents[passage.document_id],
        }


def test_a_search_finds_what_the_evaluation_measured(copied):
    prepared = prepare(copied)
    dataset = load_dataset(copied)
    encoder = encoder_at(copied / "model")
    texts, fusion = dataset.passage_texts(), prepared.bundle.fusion
    words, dense = BM25Retriever(texts), DenseRetriever(encoder, texts)
    fused = FusedRetriever(words, dense, fusion.weight, fusion.method)
    for query in list(dataset.queries.values())[:5]:
        vector = prepared.model.embed([(query.text, True)])[0][0]
        hits = prepared.index.search(query.text, vector, "fused", 3)
        run = search(fused, ["q"], [query.text], dataset.passage_ids(), 3)
        scores = np.array([hit["score"] for hit in hits])
        # Batches of other sizes round otherwise in bfloat16.
        assert np.abs(scores - run.scores[0]).max() < 0.05


def test_what_is_up_to_date_is_neither_made_nor_written_again(copied, monkeypatch):
    first = prepare(copied)
    when = changed_at(first, copied)
    (copied / "bundle").chmod(0o555)
    monkeypatch.setattr("homing.pipeline.bundling.make_bundle", None)
    second = prepare(copied)
    assert changed_at(second, copied) == when
    assert second.bundle == first.bundle


def test_passages_that_the_evaluation_embedded_are_not_embedded_again(copied, monkeypatch):
    from homing.retrieval.encoders import SentenceTransformerEncoder

    def refuse(self, texts):
        raise AssertionError(f"{len(texts)} texts were embedded again")

    monkeypatch.setattr(SentenceTransformerEncoder, "encode_passages", refuse)
    assert prepare(copied).bundle.n_passages > 0


def test_another_model_makes_the_bundle_anew(copied, other_model):
    before = prepare(copied).bundle
    shutil.rmtree(copied / "model")
    shutil.copytree(other_model, copied / "model")
    after = prepare(copied).bundle
    assert after.passage_key != before.passage_key
    vectors = load_bundle(copied / "bundle").vectors
    texts = load_dataset(copied).passage_texts()
    expected = encoder_at(copied / "model").encode_passages(texts)
    assert np.abs(vectors - expected).max() < 0.02


def test_another_evaluation_changes_the_fusion_alone(copied):
    when = changed_at(prepare(copied), copied)
    path = copied / "evaluation" / "evaluation.json"
    saved = json.loads(path.read_text())
    words = "reciprocal ranks, 0.8 for tuned, chosen on 31 dev questions"
    saved["contenders"]["bm25+tuned"]["chosen"] = words
    path.write_text(json.dumps(saved))
    again = prepare(copied)
    fusion = again.bundle.fusion
    assert (fusion.method, fusion.weight, fusion.source) == ("rrf", 0.8, words)
    assert changed_at(again, copied) == when
    shutil.rmtree(copied / "evaluation")
    fusion = prepare(copied).bundle.fusion
    assert (fusion.method, fusion.weight) == ("z", 0.5)
    assert "there is no evaluation" in fusion.source


def test_a_bundle_that_has_to_be_made_waits_for_no_other_job(copied):
    with Workspace(copied), pytest.raises(WorkspaceBusyError):
        prepare(copied)
    prepare(copied)
    with Workspace(copied):  # while it is only read, a job may work
        prepare(copied)


def test_a_model_folder_has_no_search_until_it_is_given_passages(tmp_path, tiny_model, copied):
    folder = shutil.copytree(tiny_model, tmp_path / "handbook-minilm")
    plain = prepare(folder)
    assert (plain.model.name, plain.index) == ("handbook-minilm", None)
    given = prepare(folder, corpus=copied)
    assert given.bundle.n_passages == load_dataset(copied).n_passages
    assert (folder / "bundle" / "bundle.json").is_file()
    assert prepare(folder).bundle == given.bundle
    (folder / "bundle").rename(tmp_path / "bundle")
    assert prepare(folder).bundle == given.bundle  # beside it is as good


def test_vectors_of_another_model_are_refused(tmp_path, other_model, copied):
    folder = shutil.copytree(other_model, tmp_path / "model-a")
    prepare(copied)
    shutil.copytree(copied / "bundle", folder / "bundle")
    with pytest.raises(UsageError, match=r"are of tuned, not of the model.*--corpus DATASET"):
        prepare(folder)


def test_a_workspace_without_model_or_export_says_what_to_run(copied):
    with pytest.raises(UsageError, match=r"First run: homing export .* --to onnx-int8$"):
        prepare(copied, backend="onnx")
    with pytest.raises(UsageError, match=r"homing export .* --to openvino-int8$"):
        prepare(copied, backend="openvino")
    shutil.rmtree(copied / "model")
    with pytest.raises(UsageError, match="First run: homing train"):
        prepare(copied)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelNotFoundError, match="holds no model"):
        prepare(tmp_path)
    with pytest.raises(ModelNotFoundError, match="There is no model folder"):
        prepare(tmp_path / "nothing" / "here")


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_key_that_is_named_and_not_there_is_an_error(monkeypatch, value):
    monkeypatch.delenv("A_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("A_KEY", value)
    with pytest.raises(UsageError, match="A_KEY, which is not set or empty"):
        api_key_from("A_KEY")


def test_a_key_is_read_from_the_variable_that_is_named(monkeypatch):
    assert api_key_from(None) is None
    monkeypatch.setenv("A_KEY", " secret\n")
    assert api_key_from("A_KEY") == "secret"
    monkeypatch.setenv("A_KEY", "two words")
    with pytest.raises(UsageError, match="no header can carry") as caught:
        api_key_from("A_KEY")
    assert "two words" not in str(caught.value)
