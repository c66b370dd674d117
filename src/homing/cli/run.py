"""`homing run`: documents in, a tuned model and a report out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homing.cli import options, overriding
from homing.cli.session import JsonOption, QuietOption, answering

if TYPE_CHECKING:
    from homing.pipeline import Outcome


def run(
    sources: options.SourcesArgument = None,
    out: options.WorkspaceOption = None,
    test_questions: options.TestQuestionsOption = None,
    train_questions: options.TrainQuestionsOption = None,
    writer: options.WriterOption = None,
    base_url: options.BaseUrlOption = None,
    max_passages: options.MaxPassagesOption = None,
    prompt: options.PromptOption = None,
    examples: options.ExamplesOption = None,
    budget: options.BudgetOption = None,
    batch: options.BatchServiceOption = None,
    ledger: options.LedgerOption = None,
    judge: options.JudgeOption = None,
    judge_base_url: options.JudgeBaseUrlOption = None,
    judge_threshold: options.JudgeThresholdOption = None,
    several_answers: options.SeveralAnswersOption = None,
    judge_budget: options.JudgeBudgetOption = None,
    base_model: options.BaseModelOption = None,
    recipe: options.RecipeOption = None,
    minutes: options.MinutesOption = None,
    dimensions: options.DimensionsOption = None,
    track: options.TrackOption = None,
    epochs: options.EpochsOption = None,
    lr: options.LearningRateOption = None,
    ablation: options.AblationOption = None,
    engine: options.EngineOption = None,
    address: options.AddressOption = None,
    workers: options.WorkersOption = None,
    device: options.DeviceOption = None,
    seed: options.SeedOption = None,
    config: options.ConfigOption = None,
    set_: options.SetOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Tune a model on documents and tell whether it helped.

    Run again, it continues: a stage whose inputs and settings are unchanged is not run again.

    Settings come from --config, else from the workspace's own homing.yaml, else they are the
    defaults; options win over all of them, and what was used is saved in the workspace.
    """
    from homing.errors import UsageError
    from homing.pipeline import open_job, run_job

    if out is None:
        raise UsageError("Say where to put the results: homing run handbook/ --out tuned/")
    overrides = overriding.overrides(
        set_,
        seed=seed,
        sources=overriding.absolute_sources(sources),
        test_questions=test_questions,
        train_questions=train_questions,
        **overriding.engine(name=engine, address=address, workers=workers),
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
        **overriding.judging(
            judge=judge,
            base_url=judge_base_url,
            threshold=judge_threshold,
            budget=judge_budget,
            several_answers=several_answers,
        ),
        train__base_model=base_model,
        train__recipe=recipe,
        train__minutes=minutes,
        train__dimensions=overriding.dimensions_setting(dimensions),
        train__track=track,
        train__epochs=epochs,
        train__learning_rate=lr,
        train__ablation=ablation,
        train__device=device,
    )
    with (
        answering(json_output=json_output, quiet=quiet) as answer,
        open_job(out, create=True, config=config, overrides=overrides) as job,
    ):
        outcome = run_job(job)
        answer.data = outcome.as_json()
        answer.text = _summary(outcome)


def _summary(outcome: Outcome) -> str:
    """Return the verdict and where report and model lie; of a remote workspace the copies, too."""
    lines = [outcome.verdict, ""]
    lines.append(f"Report: {outcome.place_of('report.html')}")
    lines.append(f"Model:  {outcome.place_of('model')}")
    if outcome.place != str(outcome.workspace):
        lines.append(f"Copies: {outcome.workspace}")
    return "\n".join(lines)
