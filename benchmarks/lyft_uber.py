"""Train on the questions about Lyft's annual report, test on those about Uber's.

Runs, one after the other in one process each, on the same machine:

* the original recipe of run-llama/finetune-embedding in plain sentence-transformers: a pair for
  each question, unshuffled, batch 10, 2 epochs, lr 2e-5, MultipleNegativesRankingLoss, fp32;
* ours: `homing train` with its defaults;

and evaluates the base, both tuned models, ours once more behind an endpoint that speaks OpenAI's
protocol, BM25, and BM25 fused with base and ours on the Uber questions, with intervals, beside the
published hit rates. Writes all of it to benchmarks/results/lyft_uber.{json,md}.

    python benchmarks/lyft_uber.py [--data ../shared/data/sec10k/gpt-3.5-turbo]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from machine import describe_machine

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = ROOT.parent / "shared" / "data" / "sec10k" / "gpt-3.5-turbo"
MAX_TOKENS = 512
HOMING = (sys.executable, "-m", "homing")
FLAGS = ("--max-tokens", str(MAX_TOKENS), "--json")
PUBLISHED = {"bge-small-en": 0.787, "bge-small-en, fine-tuned": 0.844, "ada-002": 0.871}
"""Hit rates at 5 on the same questions, from the notebooks of run-llama/finetune-embedding."""
MEASURES = ("hit@1", "hit@5", "hit@10", "mrr@10", "ndcg@10")


def original_recipe(data: Path, out: Path) -> dict[str, float]:
    """Train as the original notebook did and return the seconds of loading, training, saving."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.training_args import (
        SentenceTransformerTrainingArguments,
    )
    from torch.utils.data import SequentialSampler

    from homing.retrieval.models import load_sentence_transformer

    table = json.loads((data / "train_dataset.json").read_text(encoding="utf-8"))
    pairs = [
        (question, table["corpus"][table["relevant_docs"][key][0]])
        for key, question in table["queries"].items()
    ]
    rows = Dataset.from_dict(
        {"anchor": [question for question, _ in pairs], "positive": [text for _, text in pairs]}
    )
    started = time.monotonic()
    model = load_sentence_transformer(None, max_tokens=MAX_TOKENS)
    n_steps = -(-len(pairs) // 10) * 2
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(out / "checkpoints"),
            num_train_epochs=2,
            per_device_train_batch_size=10,
            learning_rate=2e-5,
            warmup_steps=n_steps // 10,
            batch_sampler=lambda dataset, batch_size, drop_last, **_: DefaultBatchSampler(
                SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last
            ),
            save_strategy="no",
            eval_strategy="no",
            report_to="none",
            logging_steps=10,
        ),
        train_dataset=rows,
        loss=MultipleNegativesRankingLoss(model),
    )
    trained = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - trained
    model.save_pretrained(str(out / "model"), create_model_card=False)
    return {"training_s": seconds, "total_s": time.monotonic() - started}


def ours(data: Path, out: Path) -> dict[str, float]:
    """Run `homing train` as a user does; return the seconds of training and of the whole command.

    `training_s` is measured inside the command, as that of the original recipe is: from the loaded
    model to the tuned one, without the scores on dev before and after, for which the original has
    no counterpart here. `total_s` is the command from start to end: imports, loading, dev, saving.
    """
    started = time.monotonic()
    answer = subprocess.run(
        [*HOMING, "train", str(data / "train_dataset.json"), "--out", str(out / "model"), *FLAGS],
        check=True,
        capture_output=True,
        text=True,
    )
    summary = json.loads(answer.stdout)
    log = summary["log"]
    return {
        "training_s": log["seconds"] - log["dev_seconds"],
        "dev_s": log["dev_seconds"],
        "total_s": time.monotonic() - started,
    }


def contenders_of(original: Path, tuned: Path, endpoint: str) -> dict[str, str]:
    """Return every contender of the table, by name; `endpoint` serves our tuned model."""
    return {
        "base": "sentence-transformers/all-MiniLM-L6-v2",
        "original": str(original),
        "ours": str(tuned),
        "ours-by-endpoint": f"openai:ours?base_url={endpoint}",
        "bm25": "bm25",
        "bm25+base": "fusion(bm25,base)",
        "bm25+ours": "fusion(bm25,ours)",
    }


@contextmanager
def served(model: Path) -> Iterator[str]:
    """Serve a model's vectors by OpenAI's embeddings protocol on 127.0.0.1; give its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "homing.llm.testing", "--port", str(port)]
    server = subprocess.Popen([*command, "--embed", str(model)], stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait()


def evaluate(data: Path, contenders: Mapping[str, str]) -> dict[str, object]:
    """Return the summary of `homing evaluate` for the contenders on the Uber questions."""
    flags = [x for name, spec in contenders.items() for x in ("--contender", f"{name}={spec}")]
    answer = subprocess.run(
        [*HOMING, "evaluate", str(data / "val_dataset.json"), *flags, *FLAGS],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": "none"},
    )
    summary: dict[str, object] = json.loads(answer.stdout)
    return summary


def markdown(result: dict[str, Any]) -> str:
    """Return the result as the table that the README shows."""
    evaluation, seconds = result["evaluation"], result["seconds"]
    lines = [
        "| contender | " + " | ".join(MEASURES) + " | hit@5, 95 % | against base | training |",
        "|---" * (len(MEASURES) + 4) + "|",
    ]
    gains = {c["name"]: c for c in evaluation["comparisons"] if c["measure"] == "hit@5"}
    for name, measures in evaluation["contenders"].items():
        low, high = evaluation["intervals"][name]["hit@5"]
        cells = [f"{measures[m]:.3f}" for m in MEASURES] + [f"{low:.3f} to {high:.3f}"]
        gain = gains.get(name)
        cells.append(
            f"{gain['difference']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
            if gain
            else "–"
        )
        cells.append(f"{seconds[name]['training_s']:,.0f} s" if name in seconds else "–")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for name, hit in PUBLISHED.items():
        lines.append(f"| *published:* {name} | – | {hit:.3f}" + " | –" * (len(MEASURES) + 1) + " |")
    n = evaluation["n_queries"]
    lines += ["", f"{n} questions, {evaluation['n_passages']} passages. "]
    lines[-1] += (
        f"Ours trains {result['ratio']:.1f} times faster than the original recipe "
        f"({result['ratio_of_totals']:.1f} times with imports, loading and the scores on dev)."
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only-original", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only_original:
        seconds = original_recipe(arguments.data, arguments.only_original)
        print(json.dumps(seconds))
        return
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        ours_s = ours(arguments.data, out / "ours")
        early = evaluate(arguments.data, {"ours": str(out / "ours" / "model")})
        print("ours:", ours_s, early["contenders"], file=sys.stderr, flush=True)
        command = [sys.executable, __file__, "--data", str(arguments.data), "--only-original"]
        answer = subprocess.run(
            [*command, str(out / "original")], check=True, stdout=subprocess.PIPE, text=True
        )
        original_s = json.loads(answer.stdout.strip().splitlines()[-1])
        with served(out / "ours" / "model") as endpoint:
            evaluation = evaluate(
                arguments.data,
                contenders_of(out / "original" / "model", out / "ours" / "model", endpoint),
            )
    result: dict[str, Any] = {
        "command": "python benchmarks/lyft_uber.py",
        "machine": describe_machine(),
        "seconds": {"original": original_s, "ours": ours_s},
        "ratio": original_s["training_s"] / ours_s["training_s"],
        "ratio_of_totals": original_s["total_s"] / ours_s["total_s"],
        "evaluation": evaluation,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "lyft_uber.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "lyft_uber.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
