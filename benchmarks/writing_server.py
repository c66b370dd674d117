"""The test server in a process of its own, for the benchmarks of writing.

Run as a program it takes what the server's own options have no words for: answers that cost next to
nothing, or the tokenizer of GPT-4o and later, under any Python that has `bpe-openai` or `tiktoken`.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if find_spec("homing") is None:  # under the peer's Python
    sys.path.insert(0, str(ROOT / "src"))

from homing.llm.testing import Asked, QuestionsOf, TestServer, count_tokens  # noqa: E402

ENCODING = "o200k_base"
HAS_BPE = "import importlib.util as u; print(any(map(u.find_spec, ('bpe_openai', 'tiktoken'))))"


@dataclass
class Serving:
    """A server that runs.

    Attributes:
        url: For `--base-url`.
        counts: What it was asked in all; filled when it has stopped.
    """

    url: str
    process: subprocess.Popen[str]
    counts: dict[str, Any] = field(default_factory=dict)

    @property
    def cpu_s(self) -> float:
        """Seconds of one core that it has used."""
        import psutil

        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def serving(*flags: object, python: str = sys.executable, module: bool = True) -> Iterator[Serving]:
    """Run a server with these flags while the block runs.

    Args:
        python: Which Python runs it.
        module: Run `homing.llm.testing`; False runs this file.
    """
    what = ["-m", "homing.llm.testing"] if module else [__file__, "--serve"]
    process = subprocess.Popen(
        [python, *what, *map(str, flags)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    if not url.startswith("http"):
        process.wait()
        sys.exit(f"The test server did not start: {python} {' '.join(what)}")
    server = Serving(url, process)
    try:
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate()
    server.counts.update(json.loads(output.splitlines()[-1]))


def python_with_bpe(peer: str | None) -> str | None:
    """Return a Python that has the vocabulary of a real tokenizer, or None."""
    for python in (sys.executable, peer):
        if python is None:
            continue
        found = subprocess.run([python, "-c", HAS_BPE], capture_output=True, text=True)
        if found.stdout.strip() == "True":
            return python
    return None


def real_counter() -> Callable[[str], int]:
    """Return what counts the tokens of a text as GPT-4o does."""
    names = ("bpe_openai", "tiktoken")
    library = import_module(next(name for name in names if find_spec(name)))
    encoding = library.get_encoding(ENCODING)
    return lambda text: len(encoding.encode_ordinary(text))


def brief(asked: Asked) -> str:
    """Return two questions with the passage's first words in them, in the form of the schema.

    A model's answers cost the machine that asks nothing, these nearly so.
    """
    words = " ".join(asked.passage[:60].split()[:-1])
    texts = (f"What is known about {words}?", f"Who has to know that {words}?")
    return json.dumps({"questions": [{"kind": "factual", "question": text} for text in texts]})


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", required=True)
    parser.add_argument("--answers", type=Path, action="append", default=[])
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--bpe", action="store_true")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--log-counts", type=Path)
    given = parser.parse_args(arguments)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server = TestServer(
        brief if given.brief else QuestionsOf(given.answers),
        count_tokens=real_counter() if given.bpe else count_tokens,
        delay_s=given.delay_ms / 1000,
        state_file=given.log_counts,
    )
    with server:
        print(server.url, flush=True)
        stop.wait()
    print(json.dumps(server.counts.summary()), flush=True)


if __name__ == "__main__" and len(sys.argv) > 1:  # `make bench` runs every file here
    main()
