"""The demo: tune on the documentation of the Python standard library and test on real questions.

    make demo        (or: python examples/demo.py [OUT])

Exports the docstrings of this Python, one Markdown page a module; turns questions that are keyed
by object (those to train with in examples/stdlib/, those to test with in the package, where they
are the general set of everybody else) into questions about sections of those pages; runs the main
job, offline; and leaves a workspace with the report in OUT (default: demo/tuned).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "stdlib"))

from export import export  # noqa: E402

from homing.evaluation import general  # noqa: E402


def objects_in(pages: Path) -> dict[str, str]:
    """Return the page of every object that has a section, by the object's full name."""
    found = {}
    for page in sorted(pages.glob("*.md")):
        for name in re.findall(r"^## (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            found[name] = page.name
    return found


QUESTIONS = {
    "train": HERE / "stdlib" / "train_questions.jsonl",
    "test": Path(general.__path__[0]) / "python_questions.jsonl",
}


def write_questions(source: Path, objects: dict[str, str], target: Path) -> tuple[int, int]:
    """Write the questions whose object this Python has; return how many are kept and left out."""
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    kept = [row for row in rows if row["object"] in objects]
    lines: Iterable[str] = (
        json.dumps(
            {
                "question": row["question"],
                "document": objects[row["object"]],
                "heading": row["object"],
            }
        )
        for row in kept
    )
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(kept), len(rows) - len(kept)


def main() -> int:
    """Run the demo; return the exit code of `homing run`."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "demo/tuned")
    pages = out.parent / "stdlib"
    n_pages = export(pages)
    objects = objects_in(pages)
    print(f"{n_pages} pages on {len(objects):,} objects of the standard library in {pages}")
    flags = []
    for use in ("train", "test"):
        target = out.parent / f"{use}_questions.jsonl"
        n_kept, n_left = write_questions(QUESTIONS[use], objects, target)
        print(f"{n_kept:,} questions to {use} with ({n_left} about objects this Python lacks)")
        flags += [f"--{use}-questions", str(target)]
    command = [sys.executable, "-m", "homing", "run", str(pages), "--out", str(out)]
    command += [*flags, "--config", str(HERE / "stdlib" / "homing.yaml")]
    print("$", " ".join(["homing", *command[3:]]), flush=True)
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
