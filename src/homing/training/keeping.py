"""What frozen layers give for a text, computed once and kept: later epochs pay for the rest alone.

With dropout off the output of layers that do not learn is the same every time. It is kept under
the text's token ids, so that a passage shown in another view is another text, in two bytes a
number: in memory up to `KEPT_IN_MEMORY_BYTES`, beyond that in a file that is read through a memory
map. The rounding is applied the first time as well, so that every epoch sees the same numbers, and
on a CPU each text goes through by itself, so that the numbers depend on nothing but the text:
a job that was stopped goes on with the same bytes.

Cost: one forward pass of the frozen layers for each different text; 2 · d bytes a token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.progress import say
from homing.training.layers import LayerStack
from homing.training.shelf import Shelf

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

KEPT = "kept"
"""The feature with the kept outputs, (n, length, d)."""
KEPT_IN_MEMORY_BYTES = 1 << 30
TOLERANCE = 1e-3
"""How far a vector may be from the whole model's, as a check that layers can be left out."""


class KeptOutputs:
    """Adds the outputs of the lowest layers to features, and runs a model without these layers."""

    def __init__(
        self,
        model: SentenceTransformer,
        stack: LayerStack,
        n_frozen: int,
        folder: Path | None,
        *,
        memory_bytes: int = KEPT_IN_MEMORY_BYTES,
        dtype: Any = None,
    ) -> None:
        """Keep the outputs of the lowest `n_frozen` layers, of which there is at least one.

        Args:
            folder: Where that goes which memory has no room for; None keeps no more then.
            memory_bytes: What may be in memory.
            dtype: Of torch; None takes float16, which is finer than bfloat16 and wide enough for
                hidden states (what is not goes to bfloat16).
        """
        import torch

        self.model = model
        self.layers = stack.layers
        self.n_frozen = n_frozen
        self.shelf = Shelf(folder, memory_bytes, dtype or torch.float16)
        self._is_tuple = False

    def added(self, features: dict[str, Any]) -> dict[str, Any]:
        """Return the features with `kept`, what the frozen layers give for each row."""
        import torch

        mask = features["attention_mask"].bool()
        keys = [
            ids[row].cpu().numpy().tobytes()
            for ids, row in zip(features["input_ids"], mask, strict=True)
        ]
        found = {key: self.shelf.get(key) for key in dict.fromkeys(keys)}
        missing = [i for i, key in enumerate(keys) if found[key] is None]
        missing = list({keys[i]: i for i in reversed(missing)}.values())[::-1]
        for row, output in self._computed(features, mask, missing):
            found[keys[row]] = self.shelf.put(keys[row], output)
        width = next(iter(found.values())).shape[1]  # type: ignore[union-attr]
        kept = torch.zeros(*mask.shape, width)
        for i, key in enumerate(keys):
            kept[i, mask[i].cpu()] = found[key].float()  # type: ignore[union-attr]
        return {**features, KEPT: kept.to(mask.device)}

    @contextmanager
    def skipped(self, features: dict[str, Any]) -> Iterator[None]:
        """Run the model without its frozen layers while the block runs, on features with `kept`."""
        kept = features.pop(KEPT)
        with self._replaced(range(self.n_frozen), kept):
            yield

    def works(self, texts: list[str]) -> bool:
        """Return whether the model gives the same vectors with its frozen layers left out.

        Architectures differ in what passes between their layers; where something else than hidden
        states does, nothing can be kept.
        """
        import torch

        features = dict(self.model.preprocess(texts))
        features = {
            name: value.to(self.model.device) if torch.is_tensor(value) else value
            for name, value in features.items()
        }
        with torch.no_grad():
            whole = self.model(dict(features))["sentence_embedding"]
            try:
                added = self.added(features)
                with self.skipped(added):
                    parts = self.model(added)["sentence_embedding"]
            except (RuntimeError, TypeError, ValueError, AttributeError, IndexError) as error:
                say(f"train: the frozen layers are computed anew each time ({error})")
                return False
        difference = float((whole - parts).norm(dim=1).max() / whole.norm(dim=1).max())
        if not difference <= max(TOLERANCE, 2 * self.shelf.rounding()):
            say(
                "train: the frozen layers are computed anew each time, since more than hidden "
                "states passes between the layers of this model"
            )
            return False
        return True

    def _computed(
        self, features: dict[str, Any], mask: Tensor, rows: list[int]
    ) -> Iterator[tuple[int, Tensor]]:
        """Yield (row, output of the frozen layers for its tokens, (n_tokens, d))."""
        import torch

        per_token = {
            name: value
            for name, value in features.items()
            if torch.is_tensor(value) and value.shape[:2] == mask.shape
        }
        rest = {
            name: value
            for name, value in features.items()
            if name not in per_token and not torch.is_tensor(value)
        }
        together = [rows] if mask.device.type == "cuda" and rows else [[row] for row in rows]
        for some in together:
            columns = mask[some].any(dim=0)
            part = {name: value[some][:, columns] for name, value in per_token.items()}
            seen: list[Tensor] = []
            hook = self.layers[self.n_frozen - 1].register_forward_hook(
                lambda module, inputs, output, seen=seen: seen.append(self._hidden(output))
            )
            try:
                upper = range(self.n_frozen, len(self.layers))
                with torch.no_grad(), self._replaced(upper, None):
                    self.model({**rest, **part})
            finally:
                hook.remove()
            for i, row in enumerate(some):
                yield row, seen[0][i][part["attention_mask"][i].bool()]

    def _hidden(self, output: Any) -> Tensor:
        self._is_tuple = isinstance(output, tuple)
        hidden: Tensor = output[0] if isinstance(output, tuple) else output
        return hidden

    def _as_given(self, hidden: Tensor) -> Any:
        return (hidden,) if self._is_tuple else hidden

    @contextmanager
    def _replaced(self, which: range, output: Tensor | None) -> Iterator[None]:
        """Put in the place of some layers what gives `output`, or what it is given where None."""
        own = {i: self.layers[i] for i in which}
        for i, layer in own.items():
            self.layers._modules[str(i)] = _stand_in(layer, output, self._as_given)
        try:
            yield
        finally:
            for i, layer in own.items():
                self.layers._modules[str(i)] = layer


def _stand_in(layer: Any, output: Tensor | None, wrapped: Callable[[Tensor], Any]) -> Any:
    """Return a module that costs nothing; whatever else is asked of it, the layer answers.

    Args:
        output: What it gives; None for what it is given.
        wrapped: Puts it into the form in which the layers of the model pass it on.
    """
    import torch

    class StandIn(torch.nn.Module):  # type: ignore[misc]
        def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Any:
            return wrapped(hidden if output is None else output)

        def __getattr__(self, name: str) -> Any:
            return getattr(layer, name)

    return StandIn()
