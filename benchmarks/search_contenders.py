"""One exact search in a process of its own: what `search.py` starts for every contender.

    python benchmarks/search_contenders.py NAME FOLDER

reads `passages.npy` and `queries.npy` from the folder, searches, writes the positions found to
`NAME.npy` and prints seconds and peak memory as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

K = 100
TILES = 40
"""Tiles multiplied to measure the rate of the matmul, before the search and after it."""
TRIED_QUERIES, TRIED_PASSAGES = 400, 100_000
EVALUATOR_QUERIES = 2_000
"""The first so many: `InformationRetrievalEvaluator` holds a table of all queries by 50,000
passages several times over, 13 GB for 10,000 queries."""
CHUNKS = [(100, 10_000), (100, 100_000), (1_000, 10_000), (1_000, 50_000), (2_000, 10_000)]
"""(queries, passages) in a chunk of `semantic_search`, of which the fastest is taken."""

Found = tuple[dict[str, Any], Any]


class KnownVectors:
    """An `Encoder` whose texts are the numbers of rows in files of vectors."""

    key = "known"

    def __init__(self, folder: Path) -> None:
        self.passages = np.load(folder / "passages.npy")
        self.queries = np.load(folder / "queries.npy")
        self.dimensions = self.queries.shape[1]

    def encode_passages(self, texts: Sequence[str]) -> Any:
        assert len(texts) == len(self.passages)
        return self.passages

    def encode_queries(self, texts: Sequence[str]) -> Any:
        return self.queries[[int(text) for text in texts]]


def homing(folder: Path) -> Found:
    """Search as an evaluation does; the rate of the matmul is taken in the same process."""
    from homing.retrieval.dense import DenseRetriever
    from homing.retrieval.nearest import tile_shape
    from homing.retrieval.search import search

    encoder = KnownVectors(folder)
    passage_ids = [str(row) for row in range(len(encoder.passages))]
    query_ids = [str(row) for row in range(len(encoder.queries))]
    retriever = DenseRetriever(encoder, passage_ids)
    shape = tile_shape(len(query_ids), len(passage_ids), K)
    rates = [matmul_rate(encoder, shape, _numpy_product)]
    with _Stopwatch() as watch:
        run = search(retriever, query_ids, query_ids, passage_ids, K)
    peak_gb = peak_memory_gb()
    rates.append(matmul_rate(encoder, shape, _numpy_product))
    try:
        import torch  # noqa: F401
    except ImportError:
        torch_rate = None
    else:
        torch_rate = max(matmul_rate(encoder, shape, _torch_product) for _ in range(2))
    rate = _n_operations(encoder.queries, encoder.passages) / watch.seconds / 1e9
    measured = {
        **watch.times(),
        "peak_memory_gb": peak_gb,
        "tile": list(shape),
        "gflop_per_s": rate,
        "matmul_gflop_per_s": rates,
        "torch_matmul_gflop_per_s": torch_rate,
        "share_of_matmul": rate / max(*rates, torch_rate or 0.0),
    }
    return measured, run.ranking


def faiss(folder: Path) -> Found:
    """Search with IndexFlatIP; the vectors are added in parts, so that it holds one copy."""
    import faiss

    queries = np.load(folder / "queries.npy")
    index = faiss.IndexFlatIP(queries.shape[1])
    with _Stopwatch() as adding:
        for part in _parts_of(folder / "passages.npy"):
            index.add(part)
    with _Stopwatch() as watch:
        _, found = index.search(queries, K)
    return {**watch.times(), "indexing_s": adding.seconds}, found


def semantic_search(folder: Path) -> Found:
    """Search with sentence-transformers' `semantic_search` and its defaults."""
    from sentence_transformers.util import semantic_search as search

    passages, queries = np.load(folder / "passages.npy"), np.load(folder / "queries.npy")
    with _Stopwatch() as watch:
        hits = search(queries, passages, top_k=K)
    return watch.times(), np.array([[hit["corpus_id"] for hit in row] for row in hits])


def semantic_search_best(folder: Path) -> Found:
    """The same without normalising once more, in the chunks that a trial finds fastest."""
    from sentence_transformers.util import dot_score
    from sentence_transformers.util import semantic_search as search

    passages, queries = np.load(folder / "passages.npy"), np.load(folder / "queries.npy")

    def timed(chunk: tuple[int, int], n_queries: int, n_passages: int) -> tuple[Any, _Stopwatch]:
        with _Stopwatch() as watch:
            hits = search(
                queries[:n_queries],
                passages[:n_passages],
                query_chunk_size=chunk[0],
                corpus_chunk_size=chunk[1],
                top_k=K,
                score_function=dot_score,
            )
        return hits, watch

    tried = [timed(chunk, TRIED_QUERIES, TRIED_PASSAGES)[1].seconds for chunk in CHUNKS]
    chunk = CHUNKS[int(np.argmin(tried))]
    hits, watch = timed(chunk, len(queries), len(passages))
    trial = {f"{q} x {p}": round(s, 2) for (q, p), s in zip(CHUNKS, tried, strict=True)}
    found = np.array([[hit["corpus_id"] for hit in row] for row in hits])
    return {**watch.times(), "chunks": list(chunk), "tried_s": trial}, found


def information_retrieval_evaluator(folder: Path) -> Found:
    """Evaluate with `InformationRetrievalEvaluator`, which gives measures and no ranking.

    The passages' vectors are given as `corpus_embeddings`, the questions' by a model whose
    `encode_query` looks them up; nothing is embedded. Every passage that ours found for a question
    counts as relevant, so that a precision of 1 at 100 says that the same were found.
    """
    import torch
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.util import cos_sim

    passages = np.load(folder / "passages.npy")
    queries = np.load(folder / "queries.npy")[:EVALUATOR_QUERIES]
    ours = np.load(folder / "homing.npy")[:EVALUATOR_QUERIES]

    class Model:
        def encode_query(self, texts: Sequence[str], **_: Any) -> Any:
            return torch.from_numpy(queries[[int(text) for text in texts]])

    numbers = {str(row): str(row) for row in range(len(passages))}
    evaluator = InformationRetrievalEvaluator(
        queries={str(row): str(row) for row in range(len(queries))},
        corpus=numbers,
        relevant_docs={str(row): {str(p) for p in found} for row, found in enumerate(ours)},
        precision_recall_at_k=[K],
        score_functions={"cosine": cos_sim},
    )
    with _Stopwatch() as watch:
        scores = evaluator.compute_all_metrics(
            Model(), corpus_embeddings=torch.from_numpy(passages)
        )
    precision = float(scores["cosine"]["precision@k"][K])
    measured = {f"precision@{K}_of_ours": precision, "n_queries": len(queries)}
    return {**watch.times(), **measured}, None


CONTENDERS: dict[str, Callable[[Path], Found]] = {
    "homing": homing,
    "faiss": faiss,
    "semantic_search": semantic_search,
    "semantic_search_best": semantic_search_best,
    "information_retrieval_evaluator": information_retrieval_evaluator,
}


def matmul_rate(
    encoder: KnownVectors, shape: tuple[int, int], product: Callable[[Any, Any, Any], None]
) -> float:
    """Return GFLOP/s of nothing but the products that the search needs, over many tiles."""
    n_queries, width = shape
    queries, out = encoder.queries[:n_queries], np.empty(shape, dtype=np.float32)
    starts = range(0, len(encoder.passages) - width + 1, width)
    tiles = [encoder.passages[start : start + width] for start in starts][:TILES]
    product(queries, tiles[0], out)
    started = time.perf_counter()
    for tile in tiles:
        product(queries, tile, out)
    seconds = time.perf_counter() - started
    return _n_operations(queries, tiles[0]) * len(tiles) / seconds / 1e9


def _numpy_product(queries: Any, tile: Any, out: Any) -> None:
    np.matmul(queries, tile.T, out=out)


def _torch_product(queries: Any, tile: Any, out: Any) -> None:
    import torch

    torch.mm(torch.from_numpy(queries), torch.from_numpy(tile).T, out=torch.from_numpy(out))


def _n_operations(queries: Any, passages: Any) -> float:
    return 2.0 * len(queries) * len(passages) * queries.shape[1]


def _parts_of(path: Path) -> Iterator[Any]:
    """Yield rows of a saved table, read and not mapped: mapped pages would count as memory."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        assert version == (1, 0)
        (n_rows, width), _, dtype = np.lib.format.read_array_header_1_0(file)
        for start in range(0, n_rows, 50_000):
            n = min(50_000, n_rows - start)
            yield np.fromfile(file, dtype=dtype, count=n * width).reshape(n, width)


class _Stopwatch:
    """Wall time and processor time of what runs inside."""

    seconds = cpu_s = 0.0

    def __enter__(self) -> _Stopwatch:
        self._started = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started[0]
        self.cpu_s = time.process_time() - self._started[1]

    def times(self) -> dict[str, float]:
        return {"seconds": self.seconds, "cpu_s": self.cpu_s}


def peak_memory_gb() -> float:
    """Return the most that this process ever held in memory, in 10^9 bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e9
    raise OSError("/proc/self/status names no VmHWM; this benchmark needs Linux.")


def main() -> None:
    """Run one contender and print what it took."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    before = os.getloadavg()[0]
    measured, found = CONTENDERS[name](folder)
    measured.setdefault("peak_memory_gb", peak_memory_gb())
    if found is not None:
        np.save(folder / f"{name}.npy", np.asarray(found, dtype=np.int64))
    print(json.dumps({**measured, "load_before": before, "load_after": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
