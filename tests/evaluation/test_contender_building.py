"""Building: contenders to retrievers, and what is missing found out before any work."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.dataset import Dataset
from homing.errors import MissingDependencyError, ModelNotFoundError
from homing.evaluation.building import Builder, kept_folders
from homing.evaluation.contenders import Contender, in_building_order, parse_contenders
from homing.evaluation.identities import fingerprints
from homing.llm.provider import ProviderError
from homing.llm.testing import ModelVectors, TestServer
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.fusion import FusedRetriever
from homing.retrieval.reranking import RerankedRetriever
from homing.types import Passage, Qrel, Query, Retriever


def dataset() -> Dataset:
    corpus = {
        name: Passage(name, "handbook", 0, len(text), text) for name, text in HANDBOOK.items()
    }
    first = next(iter(corpus))
    return Dataset(corpus, {"q": Query("q", "how long is leave")}, {"test": [Qrel("q", first)]})


class FirstLetters:
    """An encoder from Python: one-hot first letters."""

    key, dimensions = "first letters", 26

    def encode_queries(self, texts):
        return np.eye(26, dtype=np.float32)[[ord(t[0].lower()) - 97 for t in texts]]

    encode_passages = encode_queries


def build(contenders: list[Contender], **options: object) -> dict[str, Retriever]:
    ordered = in_building_order(contenders)
    builder = Builder(dataset(), ordered, split="test", **options)  # type: ignore[arg-type]
    for contender in ordered:
        builder.build(contender)
    return builder.built


def test_encoders_and_retrievers_from_python_take_part():
    words = BM25Retriever(dataset().passage_texts())
    built = build(
        [
            Contender("letters", "mine", FirstLetters()),
            Contender("own", "mine", words),
            *parse_contenders(["words=bm25"]),
            Contender("both", "fusion(words,letters,rrf,0.2)"),
        ]
    )
    assert isinstance(built["words"], BM25Retriever)
    assert isinstance(built["letters"], DenseRetriever)
    assert built["own"] is words
    both = built["both"]
    assert isinstance(both, FusedRetriever)
    assert (both.weight, both.method) == (0.2, "rrf")


def test_static_models_and_rerankers_take_part(
    tiny_model: Path, static_model: Path, tiny_reranker: Path, tmp_path: Path
):
    built = build(
        parse_contenders(
            [
                f"static=static:{static_model}",
                f"plain={static_model}",
                f"read=rerank(plain,{tiny_reranker},3)",
                f"dense={tiny_model}",
            ]
        ),
        cache_folder=tmp_path,
    )
    assert isinstance(built["plain"], DenseRetriever)
    assert built["plain"].encoder.key == built["static"].encoder.key
    reranked, texts = built["read"], dataset().passage_texts()
    assert isinstance(reranked, RerankedRetriever)
    before = built["plain"].scores(["leave"])[0].argsort()[::-1]
    after = reranked.scores(["leave"])[0].argsort()[::-1]
    said = reranked.scorer.score([("leave", texts[i]) for i in before[:3]])
    assert after[:3].tolist() == before[:3][(-said).argsort()].tolist()
    assert after[3:].tolist() == before[3:].tolist()
    assert kept_folders(built.values()) == set(tmp_path.iterdir())
    assert len(fingerprints([Contender("read", f"rerank(plain,{tiny_reranker},3)")])) == 1


@pytest.mark.usefixtures("in_float32")
def test_an_endpoint_finds_what_the_model_behind_it_finds(tiny_model: Path, tmp_path: Path):
    asked = ["how long is parental leave", "travel"]
    with TestServer(embedder=ModelVectors(tiny_model)) as server:
        specs = ["here=" + str(tiny_model), "there=openai:any", "short=openai:any?dimensions=8"]
        for _ in range(2):
            built = build(
                parse_contenders(specs), base_url=server.url, ledger=tmp_path / "ledger.sqlite"
            )
            here, there = built["here"].scores(asked), built["there"].scores(asked)
            assert np.abs(here - there).max() < 1e-5
            assert built["short"].encoder.dimensions == 8
        n_texts = len(set(HANDBOOK.values())) + len(asked) + 1
        assert server.counts.answered == 2 * n_texts - len(asked)  # "short" was asked nothing
        assert server.counts.n_repeated == 0


def test_an_address_of_its_own_goes_before_that_of_all(tiny_model: Path):
    with TestServer() as own, TestServer() as of_all:
        build(
            parse_contenders([f"a=openai:m?base_url={own.url}", "b=openai:m"]),
            base_url=of_all.url,
        )
        assert own.counts.answered == of_all.counts.answered > 0


def test_a_family_that_wants_prompts_gets_them_over_an_endpoint_too():
    with TestServer() as server:
        built = build(
            parse_contenders(
                ["e5=openai:intfloat/e5-small-v2", "bare=openai:intfloat/e5-small-v2?query_prompt="]
            ),
            base_url=server.url,
        )
        assert built["e5"].encoder.key != built["bare"].encoder.key


@pytest.mark.parametrize(
    ("spec", "error", "what"),
    [
        ("nowhere/at/all", ModelNotFoundError, "bad=nowhere/at/all: There is no model folder"),
        ("static:nowhere/at/all", ModelNotFoundError, "bad=.*There is no folder"),
        ("onnx:nowhere", ModelNotFoundError, "bad=.*There is no nowhere/model.onnx"),
        ("rerank(words,./nowhere)", ModelNotFoundError, "bad=.*There is no model folder"),
        ("openai:text-embedding-3-small", ProviderError, "bad=.*OPENAI_API_KEY is not set"),
    ],
)
def test_what_cannot_be_had_costs_the_others_no_time(
    spec: str, error: type[Exception], what: str, monkeypatch: pytest.MonkeyPatch
):
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    contenders = in_building_order(parse_contenders(["words=bm25", f"bad={spec}"]))
    with pytest.raises(error, match=what):
        Builder(dataset(), contenders, split="test")


@pytest.mark.parametrize(
    ("spec", "module", "extra"),
    [
        ("static:x/y", "model2vec", "static"),
        ("onnx:folder", "onnxruntime", "onnx"),
        ("some/model", "sentence_transformers", "train"),
        ("rerank(words,some/model)", "sentence_transformers", "train"),
    ],
)
def test_a_missing_library_is_named_with_the_extra_that_brings_it(
    spec: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == module else found(name, *a)
    )
    contenders = in_building_order(parse_contenders(["words=bm25", f"bad={spec}"]))
    with pytest.raises(MissingDependencyError, match=rf"homing\[{extra}\]"):
        Builder(dataset(), contenders, split="test")


def test_an_export_in_the_place_of_a_model_is_told_how_to_be_written(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelNotFoundError, match=r"holds an exported model\. Write onnx:"):
        Builder(dataset(), parse_contenders([f"int8={tmp_path}"]), split="test")


def test_a_model_that_changes_has_another_fingerprint(tiny_model: Path, tmp_path: Path):
    contenders = parse_contenders(["words=bm25", f"m={tmp_path / 'model'}"])
    shutil.copytree(tiny_model, tmp_path / "model")
    before = fingerprints(contenders)
    assert list(before) == ["contender m"]
    with (tmp_path / "model" / "model.safetensors").open("ab") as file:
        file.write(b"more")
    assert fingerprints(contenders) != before


def test_the_folders_of_kept_vectors_are_known(tiny_model: Path, tmp_path: Path):
    built = build(parse_contenders(["words=bm25", f"m={tiny_model}"]), cache_folder=tmp_path)
    assert kept_folders(built.values()) == set(tmp_path.iterdir())
