"""A causal model of transformers with its tokenizer, writing several answers at once.

`generate` draws all rows of a batch from one seed and with one setting; here each row has its own,
as the greedy choice over scores with Gumbel noise added, which is a draw from their softmax
(Gumbel, 1954). The settings that the model's makers recommend (top-p, repetition penalty) hold.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.errors import MissingDependencyError, ModelNotFoundError
from homing.llm.provider import Finish

if TYPE_CHECKING:
    from torch import Tensor

NO_LIMIT = 1_000_000_000
"""What tokenizers say, or more, when they know no limit."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is to be continued: token ids, and how."""

    ids: list[int]
    max_tokens: int
    temperature: float | None
    seed: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What was written; `n_tokens` counts the one that ended it."""

    text: str
    finish: Finish
    n_tokens: int


class CausalModel:
    """Writes; used by one thread at a time.

    Attributes:
        device: Where the model is.
        context_tokens: Most tokens of prompt and reply together, or None.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        """Load the model: float32 on the CPU, bfloat16 elsewhere.

        Raises:
            ModelNotFoundError: The model cannot be had, or it does not write text.
            MissingDependencyError: transformers is not installed.
        """
        _require_transformers()
        from transformers import GenerationConfig

        self.device = device or _best_device()
        self.tokenizer, model = _load(name, self.device)
        self.model = model.to(self.device).eval()
        # Applied row by row in `_Sampling`; `generate` would apply them to the padding as well.
        self.settings = model.generation_config
        self.model.generation_config = GenerationConfig()
        self.stops = _stop_tokens(self.settings.eos_token_id, self.tokenizer.eos_token_id)
        pad = self.tokenizer.pad_token_id
        self.pad = pad if pad is not None else min(self.stops, default=0)
        config = model.config.get_text_config()
        limits = (getattr(config, "max_position_embeddings", 0), self.tokenizer.model_max_length)
        known = [int(n) for n in limits if n and 0 < n < NO_LIMIT]
        self.context_tokens = min(known) if known else None

    def token_ids(self, system: str, user: str, schema: Mapping[str, Any] | None) -> list[int]:
        """Return the tokens of a request, in the model's chat format if it has one."""
        if schema is not None:
            as_text = json.dumps(schema, ensure_ascii=False)
            system = f"{system}\n\nAnswer with JSON alone, of this JSON schema: {as_text}".strip()
        if not self.tokenizer.chat_template:
            text = f"{system}\n\n{user}\n".lstrip()
            return list(self.tokenizer(text)["input_ids"])
        text = _in_chat_format(self.tokenizer, system, user)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def write(self, prompts: Sequence[Prompt], stopped: Callable[[], bool]) -> list[Reply]:
        """Return a reply to each prompt; all are cut off as soon as `stopped()`."""
        import torch
        from transformers import GenerationConfig

        longest = max(len(prompt.ids) for prompt in prompts)
        pads = [longest - len(prompt.ids) for prompt in prompts]
        room = [self._room(prompt) for prompt in prompts]
        rows = [[self.pad] * n + p.ids for n, p in zip(pads, prompts, strict=True)]
        mask = [[0] * n + [1] * (longest - n) for n in pads]
        with torch.inference_mode():
            written = self.model.generate(
                input_ids=torch.tensor(rows, device=self.device),
                attention_mask=torch.tensor(mask, device=self.device),
                logits_processor=[_Sampling(self.settings, prompts, pads, self.device)],
                stopping_criteria=[_Room(longest, room, stopped)],
                generation_config=GenerationConfig(
                    do_sample=False,
                    max_new_tokens=max(room),
                    eos_token_id=sorted(self.stops) or None,
                    pad_token_id=self.pad,
                ),
            )
        tails = written[:, longest:].tolist()
        return [self._reply(tail[:n]) for tail, n in zip(tails, room, strict=True)]

    def _room(self, prompt: Prompt) -> int:
        """Return how many tokens may be written: the context holds the reply as well."""
        if self.context_tokens is None:
            return prompt.max_tokens
        return min(prompt.max_tokens, self.context_tokens - len(prompt.ids))

    def _reply(self, ids: list[int]) -> Reply:
        end = next((i for i, token in enumerate(ids) if token in self.stops), None)
        text = self.tokenizer.decode(ids[:end], skip_special_tokens=True)
        text = text.rpartition("</think>")[2].strip()  # what a model thinks first is no answer
        return Reply(text, "length", len(ids)) if end is None else Reply(text, "stop", end + 1)


class _Sampling:
    """Shapes the scores of each row by its own settings and adds noise of its own seed."""

    def __init__(
        self, settings: Any, prompts: Sequence[Prompt], pads: Sequence[int], device: str
    ) -> None:
        import torch

        self.pads = pads
        self.generators = [torch.Generator(device).manual_seed(p.seed) for p in prompts]
        self.warpers = [_warpers(settings, p.temperature) for p in prompts]
        self.sampled = [_temperature(settings, p.temperature) > 0 for p in prompts]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        import torch

        rows = []
        for i, pad in enumerate(self.pads):
            row = scores[i : i + 1]
            for warp in self.warpers[i]:
                row = warp(input_ids[i : i + 1, pad:], row)
            if self.sampled[i]:
                noise = torch.empty_like(row).exponential_(generator=self.generators[i])
                row = row - noise.clamp_min(torch.finfo(row.dtype).tiny).log()
            rows.append(row)
        return torch.cat(rows)


class _Room:
    """Ends each row at its own most tokens, and all of them when told to stop."""

    def __init__(self, start: int, room: Sequence[int], stopped: Callable[[], bool]) -> None:
        self.start, self.room, self.stopped = start, room, stopped

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        import torch

        n_written = input_ids.shape[1] - self.start
        stop = self.stopped()
        return torch.tensor([stop or n_written >= n for n in self.room], device=input_ids.device)


def _temperature(settings: Any, asked: float | None) -> float:
    """Return the temperature to sample at; 0 takes the likeliest token every time."""
    if asked is not None:
        return asked
    own = settings.temperature
    return (1.0 if own is None else own) if settings.do_sample else 0.0


def _warpers(settings: Any, asked: float | None) -> list[Callable[[Tensor, Tensor], Tensor]]:
    """Return what shapes a row of scores, by the model's own settings and the temperature."""
    import transformers as t

    steps: list[Callable[[Tensor, Tensor], Tensor]] = []
    if settings.repetition_penalty not in (None, 1.0):
        steps.append(t.RepetitionPenaltyLogitsProcessor(settings.repetition_penalty))
    temperature = _temperature(settings, asked)
    if temperature > 0:
        steps.append(t.TemperatureLogitsWarper(float(temperature)))
        if settings.top_k:
            steps.append(t.TopKLogitsWarper(settings.top_k))
        if settings.top_p is not None and settings.top_p < 1:
            steps.append(t.TopPLogitsWarper(settings.top_p))
    return steps


def _in_chat_format(tokenizer: Any, system: str, user: str) -> str:
    from jinja2 import TemplateError

    # Templates of models that think first know the switch; the others ignore it.
    options = {"add_generation_prompt": True, "tokenize": False, "enable_thinking": False}
    if system:
        told = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        with contextlib.suppress(TemplateError):  # some templates know no system message
            return str(tokenizer.apply_chat_template(told, **options))
    asked = [{"role": "user", "content": f"{system}\n\n{user}".lstrip()}]
    return str(tokenizer.apply_chat_template(asked, **options))


def _stop_tokens(*ids: Any) -> frozenset[int]:
    """Return the tokens that end an answer: transformers has a number, a list or None."""
    lists = [x if isinstance(x, list) else [x] for x in ids]
    return frozenset(int(x) for some in lists for x in some if x is not None)


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _require_transformers() -> None:
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError.for_extra("transformers", "train") from error


def _load(name: str, device: str) -> tuple[Any, Any]:
    """Return tokenizer and model, from the folder, the local cache or the hub."""
    folder = Path(name).expanduser()
    place = str(folder) if folder.is_dir() else name
    try:
        with _quietly():
            with contextlib.suppress(OSError, ValueError):  # not in the cache: the hub may have it
                return _load_from(place, device, local_files_only=True)
            return _load_from(place, device)
    except ModelNotFoundError:
        raise
    except Exception as error:  # whatever network, hub or a damaged file may do
        raise ModelNotFoundError(_unavailable(name, folder.is_dir(), error)) from error


def _load_from(place: str, device: str, **options: Any) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    tokenizer = AutoTokenizer.from_pretrained(place, **options)
    model, found = AutoModelForCausalLM.from_pretrained(
        place, dtype=dtype, output_loading_info=True, **options
    )
    if found["missing_keys"]:  # the library would fill them with random numbers
        raise ModelNotFoundError(
            f"{place} does not write text: it has no weights for {min(found['missing_keys'])}. "
            "Take a causal language model, such as local:Qwen/Qwen2.5-0.5B-Instruct."
        )
    return tokenizer, model


def _unavailable(name: str, is_folder: bool, error: Exception) -> str:
    reason = (str(error).strip() or repr(error)).splitlines()[0]
    if is_folder:
        return (
            f"{name} cannot be loaded as a language model ({reason}). It needs config.json, a "
            "tokenizer and safetensors, as save_pretrained() writes them."
        )
    return (
        f"The language model {name} is neither a folder nor in the local cache, and cannot be had "
        f"from the hub ({reason}). Check the name and the network, unset HF_HUB_OFFLINE if it is "
        "set, set HF_TOKEN for a private or gated model, or give the path of a model folder."
    )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep the library's bars and its report of missing weights from the terminal."""
    from transformers.utils import logging

    level, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if had_bars:
            logging.enable_progress_bar()


def free_memory() -> None:
    """Give back what no object holds any more, on the accelerator too."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
