"""32 clients that ask one question each: `homing serve` against a handler around `encode`.

    python benchmarks/serving.py [--small]

One server at a time, in turns, on the same machine with the same model: ours by torch, ours by an
export of 8 bits where `homing export` can make one, and benchmarks/serving_peer.py: what one writes
first. Then ours alone: many requests without a failed one; ten times as many clients as its queue
has room, which it has to refuse with 429 in bounded memory; and 32 clients again. The questions are
those of the SEC reports in shared/data, else made up. Writes benchmarks/results/serving.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import describe_machine

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
QUESTIONS = HERE.parents[1] / "shared/data/sec10k/gpt-3.5-turbo/train_dataset.json"
CLIENTS = 32
QUEUE = 32
OVERLOAD = 10 * QUEUE
PORT = 8231
TURNS = 3
WARM_UP = 300
PEER = "handler around encode"
HOMING = "homing serve"


@dataclass(frozen=True)
class Server:
    """A process that serves, and what it is called."""

    process: subprocess.Popen[bytes]

    def memory_mb(self, field: str) -> float:
        """Return a field of the kernel's account, such as VmRSS or VmHWM."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def cpu_s(self) -> float:
        """Return the processor time that was used so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(command: list[str], path: str) -> Iterator[Server]:
    """Run a server until the block ends; it answers at `path` when it is given."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if process.poll() is not None:
                sys.exit(f"{' '.join(command)} ended with {process.returncode}")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield Server(process)
    finally:
        process.terminate()
        process.wait(timeout=90)


def load(bodies: Path, **options: float) -> dict[str, Any]:
    """Return what the clients of one load saw."""
    arguments = [f"--{name}={value}" for name, value in options.items()]
    script = str(HERE / "serving_load.py")
    command = [sys.executable, script, f"127.0.0.1:{PORT}", str(bodies), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the clients failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ours(model: Path, *more: str) -> list[str]:
    """Return the command of our server."""
    homing = str(Path(sys.executable).parent / "homing")
    return [homing, "serve", str(model), "--name", "model", "--port", str(PORT), *more]


def turn(command: list[str], path: str, bodies: Path, n: int) -> dict[str, Any]:
    """Return how one server did in one turn."""
    with serving(command, path) as server:
        load(bodies, clients=CLIENTS, requests=WARM_UP)
        before = server.cpu_s()
        found = load(bodies, clients=CLIENTS, requests=n)
        n_answers = sum(found["statuses"].values())
        found["cpu_ms_per_request"] = 1000 * (server.cpu_s() - before) / n_answers
        return found


def middle(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the turn of median throughput, with all of them."""
    ordered = sorted(turns, key=lambda found: found["answered_per_s"])
    rates = [round(found["answered_per_s"], 1) for found in turns]
    return {**ordered[len(ordered) // 2], "answered_per_s_of_turns": rates}


def endurance(command: list[str], bodies: Path, n: int) -> dict[str, Any]:
    """Return how ours did over many requests."""
    with serving(command, "/health") as server:
        load(bodies, clients=CLIENTS, requests=WARM_UP)
        before = server.memory_mb("VmRSS")
        found = load(bodies, clients=CLIENTS, requests=n)
        failed = sum(k for status, k in found["statuses"].items() if status != "200")
        return {
            **found,
            "failed": failed + found["broken_connections"],
            "memory_before_mb": before,
            "memory_after_mb": server.memory_mb("VmRSS"),
        }


def overload(command: list[str], bodies: Path, seconds: float) -> dict[str, Any]:
    """Return how ours did with ten times as many clients as its queue has room, and after."""
    with serving([*command, "--max-queue", str(QUEUE)], "/health") as server:
        load(bodies, clients=CLIENTS, requests=WARM_UP)
        before = server.memory_mb("VmRSS")
        found = load(bodies, clients=OVERLOAD, requests=10**9, seconds=seconds)
        peak = server.memory_mb("VmHWM")
        after = load(bodies, clients=QUEUE, requests=1000)
        return {
            "clients": OVERLOAD,
            "during": found,
            "after": after,
            "memory_before_mb": before,
            "memory_peak_mb": peak,
            "memory_after_mb": server.memory_mb("VmRSS"),
        }


def questions() -> list[str]:
    """Return the questions about the reports, or made-up ones of the same length."""
    if QUESTIONS.is_file():
        saved = json.loads(QUESTIONS.read_text(encoding="utf-8"))
        return list(saved["queries"].values())
    return [
        f"How did the costs and expenses of the segment in region {n} change in the year "
        f"{1990 + n % 30} compared to the year before, and which risks does the report name?"
        for n in range(600)
    ]


def exported(model: Path, folder: Path) -> Path | None:
    """Return an export of 8 bits, None where it cannot be made."""
    homing = str(Path(sys.executable).parent / "homing")
    command = [homing, "export", str(model), "--to", "onnx-int8", "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    made = folder / "onnx-int8"
    if done.returncode or not made.is_dir():
        print(f"no export: {done.stderr[-500:]}", file=sys.stderr)
        return None
    return made


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Return everything that was measured, or the overload alone."""
    from homing.retrieval.models import embedded_folder

    model = embedded_folder()
    if model is None:
        sys.exit("The embedded model is needed: pip install 'homing[offline]'")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bodies = folder / "bodies.json"
        texts = [{"input": question, "model": "model"} for question in questions()]
        bodies.write_text(json.dumps(texts), encoding="utf-8")
        small = asked.export or exported(model, folder / "exported")
        best = ours(small or model)
        if asked.only_overload:
            return {"overload": overload(best, bodies, asked.overload_seconds)}
        contenders = {f"{HOMING}, torch": (ours(model), "/health", asked.requests)}
        if small is not None:
            contenders[f"{HOMING}, onnx-int8"] = (ours(small), "/health", asked.requests)
        peer = [sys.executable, str(HERE / "serving_peer.py"), str(model), str(PORT)]
        contenders[PEER] = (peer, "/docs", asked.requests // 4)
        turns: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
        for number in range(TURNS):
            for name, (command, path, n) in contenders.items():
                turns[name].append(turn(command, path, bodies, n))
                rate = turns[name][-1]["answered_per_s"]
                print(f"turn {number + 1}, {name}: {rate:.1f} a second", file=sys.stderr)
        return {
            "contenders": {name: middle(found) for name, found in turns.items()},
            "endurance_of": f"{HOMING}, {'torch' if small is None else 'onnx-int8'}",
            "endurance": endurance(best, bodies, asked.endurance),
            "overload": overload(best, bodies, asked.overload_seconds),
        }


def markdown(result: dict[str, Any]) -> str:
    """Return the result as tables."""
    peer = result["contenders"][PEER]
    lines = [
        f"{CLIENTS} clients that ask one question each over open connections, "
        f"{result['machine']['cores']} cores shared with them; the median of {TURNS} turns.",
        "",
        "| server | answers a second | to the handler | p50 | p99 | p99 / p50 | CPU a request |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in result["contenders"].items():
        ratio = row["answered_per_s"] / peer["answered_per_s"]
        spread = row["p99_ms"] / row["p50_ms"]
        lines.append(
            f"| {name} | {row['answered_per_s']:,.0f} | {ratio:.1f} × | {row['p50_ms']:,.0f} ms "
            f"| {row['p99_ms']:,.0f} ms | {spread:.1f} | {row['cpu_ms_per_request']:.1f} ms |"
        )
    long, heavy = result["endurance"], result["overload"]
    during, after = heavy["during"], heavy["after"]
    n_refused, n_answered = during["statuses"].get("429", 0), during["statuses"].get("200", 0)
    other = sum(during["statuses"].values()) - n_refused - n_answered
    lines += [
        "",
        f"{result['endurance_of']}, {sum(long['statuses'].values()):,} requests: "
        f"{long['failed']:,} failed, {long['answered_per_s']:,.0f} a second, p50 "
        f"{long['p50_ms']:,.0f} ms, p99 {long['p99_ms']:,.0f} ms; memory "
        f"{long['memory_before_mb']:,.0f} MB before, {long['memory_after_mb']:,.0f} MB after.",
        "",
        f"Overload, {heavy['clients']} clients on a queue of {QUEUE}, asking again at once: "
        f"{during['offered_per_s']:,.0f} requests a second, of which {n_answered:,} were answered "
        f"({during['answered_per_s']:,.0f} a second, p99 {during['p99_ms']:,.0f} ms), "
        f"{n_refused:,} got 429, {other:,} anything else, "
        f"{during['broken_connections']:,} connections broke. "
        f"Memory: {heavy['memory_before_mb']:,.0f} MB before, {heavy['memory_peak_mb']:,.0f} MB at "
        f"most, {heavy['memory_after_mb']:,.0f} MB after. Then {QUEUE} clients again: "
        f"{after['answered_per_s']:,.0f} a second, answers by status {after['statuses']}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="Few requests, to try it out")
    parser.add_argument("--export", type=Path, help="An export to serve in place of a new one")
    parser.add_argument("--requests", type=int, default=4000, help="Of ours in each turn")
    parser.add_argument("--endurance", type=int, default=100_000)
    parser.add_argument("--overload-seconds", type=float, default=30.0)
    parser.add_argument(
        "--only-overload", action="store_true", help="Keep what was measured of the rest"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.small:
        asked.requests, asked.endurance, asked.overload_seconds = 400, 1000, 5.0
    kept = asked.out / "serving.json"
    before = (
        json.loads(kept.read_text(encoding="utf-8"))
        if asked.only_overload
        else {
            "command": "python benchmarks/serving.py" + (" --small" if asked.small else ""),
            "machine": describe_machine(),
            "load_average_before": os.getloadavg()[0],
        }
    )
    result = {**before, **measure(asked)}
    asked.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (asked.out / "serving.json").write_text(text, encoding="utf-8")
    (asked.out / "serving.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
