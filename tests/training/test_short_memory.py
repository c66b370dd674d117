"""Where memory is short: the same gradients in parts, and the same step again when memory ends."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from batches import a_batch, copies, tuned  # noqa: E402
from test_trainer import handbook  # noqa: E402

from homing.training.caching import cached_backward  # noqa: E402
from homing.training.contrast import make_loss, prefixes  # noqa: E402
from homing.training.full_settings import FullSettings  # noqa: E402
from homing.training.keeping import KeptOutputs  # noqa: E402
from homing.training.layers import freeze  # noqa: E402
from homing.training.safety import is_out_of_memory  # noqa: E402
from homing.training.settings import TrainingSettings  # noqa: E402
from homing.training.stepping import OutOfMemoryError  # noqa: E402
from homing.training.trainer import train  # noqa: E402

WAYS = {
    "plain": (FullSettings(), ()),
    "prefixes": (FullSettings(), (16, 8)),
    "three directions": (
        FullSettings(directions=("query-to-passage", "passage-to-query", "query-to-query")),
        (),
    ),
    "learnt temperature": (FullSettings(learn_temperature=True), ()),
}
SHORT = TrainingSettings(epochs=3, learning_rate=1e-3, batch_passages=6, device="cpu")


def gradients(module: Any) -> dict[str, Any]:
    return {n: p.grad for n, p in module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("micro_batch", [1, 5, 8])
def test_gradients_in_parts_are_those_of_one_pass(
    way: str, micro_batch: int, tiny_model: Path
) -> None:
    full, dimensions = WAYS[way]
    settings = TrainingSettings(full=full)
    found = []
    for in_parts in (False, True):
        model = tuned(tiny_model)
        features, labels = a_batch(model)
        loss = make_loss(model, settings, dimensions=prefixes(model, dimensions))
        if in_parts:
            value = cached_backward(loss, features, labels, micro_batch, lambda v: v.backward())
        else:
            value = loss(copies(features), labels)
            value.backward()
        found.append((float(value.detach()), gradients(loss)))
    (whole, expected), (parts, got) = found
    assert parts == pytest.approx(whole, abs=1e-6)
    assert expected.keys() == got.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, atol=1e-6, rtol=1e-4, msg=name)


def test_frozen_layers_and_parts_go_together(tiny_model: Path) -> None:
    found = []
    for micro_batch in (None, 3):
        model = tuned(tiny_model)
        kept = KeptOutputs(model, freeze(model, 1), 1, None, dtype=torch.float32)
        features, labels = a_batch(model)
        loss = make_loss(model, TrainingSettings(), lower=kept)
        if micro_batch is None:
            loss(copies(features), labels).backward()
        else:
            cached_backward(loss, features, labels, micro_batch, lambda v: v.backward())
        found.append(gradients(loss))
    assert found[0].keys() == found[1].keys()
    assert not any(".layer.0." in name for name in found[0])
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-6, rtol=1e-4, msg=name)


def losses(tiny_model: Path, out: Path, settings: TrainingSettings) -> list[float]:
    log = train(handbook(), base_model=str(tiny_model), out=out, settings=settings)
    return [loss for _, loss in log.loss]


@pytest.mark.slow
@pytest.mark.parametrize(
    "full",
    [
        FullSettings(micro_batch=2),
        FullSettings(gradient_checkpointing=True),
        FullSettings(micro_batch=4, gradient_checkpointing=True),
    ],
    ids=["parts", "checkpointing", "both"],
)
def test_training_goes_the_same_way(full: FullSettings, tiny_model: Path, tmp_path: Path) -> None:
    usual = losses(tiny_model, tmp_path / "usual", SHORT)
    assert losses(tiny_model, tmp_path / "other", replace(SHORT, full=full)) == pytest.approx(
        usual, abs=1e-4
    )


def test_gradients_of_several_batches_make_one_step(tiny_model: Path, tmp_path: Path) -> None:
    usual = train(handbook(), base_model=str(tiny_model), out=tmp_path / "a", settings=SHORT)
    twice = replace(SHORT, full=FullSettings(accumulate=2))
    log = train(handbook(), base_model=str(tiny_model), out=tmp_path / "b", settings=twice)
    assert [step for step, _ in usual.loss] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in log.loss] == [1, 2, 3]
    both = replace(twice, full=FullSettings(accumulate=2, micro_batch=2))
    assert losses(tiny_model, tmp_path / "c", both) == pytest.approx(
        [loss for _, loss in log.loss], abs=1e-4
    )


class LittleMemory:
    """Refuses to embed more than so many rows at a time, as an allocator does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
        from sentence_transformers import SentenceTransformer

        whole = SentenceTransformer.forward
        self.refused: list[int] = []

        def forward(model: Any, features: dict[str, Any], **keywords: Any) -> Any:
            n = len(features["attention_mask"])
            if model.training and n > most:
                self.refused.append(n)
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return whole(model, features, **keywords)

        monkeypatch.setattr(SentenceTransformer, "forward", forward)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_when_memory_ends_the_same_step_is_done_in_smaller_parts(
    accumulate: int,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = replace(SHORT, full=FullSettings(accumulate=accumulate))
    usual = losses(tiny_model, tmp_path / "usual", settings)
    memory = LittleMemory(monkeypatch, most=2)
    short = losses(tiny_model, tmp_path / "short", settings)
    assert short == pytest.approx(usual, abs=1e-4)
    assert memory.refused == [6, 3]  # halved twice, then known
    said = capsys.readouterr().err
    assert "out of memory at step 1; once more with 3 passages at a time" in said
    assert "once more with 1 passages at a time" in said


def test_a_machine_too_small_for_one_passage_is_told_what_to_do(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LittleMemory(monkeypatch, most=0)
    with pytest.raises(OutOfMemoryError, match="--max-tokens"):
        losses(tiny_model, tmp_path / "m", SHORT)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    with pytest.raises(RuntimeError) as seen:
        torch.ones(2) @ torch.ones(3)
    assert not is_out_of_memory(seen.value)
    with pytest.raises(RuntimeError) as seen:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(seen.value)


@pytest.mark.slow
def test_a_process_whose_memory_really_ends_trains_in_smaller_parts(
    tiny_model: Path, tmp_path: Path
) -> None:
    script = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        sys.path[:0] = sys.argv[3:5]
        import torch
        from small_models import small_model
        from batches import a_batch
        from homing.training.settings import TrainingSettings
        from homing.training.trainer import train
        from homing.dataset import Dataset
        from homing.types import Passage, Qrel, Query
        words = ["badge", "visitors", "office", "opens", "nine", "morning", "team", "leave"]
        texts = [" ".join(words[(i + j) % 8] for j in range(400)) for i in range(64)]
        corpus = {str(i): Passage(str(i), "d", 0, len(t), t) for i, t in enumerate(texts)}
        queries = {i: Query(i, f"question {i}") for i in corpus}
        dataset = Dataset(corpus, queries, {"train": [Qrel(i, i) for i in corpus]})
        settings = TrainingSettings(epochs=1, batch_passages=64, device="cpu", max_tokens=512)
        torch.ones(64, 64) @ torch.ones(64, 64)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (600 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        log = train(dataset, base_model=sys.argv[1], out=Path(sys.argv[2]), settings=settings)
        print(len(log.loss))
        """
    )
    from small_models import wide_model

    base = wide_model(tiny_model, tmp_path / "base")
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", script, base, tmp_path / "m", here, here.parent],
        env={"OMP_NUM_THREADS": "1", "PATH": "", "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "out of memory at step 1; once more with 32 passages at a time" in done.stderr
    assert done.stdout.strip() == "1"
