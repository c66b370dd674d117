"""`homing train`: a workspace, or any dataset, to a model."""

from __future__ import annotations

from homing.cli import options, overriding
from homing.cli.session import JsonOption, QuietOption, answering


def train(
    dataset: options.DatasetArgument,
    out: options.ModelOption = None,
    split: options.SplitOption = None,
    base_model: options.BaseModelOption = None,
    base_url: options.BaseUrlOption = None,
    ledger: options.LedgerOption = None,
    recipe: options.RecipeOption = None,
    minutes: options.MinutesOption = None,
    dimensions: options.DimensionsOption = None,
    track: options.TrackOption = None,
    epochs: options.EpochsOption = None,
    lr: options.LearningRateOption = None,
    batch_passages: options.BatchOption = None,
    max_tokens: options.MaxTokensOption = None,
    device: options.DeviceOption = None,
    seed: options.SeedOption = None,
    engine: options.EngineOption = None,
    address: options.AddressOption = None,
    config: options.ConfigOption = None,
    set_: options.SetOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Tune a base model on a dataset."""
    from homing.cli.stages import run_stage
    from homing.errors import UsageError
    from homing.pipeline import train_dataset
    from homing.workspace import Workspace

    overrides = overriding.overrides(
        set_,
        train__seed=seed,
        train__base_model=base_model,
        train__base_url=base_url,
        write__ledger=ledger,
        train__recipe=recipe,
        train__minutes=minutes,
        train__dimensions=overriding.dimensions_setting(dimensions),
        train__track=track,
        train__epochs=epochs,
        train__learning_rate=lr,
        train__batch_passages=batch_passages,
        train__max_tokens=max_tokens,
        train__device=device,
        **overriding.engine(name=engine, address=address, workers=None),
    )
    with answering(json_output=json_output, quiet=quiet) as answer:
        if out is not None:
            result = train_dataset(dataset, out, split=split, config=config, overrides=overrides)
            answer.data, answer.text = result.as_json(), result.text
        elif Workspace.is_at(dataset):
            if split is not None:
                raise UsageError("A workspace learns from its train split; --split needs --out.")
            run_stage("train", dataset, answer, config=config, overrides=overrides)
        else:
            raise UsageError(
                f"{dataset} is not a workspace, so say where the model goes: "
                f"homing train {dataset} --out MODEL"
            )
