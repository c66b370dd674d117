"""`homing serve`: a tuned model behind an API."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from homing.cli.session import JsonOption, QuietOption, answering

if TYPE_CHECKING:
    from homing.pipeline.serving import Prepared

MIB = 2**20


def serve(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A workspace or its URI, a model folder, an export or a hub id."
        ),
    ],
    backend: Annotated[
        str | None,
        typer.Option(help="What runs the model: torch, onnx or openvino; else what it is for."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 for every address of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 8080,
    api_key_env: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE",
            help="The environment variable that holds the key which requests have to carry.",
        ),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            metavar="DATASET",
            help="Passages to search, beside the model; a workspace has its own.",
        ),
    ] = None,
    reranker: Annotated[
        str | None, typer.Option(help="A cross-encoder for /v1/rerank: a folder or hub id.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What clients call the model; else the folder's name.")
    ] = None,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Make what is to be searched, and end.")
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Runs of the model at the same time; else one for each core."),
    ] = None,
    max_queue: Annotated[
        int, typer.Option(min=1, help="Requests that may wait; one more is answered with 429.")
    ] = 256,
    max_inputs: Annotated[int, typer.Option(min=1, help="Texts in one request.")] = 2048,
    max_body: Annotated[int, typer.Option(min=1, metavar="MIB", help="Size of one request.")] = 16,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="How long a request may take.")
    ] = 60.0,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Serve a tuned model: OpenAI's embeddings, search, reranking, metrics.

    What a workspace's passages need to be searched is made once and kept in its folder bundle.
    Ctrl-C or SIGTERM ends it; what was accepted by then is finished first.
    """
    from homing.deployment.server import need_libraries
    from homing.pipeline import serving
    from homing.pipeline.copies import copy_of
    from homing.progress import say

    with answering(json_output=json_output, quiet=quiet) as answer:
        need_libraries()
        from homing.deployment.server.limits import Limits
        from homing.deployment.server.running import LOCAL, bind

        prepare_copy = partial(
            serving.prepare,
            backend=serving.known_backend(backend),
            name=name,
            corpus=corpus,
            reranker=reranker,
            threads=threads,
        )
        if prepare:
            with copy_of(model, write=True) as copy:
                prepared = prepare_copy(copy)
            answer.data, answer.text = prepared.as_json(), _summary(prepared)
            return
        key = serving.api_key_from(api_key_env)
        limits = Limits(
            max_queue=max_queue,
            max_inputs=max_inputs,
            max_body_bytes=max_body * MIB,
            max_queue_bytes=max(Limits().max_queue_bytes, max_body * MIB),
            timeout_s=timeout,
        )
        # First, so that a port in use costs no time.
        bound = bind(host, port)
        if host not in LOCAL and key is None:
            say(
                f"WARNING: {host} can be reached from other machines and no key is asked for: "
                "anybody may use this model and read what is searched. Set --api-key-env, or "
                "let a proxy do it."
            )
        # To serve a remote workspace it is enough to be allowed to read it.
        with copy_of(model, write=False) as copy:
            prepared = prepare_copy(copy)
        address = "{}:{}".format(*bound.getsockname()[:2])
        say(_summary(prepared))

        def on_ready() -> None:
            if not quiet:
                text = f"listening on http://{address} (docs at /docs); Ctrl-C ends"
                print(text, file=sys.stderr, flush=True)

        serving.serve(prepared, bound, api_key=key, limits=limits, on_ready=on_ready)
        answer.data = {**prepared.as_json(), "address": address}


def _summary(prepared: Prepared) -> str:
    """Return what is served, in a line or two."""
    model, bundle = prepared.model, prepared.bundle
    lines = [
        f"{model.name}: {prepared.folder} by {prepared.backend}, {model.dimensions} dimensions; "
        f"ask for {model.name}:query for questions"
    ]
    if bundle is not None:
        lines.append(f"search: {bundle.n_passages:,} passages; {bundle.fusion.source}")
    return "\n".join(lines)
