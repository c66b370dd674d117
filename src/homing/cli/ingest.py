"""`homing ingest`: files to passages."""

from __future__ import annotations

from homing.cli import options, overriding
from homing.cli.session import JsonOption, QuietOption, answering


def ingest(
    sources: options.SourcesArgument = None,
    out: options.WorkspaceOption = None,
    base_model: options.BaseModelOption = None,
    passage_tokens: options.PassageTokensOption = None,
    engine: options.EngineOption = None,
    address: options.AddressOption = None,
    workers: options.WorkersOption = None,
    time_limit: options.TimeLimitOption = None,
    config: options.ConfigOption = None,
    set_: options.SetOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Read documents and cut them into passages."""
    from homing.cli.stages import run_stage
    from homing.errors import UsageError

    if out is None:
        raise UsageError("Say where the workspace is: homing ingest handbook/ --out tuned/")
    overrides = overriding.overrides(
        set_,
        sources=overriding.absolute_sources(sources),
        ingest__max_tokens=passage_tokens,
        **overriding.engine(name=engine, address=address, workers=workers),
        ingest__time_limit_s=time_limit,
        train__base_model=base_model,
    )
    with answering(json_output=json_output, quiet=quiet) as answer:
        run_stage("ingest", out, answer, create=True, config=config, overrides=overrides)
