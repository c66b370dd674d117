"""The choice of a recipe, on a tiny model that really trains."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import homing.pipeline.ladder as ladder
from handbook_sentences import HANDBOOK
from homing.dataset import Dataset
from homing.pipeline.ladder import Ladder
from homing.pipeline.narrowing import few_questions, fewer_passages, some_questions
from homing.pipeline.pace import FULL, Pace, measured
from homing.pipeline.rung_making import SCRATCH, RungMaker
from homing.pipeline.rungs import Rung, choose
from homing.pipeline.training import train
from homing.retrieval.encoders import encoder_for
from homing.training.settings import TrainingSettings
from homing.types import Passage, Qrel, Query, Trial

pytest.importorskip("sentence_transformers")

SETTINGS = TrainingSettings(epochs=12, learning_rate=3e-3, batch_passages=6, device="cpu")


def handbook() -> Dataset:
    """Each topic's passage, asked by its first words in training and by its last ones on dev."""
    corpus = {t: Passage(t, "handbook", 0, len(s), s) for t, s in HANDBOOK.items()}
    queries: dict[str, Query] = {}
    qrels: dict[str, list[Qrel]] = {"train": [], "dev": []}
    for topic, sentence in HANDBOOK.items():
        for split, text in (("train", sentence[:30]), ("dev", sentence[-30:])):
            queries[topic + split] = Query(topic + split, text)
            qrels[split].append(Qrel(topic + split, topic))
    return Dataset(corpus, queries, qrels)


def rung(recipe: str, values: list[float], general: float | None = None) -> Rung:
    mean = float(np.mean(values))
    return Rung(Trial(recipe, recipe, mean, mean, general=general), np.array(values))


def test_the_simplest_that_is_as_good_is_chosen() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(0.3, 0.7, 100)
    clearly_better = rung("full", list(base + rng.uniform(0.1, 0.2, 100)))
    noise = rng.normal(0, 0.3, 100)
    a_little = rung("query", list(base + noise - noise.mean() + 0.01))
    assert choose([rung("base", list(base)), clearly_better]) is clearly_better
    plain = rung("base", list(base))
    assert choose([plain, a_little]) is plain
    # Both are far ahead of the base, and one standard error apart at most: the simpler is taken.
    query = rung("query", list(clearly_better.values - 0.001 * np.tile([-9, 10], 50)))
    assert choose([plain, query, clearly_better]) is query


def test_what_forgets_too_much_is_passed_over_where_something_else_is_there() -> None:
    base = rung("base", [0.2] * 50, general=0.8)
    forgetful = rung("full", [0.9] * 50, general=0.5)
    careful = rung("full", [0.8] * 50, general=0.79)

    def forgets(r: Rung) -> bool:
        return bool(r.trial.general is not None and 0.8 - r.trial.general > 0.02)

    assert choose([base, forgetful, careful], forgets) is careful
    assert choose([base, forgetful, careful]) is forgetful


@pytest.mark.slow
def test_what_is_kept_is_better_on_dev_and_loads(tiny_model: Path, tmp_path: Path) -> None:
    log = train(
        handbook(), out=tmp_path / "m", base_model=str(tiny_model), settings=SETTINGS, minutes=5
    )
    kept = [trial for trial in log.trials if trial.is_kept]
    assert len(kept) == 1
    assert log.trials[0].recipe == "base"
    assert log.trials[0].dev > 0
    assert log.trials[0].fused > 0
    assert log.trials[0].general is not None
    assert log.dev[0] == (0, log.trials[0].dev)
    assert {"base", "full"} <= {trial.recipe for trial in log.trials}
    assert log.kept == ("base" if kept[0].recipe == "base" else "tuned")
    if log.kept == "tuned":
        assert kept[0].dev > log.trials[0].dev
    assert encoder_for(str(tmp_path / "m")).encode_queries(["a badge"]).shape == (1, 32)
    assert not (tmp_path / "m" / SCRATCH).exists()


@pytest.mark.slow
def test_a_rung_that_was_climbed_is_not_climbed_again(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import homing.training.trainer as trainer

    trained: list[str] = []
    real = trainer.train

    def counted(*args: object, **kwargs: object) -> object:
        trained.append(str(kwargs["out"]))
        return real(*args, **kwargs)  # type: ignore[arg-type]

    def stopped(_: RungMaker, __: Rung) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "train", counted)
    monkeypatch.setattr(RungMaker, "put_in_place", stopped)

    def climb() -> None:
        train(
            handbook(),
            out=tmp_path / "m",
            base_model=str(tiny_model),
            settings=replace(SETTINGS, epochs=2),
            minutes=5,
        )

    with pytest.raises(KeyboardInterrupt):
        climb()
    assert trained
    before = len(trained)
    with pytest.raises(KeyboardInterrupt):
        climb()
    assert len(trained) == before


def test_without_time_nothing_is_trained(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ladder.NothingToDoError, match="No recipe"):
        train(
            handbook(),
            out=tmp_path / "m",
            base_model=str(tiny_model),
            settings=SETTINGS,
            minutes=1e-9,
        )


def paced(passage_s: float, minutes: float, tiny_model: Path, out: Path) -> Ladder:
    dataset = handbook()
    maker = RungMaker(
        dataset,
        base_model=str(tiny_model),
        out=out,
        settings=TrainingSettings(device="cpu"),
        split="train",
    )
    climbing = Ladder(maker, minutes=minutes)
    climbing.pace = Pace(passage_s)
    return climbing


def test_where_time_is_short_less_is_learnt_from_and_what_does_not_fit_is_left_out(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    tried: list[tuple[str, float]] = []
    monkeypatch.setattr(
        Ladder,
        "_try",
        lambda self, name, settings, share=1.0, base_model=None, key="": tried.append(
            (name, share)
        ),
    )
    monkeypatch.setattr(ladder, "FEWEST_TO_HALVE", 2)
    n = len(HANDBOOK)
    plenty = paced(0.01, 10, tiny_model, tmp_path)
    plenty._full()
    assert tried == [("full, rate 0.0001", 0.25), ("full, rate 4e-05", 0.25)]
    tried.clear()
    # Enough for about half of one training, so no rates are compared.
    paced(60 / (FULL * n) * 2, 1, tiny_model, tmp_path)._full()
    ((name, share),) = tried
    assert name == "full, rate 0.0001"
    assert 0.45 < share <= 0.5
    tried.clear()
    hopeless = paced(1000.0, 1, tiny_model, tmp_path)
    hopeless._full()
    hopeless._cheap("query", "query")
    hopeless._cheap("adapter", "adapter", with_questions=False)
    assert tried == []
    said = capsys.readouterr().err
    assert "full was not tried: it would take about 1000 minutes" in said
    assert "adapter was not tried: it would take about 200 minutes, and 1.0 of 1 are left" in said


def test_a_pace_is_measured_where_there_was_something_to_measure() -> None:
    assert measured(10.0, 400) == Pace(0.025)
    assert measured(0.1, 400) is None
    assert measured(10.0, 0) is None


def test_shares_of_passages_and_questions_are_drawn_by_the_seed() -> None:
    dataset = handbook()
    half = fewer_passages(dataset, "train", 0.5, seed=1)
    assert len(half.qrels["train"]) == len(HANDBOOK) // 2
    assert half.qrels["train"] == fewer_passages(dataset, "train", 0.5, seed=1).qrels["train"]
    assert half.qrels["train"] != fewer_passages(dataset, "train", 0.5, seed=2).qrels["train"]
    assert fewer_passages(dataset, "train", 1.0, seed=1) is dataset
    assert len(few_questions(dataset, 0, most=5).qrels["dev"]) == 5
    texts = [f"question {i}" for i in range(10)]
    some = some_questions(texts, 0.3, seed=0)
    assert len(some) == 3
    assert some == sorted(some, key=texts.index)
    assert some_questions(texts, 1.0, seed=0) == texts
    assert some_questions(texts, 0.3, seed=1) != some


def test_a_log_with_trials_is_read_back(tmp_path: Path) -> None:
    from dataclasses import asdict

    from homing.pipeline.training_summary import load_log
    from homing.types import TrainingLog

    log = TrainingLog(
        [(1, 0.5)], [(0, 0.1)], "base", 0, 8, 4, 9, 1.0, trials=(Trial("a", "b", 0.1, 0.2),)
    )
    summary = {"log": json.loads(json.dumps(asdict(log)))}
    assert load_log(summary).trials == log.trials


class Here:
    """A group of this process alone: what it is given goes through a pickle, as to a cluster."""

    def __init__(self) -> None:
        self.recipes: list[str] = []

    def size(self) -> int:
        return 1

    def device(self) -> str:
        return "cpu"

    def place_of(self, path: Path) -> str:
        return str(path)

    def run(self, function: Any, item: Any, folder: str, *, most: int) -> Any:
        function, item = pickle.loads(pickle.dumps((function, item)))
        self.recipes.append(item.job.settings.recipe)
        return function(item)


@pytest.mark.slow
def test_a_group_trains_full_alone_and_changes_nothing(tiny_model: Path, tmp_path: Path) -> None:
    group = Here()
    logs = [
        train(
            handbook(),
            out=tmp_path / name,
            base_model=str(tiny_model),
            settings=SETTINGS,
            minutes=5,
            group=one,
        )
        for name, one in (("alone", None), ("together", group))
    ]
    assert set(group.recipes) == {"full"}
    trials = [[(t.name, t.dev, t.is_kept) for t in log.trials] for log in logs]
    assert trials[0] == trials[1]
    models = [(tmp_path / name).rglob("*.safetensors") for name in ("alone", "together")]
    one, other = ({path.name: path.read_bytes() for path in found} for found in models)
    assert one == other != {}
