"""What --dry-run foresees against what was then counted, with the tokenizer of GPT-4o and later.

The passages are those of Lyft's annual report, and the answers the questions that gpt-3.5-turbo
wrote about them: about as long as a quiz, which is what the prompt "quiz" asks for. "mixed" plans
shorter ones, to which a real model keeps and this server does not, so that its cold estimate of
the output says nothing; a quarter of the answers puts it right.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from writing_material import make_workspace, report_passages
from writing_server import python_with_bpe, serving

from homing.llm.testing import read_paid
from homing.progress import say

PROMPTS = ("quiz", "mixed")
WRITER = "gpt-3.5-turbo"


def run(given: Namespace) -> dict[str, Any]:
    """Return estimates and counts for each prompt, cold and after a quarter."""
    python = python_with_bpe(given.peer_python)
    if python is None:
        say("dry_run: left out, no Python at hand has bpe-openai or tiktoken (--peer-python)")
        return {"left_out": "no real tokenizer"}
    dataset = given.data / WRITER / "train_dataset.json"
    passages = report_passages(dataset)[: given.passages]
    with tempfile.TemporaryDirectory() as name:
        workspace, log = Path(name) / "tuned", Path(name) / "paid.jsonl"
        flags = ("--answers", dataset, "--bpe", "--log-counts", log)
        with serving(*flags, python=python, module=False) as server:
            make_workspace(workspace, passages, server.url)
            measured = {
                prompt: measure(prompt, workspace, log, len(passages)) for prompt in PROMPTS
            }
    return {"n_passages": len(passages), "prompts": measured}


def measure(prompt: str, workspace: Path, log: Path, n: int) -> dict[str, Any]:
    """Return one prompt's estimates and counts; a workspace keeps its vectors for the next."""
    before = counted(log)
    asking = ("--prompt", prompt, "--max-passages")
    say(f"dry_run: prompt {prompt}, {n} passages, cold")
    cold = homing_write(workspace, *asking, str(n), "--dry-run")
    homing_write(workspace, *asking, str(n // 4))
    quarter = counted(log)
    say(f"dry_run: prompt {prompt}, after a quarter")
    warm = homing_write(workspace, *asking, str(n), "--dry-run")
    homing_write(workspace, *asking, str(n))
    everything = counted(log)
    return {
        "cold": compared(cold, difference(everything, before)),
        "after_a_quarter": compared(warm, difference(everything, quarter)),
    }


def difference(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Return what was counted between two moments."""
    return {key: after[key] - before[key] for key in after}


def homing_write(workspace: Path, *flags: str) -> dict[str, Any]:
    """Return what the verb says as JSON."""
    command = [sys.executable, "-m", "homing", "write", str(workspace), "--json", "--quiet"]
    done = subprocess.run([*command, *flags], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def counted(log: Path) -> dict[str, int]:
    """Return what the server has counted so far."""
    paid = read_paid(log)
    return {
        "n_calls": len(paid),
        "input_tokens": sum(p.input_tokens for p in paid),
        "output_tokens": sum(p.output_tokens for p in paid),
    }


def compared(estimate: dict[str, Any], count: dict[str, int]) -> dict[str, Any]:
    """Return each number as foreseen, as counted, and the share by which it was wrong."""
    assert estimate["n_calls"] == count["n_calls"], (estimate, count)
    return {
        key: {"estimated": estimate[key], "counted": n, "error": estimate[key] / n - 1}
        for key, n in count.items()
    }
