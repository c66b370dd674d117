"""Two processes over gloo train as one does with the doubled batch, by the same command."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from handbook_sentences import HANDBOOK  # noqa: E402
from homing.dataset import load_dataset  # noqa: E402
from homing.errors import UsageError  # noqa: E402
from homing.ranks import is_main, local_rank, n_ranks, rank  # noqa: E402
from homing.training.settings import TrainingSettings  # noqa: E402
from homing.training.trainer import train  # noqa: E402

LAUNCH = (
    *("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"),
    *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
)
PLAIN: tuple[str, ...] = ()
MUCH = (
    *("--dimensions", "16,8", "--set", "train.full.micro_batch=2"),
    *("--set", "train.full.learn_temperature=true", "--set", "train.full.guide=base"),
    *("--set", "train.full.frozen_layers=1", "--set", "train.full.accumulate=2"),
    *("--set", "train.negatives.n=2", "--set", "train.full.layer_decay=0.9"),
)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """The handbook as the JSON that LlamaIndex uses."""
    path = tmp_path / "questions.json"
    asked = {t + part: s[cut] for t, s in HANDBOOK.items() for part, cut in CUTS.items()}
    right = {t + part: [t] for t in HANDBOOK for part in CUTS}
    path.write_text(
        json.dumps({"queries": asked, "corpus": dict(HANDBOOK), "relevant_docs": right})
    )
    return path


CUTS = {"a": slice(0, 30), "b": slice(-30, None)}


def homing(n_processes: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command in one process, or in several by the launcher."""
    launcher: tuple[str, ...] = ()
    if n_processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        launcher = (*LAUNCH, "--main_process_port", port)
    tests = str(Path(__file__).parents[1])
    return subprocess.run(
        [sys.executable, *launcher, "-m", "homing", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": tests},
        capture_output=True,
        text=True,
        check=False,
    )


def trained(
    n_processes: int, batch: int, base: Path, questions: Path, out: Path, *more: str
) -> tuple[dict[str, Any], str]:
    done = homing(
        n_processes,
        *("train", questions, "--out", out, "--base-model", base, "--recipe", "full"),
        *("--epochs", 4, "--lr", "1e-3", "--batch-passages", batch, "--device", "cpu", "--json"),
        *("--set", "train.evaluations=2", "--set", "curate.dev_fraction=0.2"),
        *more,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("more", [PLAIN, MUCH], ids=["plain", "much"])
def test_two_processes_follow_the_curve_of_one_with_the_doubled_batch(
    more: tuple[str, ...], tiny_model: Path, questions: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    one, _ = trained(1, 6, tiny_model, questions, tmp_path / "one", *more)
    two, said = trained(2, 3, tiny_model, questions, tmp_path / "two", *more)
    steps, losses = zip(*one["log"]["loss"], strict=True)
    assert [step for step, _ in two["log"]["loss"]] == list(steps)
    assert [loss for _, loss in two["log"]["loss"]] == pytest.approx(losses, abs=2e-4)
    assert losses[-1] < losses[0]
    assert two["log"]["dev"] == one["log"]["dev"]
    assert (two["kept"], two["best_step"]) == (one["kept"], one["best_step"])
    weights = [load_file(str(tmp_path / n / "model.safetensors")) for n in ("one", "two")]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=2e-4, rtol=0, msg=name)
    assert said.count("pairs over") == 1  # the first process alone prints
    assert not (tmp_path / "two" / "checkpoints").exists()


@pytest.mark.slow
def test_a_workspace_is_trained_by_two_processes_and_is_then_up_to_date(
    tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "handbook"
    folder.mkdir()
    for topic, sentence in HANDBOOK.items():
        text = f"# {topic}\n\n{sentence} It has been so since last year, and we keep to it.\n"
        (folder / f"{topic}.md").write_text(text)
    out = tmp_path / "tuned"
    settings = (
        *("--set", f"train.base_model={tiny_model}", "--set", "train.device=cpu"),
        *("--set", "train.batch_passages=3", "--set", "train.recipe=full"),
    )
    for verb in (("ingest", folder, "--out", out), ("write", out), ("curate", out)):
        done = homing(1, *verb, *settings)
        assert done.returncode == 0, done.stderr[-3000:]
    done = homing(2, "train", out)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (out / "model" / "model.safetensors").exists()
    again = homing(1, "train", out)
    assert "train: up to date" in again.stderr
    both = homing(2, "train", out)
    assert both.stderr.count("train: up to date") == 1


@pytest.mark.slow
def test_other_verbs_say_that_they_are_for_one_process(tmp_path: Path) -> None:
    done = homing(2, "evaluate", tmp_path)
    assert done.returncode != 0
    assert "2 processes were launched, but homing train alone" in done.stderr


def test_launchers_say_who_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (rank(), local_rank(), n_ranks(), is_main()) == (0, 0, 1, True)
    for name, value in {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    assert (rank(), local_rank(), n_ranks(), is_main()) == (3, 1, 4, False)


def test_a_recipe_for_one_process_says_so(
    tiny_model: Path, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="works in one process"):
        train(
            load_dataset(questions),
            base_model=str(tiny_model),
            out=tmp_path / "m",
            settings=TrainingSettings(recipe="query", device="cpu"),
            split="all",
        )


@pytest.mark.parametrize("code", [0, 3])
def test_one_of_several_processes_ends_with_its_code_and_never_tears_the_interpreter_down(
    code: int,
) -> None:
    script = (
        "import atexit, sys\n"
        "from homing.ranks import exit_with\n"
        "class Torn:\n"
        "    def __del__(self): sys.__stderr__.write('torn down')\n"
        "kept = Torn()\n"
        "atexit.register(print, 'handlers ran')\n"
        f"exit_with({code})\n"
    )
    alone, shared = (
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "WORLD_SIZE": n},
            capture_output=True,
            text=True,
            check=False,
        )
        for n in ("1", "2")
    )
    assert (alone.returncode, alone.stdout, alone.stderr) == (code, "handlers ran\n", "torn down")
    assert (shared.returncode, shared.stdout, shared.stderr) == (code, "handlers ran\n", "")
