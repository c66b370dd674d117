"""The options that several verbs share, each tied to the setting that it overrides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from homing.errors import UsageError
from homing.storage import shown


def on_this_machine(path: Path | None) -> Path | None:
    """Return a path as it was given.

    Raises:
        UsageError: It is a URI, which a `Path` has made "s3:/bucket" of.
    """
    if path is not None and COLLAPSED_URI.match(str(path)):
        scheme, _, rest = str(path).partition(":/")
        raise UsageError(
            f"{shown(f'{scheme}://{rest}')}: this has to be a path of this machine. Documents and "
            "workspaces alone may lie elsewhere: copy it first."
        )
    return path


COLLAPSED_URI = re.compile(r"^(?!file:)[a-zA-Z][a-zA-Z0-9+.-]+:/")

WorkspaceArgument = Annotated[
    str, typer.Argument(metavar="WORKSPACE", help="The folder of a job, or its URI.")
]
DatasetArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATASET", help="A workspace or its URI, a BEIR folder or LlamaIndex JSON."
    ),
]
SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCES", help="Documents: files, folders and globs, or URIs such as s3://B/docs/."
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        callback=on_this_machine,
        help="A homing.yaml; options on the command line win over it.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any setting of homing.yaml, such as --set train.epochs=2; may be repeated.",
    ),
]
TestQuestionsOption = Annotated[
    Path | None,
    typer.Option(
        callback=on_this_machine,
        help="JSONL or CSV of questions people asked: the test, never seen in training.",
    ),
]
TrainQuestionsOption = Annotated[
    Path | None,
    typer.Option(
        callback=on_this_machine,
        help="JSONL or CSV of questions that exist already, to train on.",
    ),
]
BaseModelOption = Annotated[
    str | None,
    typer.Option(
        help="The model to start from: a hub id or a folder; for --recipe adapter openai:MODEL too."
    ),
]
SeedOption = Annotated[int | None, typer.Option(help="Decides every random choice.")]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        help="The way to tune: auto, full, lora, query (a stored index stays valid), adapter (the "
        "same, in seconds, for an API's model too), static (a "
        "hundred times faster) or reranker (a cross-encoder; with --out alone)."
    ),
]
MinutesOption = Annotated[
    float | None, typer.Option(help="How long --recipe auto may try; what was begun is finished.")
]
EpochsOption = Annotated[int | None, typer.Option(help="Passes over the training passages.")]
LearningRateOption = Annotated[
    float | None, typer.Option("--lr", "--learning-rate", help="Peak learning rate.")
]
BatchOption = Annotated[
    int | None, typer.Option("--batch-passages", help="Passages in a training batch.")
]
DimensionsOption = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,…",
        help="Lengths to which vectors may be cut, such as 384,256,128,64; each is evaluated.",
    ),
]
TrackOption = Annotated[
    str | None, typer.Option(help="Draw loss and dev scores as well: tensorboard or trackio.")
]
MaxTokensOption = Annotated[int | None, typer.Option(help="Longest input of the model, in tokens.")]
PassageTokensOption = Annotated[
    int | None, typer.Option(help="Longest passage, in tokens of the base model.")
]
EngineOption = Annotated[
    str | None,
    typer.Option(help="Where the work is done: local (this machine) or ray (a cluster)."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(help='The Ray cluster: "auto" on one of its nodes, or HEAD:6379.'),
]
WorkersOption = Annotated[
    int | None, typer.Option(help="Workers at the same time; 0: one for each core.")
]
TimeLimitOption = Annotated[
    float | None, typer.Option(help="Seconds that one file may take before it is given up.")
]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda or mps; else the best at hand.")]

WorkspaceOption = Annotated[
    str | None,
    typer.Option(
        "--out", "-o", help="The workspace: a folder that holds all of it, or a URI of one."
    ),
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        callback=on_this_machine,
        help="The model folder; without it, the workspace's own.",
    ),
]
SplitOption = Annotated[str | None, typer.Option(help="The split whose questions are taken.")]
AblationOption = Annotated[
    bool | None,
    typer.Option(
        "--ablation/--no-ablation",
        help="Also tune without the train questions, to tell what the writer alone brings.",
    ),
]
WriterOption = Annotated[
    str | None,
    typer.Option(
        help='Who writes: "extractive" (offline), a language model such as openai:gpt-5-mini, '
        'anthropic:claude-haiku-4-5 or local:MODEL, or "none" for given questions only.'
    ),
]
BaseUrlOption = Annotated[
    str | None,
    typer.Option(help="An OpenAI-compatible server, such as http://localhost:11434/v1."),
]
BatchServiceOption = Annotated[
    bool | None,
    typer.Option("--batch/--no-batch", help="The provider's batch service: half the price."),
]
JudgeOption = Annotated[
    str | None,
    typer.Option(
        help="A language model that scores what a language model wrote and finds further answers, "
        "such as openai:gpt-5-mini."
    ),
]
JudgeBaseUrlOption = Annotated[
    str | None, typer.Option(help="Where the judge answers, if not where the writer does.")
]
JudgeThresholdOption = Annotated[
    int | None, typer.Option(help="Drop questions with fewer points of 10 than this.")
]
JudgeBudgetOption = Annotated[
    float | None,
    typer.Option(help="Most dollars that judging may cost; else as many again as writing may."),
]
SeveralAnswersOption = Annotated[
    int | None,
    typer.Option(help="Ask the judge about so many passages found before a question's own."),
]
BudgetOption = Annotated[
    float | None, typer.Option(help="Most dollars that writing may cost; it stops before.")
]
MaxPassagesOption = Annotated[
    int | None,
    typer.Option(help="Ask about at most this many passages, those first that differ most."),
]
PromptOption = Annotated[
    str | None, typer.Option(help='"mixed", "quiz", or a Jinja file of your own.')
]
ExamplesOption = Annotated[
    Path | None,
    typer.Option(
        callback=on_this_machine, help="Real questions, one a line, as an example of style."
    ),
]
LedgerOption = Annotated[
    Path | None,
    typer.Option(
        callback=on_this_machine, help="The file that keeps paid calls; workspaces may share one."
    ),
]
ContenderOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=SPEC",
        help="SPEC is bm25, a model folder or hub id, openai:MODEL, static:MODEL, onnx:FOLDER, "
        "rerank(A,MODEL), adapter(A,FOLDER) or fusion(A,B) of named contenders; may be repeated. "
        "A workspace without any compares its own.",
    ),
]
EmbeddingUrlOption = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        help="Where openai: contenders answer that name no address of their own, such as "
        "http://localhost:11434/v1.",
    ),
]
PoolJudgeOption = Annotated[
    str | None,
    typer.Option(
        help="A language model that looks at the first five of every contender where no label "
        "says whether they answer, such as openai:gpt-5-mini."
    ),
]
GateOption = Annotated[
    bool,
    typer.Option(
        "--gate",
        help="End with 0 if something is clearly better than the baseline, 3 if nothing is, 4 if "
        "the questions are too few to tell.",
    ),
]
GeneralOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SET",
        help="Questions that are not yours, to see what tuning forgot: python-docs, "
        "nanobeir:NFCorpus and its like, or a dataset; may be repeated.",
    ),
]
CostsOption = Annotated[
    bool | None,
    typer.Option("--costs/--no-costs", help="Time every contender on this machine."),
]
ResultsOption = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", callback=on_this_machine, help="A folder for runs and measurements."
    ),
]
