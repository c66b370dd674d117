"""The command `homing`: this file lists the verbs; each has a file of its own.

Verbs import what they need when they run, so that `homing --help` is there at once.
"""

from __future__ import annotations

import sys

import typer

from homing.cli import (
    compare,
    curate,
    dataset,
    doctor,
    evaluate,
    export,
    index,
    ingest,
    init,
    plan,
    push,
    questions,
    report,
    run,
    search,
    serve,
    session,
    train,
    version,
    write,
)
from homing.ranks import exit_with

EPILOG = "Exit codes: " + "; ".join(f"{n} {what}" for n, what in session.EXIT_CODES.items()) + "."

app = typer.Typer(
    name="homing",
    help="Tune an embedding model on your own documents, without labels, and learn honestly "
    "whether it helped.\n\nhoming run handbook/ --out tuned/ does all of it; the other verbs are "
    "its stages and its neighbours.",
    epilog=EPILOG,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (run, ingest, write, curate, train, evaluate, report):
    name = verb.__name__.rpartition(".")[2]
    app.command(name)(getattr(verb, name))
app.add_typer(dataset.app, name="dataset")
for verb in (export, index, questions, search, serve, compare, push, plan, init, doctor, version):
    name = verb.__name__.rpartition(".")[2]
    app.command(name)(getattr(verb, name))


def main() -> None:
    """Run the command line and exit with its code."""
    exit_with(session.run_cli(app, sys.argv[1:]))


if __name__ == "__main__":
    main()
