"""LoRA: changes of low rank to the linear layers, through peft, on the path of `full`.

Each chosen layer W of (d_out, d_in) becomes W + alpha / rank · B A with B (d_out, rank) and A
(rank, d_in); B starts at zero, so training starts at the base (arXiv 2106.09685). W stays as it
is: gradients and AdamW's moments are kept for A and B alone, a few percent of the weights. When
saved, the product is added to W, so that the folder loads like any other model and needs no
peft; A and B lie beside it in `adapter/`, in peft's own format.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.errors import MissingDependencyError, UsageError
from homing.retrieval.models import find_model
from homing.training.job import TrainingJob
from homing.training.models import save_model
from homing.training.parts import ADAPTER, Part
from homing.training.recipes.full import tune_part
from homing.training.settings import LoraSettings, TrainingSettings
from homing.types import TrainingLog

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_IN_A_LAYER = re.compile(r"\.\d+\.")
_ATTENTION = re.compile(r"att(entio)?n", re.IGNORECASE)


def tune(job: TrainingJob) -> TrainingLog:
    """Tune low-rank changes of the linear layers; merge them and keep them beside the model.

    A job that was stopped goes on from its last checkpoint, as that of `full` does.

    Raises:
        MissingDependencyError: Without the extra `lora`.
        UsageError: If the base model has no such layer.
    """
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError.for_extra("peft", "lora") from error
    source = find_model(job.base_model)
    base = source.hub_id or source.name

    def part_of(model: SentenceTransformer, settings: TrainingSettings) -> Part:
        return LowRank(model, settings.lora, base=base, seed=settings.seed)

    return tune_part(job, part_of)


class LowRank:
    """The factors that peft puts beside a model's linear layers.

    Args:
        model: Its layers are wrapped in place; all other weights are frozen.
        settings: Rank, alpha and which layers.
        base: What the saved adapter names as its base model.
        seed: Of the factor A.
    """

    def __init__(
        self, model: SentenceTransformer, settings: LoraSettings, *, base: str, seed: int
    ) -> None:
        import torch
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(seed)
        transformer = model.transformers_model
        self.config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            target_modules=linear_layers(transformer, settings.modules),
        )
        self.wrapped = get_peft_model(transformer, self.config)
        self.config.base_model_name_or_path = base
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(_is_factor(name))

    def is_averaged(self, name: str) -> bool:
        """Return whether a weight is a factor B: halving it halves the change, A as it is."""
        return ".lora_B." in name

    def save(self, model: SentenceTransformer, out: Path) -> None:
        """Save the factors, then the model with their products added to its weights."""
        self._save_factors(out)
        self.wrapped.merge_and_unload()
        save_model(model, out)

    def _save_factors(self, out: Path) -> None:
        from peft import get_peft_model_state_dict
        from safetensors.torch import save_file

        scratch = out / f".{ADAPTER}.partial"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        factors = get_peft_model_state_dict(self.wrapped, save_embedding_layers=False)
        own = {name: value.detach().cpu().contiguous() for name, value in factors.items()}
        save_file(own, str(scratch / "adapter_model.safetensors"), metadata={"format": "pt"})
        self.config.inference_mode = True
        self.config.save_pretrained(str(scratch))
        shutil.rmtree(out / ADAPTER, ignore_errors=True)
        os.replace(scratch, out / ADAPTER)


def linear_layers(transformer: Any, which: str) -> list[str]:
    """Return the names of the linear layers of a transformer's blocks, in their order.

    Args:
        transformer: The Hugging Face model; heads and poolers outside its blocks are left alone.
        which: "attention", "mlp" (those of a block that are not attention's), or "all".

    Raises:
        UsageError: If there is none.
    """
    import torch

    found = [
        name
        for name, module in (transformer.named_modules() if transformer is not None else ())
        if isinstance(module, torch.nn.Linear)
        and _IN_A_LAYER.search(f".{name}.")
        and (which == "all" or (which == "attention") == bool(_ATTENTION.search(name)))
    ]
    if not found:
        raise UsageError(
            f"The base model has no linear layer ({which}) for --recipe lora. Take --recipe full."
        )
    return found


def _is_factor(name: str) -> bool:
    return ".lora_A." in name or ".lora_B." in name
