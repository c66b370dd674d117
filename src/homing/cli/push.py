"""`homing push`: a tuned model to the hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from homing.cli.session import JsonOption, QuietOption, answering

if TYPE_CHECKING:
    from homing.pipeline.pushing import Pushed


def push(
    source: Annotated[
        str, typer.Argument(metavar="MODEL", help="A workspace or its URI, or a model's folder.")
    ],
    target: Annotated[
        str, typer.Argument(metavar="HUB", help="hub:OWNER/NAME, made where it is not there.")
    ],
    private: Annotated[
        bool | None,
        typer.Option("--private/--public", help="Who may read it: you alone, unless you say so."),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="The branch; the main one without.")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="Of the commit.")] = None,
    with_exports: Annotated[
        bool, typer.Option("--with-exports", help="Send what `homing export` made, too.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent; nothing is.")
    ] = False,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Push what the evaluation speaks against, or never saw."),
    ] = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Send a tuned model to the Hugging Face hub, with its card.

    The token comes from HF_TOKEN or from `hf auth login`, and is never shown.
    """
    from homing.pipeline.pushing import push_model

    with answering(json_output=json_output, quiet=quiet) as answer:
        pushed = push_model(
            source,
            target,
            private=private,
            revision=revision,
            message=message,
            with_exports=with_exports,
            dry_run=dry_run,
            anyway=anyway,
        )
        answer.data, answer.text = pushed.as_json(), as_text(pushed)


def as_text(pushed: Pushed) -> str:
    """Return the files with their sizes, and where they are or would be."""
    from homing.numbers import byte_size, plain

    size = plain(byte_size(pushed.n_bytes))
    n_files, who = len(pushed.files), "private" if pushed.private else "public"
    if pushed.uploaded is None:
        width = max(map(len, pushed.files))
        lines = [f"{name.ljust(width)}  {plain(byte_size(n))}" for name, n in pushed.files.items()]
        lines.append(
            f"Would send {n_files} files, {size}, to {pushed.hub_id} ({who}, {pushed.revision})."
        )
    elif pushed.uploaded.is_new:
        lines = [f"Sent {n_files} files, {size}: {pushed.uploaded.url} ({who})"]
    else:
        lines = [f"The hub has these {n_files} files already: {pushed.uploaded.url} ({who})"]
    if pushed.uploaded and pushed.uploaded.removed:
        n_removed = len(pushed.uploaded.removed)
        lines.append(f"Removed there: {n_removed} of an earlier model, which this one has not.")
    if pushed.left_out:
        lines.append(f"Left out, as no part of a model: {', '.join(pushed.left_out)}")
    return "\n".join(lines)
