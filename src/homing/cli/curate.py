"""`homing curate`: questions to a dataset with splits."""

from __future__ import annotations

from typing import Annotated

import typer

from homing.cli import options, overriding
from homing.cli.session import JsonOption, QuietOption, answering


def curate(
    workspace: options.WorkspaceArgument,
    test_questions: options.TestQuestionsOption = None,
    train_questions: options.TrainQuestionsOption = None,
    judge: options.JudgeOption = None,
    judge_base_url: options.JudgeBaseUrlOption = None,
    judge_threshold: options.JudgeThresholdOption = None,
    several_answers: options.SeveralAnswersOption = None,
    judge_budget: options.JudgeBudgetOption = None,
    retry_failed: Annotated[
        bool, typer.Option(help="Ask the judge again about what it did not judge.")
    ] = False,
    seed: options.SeedOption = None,
    config: options.ConfigOption = None,
    set_: options.SetOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a dataset of questions: filter, match, split.

    Poor questions are dropped with their reason, given ones are matched to their passages, and all
    are split into train, dev and test so that nothing is shared between them.
    """
    from homing.pipeline import open_job
    from homing.pipeline.curation import curate_stage

    overrides = overriding.overrides(
        set_,
        test_questions=test_questions,
        train_questions=train_questions,
        **overriding.judging(
            judge=judge,
            base_url=judge_base_url,
            threshold=judge_threshold,
            budget=judge_budget,
            several_answers=several_answers,
        ),
        curate__seed=seed,
    )
    with (
        answering(json_output=json_output, quiet=quiet) as answer,
        open_job(workspace, create=False, config=config, overrides=overrides) as job,
    ):
        answer.data = curate_stage(job, retry_failed=retry_failed).as_json()
