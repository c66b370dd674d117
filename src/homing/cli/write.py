"""`homing write`: passages to questions."""

from __future__ import annotations

from typing import Annotated

import typer

from homing.cli import options, overriding
from homing.cli.session import JsonOption, QuietOption, answering


def write(
    workspace: options.WorkspaceArgument,
    writer: options.WriterOption = None,
    base_url: options.BaseUrlOption = None,
    questions_per_passage: Annotated[
        int | None, typer.Option(help="At most this many questions for each passage.")
    ] = None,
    max_passages: options.MaxPassagesOption = None,
    prompt: options.PromptOption = None,
    examples: options.ExamplesOption = None,
    budget: options.BudgetOption = None,
    batch: options.BatchServiceOption = None,
    ledger: options.LedgerOption = None,
    dry_run: Annotated[
        bool, typer.Option(help="Only say what it would take: calls, tokens, dollars, time.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option(help="Ask again about passages that were answered in vain.")
    ] = False,
    seed: options.SeedOption = None,
    config: options.ConfigOption = None,
    set_: options.SetOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write questions about the passages of a workspace.

    What a language model answers is kept in the ledger the moment it is there: stopped and run
    again, or after documents have changed, only what is new is paid for.
    """
    from homing.pipeline import open_job
    from homing.pipeline.llm_writing import describe_estimate, estimate_writing
    from homing.pipeline.writing import write_stage

    overrides = overriding.overrides(
        set_,
        **overriding.writing(
            writer=writer,
            base_url=base_url,
            max_passages=max_passages,
            prompt=prompt,
            examples=examples,
            budget=budget,
            batch=batch,
            ledger=ledger,
        ),
        write__questions_per_passage=questions_per_passage,
        write__seed=seed,
    )
    with (
        answering(json_output=json_output, quiet=quiet) as answer,
        open_job(
            workspace, create=False, config=config, overrides=overrides, keep_settings=not dry_run
        ) as job,
    ):
        if dry_run:
            found = estimate_writing(job)
            answer.data, answer.text = found, describe_estimate(found)
        else:
            answer.data = write_stage(job, retry_failed=retry_failed).as_json()
