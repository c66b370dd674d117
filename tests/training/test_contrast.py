"""What the loss can be told: directions, prefixes, a learnt temperature, a guide."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from batches import a_batch, copies, tuned  # noqa: E402
from test_losses import unit  # noqa: E402
from test_trainer import handbook, hits  # noqa: E402

from homing.errors import UsageError  # noqa: E402
from homing.retrieval.cache import CachedEncoder  # noqa: E402
from homing.retrieval.encoders import encoder_for  # noqa: E402
from homing.training.contrast import TEMPERATURES, make_loss, prefixes  # noqa: E402
from homing.training.full_settings import FullSettings  # noqa: E402
from homing.training.guide import Guide  # noqa: E402
from homing.training.losses import IGNORED, NEGATIVE, OWN, info_nce, over_prefixes  # noqa: E402
from homing.training.settings import TrainingSettings  # noqa: E402
from homing.training.trainer import train  # noqa: E402
from homing.types import Passage  # noqa: E402


def labels_of(owns: list[int], n_passages: int) -> np.ndarray:
    labels = np.full((len(owns), n_passages), NEGATIVE)
    labels[np.arange(len(owns)), owns] = OWN
    return labels


def test_questions_are_told_from_the_questions_of_other_passages() -> None:
    owns = [0, 0, 1, 2]
    labels = labels_of(owns, 3)
    labels[3, 1] = IGNORED
    q, p, tau = unit(4, 1), unit(3, 2), 0.1
    total = 0.0
    for i, own in enumerate(owns):
        pair = q[i] @ p[own] / tau
        others = [
            q[i] @ q[k] / tau for k in range(4) if labels[i, owns[k]] == NEGATIVE
        ]  # not itself, not the other question of its passage, not one it also answers
        total += math.log(sum(math.exp(x) for x in [pair, *others])) - pair
    loss = info_nce(
        torch.tensor(q), torch.tensor(p), torch.tensor(labels), tau, ("query-to-query",)
    )
    assert float(loss) == pytest.approx(total / 4, rel=1e-5)


def test_directions_are_averaged() -> None:
    q, p = torch.tensor(unit(5, 3)), torch.tensor(unit(5, 4))
    labels = torch.tensor(labels_of([0, 1, 2, 3, 4], 5))
    ways = ("query-to-passage", "passage-to-query", "query-to-query")
    alone = [float(info_nce(q, p, labels, 0.05, (way,))) for way in ways]
    assert float(info_nce(q, p, labels, 0.05, ways)) == pytest.approx(sum(alone) / 3, rel=1e-6)
    assert float(info_nce(q, p, labels, 0.05)) == pytest.approx(sum(alone[:2]) / 2, rel=1e-6)


def test_prefixes_are_unit_vectors_of_their_own() -> None:
    q, p = torch.tensor(unit(4, 5)) * 3, torch.tensor(unit(4, 6))
    labels = torch.tensor(labels_of([0, 1, 2, 3], 4))

    def loss(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        torch.testing.assert_close(a.norm(dim=1), torch.ones(4))
        return info_nce(a, b, labels, 0.05)

    cut = torch.nn.functional.normalize
    expected = (
        loss(cut(q, dim=1), cut(p, dim=1)) + loss(cut(q[:, :2], dim=1), cut(p[:, :2], dim=1))
    ) / 2
    torch.testing.assert_close(over_prefixes(loss, q, p, (6, 2)), expected)


def test_the_whole_length_is_always_among_the_prefixes(tiny_model: Path) -> None:
    model = tuned(tiny_model)
    assert prefixes(model, (8, 16)) == (32, 16, 8)
    assert prefixes(model, (32,)) == prefixes(model, ()) == ()
    with pytest.raises(UsageError, match="32 dimensions"):
        prefixes(model, (64, 8))


def test_a_learnt_temperature_moves_and_stays_within_bounds(tiny_model: Path) -> None:
    model = tuned(tiny_model)
    settings = TrainingSettings(temperature=0.05, full=FullSettings(learn_temperature=True))
    loss = make_loss(model, settings)
    features, labels = a_batch(model)
    loss(copies(features), labels).backward()
    assert loss.log_tau.grad != 0
    for far, bound in ((-20.0, TEMPERATURES[0]), (20.0, TEMPERATURES[1])):
        loss.log_tau.data.fill_(far)
        assert float(loss.temperature().detach()) == pytest.approx(bound)
        loss(copies(features), labels).backward()  # and it can come back from there
        assert torch.isfinite(loss.log_tau.grad)
    given = make_loss(model, TrainingSettings())
    assert not list(given.parameters(recurse=False))


def test_a_checkpoint_holds_the_learnt_temperature(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import homing.training.recipes.full as full

    monkeypatch.setattr(full, "SAVE_EVERY_STEPS", 3)
    settings = TrainingSettings(
        epochs=2,
        learning_rate=1e-3,
        batch_passages=6,
        full=FullSettings(learn_temperature=True),
        device="cpu",
    )
    seen = []

    def score(encoder: object) -> float:
        found = tmp_path.rglob("checkpoint-3/state.json")
        seen.extend(json.loads(path.read_text())["log_tau"] for path in found)
        return 0.1 * len(seen)

    train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=settings,
        score_dev=score,
    )
    assert seen[0] != pytest.approx(math.log(0.05), abs=1e-2)
    assert TEMPERATURES[0] <= math.exp(seen[0]) <= TEMPERATURES[1]


PASSAGES = [Passage(str(i), "d", 0, 0, t) for i, t in enumerate(("dogs are welcome", "badges"))]


class Says:
    """Scores two passages for one question as it was told."""

    key, dimensions = "says", 2

    def __init__(self, right: float, other: float) -> None:
        self.right, self.other = right, other

    def encode_queries(self, texts: object) -> np.ndarray:
        return np.array([[1.0, 0.0]], dtype=np.float32)

    def encode_passages(self, texts: object) -> np.ndarray:
        return np.array([[self.right, 0.0], [self.other, 0.0]], dtype=np.float32)


@pytest.mark.parametrize(
    ("right", "other", "margin", "expected"),
    [
        (0.6, 0.7, 1.0, IGNORED),
        (0.6, 0.5, 1.0, NEGATIVE),
        (0.6, 0.58, 0.95, IGNORED),
        (0.6, 0.65, 1.2, NEGATIVE),
        (-0.2, -0.3, 0.95, NEGATIVE),
    ],
)
def test_what_the_guide_likes_better_than_the_right_passage_is_no_negative(
    right: float, other: float, margin: float, expected: int
) -> None:
    guide = Guide(Says(right, other), margin)
    found = guide.without_probable([[OWN, NEGATIVE]], ["may I bring a dog?"], PASSAGES)
    assert found.tolist() == [[OWN, expected]]
    assert guide.without_probable([[OWN, IGNORED]], ["q"], PASSAGES).tolist() == [[OWN, IGNORED]]


def test_a_batch_is_labelled_with_the_guide(tiny_model: Path) -> None:
    model = tuned(tiny_model)
    encoder = CachedEncoder(encoder_for(str(tiny_model), device="cpu"))
    _, plain = a_batch(model)
    _, guided = a_batch(model, guide=Guide(encoder, 1.0))
    dataset = handbook()
    queries = encoder.encode_queries([q.text for q in dataset.queries.values()])
    scores = queries @ encoder.encode_passages(dataset.passage_texts()).T
    own = (plain == OWN).int().argmax(dim=1).numpy()
    better = scores > scores[np.arange(len(own)), own][:, None]
    assert 0 < better.sum() < better.size / 2
    np.testing.assert_array_equal(guided.numpy() == IGNORED, better)
    assert (guided[plain == OWN] == OWN).all()


@pytest.mark.slow
@pytest.mark.parametrize("guide", ["base", "folder"])
def test_training_with_a_guide_keeps_its_vectors(
    guide: str, tiny_model: Path, tmp_path: Path
) -> None:
    settings = TrainingSettings(
        epochs=12,
        learning_rate=3e-3,
        batch_passages=6,
        full=FullSettings(guide=str(tiny_model) if guide == "folder" else guide),
        device="cpu",
    )
    log = train(
        handbook(),
        base_model=str(tiny_model),
        out=tmp_path / "m",
        settings=settings,
        score_dev=hits,
        cache_folder=tmp_path / "vectors",
    )
    assert log.kept == "tuned"
    assert list((tmp_path / "vectors").glob("*/part-*.npz"))
    unguided = replace(settings, epochs=1, full=FullSettings())
    other = train(handbook(), base_model=str(tiny_model), out=tmp_path / "n", settings=unguided)
    assert log.loss[0][1] < other.loss[0][1]  # the same batch with fewer negatives
