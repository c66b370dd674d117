"""Calls a second: ours, what SDK and server can take, and the serial loop of llama-index.

The server answers after 200 ms, 64 calls run at once, so that 320 calls a second are the ideal. The
part of the first second in which the number at once grows from 4 to 64 is counted. With workers,
the 64 are shared by that many processes, and their start is counted as well. "The SDK alone" is
what a machine allows: OpenAI's SDK over aiohttp, as we use it, in a loop that keeps no answer.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from writing_material import made_up_passages, make_workspace
from writing_server import serving

from homing.pipeline import open_job
from homing.pipeline.llm_writing import language_model_writer
from homing.pipeline.writing import write_stage
from homing.progress import say
from homing.types import Passage

AT_ONCE = 64
WORKERS = 2
DELAY_MS = 200
IDEAL = AT_ONCE / (DELAY_MS / 1000)
SERVER = ("--brief", "--delay-ms")

PEER = """
import importlib.util, json, sys, time, warnings
from importlib.metadata import version
from pathlib import Path
from llama_index.core.schema import TextNode
from llama_index.llms.openai_like import OpenAILike

warnings.simplefilter("ignore")
# The file itself: the package that it is in imports torch and an embeddings package.
folder = importlib.util.find_spec("llama_index.finetuning").submodule_search_locations[0]
path = Path(folder) / "embeddings" / "common.py"
spec = importlib.util.spec_from_file_location("common", path)
common = importlib.util.module_from_spec(spec)
spec.loader.exec_module(common)

url, texts, out = sys.argv[1:]
nodes = [TextNode(text=text) for text in json.load(open(texts, encoding="utf-8"))]
llm = OpenAILike(model="test", api_base=url, api_key="none", is_chat_model=True)
started, cpu = time.monotonic(), time.process_time()
dataset = common.generate_qa_embedding_pairs(nodes, llm=llm, output_path=out, verbose=False)
seconds = time.monotonic() - started
names = ("llama-index-core", "llama-index-finetuning", "llama-index-llms-openai-like", "openai")
print(json.dumps({
    "n_calls": len(nodes), "n_questions": len(dataset.queries), "seconds": seconds,
    "client_cpu_ms": 1000 * (time.process_time() - cpu) / len(nodes),
    "versions": {name: version(name) for name in names},
}))
"""


def run(given: Namespace) -> dict[str, Any]:
    """Return calls a second of everyone."""
    import openai  # noqa: F401  once, before anything is measured

    passages = list(made_up_passages(given.calls))
    say(f"throughput: {given.calls:,} calls, {AT_ONCE} at once, {DELAY_MS} ms each")
    ours = measure_ours(passages, DELAY_MS)
    say(f"throughput: the same by {WORKERS} workers that share the limit")
    together = measure_ours(passages, DELAY_MS, workers=WORKERS)
    say("throughput: the SDK alone, by one process and by as many")
    alone = [measure_sdk(passages, n) for n in (1, WORKERS)]
    say("throughput: the same, and a client that only sends and reads bytes, without the delay")
    fewer = passages[: min(len(passages), 4000)]
    undelayed = measure_ours(fewer, 0)
    result: dict[str, Any] = {
        "at_once": AT_ONCE,
        "delay_ms": DELAY_MS,
        "ideal_per_s": IDEAL,
        "ours": {**ours, "share_of_ideal": ours["calls_per_s"] / IDEAL},
        "workers": {
            "n_workers": WORKERS,
            **together,
            "share_of_ideal": together["calls_per_s"] / IDEAL,
        },
        "sdk_alone": alone,
        "ours_without_delay": undelayed,
        "server_alone": measure_server(fewer),
    }
    if given.peer_python:
        say(f"throughput: llama-index, {given.peer_calls} calls one after the other")
        peer = measure_peer(given.peer_python, passages[: given.peer_calls])
        result["peer"] = peer
        result["times_the_peer"] = ours["calls_per_s"] / peer["calls_per_s"]
    return result


def measure_ours(
    passages: Sequence[Passage], delay_ms: float, *, workers: int = 1
) -> dict[str, Any]:
    """Return what the pipeline's own stage of writing takes, from passages to the saved table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(*SERVER, delay_ms, module=False) as server,
    ):
        workspace = Path(folder) / "tuned"
        settings = {
            **make_workspace(workspace, passages, server.url),
            "engine.workers": workers,
        }
        with open_job(workspace, create=False, overrides=settings) as job:
            cpu, server_cpu = time.process_time(), server.cpu_s
            stage = write_stage(job)
            cpu, server_cpu = time.process_time() - cpu, server.cpu_s - server_cpu
            cpu += cpu_of_workers(server.process.pid)
    n, seconds = stage.summary["n_calls"], stage.summary["seconds"]
    assert n == len(passages) == server.counts["answered"], (n, server.counts)
    return {
        **rates(n, seconds, cpu, server_cpu),
        "n_questions": stage.summary["n_questions"],
        "stage_s": stage.seconds,
        "peak_at_once": server.counts["peak_concurrency"],
    }


def cpu_of_workers(*others: int) -> float:
    """Return the seconds of one core that the children of this process have used, but others."""
    import psutil

    children = [c for c in psutil.Process().children() if c.pid not in others]
    return float(sum(sum(child.cpu_times()[:2]) for child in children))


def measure_sdk(passages: Sequence[Passage], n_processes: int) -> dict[str, Any]:
    """Return what the SDK takes that sends the same requests, so many processes together."""
    context = get_context("spawn")
    with (
        serving(*SERVER, DELAY_MS, module=False) as server,
        ProcessPoolExecutor(n_processes, context) as pool,
    ):
        bodies = [json.loads(body) for body in request_bodies(passages, server.url)]
        list(pool.map(time.sleep, [0.5] * n_processes))  # all of them have started
        server_cpu, started = server.cpu_s, time.monotonic()
        shares = [bodies[i::n_processes] for i in range(n_processes)]
        at_once = AT_ONCE // n_processes
        cpu = sum(pool.map(ask_by_sdk, [server.url] * n_processes, shares, [at_once] * n_processes))
        seconds, server_cpu = time.monotonic() - started, server.cpu_s - server_cpu
    n = len(bodies)
    assert server.counts["answered"] == n, server.counts
    return {"n_processes": n_processes, **rates(n, seconds, cpu, server_cpu)}


def ask_by_sdk(url: str, bodies: Sequence[dict[str, Any]], at_once: int) -> float:
    """Send the bodies, so many at once, and return the seconds of one core that it took."""
    import httpx2
    import openai

    async def ask_all() -> None:
        left = iter(bodies)
        async with openai.AsyncOpenAI(
            api_key="none", base_url=url, http_client=openai.DefaultAioHttpClient()
        ) as client:

            async def one_after_the_other() -> None:
                for body in left:
                    await client.post("/chat/completions", body=body, cast_to=httpx2.Response)

            await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))

    began = time.process_time()
    asyncio.run(ask_all())
    return time.process_time() - began


def measure_server(passages: Sequence[Passage]) -> dict[str, Any]:
    """Return what the server takes of a client that does nothing but send and read bytes."""
    with serving(*SERVER, 0, module=False) as server:
        bodies = request_bodies(passages, server.url)
        cpu, server_cpu = time.process_time(), server.cpu_s
        started = time.monotonic()
        asyncio.run(send_all(server.url, bodies))
        seconds = time.monotonic() - started
        cpu, server_cpu = time.process_time() - cpu, server.cpu_s - server_cpu
    n = len(bodies)
    assert server.counts["answered"] == n, server.counts
    return rates(n, seconds, cpu, server_cpu)


def rates(n: int, seconds: float, cpu: float, server_cpu: float) -> dict[str, Any]:
    """Return what `n` calls took, given the seconds of one core of client and server."""
    return {
        "n_calls": n,
        "seconds": seconds,
        "calls_per_s": n / seconds,
        "client_cpu_ms": 1000 * cpu / n,
        "server_cpu_ms": 1000 * server_cpu / n,
    }


def request_bodies(passages: Sequence[Passage], url: str) -> list[bytes]:
    """Return what the writer would send for each passage, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "tuned"
        settings = make_workspace(workspace, passages, url)
        with (
            open_job(workspace, create=False, overrides=settings) as job,
            language_model_writer(job, passages) as writer,
        ):
            requests = [planned.wanted.request for planned in writer.requests(passages)]
    named = {"name": "answer", "schema": requests[0].schema, "strict": True}
    form = {"type": "json_schema", "json_schema": named}
    return [
        json.dumps(
            {
                "model": "test",
                "max_tokens": request.max_tokens,
                "response_format": form,
                "messages": [
                    {"role": "system", "content": request.system},
                    {"role": "user", "content": request.user},
                ],
            }
        ).encode()
        for request in requests
    ]


async def send_all(url: str, bodies: Sequence[bytes]) -> None:
    """Send the bodies over `AT_ONCE` connections, and read every reply to its end."""
    port = urlsplit(url).port
    left = iter(bodies)

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for body in left:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
            writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            reply = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = reply.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()

    await asyncio.gather(*(one_connection() for _ in range(AT_ONCE)))


def measure_peer(python: str, passages: Sequence[Passage]) -> dict[str, Any]:
    """Return what llama-index's loop takes on the same server, without its imports."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(*SERVER, DELAY_MS, module=False) as server,
    ):
        texts, out = Path(folder) / "texts.json", Path(folder) / "dataset.json"
        texts.write_text(json.dumps([p.text for p in passages]), encoding="utf-8")
        command = [python, "-c", PEER, server.url, str(texts), str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"The peer failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "calls_per_s": found["n_calls"] / found["seconds"]}
