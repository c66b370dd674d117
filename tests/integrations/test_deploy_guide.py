"""docs/deploy.md from top to bottom: its commands, its code, and that the answers are right."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from guides import commands, python_blocks, run_block
from tuned_models import Tuned, assert_same, make_tuned

from homing.cli.main import app
from homing.cli.session import run_cli
from homing.dataset import load_dataset
from homing.errors import UsageError
from homing.llm.testing import TestServer
from homing.llm.testing.asked import Asked
from homing.pipeline import index
from local_hub import TOKEN, local_hub
from written_handbook import curate_workspace, write_workspace

PAGE = "deploy.md"
SERVER = "http://127.0.0.1:8080"
LISTENING = re.compile(r"listening on (http://127\.0\.0\.1:\d+)")
ASKED = ["who may use the engine?", "how do I ask for parental leave"]
READ = ["Sails\nReef at force five.", "Sails"]


def from_the_text(asked: Asked) -> str:
    """Answer with the longest line of what was asked: a passage, where there is one."""
    return max(asked.user.splitlines(), key=len)


@pytest.fixture(scope="module")
def towers(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """The kind of model that forgives nothing: prompts, and a tower for each side."""
    return make_tuned("two towers", tiny_model, tmp_path_factory.mktemp("towers") / "model")


@pytest.fixture(scope="module")
def folder(towers: Tuned, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `tuned/` in it, and the store that the page's first command fills."""
    folder = tmp_path_factory.mktemp("deploy")
    workspace = write_workspace(folder / "tuned")
    curate_workspace(workspace, **{"train.base_model": str(tiny_model), "curate.round_trip": None})
    shutil.copytree(towers.folder, workspace / "model")
    (workspace / "model/README.md").write_text("# A model\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """The page's `homing serve`, in a process of its own, on a free port."""
    command = next(command for command in commands(PAGE) if command[0] == "serve")
    started = [sys.executable, "-m", "homing", *command, "--port", "0"]
    process = subprocess.Popen(started, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if found := LISTENING.search(line):
                yield found[1]
                break
        else:
            pytest.fail("".join(said))
    finally:
        process.terminate()
        process.communicate(timeout=60)


def homing(command: list[str]) -> int:
    return run_cli(app, command)


def test_the_answer_takes_less_than_twenty_lines() -> None:
    lines = [line for line in python_blocks(PAGE)[0].splitlines() if line.strip()]
    assert len(lines) < 20


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(
    folder: Path, towers: Tuned, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    assert homing(next(command for command in commands(PAGE) if command[0] == "index")) == 0
    variables: dict[str, Any] = {}
    with TestServer(from_the_text) as language_model:
        monkeypatch.setenv("OPENAI_BASE_URL", language_model.url)
        for number, code in enumerate(python_blocks(PAGE)):
            printed = run_block(code.replace(SERVER, server), variables)
            assert printed.strip(), f"block {number} prints nothing"
            _check(code, variables, printed, towers)
        assert language_model.counts.answered >= 2


def _check(code: str, variables: dict[str, Any], printed: str, towers: Tuned) -> None:
    """Compare what a block made with the model's own vectors and what exact search finds."""
    encoder = towers.encoder
    at_server = SERVER in code
    if "found = index.as_retriever" in code:
        dataset = load_dataset("tuned")
        ids, scores = dataset.passage_ids(), _scores(towers, variables["question"])
        best = {ids[row] for row in np.argsort(-scores)[:5]}
        assert {node.node_id for node in variables["found"]} == best
        assert printed.strip() in {p.text for p in dataset.corpus.values()}
    if "answer.source_nodes" in code:
        sources = variables["answer"].source_nodes
        assert {node.node_id for node in sources} == {n.node_id for n in variables["found"]}
        assert all(node.metadata["path"] for node in sources)
    if "OpenAILikeEmbedding" in code:
        by_server = variables["index"].as_retriever(similarity_top_k=5)
        found = by_server.retrieve(variables["question"])
        assert {node.node_id for node in found} == {n.node_id for n in variables["found"]}
        _agree(variables["asks"].get_query_embedding, encoder.encode_queries, ASKED, at_server)
        _agree(variables["fills"].get_text_embedding, encoder.encode_passages, READ, at_server)
    if "class Tuned" in code and "Embeddings" in code:
        shelf = variables["Tuned"]()
        _agree(shelf.embed_query, encoder.encode_queries, ASKED, at_server)
        assert_same(shelf.embed_documents(READ), encoder.encode_passages(READ))
    if "OpenAIEmbeddings" in code:
        _agree(variables["asks"].embed_query, encoder.encode_queries, ASKED, at_server)
        fills = variables["fills"].embed_documents
        _agree(lambda text: fills([text])[0], encoder.encode_passages, READ, at_server)
    if "haystack" in code:
        ask, fills = variables["asks"].run, variables["fills" if at_server else "reads"]
        _agree(lambda text: ask(text)["embedding"], encoder.encode_queries, ASKED, at_server)
        document = fills.run(variables["documents"])["documents"][0]
        _agree(lambda _: document.embedding, encoder.encode_passages, READ[:1], at_server)
    if "least cosine" in code:
        cosines = [float(text) for text in re.findall(r"least cosine (\S+)", printed)]
        assert len(cosines) == 2
        assert min(cosines) > 0.999


def _agree(embed: Any, encode: Any, texts: list[str], at_server: bool) -> None:
    """Fail unless the vectors are ours; a server may compute in bfloat16, as Homing does."""
    found, expected = np.array([embed(text) for text in texts]), encode(texts)
    if not at_server:
        assert_same(found, expected)
    assert np.einsum("ij,ij->i", found, expected).min() > 0.999


def _scores(towers: Tuned, question: str) -> Any:
    passages = towers.encoder.encode_passages(load_dataset("tuned").passage_texts())
    return passages @ towers.encoder.encode_queries([question])[0]


@pytest.mark.slow
def test_every_command_of_the_page_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import constants

    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with local_hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        for command in commands(PAGE):
            if command[0] != "serve":  # which the other test runs
                assert homing(command) == 0, command
        assert "me/handbook-minilm" in hub.repositories
    assert "the index stays as it is" in capsys.readouterr().out


@pytest.mark.slow
def test_the_traps_of_the_page_are_there(tmp_path: Path) -> None:
    """What the page warns of: scores that are no cosines, inserts that double."""
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores import VectorStoreQuery
    from llama_index.vector_stores.lancedb import LanceDBVectorStore

    nodes = [TextNode(id_=str(n), text=str(n), embedding=[1.0, float(n)]) for n in range(3)]
    store = LanceDBVectorStore(uri=str(tmp_path))
    store.add(nodes)
    query = VectorStoreQuery(query_embedding=[1.0, 1.0], similarity_top_k=2)
    found = store.query(query)
    assert found.ids[0] == "1"
    assert found.similarities == pytest.approx([1.0, np.exp(-1.0)])
    store.add(nodes[:1])
    assert store.table.count_rows() == 4, "the same passage twice"


@pytest.mark.slow
def test_an_index_of_the_base_goes_on_under_a_tuned_tower_and_under_no_other_model(
    folder: Path, towers: Tuned, tiny_model: Path, tmp_path: Path
) -> None:
    to = f"lancedb:{tmp_path / 'db'}"
    base = make_tuned("prompts", tiny_model, tmp_path / "base/model")
    made = index(folder / "tuned", to, model=base.folder)
    kept = index(folder / "tuned", to, model=towers.folder)
    assert made.filled.n_written == kept.filled.n_kept == made.filled.n_passages
    assert (kept.filled.n_written, kept.verified.n_bit_identical) == (0, kept.verified.n_sampled)
    with pytest.raises(UsageError, match="two models cannot be compared"):
        index(folder / "tuned", to, model=make_tuned("plain", tiny_model, tmp_path / "m").folder)
