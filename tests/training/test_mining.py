"""Hard negatives in the batches of a job: each once, anew where asked, the same after a stop."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from killing import run_job
from test_trainer import handbook, hits

from homing.retrieval.encoders import encoder_for
from homing.training import mining
from homing.training.collating import PassageCollator
from homing.training.examples import training_examples
from homing.training.job import TrainingJob
from homing.training.losses import OWN
from homing.training.mining import HardNegatives
from homing.training.models import load_for_training
from homing.training.negatives import Mined
from homing.training.settings import NegativesSettings, TrainingSettings
from homing.training.trainer import train

pytest.importorskip("sentence_transformers")

SETTINGS = TrainingSettings(
    epochs=3,
    learning_rate=3e-3,
    batch_passages=4,
    device="cpu",
    negatives=NegativesSettings(n=2, ceiling=1.0),
)


def hard_negatives(tiny_model: Path, folder: Path, settings: TrainingSettings) -> HardNegatives:
    dataset = handbook()
    job = TrainingJob(dataset, str(tiny_model), folder / "m", settings)
    return HardNegatives(job, training_examples(dataset, "train"), folder)


def test_a_batch_shows_its_own_passages_first_and_what_was_mined_once(
    tiny_model: Path, tmp_path: Path
) -> None:
    hard = hard_negatives(tiny_model, tmp_path, SETTINGS)
    model = load_for_training(str(tiny_model), SETTINGS)
    hard.mine(0, model)
    collator = PassageCollator(
        hard.examples, model, n_questions=2, whole_fraction=1.0, seed=0, hard=hard
    )
    batch = collator([{"position": position} for position in range(4)])
    questions = [query.id for example in hard.examples[:4] for query in example.queries]
    mined = {i for q in questions for i in hard.mined.negatives[q][:2]}
    further = mined - {example.passage.id for example in hard.examples[:4]}
    assert further
    assert batch["label"].shape == (8, 4 + len(further))
    assert batch["passage_input_ids"].shape[0] == 4 + len(further)
    assert (batch["label"] == OWN).nonzero()[:, 1].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_training_with_them_learns_and_tells_what_was_passed_over(
    tiny_model: Path, tmp_path: Path
) -> None:
    before = hits(encoder_for(str(tiny_model)))
    settings = replace(SETTINGS, epochs=12, negatives=NegativesSettings(n=1))
    log = train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=settings,
        score_dev=hits,
    )
    assert log.kept == "tuned"
    assert max(score for _, score in log.dev) >= before + 0.1
    assert log.false_negative_fraction is not None
    assert 0 < log.false_negative_fraction < 1
    plain = replace(settings, epochs=1, negatives=NegativesSettings())
    log = train(handbook(), base_model=str(tiny_model), out=tmp_path / "p", settings=plain)
    assert log.false_negative_fraction is None


def test_without_refreshing_they_are_mined_once_and_found_again(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = hard_negatives(tiny_model, tmp_path, SETTINGS)
    model = load_for_training(str(tiny_model), SETTINGS).train()
    hard.mine(0, model)
    assert model.training
    first = hard.mined
    hard.mine(1, model)
    assert hard.mined is first

    def again(*_: object) -> Mined:
        raise AssertionError("it was mined already")

    monkeypatch.setattr(mining, "mine_for", again)
    resumed = hard_negatives(tiny_model, tmp_path, SETTINGS)
    resumed.mine(2, model)
    assert resumed.mined == first


@pytest.mark.slow
def test_refreshed_they_follow_the_model(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Mined] = []
    real = mining.mine_for

    def watched(*arguments: object, **named: object) -> Mined:
        seen.append(real(*arguments, **named))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(mining, "mine_for", watched)
    for refresh in (False, True):
        settings = replace(SETTINGS, negatives=replace(SETTINGS.negatives, refresh=refresh))
        train(handbook(), base_model=str(tiny_model), out=tmp_path / "m", settings=settings)
    assert len(seen) == 1 + SETTINGS.n_epochs
    assert seen[0] == seen[1]
    assert len({str(mined.negatives) for mined in seen[1:]}) == SETTINGS.n_epochs


def test_same_seed_same_weights(tiny_model: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, negatives=replace(SETTINGS.negatives, refresh=True))
    for name in ("a", "b"):
        train(handbook(), base_model=str(tiny_model), out=tmp_path / name, settings=settings)
    first, second = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("a", "b"))
    assert first == second


@pytest.mark.slow
def test_a_job_killed_within_an_epoch_goes_on_with_that_epochs_negatives(
    tiny_model: Path, tmp_path: Path
) -> None:
    script = """
        from test_mining import SETTINGS, handbook
        from homing.training.trainer import train
        import homing.training.recipes.full as full
        full.SAVE_EVERY_STEPS = 2
        asked = Path(f"{out}.asked")
        def counted(encoder):
            with asked.open("a") as file:
                file.write("x")
            n = asked.stat().st_size
            if n == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return n / 100  # the last is the best
        settings = replace(SETTINGS, epochs=4, evaluations=12,
                           negatives=replace(SETTINGS.negatives, refresh=True))
        train(handbook(), base_model=base, out=out, settings=settings, score_dev=counted)
    """
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run_job(script, tiny_model, whole, 0) == 0
    # After a checkpoint between two minings:
    assert run_job(script, tiny_model, killed, 10) == -signal.SIGKILL
    assert (killed / "checkpoints" / "checkpoint-8").is_dir()
    assert (killed / "checkpoints" / "negatives-2.json").is_file()
    assert run_job(script, tiny_model, killed, 0) == 0
    assert (whole / "model.safetensors").read_bytes() == (killed / "model.safetensors").read_bytes()
