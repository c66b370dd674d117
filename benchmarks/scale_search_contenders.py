"""One task of `scale_search.py` in a process of its own.

    python benchmarks/scale_search_contenders.py TASK NAME FOLDER

reads vectors, texts and questions from the folder, does the task, writes what was found to
`TASK-NAME.npz` and prints the seconds as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from homing.dataset import Dataset
from homing.engine.opening import open_engine
from homing.pipeline.job import Job
from homing.pipeline.sharded_mining import ShardedMining
from homing.pipeline.sharded_search import ShardedSearch
from homing.progress import muted
from homing.retrieval.array_files import open_member
from homing.retrieval.bm25 import BM25Retriever, tokenizer_for
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.search import search
from homing.retrieval.stacked import StackedVectors, VectorFile
from homing.settings import Settings
from homing.training.examples import training_examples
from homing.training.negatives import mine
from homing.types import Passage, Qrel, Query, passage_input
from homing.workspace import Workspace

HERE = "one process"
KEY = "k" * 64
K, N_NEGATIVES = 100, 8
N_WORKERS = 2
N_ASKED = 50
"""Questions whose BM25 scores are compared."""


class Known:
    """An `Encoder` of questions that it knows; the passages' vectors are kept."""

    key = KEY

    def __init__(self, asked: dict[str, Any]) -> None:
        self.asked = asked
        self.dimensions = len(next(iter(asked.values())))

    def encode_passages(self, texts: Sequence[str]) -> Any:
        raise AssertionError(f"{len(texts)} passages have no kept vector")

    def encode_queries(self, texts: Sequence[str]) -> Any:
        return np.stack([self.asked[text] for text in texts])


def stacked(folder: Path) -> StackedVectors:
    """Return the passages' vectors in their files."""
    files = json.loads((folder / "files.json").read_text(encoding="utf-8"))
    dimensions = open_member(files[0][0], "vectors").shape[1]
    return StackedVectors([VectorFile(*file) for file in files], dimensions)


def texts_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield title and text of each passage."""
    with (folder / "texts.jsonl").open(encoding="utf-8") as file:
        for line in file:
            title, text = json.loads(line)
            yield title, text


@contextmanager
def job_of(name: str, folder: Path) -> Iterator[Job]:
    """Give a job by the engine of a name, in a workspace of its own."""
    with (
        Workspace(folder / f"job-{name}", create=True) as workspace,
        open_engine(name, n_workers=N_WORKERS) as engine,
    ):
        yield Job(workspace, Settings(), engine)


def search_task(name: str, folder: Path) -> tuple[float, dict[str, Any]]:
    """Search for all queries, as an evaluation does."""
    queries, vectors = np.load(folder / "queries.npy"), stacked(folder)
    texts = [passage_input(*passage) for passage in texts_in(folder)]
    ids = [str(row) for row in range(len(vectors))]
    asked = [str(row) for row in range(len(queries))]
    encoder = Known(dict(zip(asked, queries, strict=True)))
    if name == HERE:
        retriever = DenseRetriever(CachedEncoder(encoder, folder / "vectors"), texts)
        started = time.monotonic()
        run = search(retriever, asked, asked, ids, K)
    else:
        with job_of(name, folder) as job:
            started = time.monotonic()
            retriever = DenseRetriever(encoder, texts, vectors, ShardedSearch(job))
            run = search(retriever, asked, asked, ids, K)
    return time.monotonic() - started, {"ids": run.ranking, "scores": run.scores}


def mine_task(name: str, folder: Path) -> tuple[float, dict[str, Any]]:
    """Mine for all questions, as a training does."""
    questions = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    queries, dataset = np.load(folder / "queries.npy"), dataset_of(folder, questions)
    encoder = Known({text: queries[number] for number, (_, text) in enumerate(questions)})
    mined_of = partial(
        mine, dataset, training_examples(dataset, "train"), encoder, N_NEGATIVES, ceiling=1.0
    )
    if name == HERE:
        started = time.monotonic()
        mined = mined_of(cache_folder=folder / "vectors")
    else:
        with job_of(name, folder) as job:
            started = time.monotonic()
            search = ShardedMining(job, stacked(folder), encoder, dataset.passage_ids())
            mined = mined_of(search=search)
    seconds = time.monotonic() - started
    found = [mined.negatives[query_id] for query_id in dataset.queries]
    ids = np.array([[int(i) for i in (*row, *["-1"] * (N_NEGATIVES - len(row)))] for row in found])
    return seconds, {"ids": ids, "scores": np.zeros((len(ids), 1))}


def dataset_of(folder: Path, questions: list[tuple[int, str]]) -> Dataset:
    """Return the passages, numbered, and questions that one of them answers each."""
    corpus = {
        str(row): Passage(str(row), str(row), 0, len(text), text, (title,))
        for row, (title, text) in enumerate(texts_in(folder))
    }
    queries = {f"q{row}": Query(f"q{row}", text) for row, text in questions}
    qrels = {"train": [Qrel(f"q{row}", str(row)) for row, _ in questions]}
    return Dataset(corpus, queries, qrels)


def words_task(name: str, folder: Path) -> tuple[float, dict[str, Any]]:
    """Index the words of all passages, with the texts in memory as they are in a job."""
    texts = [passage_input(*passage) for passage in texts_in(folder)]
    questions = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    asked = [text for _, text in questions[:N_ASKED]]
    started = time.monotonic()
    if name == "homing":
        words = BM25Retriever(texts, "en")
        seconds = time.monotonic() - started
        scores = words.scores(asked)
    else:
        import bm25s

        tokenize = tokenizer_for("en")
        index = bm25s.BM25(k1=1.5, b=0.75, method="lucene")
        index.index([tokenize(text) for text in texts], show_progress=False)
        seconds = time.monotonic() - started
        scores = np.stack([index.get_scores(tokenize(text)) for text in asked])
    return seconds, {"ids": np.argsort(-scores, axis=1, kind="stable")[:, :K], "scores": scores}


TASKS = {"search": search_task, "mine": mine_task, "words": words_task}


def main() -> None:
    """Do one task and print what it took."""
    task, name, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    with muted():
        seconds, found = TASKS[task](name, folder)
    np.savez(folder / f"{task}-{name}.npz", **found)
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
