"""Frozen layers: what learns, what is kept, and that nothing but time depends on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from small_models import ARCHITECTURES, small_model  # noqa: E402
from test_trainer import handbook, hits  # noqa: E402

from homing.errors import UsageError  # noqa: E402
from homing.training.full_settings import FullSettings  # noqa: E402
from homing.training.keeping import KEPT, KeptOutputs  # noqa: E402
from homing.training.layers import find_layers, freeze, layer_rates  # noqa: E402
from homing.training.settings import TrainingSettings  # noqa: E402
from homing.training.shelf import Shelf  # noqa: E402
from homing.training.trainer import train  # noqa: E402

TEXTS = ["a badge for visitors", "hello", "the office opens at nine in the morning", "hello"]


def features_of(model: Any, texts: list[str] = TEXTS) -> dict[str, Any]:
    return dict(model.preprocess(texts))


def embedded(model: Any, features: dict[str, Any]) -> Any:
    return model(dict(features))["sentence_embedding"]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_layers_above_make_the_same_of_what_was_kept(
    kind: str, tiny_model: Path, tmp_path: Path
) -> None:
    model = small_model(kind, tiny_model, tmp_path)
    stack = freeze(model, 2)
    kept = KeptOutputs(model, stack, 2, None, dtype=torch.float32)
    model.train()
    embedded(model, features_of(model)).pow(3).sum().backward()
    whole = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    added = kept.added(features_of(model))
    with kept.skipped(added):
        vectors = model(added)["sentence_embedding"]
    vectors.pow(3).sum().backward()
    torch.testing.assert_close(vectors, embedded(model, features_of(model)), atol=1e-6, rtol=1e-5)
    for name, gradient in whole.items():
        torch.testing.assert_close(
            dict(model.named_parameters())[name].grad, gradient, atol=1e-6, rtol=1e-4
        )
    assert kept.works(TEXTS)


def test_each_text_goes_through_the_frozen_layers_once(tiny_model: Path, tmp_path: Path) -> None:
    model = small_model("bert", tiny_model, tmp_path)
    stack = freeze(model, 2)
    kept = KeptOutputs(model, stack, 2, None)
    passed: list[tuple[int, ...]] = []
    stack.layers[0].register_forward_hook(lambda _, __, out: passed.append(tuple(out.shape)))
    first = kept.added(features_of(model))[KEPT]
    n_different = len(set(TEXTS))
    assert len(passed) == n_different
    with_others = [*TEXTS, "a text that is longer than any other one of the batch so far"]
    again = kept.added(features_of(model, with_others))[KEPT]
    assert len(passed) == n_different + 1
    assert torch.equal(again[: len(TEXTS), : first.shape[1]], first)
    with kept.skipped(added := kept.added(features_of(model))):
        model(added)
    assert len(passed) == n_different + 1


def test_what_does_not_fit_into_memory_is_read_from_disk_bit_by_bit(tmp_path: Path) -> None:
    tensors = {bytes([i]): torch.randn(3 + i, 8) for i in range(6)}
    shelf = Shelf(tmp_path / "frozen", memory_bytes=100, dtype=torch.float16)
    put = {key: shelf.put(key, value) for key, value in tensors.items()}
    assert 0 < shelf.bytes_in_memory <= 100
    assert shelf.bytes_in_memory + shelf.bytes_on_disk == 2 * sum(map(torch.numel, put.values()))
    for key, value in tensors.items():
        found = shelf.get(key)
        assert found is not None
        assert torch.equal(found, put[key])
        torch.testing.assert_close(found.float(), value, rtol=1e-3, atol=1e-4)
    assert shelf.get(b"never") is None


def test_a_state_too_large_for_half_precision_is_kept_all_the_same(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "frozen", memory_bytes=0, dtype=torch.float16)
    shelf.put(b"a", torch.full((2, 4), 3.0e5))
    found = shelf.get(b"a")
    assert found is not None
    torch.testing.assert_close(found.float(), torch.full((2, 4), 3.0e5), rtol=1e-2, atol=0)


def test_a_disk_that_cannot_be_written_costs_time_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    shelf = Shelf(tmp_path / "file", memory_bytes=0, dtype=torch.float16)
    kept = shelf.put(b"a", torch.ones(2, 4))
    assert torch.equal(kept.float(), torch.ones(2, 4))
    assert shelf.get(b"a") is None


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_embeddings_are_the_lowest_and_what_comes_after_is_the_highest(
    kind: str, tiny_model: Path, tmp_path: Path
) -> None:
    model = small_model(kind, tiny_model, tmp_path)
    stack = find_layers(model)
    assert stack.n_layers == 3
    assert set(stack.depths.values()) == {0, 1, 2, 3}
    for name, depth in stack.depths.items():
        if "embed" in name or "relative" in name:
            assert depth == 0, name
        for layer in range(3):
            if f".{layer}." in name.split("model.", 1)[1]:
                assert depth == layer + 1, name
        if "final_norm" in name or "pooler" in name:
            assert depth == 3, name


def test_a_layer_learns_at_a_share_of_the_rate_of_the_one_above(
    tiny_model: Path, tmp_path: Path
) -> None:
    import re

    model = small_model("bert", tiny_model, tmp_path)
    rates = layer_rates(model, 1e-3, 0.5)
    by_name = {
        name: next((r for pattern, r in rates.items() if re.search(pattern, f"model.{name}")), 1e-3)
        for name, _ in model.named_parameters()
    }
    assert by_name["0.model.embeddings.word_embeddings.weight"] == pytest.approx(1e-3 / 8)
    assert by_name["0.model.encoder.layer.0.output.dense.bias"] == pytest.approx(1e-3 / 4)
    assert by_name["0.model.encoder.layer.1.output.dense.bias"] == pytest.approx(1e-3 / 2)
    assert by_name["0.model.encoder.layer.2.output.dense.bias"] == 1e-3
    assert layer_rates(model, 1e-3, 1.0) == {}


def test_layers_that_cannot_be_told_apart_are_an_error(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="AlbertModel cannot be told apart"):
        find_layers(small_model("albert", tiny_model, tmp_path))
    with pytest.raises(UsageError, match="at most 2"):
        freeze(small_model("bert", tiny_model, tmp_path / "b"), 3)


def weights_of(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(str(folder / "model.safetensors"))


def test_training_leaves_the_frozen_layers_as_they_were_and_learns_all_the_same(
    tiny_model: Path, tmp_path: Path
) -> None:
    settings = TrainingSettings(
        epochs=12,
        learning_rate=3e-3,
        batch_passages=6,
        full=FullSettings(frozen_layers=1),
        device="cpu",
    )
    log = train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=settings,
        score_dev=hits,
    )
    assert log.kept == "tuned"
    assert max(score for _, score in log.dev) > log.dev[0][1]
    before, after = weights_of(tiny_model), weights_of(tmp_path / "m")
    for name, value in before.items():
        is_frozen = name.startswith("embeddings.") or ".layer.0." in name
        if is_frozen:
            assert torch.equal(after[name], value), name
    assert not torch.equal(
        after["encoder.layer.1.output.dense.weight"], before["encoder.layer.1.output.dense.weight"]
    )
    assert not (tmp_path / "m" / "checkpoints").exists()


def test_keeping_outputs_changes_next_to_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainingSettings(
        epochs=4,
        learning_rate=1e-3,
        batch_passages=6,
        full=FullSettings(frozen_layers=1),
        device="cpu",
    )

    def losses(name: str) -> list[float]:
        log = train(handbook(), base_model=str(tiny_model), out=tmp_path / name, settings=settings)
        return [loss for _, loss in log.loss]

    with_kept = losses("kept")
    monkeypatch.setattr(KeptOutputs, "works", lambda self, texts: False)
    without = losses("anew")
    assert with_kept == pytest.approx(without, abs=5e-3)
    assert with_kept != without  # two bytes a number: it was in use


def test_layer_decay_moves_the_lower_layers_less(tiny_model: Path, tmp_path: Path) -> None:
    moved = {}
    for decay in (1.0, 0.1):
        settings = TrainingSettings(
            epochs=3,
            learning_rate=1e-3,
            batch_passages=6,
            full=FullSettings(layer_decay=decay),
            device="cpu",
        )
        out = tmp_path / str(decay)
        train(handbook(), base_model=str(tiny_model), out=out, settings=settings)
        before, after = weights_of(tiny_model), weights_of(out)
        moved[decay] = [
            float((after[name] - before[name]).abs().mean())
            for name in (
                "embeddings.LayerNorm.weight",
                "encoder.layer.0.output.dense.weight",
                "encoder.layer.1.output.dense.weight",
            )
        ]
    ratios = [small / large for small, large in zip(moved[0.1], moved[1.0], strict=True)]
    assert ratios[0] == pytest.approx(0.01, rel=0.5)
    assert ratios[1] == pytest.approx(0.1, rel=0.5)
    assert ratios[2] == pytest.approx(1.0, rel=0.5)
