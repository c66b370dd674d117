"""`homing curate`: questions to a dataset with splits."""

from __future__ import annotations

from homing.cli import options
from homing.cli.session import JsonOption, QuietOption, answering


def curate(
    workspace: options.WorkspaceArgument,
    test_questions: options.TestQuestionsOption = None,
    train_questions: options.TrainQuestionsOption = None,
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
    from homing.cli.stages import run_stage

    overrides = options.overrides(
        set_,
        test_questions=test_questions,
        train_questions=train_questions,
        curate__seed=seed,
    )
    with answering(json_output=json_output, quiet=quiet) as answer:
        run_stage("curate", workspace, answer, config=config, overrides=overrides)
