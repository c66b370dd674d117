"""The ONNX graph of a model: token ids in, token vectors and finished sentence vectors out.

Pooling, heads, cutting and normalisation are part of the graph, so that nothing is left to forget
where it is run. Attention is written out in plain operators, which every runtime knows and fuses.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.errors import HomingError, MissingDependencyError, UsageError
from homing.retrieval.models import position_limit
from homing.retrieval.towers import input_modules

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

OPSET = 20
"""Known to onnxruntime since 1.17 and to OpenVINO."""
TOKENS, SENTENCES = "last_hidden_state", "sentence_embedding"
"""sentence-transformers' own names: it reads the one, everybody else the other."""
IN_ONE_FILE = 1_800_000_000
"""Bytes; a file of more than two gigabytes cannot be one message, and keeps its weights beside."""
POSITIONS = 8192
"""Where a model has no limit of its own."""


class ExportError(HomingError):
    """A model cannot be exported, or its export lost more than is allowed."""


def check_exportable(tower: SentenceTransformer, name: str) -> None:
    """Raise `UsageError` unless text → token ids → modules is all that a model does."""
    first: Any = next(iter(tower), None)
    kind = type(first).__name__
    if kind == "StaticEmbedding":
        raise UsageError(static_message(name))
    is_plain = (
        kind == "Transformer"
        and bool(getattr(getattr(first, "tokenizer", None), "is_fast", False))
        and "message" not in first.modality_config
        and first.query_expansion is None
        and all(getattr(module, "include_prompt", True) for module in tower)
    )
    if not is_plain:
        raise UsageError(
            f"{name} cannot be exported: it is no transformer with a fast tokenizer whose prompts "
            "are pooled with the text. Serve it as it is: homing serve MODEL --backend torch"
        )


def static_message(name: str) -> str:
    """Return what is said of a model that has no graph."""
    return (
        f"{name} is a static model: it looks a vector up for each token, runs no network and needs "
        "no export. Copy its folder and load it with model2vec or sentence-transformers."
    )


def export_graph(tower: SentenceTransformer, file: Path, dimensions: int | None = None) -> None:
    """Write a model of one tower as an ONNX file, with texts and tokens left open.

    Args:
        tower: On the CPU, in float32 and in evaluation mode; it is given back as it was.
        file: Its folder is made. Weights of more than 1.8 GB lie beside it.
        dimensions: To which vectors are cut before they are made one long; None leaves them whole.

    Raises:
        ExportError: torch cannot turn the model into a graph.
        MissingDependencyError: Without the extra `export`.
    """
    import torch

    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError.for_extra("onnxscript", "export") from error
    module, names = _module(tower, dimensions)
    # Each a tensor of its own: two inputs that are the same one would be taken for one.
    examples = tuple(torch.full((3, 7), int(n != "token_type_ids")) for n in names)
    axes = {
        0: torch.export.Dim("texts"),
        1: torch.export.Dim("tokens", max=position_limit(tower) or POSITIONS),
    }
    n_bytes = sum(p.numel() * p.element_size() for p in module.parameters())
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _plain_attention(tower[0].auto_model), _quiet():
            torch.onnx.export(
                module,
                examples,
                str(file),
                dynamo=True,
                opset_version=OPSET,
                external_data=n_bytes > IN_ONE_FILE,
                input_names=names,
                output_names=[TOKENS, SENTENCES],
                dynamic_shapes=(tuple(axes for _ in names),),
                verbose=False,
            )
    except Exception as error:  # the exporter's errors have no class of their own
        file.unlink(missing_ok=True)
        raise ExportError(
            f"The model cannot be turned into a graph: {_first_line(error)} Serve it as it is: "
            "homing serve MODEL --backend torch"
        ) from error


def save_model_in(model: SentenceTransformer, folder: Path) -> None:
    """Write a whole model into a folder, its tokenizers as they were before any text."""
    for module in input_modules(model):
        backend = getattr(getattr(module, "tokenizer", None), "backend_tokenizer", None)
        if backend is not None:
            # Every call sets them anew; what the last one left would make the bytes its own.
            backend.no_padding()
            backend.no_truncation()
    with _quiet():
        model.save_pretrained(str(folder), create_model_card=False)


def save_beside(tower: SentenceTransformer, folder: Path) -> None:
    """Write all that belongs to a model but its transformer's weights: tokenizer, settings, heads.

    Args:
        folder: Is made; what sentence-transformers needs to find an export in it is there.
    """
    save_model_in(tower, folder)
    for pattern in ("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin"):
        for place in (folder, folder / "0_Transformer"):
            for file in place.glob(pattern):
                file.unlink()
    if (folder / "0_Transformer").is_dir():
        for file in (folder / "0_Transformer").iterdir():
            shutil.copy2(file, folder / file.name)


def _module(tower: SentenceTransformer, dimensions: int | None) -> tuple[Any, list[str]]:
    """Return what is exported, and the names of its inputs."""
    import inspect

    import torch

    model = tower[0].auto_model
    known = inspect.signature(model.forward).parameters
    asked = ("input_ids", "attention_mask", "token_type_ids")
    offered: Sequence[str] = tower.tokenizer.model_input_names
    names = [n for n in asked if n in known and (n in offered or n != "token_type_ids")]

    class Sentences(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.rest = torch.nn.ModuleList(list(tower)[1:])

        def forward(self, *columns: Any) -> tuple[Any, Any]:
            inputs = dict(zip(names, columns, strict=True))
            tokens = self.model(**inputs, return_dict=True)[TOKENS]
            features = {"token_embeddings": tokens, "attention_mask": inputs["attention_mask"]}
            for module in self.rest:
                features = module(features)
            vectors = features[SENTENCES][:, :dimensions]
            return tokens, torch.nn.functional.normalize(vectors, p=2, dim=-1)

    return Sentences().eval(), names


@contextmanager
def _plain_attention(model: Any) -> Iterator[None]:
    """Let attention be computed by products and a softmax while the block runs."""
    before = getattr(model.config, "_attn_implementation", None)
    with suppress(ValueError, AttributeError):  # models of one's own may know but one way
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        if before is not None:
            with suppress(ValueError, AttributeError):
                model.set_attn_implementation(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' hints about themselves and their bars off stderr."""
    from transformers.utils import logging as bars

    had_bars, before = bars.is_progress_bar_enabled(), logging.root.manager.disable
    logging.disable(logging.WARNING)
    bars.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        if had_bars:
            bars.enable_progress_bar()


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:400]
