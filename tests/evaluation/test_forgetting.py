"""What tuning forgot: on the bundled set, on any dataset, and never on the user's own data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from homing.dataset import Dataset
from homing.errors import HomingError, UsageError
from homing.evaluation.forgetting import measure_forgetting
from homing.evaluation.general.docstrings import iter_docstrings, iter_modules
from homing.evaluation.general.nanobeir import NAMES, load_nanobeir, nanobeir_name
from homing.evaluation.general.python_docs import (
    N_PASSAGES,
    load_python_docs,
    python_questions,
)
from homing.evaluation.general.sets import GeneralSet, find_general_set, n_shared_passages
from homing.types import Interval, Passage, Qrel, Query

FACTS = {
    "tides": "The tides come and go because the moon pulls at the water of the oceans.",
    "honey": "Honey keeps for years, for there is too little water in it for anything to grow.",
    "swallows": "Swallows leave for the south in September and are back under the roof in April.",
    "glass": "Glass is melted from sand, soda and lime at some fifteen hundred degrees.",
}


class ByWords:
    """An encoder that sees some words; the fewer it knows, the less it finds."""

    dimensions = 16

    def __init__(self, known: str) -> None:
        self.known = known.split()
        self.key = known
        self.n_texts = 0

    def encode_queries(self, texts):
        self.n_texts += len(texts)
        table = np.full((len(texts), self.dimensions), 0.01, dtype=np.float32)
        for row, text in enumerate(texts):
            for column, word in enumerate(self.known):
                table[row, column] += text.lower().count(word)
        return table / np.linalg.norm(table, axis=1, keepdims=True)

    encode_passages = encode_queries


def facts(texts: dict[str, str] | None = None) -> Dataset:
    texts = texts or FACTS
    corpus = {name: Passage(name, name, 0, len(text), text) for name, text in texts.items()}
    queries = {f"{name}?": Query(f"{name}?", f"What about {name}?") for name in texts}
    return Dataset(corpus, queries, {"test": [Qrel(f"{name}?", name) for name in texts]})


def write_nanobeir(folder: Path) -> Path:
    """Write a set as the hub has NanoBEIR's: shards of one split "train", and no scores."""
    tables = {
        "corpus": {"_id": list(FACTS), "text": list(FACTS.values())},
        "queries": {"_id": ["q1", "q2"], "text": ["what moves the sea", "does honey go bad"]},
        "qrels": {"query-id": ["q1", "q2", "q2"], "corpus-id": ["tides", "honey", "glass"]},
    }
    for part, columns in tables.items():
        (folder / part).mkdir(parents=True)
        pq.write_table(pa.table(columns), folder / part / "train-00000-of-00001.parquet")
    return folder


def test_a_model_that_lost_words_finds_less_and_one_that_did_not_the_same():
    general = GeneralSet("facts", facts(), "test")
    base = ByWords("tides honey swallows glass")
    (found,) = measure_forgetting(base, ByWords("tides honey"), [general], seed=0)
    assert (found.name, found.measure, found.n_queries, found.n_passages) == (
        *("facts", "ndcg@10"),
        *(4, 4),
    )
    assert found.base == 1.0
    assert found.tuned < 1.0
    assert found.difference.value == pytest.approx(found.tuned - found.base)
    assert found.difference.low <= found.difference.value <= found.difference.high
    (same,) = measure_forgetting(base, ByWords("honey tides glass swallows"), [general], seed=0)
    assert (same.tuned, same.difference.value) == (1.0, 0.0)


def test_the_same_model_is_not_measured_twice():
    base, tuned = ByWords("honey"), ByWords("honey")
    (found,) = measure_forgetting(base, tuned, [GeneralSet("facts", facts(), "test")], seed=0)
    assert tuned.n_texts == 0
    assert found.difference == Interval(0.0, 0.0, 0.0)


def test_the_python_documentation_is_a_set_of_300_questions_over_500_docstrings():
    general = find_general_set("python-docs")
    assert general.name == "Python documentation"
    assert general.dataset.n_passages == N_PASSAGES == 500
    relevant = general.dataset.split(general.split)
    assert len(relevant) >= 0.9 * len(python_questions()) >= 270
    assert all(len(grades) == 1 for grades in relevant.values())
    corpus = general.dataset.corpus
    asked = {corpus[p].title: q for q, grades in relevant.items() for p in grades}
    assert "10 highest scores" in general.dataset.queries[asked["heapq.nlargest"]].text


def test_questions_are_about_what_this_python_has():
    names = {d.name for name, module in iter_modules() for d in iter_docstrings(name, module)}
    asked = [name for name, _ in python_questions()]
    assert len(set(asked)) == len(asked)
    assert len(names & set(asked)) >= 0.9 * len(asked)


@pytest.mark.slow
def test_another_process_with_other_modules_loaded_has_the_same_set():
    code = (
        "import torch, pytest\n"
        "from homing.evaluation.general.python_docs import load_python_docs\n"
        "print(list(load_python_docs().corpus))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(list(load_python_docs().corpus))


def test_what_is_the_users_own_data_is_noticed():
    general = load_python_docs()
    passages = list(general.corpus.values())[:40]
    texts = {
        p.title: f"## {p.title}\n\nUse it thus. {p.text}\n\nSee also: the index." for p in passages
    }
    n_long = sum(len(p.text.split()) >= 20 for p in passages)
    assert n_shared_passages(general, facts(texts)) >= n_long > 20
    assert n_shared_passages(general, facts()) == 0


def test_any_dataset_can_be_a_general_set_and_carries_its_folders_name(tmp_path):
    data = {
        "queries": {"q": "does honey go bad"},
        "corpus": FACTS,
        "relevant_docs": {"q": ["honey"]},
    }
    (tmp_path / "facts.json").write_text(json.dumps(data))
    general = find_general_set(str(tmp_path / "facts.json"))
    assert general.name == "facts.json"
    assert general.dataset.split(general.split) == {"q": {"honey": 1}}


def test_a_set_that_is_nowhere_says_what_there_is(tmp_path):
    with pytest.raises(UsageError, match=r"python-docs.*nanobeir:NFCorpus"):
        find_general_set(str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match=r"no set 'Nothing'.*SciFact"):
        find_general_set("nanobeir:Nothing")


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("nanobeir:NFCorpus", "NFCorpus"),
        ("nanobeir:nfcorpus", "NFCorpus"),
        ("NanoBEIR:NanoFiQA2018", "FiQA2018"),
        ("python-docs", None),
        ("sets/nanobeir", None),
    ],
)
def test_nanobeir_sets_go_by_name_in_any_case(spec, name):
    assert nanobeir_name(spec) == name
    assert name is None or name in NAMES


def test_a_folder_laid_out_as_nanobeir_is_at_the_hub_is_read(tmp_path):
    general = find_general_set(str(write_nanobeir(tmp_path / "NanoFacts")))
    assert (general.name, general.split) == ("NanoFacts", "train")
    assert general.dataset.n_passages == len(FACTS)
    assert general.dataset.split("train") == {"q1": {"tides": 1}, "q2": {"honey": 1, "glass": 1}}


def test_a_set_in_the_hubs_cache_needs_no_network(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "datasets--zeta-alpha-ai--NanoSciFact"
    write_nanobeir(repository / "snapshots" / "0123abcd")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abcd")
    assert load_nanobeir("SciFact").n_passages == len(FACTS)


def test_without_a_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HomingError, match="HF_HUB_OFFLINE") as error:
        load_nanobeir("SciFact")
    assert "zeta-alpha-ai/NanoSciFact" in str(error.value)
    assert "nanobeir:SciFact" in str(error.value)
