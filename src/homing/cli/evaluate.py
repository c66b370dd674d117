"""`homing evaluate`: contenders on the same questions, for a workspace or any dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homing.cli import options, overriding
from homing.cli.session import JsonOption, QuietOption, answering


def evaluate(
    dataset: options.DatasetArgument,
    contender: options.ContenderOption = None,
    split: options.SplitOption = None,
    out: options.ResultsOption = None,
    max_tokens: options.MaxTokensOption = None,
    base_url: options.EmbeddingUrlOption = None,
    ledger: options.LedgerOption = None,
    seed: options.SeedOption = None,
    general: options.GeneralOption = None,
    costs: options.CostsOption = None,
    judge: options.PoolJudgeOption = None,
    judge_base_url: options.JudgeBaseUrlOption = None,
    judge_budget: options.JudgeBudgetOption = None,
    gate: options.GateOption = False,
    config: options.ConfigOption = None,
    set_: options.SetOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Compare retrievers on the same questions."""
    from homing.cli.stages import run_stage
    from homing.pipeline import evaluate_dataset

    overrides = overriding.overrides(
        set_,
        train__max_tokens=max_tokens,
        evaluate__seed=seed,
        evaluate__base_url=base_url,
        evaluate__general=overriding.general_sets(general),
        evaluate__costs=costs,
        evaluate__judge=judge,
        evaluate__judge_base_url=judge_base_url,
        evaluate__judge_budget=judge_budget,
        write__ledger=ledger,
    )
    with answering(json_output=json_output, quiet=quiet) as answer:
        if contender:
            result = evaluate_dataset(
                dataset,
                contender,
                split=split,
                out=out,
                config=config,
                overrides=overrides,
                general=general or (),
                costs=bool(costs),
            )
            answer.data, answer.text = result.as_json(), result.text
        else:
            _check_own(dataset, says_how=(split, out, max_tokens) != (None, None, None))
            run_stage("evaluate", dataset, answer, config=config, overrides=overrides)
    return gate_code(answer.data) if gate else 0


def _check_own(dataset: str, *, says_how: bool) -> None:
    """Raise `UsageError` if there are no models of a workspace's own to compare as it made them."""
    from homing.errors import UsageError
    from homing.workspace import Workspace

    if not Workspace.is_at(dataset):
        raise UsageError(
            f"{dataset} is not a workspace, so name what to compare: "
            f"homing evaluate {dataset} --contender bm25=bm25"
        )
    if says_how:
        raise UsageError(
            "Comparing a workspace's own models takes no --split, --out or --max-tokens; "
            "name what to compare with --contender."
        )


def gate_code(summary: Mapping[str, Any]) -> int:
    """Return 0 where something is clearly better than the baseline, 3 where nothing is, else 4."""
    verdict = summary.get("verdict") or {}
    return {"deploy": 0, "keep base": 3}.get(verdict.get("decision", ""), 4)
