"""`homing search`: one question, and what each contender finds, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from homing.cli import options, overriding
from homing.cli.session import JsonOption, QuietOption, answering

if TYPE_CHECKING:
    from homing.pipeline.searching import Finding, Searched

TEXT_LINES = 4


def search(
    dataset: options.DatasetArgument,
    question: Annotated[str, typer.Argument(help="What to look for, in quotes.")],
    contender: options.ContenderOption = None,
    k: Annotated[
        int, typer.Option("-k", "--top", min=1, max=100, help="Passages of each contender.")
    ] = 5,
    in_: Annotated[
        str | None,
        typer.Option(
            "--in",
            metavar="LOCATION",
            help="Ask a store that homing index filled, such as lancedb:./db.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="With --in, the model that filled it; else the workspace's own."),
    ] = None,
    config: options.ConfigOption = None,
    set_: options.SetOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask one question and see what each contender finds.

    Without --contender a workspace's base and tuned model, BM25 and their fusion answer.
    """
    from homing.cli.terminal import terminal_width
    from homing.errors import UsageError
    from homing.pipeline import search_dataset, search_store

    with answering(json_output=json_output, quiet=quiet) as answer:
        if in_ is not None and contender:
            raise UsageError("--in asks a store alone: leave out --contender.")
        if in_ is not None:
            found = search_store(dataset, question, in_, model=model, k=k)
        else:
            found = search_dataset(
                dataset,
                question,
                contender,
                k=k,
                config=config,
                overrides=overriding.overrides(set_),
            )
        answer.data = found.as_json()
        answer.text = as_text(found, width=terminal_width())


def as_text(found: Searched, *, width: int) -> str:
    """Return the passages with their rank under every contender, cut to `width` cells."""
    names, lines = list(found.contenders), []
    if sum(len(name) + 2 for name in names) > width // 2:
        names = [f"[{number}]" for number in range(1, len(names) + 1)]
        lines = [f"{n} {name}" for n, name in zip(names, found.contenders, strict=True)]
    columns = [max(4, len(name)) for name in names]
    margin = sum(columns) + 2 * len(columns)
    lines.append("  ".join(n.rjust(w) for n, w in zip(names, columns, strict=True)))
    for finding in found.findings:
        ranks = [str(finding.ranks.get(name, "–")) for name in found.contenders]
        row = "  ".join(rank.rjust(w) for rank, w in zip(ranks, columns, strict=True))
        head, *rest = list(_body(finding, max(20, width - margin)))
        lines += [
            "",
            f"{row}  {head}".rstrip(),
            *(f"{' ' * margin}{line}".rstrip() for line in rest),
        ]
    return "\n".join(lines)


def _body(finding: Finding, width: int) -> Iterator[str]:
    from homing.cli.terminal import wrapped

    place = ", ".join(
        p for p in (finding.title, f"page {finding.page}" if finding.page else "") if p
    )
    mark = "✓ " if finding.is_right else ""
    yield from list(wrapped(f"{mark}{place}", width, most=2)) or [mark.strip()]
    yield from (f"│ {line}" for line in wrapped(finding.text, width - 2, most=TEXT_LINES))
