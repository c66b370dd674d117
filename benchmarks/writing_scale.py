"""Planned, written and filtered: seconds of each stage and memory, by the number of passages.

Each size runs in a process of its own (`--worker`), so that its peak of memory is its own, with
one question a passage and a server that answers at once. Embedding takes minutes for 10,000
passages on two cores, so that sizes above `--most-embedded` make the round trip by BM25 alone and
leave out near-duplicates by vectors; the smaller make it both ways.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil
from writing_material import made_up_passages, make_workspace
from writing_server import serving

from homing.curation.copied import drop_copied
from homing.curation.duplicates import find_groups
from homing.curation.filters import filter_questions
from homing.curation.repeated import drop_repeated
from homing.curation.roundtrip import find_passages, keep_found_again
from homing.dataset import load_passages, load_questions
from homing.pipeline import open_job
from homing.pipeline.job import PASSAGES, QUESTIONS, Job
from homing.pipeline.llm_writing import estimate_writing
from homing.pipeline.writing import write_stage
from homing.progress import say
from homing.types import Passage, Question

T = TypeVar("T")
MAX_TOKENS = 256
N_SENTENCES = 4
"""Of a passage, some 60 words: long ones only make the embedding longer."""
MOST_COPIED = 0.5


def run(given: Namespace) -> dict[str, Any]:
    """Return the seconds and the memory of each size."""
    sizes = []
    for n in given.sizes:
        say(f"scale: {n:,} passages")
        embeds = n <= given.most_embedded
        sizes.append(run_size(n, embeds=embeds))
    return {"questions_per_passage": 1, "max_tokens": MAX_TOKENS, "sizes": sizes}


def run_size(n: int, *, embeds: bool) -> dict[str, Any]:
    """Return what one size takes, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        workspace = Path(folder) / "tuned"
        # What makes the passages holds them too, which is no part of the measure.
        command = [sys.executable, __file__, "--url", server.url, str(n), str(workspace)]
        subprocess.run([*command, "--make"], check=True)
        flags = ["--embed"] if embeds else []
        done = subprocess.run([*command, *flags], check=True, stdout=subprocess.PIPE, text=True)
        server_mb = psutil.Process(server.process.pid).memory_info().rss / 2**20
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert server.counts["answered"] == n, server.counts
    return {**found, "server_mb": server_mb}


class Stages:
    """What each stage took and left."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def measure(self, name: str, work: Callable[[], T], n_left: Callable[[T], int]) -> T:
        """Return what the work returns; its seconds and the memory since the start are noted."""
        started, cpu = time.monotonic(), time.process_time()
        result = work()
        row = {
            "stage": name,
            "seconds": time.monotonic() - started,
            "cpu_s": time.process_time() - cpu,
            "n_left": n_left(result),
            "memory_mb": psutil.Process().memory_info().rss / 2**20,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        }
        self.rows.append(row)
        left = f"{row['n_left']:,} left, peak {row['peak_mb']:,.0f} MB"
        say(f"scale:   {name}: {row['seconds']:.1f} s, {left}")
        return result


def worker(n: int, workspace: Path, url: str, *, embeds: bool) -> dict[str, Any]:
    """Return the stages of one size."""
    stages = Stages()
    overrides = {"write.base_url": url}
    with open_job(workspace, create=False, overrides=overrides) as job:
        stages.measure("plan", lambda: estimate_writing(job), lambda e: int(e["n_calls"]))
        written = stages.measure(
            "write", lambda: write_stage(job), lambda s: int(s.summary["n_questions"])
        )
        passages, questions = load_passages(job.path(PASSAGES)), load_questions(job.path(QUESTIONS))
        filter_all(job, stages, passages, questions, embeds=embeds)
    return {
        "n_passages": n,
        "calls_per_s": written.summary["n_calls"] / written.summary["seconds"],
        "stages": stages.rows,
    }


def filter_all(
    job: Job,
    stages: Stages,
    passages: Sequence[Passage],
    questions: Sequence[Question],
    *,
    embeds: bool,
) -> None:
    """Filter as the pipeline does, each filter measured on its own."""
    by_id = {passage.id: passage for passage in passages}
    groups = stages.measure("groups", lambda: find_groups(passages), lambda g: len(set(g.values())))
    form = stages.measure("form", lambda: filter_questions(questions, by_id, groups)[0], len)
    kept = stages.measure("copied", lambda: drop_copied(form, by_id, most=MOST_COPIED)[0], len)
    stages.measure(
        "round trip by BM25",
        lambda: keep_found_again(kept, find_passages(kept, passages, groups))[0],
        len,
    )
    if not embeds:
        return
    from homing.retrieval.cache import CachedEncoder
    from homing.retrieval.encoders import encoder_for

    encoder = CachedEncoder(encoder_for(max_tokens=MAX_TOKENS), job.path("cache/embeddings"))
    distinct = stages.measure("near-duplicates", lambda: drop_repeated(kept, encoder)[0], len)
    stages.measure(
        "round trip",
        lambda: keep_found_again(
            distinct, find_passages(distinct, passages, groups, encoder=encoder)
        )[0],
        len,
    )


def main() -> None:
    """Run one size and print what it took as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("n", type=int)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--url", required=True)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--embed", action="store_true")
    given = parser.parse_args()
    if given.make:
        passages = list(made_up_passages(given.n, n_sentences=N_SENTENCES))
        make_workspace(given.workspace, passages, given.url, questions_per_passage=1)
        return
    print(json.dumps(worker(given.n, given.workspace, given.url, embeds=given.embed)))


if __name__ == "__main__" and len(sys.argv) > 1:  # `make bench` runs every file here
    main()
