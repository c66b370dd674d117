"""The test server as a process: prints its URL, serves until told to stop, prints its counts."""

from __future__ import annotations

import argparse
import json
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from homing.errors import HomingError
from homing.llm.testing.answers import MadeUp, QuestionsOf
from homing.llm.testing.behaviour import IGNORABLE, UNSUPPORTED
from homing.llm.testing.faults import KINDS, Faults
from homing.llm.testing.server import TestServer
from homing.llm.testing.vectors import HashVectors, ModelVectors


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = _parser()
    given = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        server = _server(given)
        server.start()
    except (HomingError, ValueError) as error:
        parser.error(str(error))
    print(server.url, flush=True)
    print(f"For Anthropic's SDK: {server.root_url}", flush=True)
    stop.wait()
    server.stop()
    print(json.dumps(server.counts.summary()), flush=True)


def _server(given: argparse.Namespace) -> TestServer:
    faults = Faults.mixed(given.faults, seed=given.seed, slow_s=given.slow_s)
    if given.fault:
        shares = {kind: float(share) for kind, _, share in (f.partition("=") for f in given.fault)}
        faults = Faults.of(shares, seed=given.seed, slow_s=given.slow_s)
    return TestServer(
        QuestionsOf(given.answers) if given.answers else MadeUp(),
        port=given.port,
        faults=faults,
        delay_s=given.delay_ms / 1000,
        jitter=given.jitter,
        max_concurrent=given.max_concurrent,
        max_per_second=given.max_per_second,
        retry_after_s=given.retry_after_s,
        api_key=given.api_key,
        models=given.model,
        unsupported=given.unsupported,
        ignores=given.ignores,
        batch_s=given.batch_s,
        state_file=given.log_counts,
        embedder=ModelVectors(given.embed) if given.embed else HashVectors(),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m homing.llm.testing",
        description="Serve OpenAI's and Anthropic's APIs on 127.0.0.1, with made-up answers.",
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="0 lets the system choose")
    add(
        "--answers",
        type=Path,
        action="append",
        default=[],
        metavar="JSON",
        help="LlamaIndex dataset whose questions are the answers; may be repeated",
    )
    add("--embed", metavar="MODEL", help="whose vectors are given; without it they are made up")
    add("--delay-ms", type=float, default=0.0, help="from a request to its answer")
    add("--jitter", type=float, default=0.0, help="share by which the delay varies")
    add(
        "--faults",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of the requests that something transient befalls",
    )
    add(
        "--fault",
        action="append",
        default=[],
        metavar="KIND=SHARE",
        help=f"instead of --faults: {', '.join(KINDS)}",
    )
    add("--slow-s", type=float, default=1.0, help="how much later a slow answer comes")
    add("--seed", type=int, default=0, help="equal seeds strike equal requests")
    _add_limits(parser)
    return parser


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the options of what the server refuses, and of its batches and counts."""
    add = parser.add_argument
    add("--max-concurrent", type=int, help="429 above so many at once")
    add("--max-per-second", type=int, help="429 above so many a second")
    add("--retry-after-s", type=float, default=1.0, help="what a 429 asks to wait")
    add("--api-key", help="the only key that is let in (a made-up one)")
    add("--model", action="append", default=[], help="the only models; may be repeated")
    add("--unsupported", action="append", default=[], choices=UNSUPPORTED, help="answered by 400")
    add("--ignores", action="append", default=[], choices=IGNORABLE, help="passed over in silence")
    add("--batch-s", type=float, default=0.0, help="until a batch is completed")
    add(
        "--log-counts",
        type=Path,
        metavar="FILE",
        help="JSON lines of all that is paid; counts go on from what it holds",
    )


if __name__ == "__main__":
    main()
