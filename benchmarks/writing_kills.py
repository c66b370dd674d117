"""`homing write` killed with SIGKILL again and again: what was paid twice, and what was lost.

The server keeps its own list of what it answered, and the ledger is read after each kill. A call
is finished once its answer is in the ledger; one that the server answers later, or had answered
without the client getting to keep it, was in flight. The moments are drawn from a seed: the first
while the job starts, the last while it writes its results, the others at random calls between.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from writing_material import made_up_passages, make_workspace
from writing_server import serving

from homing.llm.structured import closed
from homing.llm.testing import Asked, Paid, read_paid
from homing.pipeline import open_job
from homing.pipeline.llm_writing import language_model_writer
from homing.progress import say
from homing.types import Passage

FAULTS = 0.05
SERVER = ("--delay-ms", 100, "--jitter", 0.5, "--faults", FAULTS, "--slow-s", 0.5,
          "--retry-after-s", 0.2)  # fmt: skip
SETTLED_S = 1.0
"""So long after a kill the server has answered all that it was asked."""
KEPT_FAULTS = ("ok", "slow", "truncated")
"""What reaches the ledger; a broken connection or a body that is no JSON does not."""
OUTPUTS = ("questions/questions.parquet", "rejections/write.parquet")
POLL_S = 0.005


@dataclass(frozen=True)
class Moment:
    """When a run is killed.

    Attributes:
        n_new: After so many answers since it was started.
        n_finished: And after so many finished calls in all.
        later_s: And so much later.
    """

    later_s: float
    n_new: int = 0
    n_finished: int = 0


def run(given: Namespace) -> dict[str, Any]:
    """Return a row for each kill, and whether the files are the same as without any."""
    passages = list(made_up_passages(given.kill_calls))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say(f"kills: {len(passages):,} calls, {FAULTS:.0%} faults, undisturbed")
        calm = undisturbed(folder / "calm", passages, given.seed)
        moments = drawn_moments(given.kills, len(passages), given.seed)
        say(f"kills: the same, killed {len(moments)} times")
        log = folder / "killed.jsonl"
        with serving(*SERVER, "--seed", given.seed, "--log-counts", log) as server:
            make_workspace(folder / "killed", passages, server.url)
            killed = Killed(folder / "killed", log, keys_by_content(folder / "killed", passages))
            rows = [killed.kill(moment) for moment in moments]
            seconds = finish(folder / "killed")
            last = killed.last_row()
        same = {path: hash_of(folder / "killed" / path) == calm["files"][path] for path in OUTPUTS}
    return {
        "n_calls": len(passages),
        "faults": FAULTS,
        "seed": given.seed,
        "undisturbed_s": calm["seconds"],
        "rows": rows,
        "after_the_last": {**last, "seconds": seconds},
        "n_repeated": sum(row["repeated"] for row in rows) + last["repeated"],
        "n_lost": sum(row["lost"] for row in rows) + last["lost"],
        "n_in_flight": sum(row["in_flight"] for row in rows),
        "same_bytes": same,
        "server_killed": server.counts,
        "server_undisturbed": calm["server"],
    }


def undisturbed(workspace: Path, passages: Sequence[Passage], seed: int) -> dict[str, Any]:
    """Return the hashes of what a job writes that nobody kills, and what the server counted."""
    with serving(*SERVER, "--seed", seed) as server:
        make_workspace(workspace, passages, server.url)
        seconds = finish(workspace)
    files = {path: hash_of(workspace / path) for path in OUTPUTS}
    return {"seconds": seconds, "files": files, "server": server.counts}


def drawn_moments(n: int, n_calls: int, seed: int) -> list[Moment]:
    """Return when to kill, in order: while it starts, at random calls, while it ends."""
    draw = random.Random(seed)
    cuts = sorted(draw.sample(range(1, n_calls), max(0, n - 1)))
    first = Moment(draw.uniform(0.1, 1.5))
    between = [Moment(draw.uniform(0.0, 0.05), n_new=end - begin) for begin, end in pairwise(cuts)]
    last = Moment(draw.uniform(0.0, 0.5), n_finished=n_calls)
    return [first, *between, last][:n]


def start(workspace: Path) -> subprocess.Popen[bytes]:
    """Start the job as a user does, and let it go on where it was."""
    command = [sys.executable, "-m", "homing", "write", str(workspace), "--quiet", "--json"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def finish(workspace: Path) -> float:
    """Run the job to its end and return the seconds it took."""
    started = time.monotonic()
    code = start(workspace).wait()
    if code:
        raise SystemExit(f"homing write failed with {code}")
    return time.monotonic() - started


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def keys_by_content(workspace: Path, passages: Sequence[Passage]) -> dict[str, str]:
    """Return what the server calls a request -> the key that the ledger keeps it under.

    An answer that was cut off is asked for again at twice the length, which the server takes for
    another request.
    """
    found: dict[str, str] = {}
    with (
        open_job(workspace, create=False) as job,
        language_model_writer(job, passages) as writer,
    ):
        for planned in writer.requests(passages):
            request = planned.wanted.request
            assert request.schema is not None
            for longer in (1, 2, 4):
                asked = Asked.of(
                    model="test",
                    system=request.system,
                    user=request.user,
                    form="json_schema",
                    schema=closed(request.schema),
                    max_tokens=longer * request.max_tokens,
                )
                found[asked.content] = planned.wanted.key
    return found


class Killed:
    """One job that is killed and started again, and what was known after each kill."""

    def __init__(self, workspace: Path, log: Path, keys: Mapping[str, str]) -> None:
        self._workspace = workspace
        self._log = log
        self._keys = keys
        self._finished: set[str] = set()
        self._n_rows = self._n_paid = self._n_kills = 0

    def kill(self, moment: Moment) -> dict[str, Any]:
        """Start the job, kill it at its moment, and return what that came to."""
        started = time.monotonic()
        job = start(self._workspace)
        while job.poll() is None and not self._has_come(moment):
            time.sleep(POLL_S)
        time.sleep(moment.later_s)
        was_running = job.poll() is None
        job.kill()
        job.wait()
        after_s = time.monotonic() - started
        time.sleep(SETTLED_S)
        self._n_kills += 1
        row = {"kill": self._n_kills, "after_s": after_s, "was_running": was_running}
        return {**row, **self.last_row()}

    def _has_come(self, moment: Moment) -> bool:
        if n_lines(self._log) < self._n_paid + moment.n_new:
            return False
        if not moment.n_finished:
            return True
        return len(ledger_state(self._workspace / "ledger.sqlite")[1]) >= moment.n_finished

    def last_row(self) -> dict[str, Any]:
        """Return what happened since the row before."""
        paid = read_paid(self._log)
        new, self._n_paid = paid[self._n_paid :], len(paid)
        unknown = [p.content for p in new if p.content not in self._keys]
        assert not unknown, f"{len(unknown)} answers to requests that nobody planned"
        n_rows, finished = ledger_state(self._workspace / "ledger.sqlite")
        before = self._finished
        n_kept = n_rows - self._n_rows
        self._n_rows, self._finished = n_rows, finished
        return {
            "ledger_rows": n_rows,
            "finished": len(finished),
            "answered": len(new),
            "in_flight": sum(map(can_be_kept, new)) - n_kept,
            "repeated": sum(self._keys[p.content] in before for p in new),
            "lost": len(before - finished),
        }


def can_be_kept(paid: Paid) -> bool:
    """Tell whether a client that lives keeps such an answer in its ledger."""
    return paid.fault in KEPT_FAULTS


def n_lines(path: Path) -> int:
    """Return how many answers the server's list holds."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def ledger_state(path: Path) -> tuple[int, set[str]]:
    """Return how many answers a ledger holds, and the keys of the requests that are finished."""
    if not path.exists():
        return 0, set()
    with closing(sqlite3.connect(path)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'calls'").fetchone():
            return 0, set()
        rows = db.execute("SELECT key, usable FROM calls").fetchall()
    return len(rows), {key for key, usable in rows if usable}
