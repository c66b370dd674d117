"""LoRA for real, on a tiny model: merged when saved, its factors kept for peft, resumable."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from killing import whole_and_killed
from small_models import ARCHITECTURES, small_model
from test_trainer import handbook, hits

from handbook_sentences import HANDBOOK
from homing.errors import MissingDependencyError, UsageError
from homing.retrieval.encoders import encoder_for
from homing.training.recipes.lora import LowRank, linear_layers
from homing.training.settings import LoraSettings, TrainingSettings
from homing.training.trainer import train
from homing.types import Encoder

pytest.importorskip("sentence_transformers")
pytest.importorskip("peft")

SETTINGS = TrainingSettings(
    recipe="lora",
    epochs=12,
    learning_rate=2e-2,
    batch_passages=6,
    device="cpu",
    lora=LoraSettings(rank=4, alpha=8),
)
TEXTS = list(HANDBOOK.values())


def vectors(folder: Path) -> np.ndarray:
    return encoder_for(str(folder)).encode_passages(TEXTS)


def with_factors(base: Path, adapter: Path) -> np.ndarray:
    """What the base says once peft has put the saved factors onto it, unmerged."""
    from peft import PeftModel
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(base), device="cpu")
    model[0].model = PeftModel.from_pretrained(model[0].model, str(adapter))
    return model.encode(TEXTS, normalize_embeddings=True)


@pytest.mark.slow
def test_it_learns_and_the_merged_folder_needs_no_peft(tiny_model: Path, tmp_path: Path) -> None:
    before = hits(encoder_for(str(tiny_model)))
    log = train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=SETTINGS,
        score_dev=hits,
    )
    assert log.kept == "tuned"
    assert hits(encoder_for(str(tmp_path / "m"))) >= before + 0.1
    script = (
        "import sys; sys.modules['peft'] = None\n"
        "from sentence_transformers import SentenceTransformer\n"
        "model = SentenceTransformer(sys.argv[1], device='cpu')\n"
        "assert model.encode('a badge').shape == (32,)\n"
        "assert not any('lora' in name for name in model.state_dict())\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "m"], check=True)


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_merged_weights_say_what_peft_says_of_base_and_factors(
    tiny_model: Path, tmp_path: Path, weight: float
) -> None:
    settings = replace(SETTINGS, epochs=4, merge_weight=weight)
    train(handbook(), base_model=str(tiny_model), out=tmp_path / "m", settings=settings)
    merged = vectors(tmp_path / "m")
    assert np.abs(merged - vectors(tiny_model)).max() > 0.01
    np.testing.assert_allclose(
        with_factors(tiny_model, tmp_path / "m" / "adapter"), merged, atol=1e-5
    )


def test_a_merge_weight_of_a_half_halves_every_change(tiny_model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    for name, weight in (("whole", 1.0), ("half", 0.5)):
        settings = replace(SETTINGS, epochs=2, merge_weight=weight)
        train(handbook(), base_model=str(tiny_model), out=tmp_path / name, settings=settings)
    base, whole, half = (
        load_file(str(folder / "model.safetensors"))
        for folder in (tiny_model, tmp_path / "whole", tmp_path / "half")
    )
    changed = [name for name in base if (whole[name] != base[name]).any()]
    assert len(changed) == 12  # six linear layers in each of two blocks
    for name in changed:
        np.testing.assert_allclose(
            half[name] - base[name], (whole[name] - base[name]) / 2, atol=1e-6
        )


def test_which_layers_are_changed_is_a_choice(tiny_model: Path) -> None:
    from sentence_transformers import SentenceTransformer

    transformer = SentenceTransformer(str(tiny_model), device="cpu").transformers_model
    attention, mlp = (set(linear_layers(transformer, which)) for which in ("attention", "mlp"))
    assert {name.split(".")[-1] for name in attention} == {"query", "key", "value", "dense"}
    assert {".".join(name.split(".")[-2:]) for name in mlp} == {
        "intermediate.dense",
        "output.dense",
    }
    assert not attention & mlp
    assert set(linear_layers(transformer, "all")) == attention | mlp
    with pytest.raises(UsageError, match="--recipe full"):
        linear_layers(None, "all")


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_architecture_has_its_attention_and_its_mlp(
    kind: str, tiny_model: Path, tmp_path: Path
) -> None:
    model = small_model(kind, tiny_model, tmp_path / "m")
    before = model.encode(TEXTS)
    transformer = model.transformers_model
    attention, mlp = (linear_layers(transformer, which) for which in ("attention", "mlp"))
    assert len(attention) in {6, 12}  # of each of three blocks: one layer and its output, or four
    assert len(mlp) in {6, 9}
    part = LowRank(model, LoraSettings(), base="base", seed=0)
    np.testing.assert_allclose(model.encode(TEXTS), before, atol=1e-6)
    trained = [name for name, value in model.named_parameters() if value.requires_grad]
    assert len(trained) == 2 * len(attention + mlp)
    assert sum(part.is_averaged(name) for name in model.state_dict()) == len(attention + mlp)


def test_no_adapter_is_left_beside_a_base_that_was_kept(tiny_model: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=1)
    train(handbook(), base_model=str(tiny_model), out=tmp_path / "m", settings=settings)
    assert (tmp_path / "m" / "adapter" / "adapter_config.json").exists()
    scores = iter([0.8, 0.7])
    log = train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=settings,
        score_dev=lambda encoder: next(scores),
    )
    assert log.kept == "base"
    assert not (tmp_path / "m" / "adapter").exists()
    np.testing.assert_array_equal(vectors(tmp_path / "m"), vectors(tiny_model))


@pytest.mark.usefixtures("in_float32")
def test_the_best_checkpoint_is_kept_with_its_own_factors(tiny_model: Path, tmp_path: Path) -> None:
    scores = iter([0.1, 0.9, 0.5])
    seen: list[np.ndarray] = []

    def score(encoder: Encoder) -> float:
        seen.append(encoder.encode_passages(TEXTS))
        return next(scores)

    settings = replace(SETTINGS, epochs=4, evaluations=2)
    log = train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=settings,
        score_dev=score,
    )
    assert log.best_step == 4
    np.testing.assert_allclose(vectors(tmp_path / "m"), seen[1], atol=1e-5)
    assert np.abs(seen[1] - seen[2]).max() > 1e-3
    kept = with_factors(tiny_model, tmp_path / "m" / "adapter")
    np.testing.assert_allclose(kept, seen[1], atol=1e-5)


def test_without_peft_the_extra_is_named(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingDependencyError, match=r"homing\[lora\]"):
        train(handbook(), base_model=str(tiny_model), out=tmp_path / "m", settings=SETTINGS)


@pytest.mark.slow
def test_a_job_killed_in_the_middle_ends_with_the_same_weights(
    tiny_model: Path, tmp_path: Path
) -> None:
    script = """
        from test_lora import SETTINGS, handbook
        from homing.training.trainer import train
        import homing.training.recipes.full as full
        full.SAVE_EVERY_STEPS = 5
        settings = replace(SETTINGS, epochs=9, evaluations=3)
        train(handbook(), base_model=base, out=out, settings=settings, score_dev=score)
    """
    whole, killed = whole_and_killed(script, tiny_model, tmp_path)
    for file in ("model.safetensors", "adapter/adapter_model.safetensors"):
        assert (whole / file).read_bytes() == (killed / file).read_bytes()
