"""`homing questions`: a look at what was written, beside the passages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from homing.cli import options
from homing.cli.session import JsonOption, QuietOption, answering
from homing.cli.terminal import terminal_width, wrapped

if TYPE_CHECKING:
    from homing.pipeline.fates import SeenQuestion
    from homing.pipeline.looking import Looked

PASSAGE_LINES = 6
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def questions(
    workspace: options.WorkspaceArgument,
    sample: Annotated[
        int, typer.Option(min=0, help="How many, drawn evenly over the kinds; 0 shows all.")
    ] = 20,
    split: Annotated[
        Literal["train", "dev", "test"] | None, typer.Option(help="Only those of this split.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only those made in this way, such as heading.")
    ] = None,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Those that were rejected, and why.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Decides which are drawn.")] = 0,
    csv_output: Annotated[
        bool, typer.Option("--csv", help="Print a table on stdout, with whole passages.")
    ] = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Look at the written questions, each beside its passage.

    Before `homing curate` all that were written; afterwards those that were kept, or with
    --rejected the others with their reasons.
    """
    from homing.errors import UsageError
    from homing.pipeline.looking import look_at_questions

    with answering(json_output=json_output, quiet=quiet) as answer:
        if json_output and csv_output:
            raise UsageError("--json and --csv exclude each other: choose one.")
        looked = look_at_questions(
            workspace, sample=sample, split=split, kind=kind, rejected=rejected, seed=seed
        )
        if json_output:
            answer.data = looked.as_json()
        elif not csv_output:
            answer.text = as_text(looked, width=terminal_width(), rejected=rejected)
    if csv_output:
        write_csv(looked.questions, sys.stdout)


def write_csv(seen: Iterable[SeenQuestion], file: TextIO) -> None:
    """Write the questions as CSV, which can be given back as a file of questions."""
    import csv
    from dataclasses import fields

    from homing.pipeline.fates import SeenQuestion

    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(field.name for field in fields(SeenQuestion))
    writer.writerows([_cell(value) for value in q.as_row().values()] for q in seen)


def as_text(looked: Looked, *, width: int, rejected: bool = False) -> str:
    """Return what a person reads on a terminal; no line is wider than `width` cells."""
    lines = list(wrapped(_heading(looked, rejected), width))
    if looked.note:
        lines += wrapped(f"Note: {looked.note}", width)
    margin = len(str(len(looked.questions))) + 2
    for number, question in enumerate(looked.questions, start=1):
        body = list(_body(question, width - margin))
        first = f"{number}.".rjust(margin - 1)
        lines += [
            "",
            f"{first} {body[0]}",
            *(f"{' ' * margin}{line}".rstrip() for line in body[1:]),
        ]
    return "\n".join(lines)


def _heading(looked: Looked, rejected: bool) -> str:
    """Return how many there are, such as "20 of 812 questions: 500 heading, 312 how_to."."""
    what = "rejected questions" if rejected else "questions"
    if not looked.n_matching:
        return f"There are no {what} to show{_of_written(looked)}."
    counts = ", ".join(f"{n:,} {name or 'of no kind'}" for name, n in looked.counts.items())
    n_shown, n_all = len(looked.questions), looked.n_matching
    return f"{n_shown:,} of {n_all:,} {what}{_of_written(looked)}: {counts}."


def _of_written(looked: Looked) -> str:
    if looked.n_rejected is None:
        return ""
    return f" ({looked.n_written:,} written, {looked.n_rejected:,} rejected)"


def _body(question: SeenQuestion, width: int) -> Iterator[str]:
    q = question
    yield from list(wrapped(q.question, width)) or ["(empty)"]
    facts = [q.kind, q.writer, q.prompt, q.split, "too easy" if q.too_easy else ""]
    yield from wrapped(" · ".join(fact for fact in facts if fact), width)
    if q.reason:
        reason = q.reason.replace("_", " ")
        yield from wrapped(f"rejected, {reason}: {q.detail}".removesuffix(": "), width)
    place = ", ".join(part for part in (q.title, f"page {q.page}" if q.page else "") if part)
    yield from wrapped(f"in {place}" if place else "", width, most=2)
    if q.passage:
        yield from (f"│ {line}" for line in wrapped(q.passage, width - 2, most=PASSAGE_LINES))


def _cell(value: Any) -> Any:
    """Return a value for CSV: readers stumble over control characters, and know no booleans."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return CONTROLS.sub("", value) if isinstance(value, str) else value
