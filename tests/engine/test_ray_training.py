"""Two workers of a cluster train what one process trains, whoever dies on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")
torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from handbook_sentences import HANDBOOK  # noqa: E402
from homing.dataset import Dataset  # noqa: E402
from homing.engine.ray_training import RayGroup  # noqa: E402
from homing.errors import UsageError  # noqa: E402
from homing.ranks import n_ranks, rank  # noqa: E402
from homing.storage import list_files  # noqa: E402
from homing.training.settings import TrainingSettings  # noqa: E402
from homing.training.trainer import train  # noqa: E402
from homing.types import Encoder, Passage, Qrel, Query, TrainingLog  # noqa: E402
from s3_server import S3  # noqa: E402

pytestmark = pytest.mark.ray

SETTINGS = TrainingSettings(
    epochs=52, learning_rate=1e-3, batch_passages=6, evaluations=4, device="cpu"
)


def handbook() -> Dataset:
    corpus = {t: Passage(t, "handbook", 0, len(s), s) for t, s in HANDBOOK.items()}
    asked = {t + part: s[cut] for t, s in HANDBOOK.items() for part, cut in CUTS.items()}
    queries = {key: Query(key, text) for key, text in asked.items()}
    qrels = [Qrel(t + part, t) for t in HANDBOOK for part in CUTS]
    return Dataset(corpus, queries, {"train": qrels})


CUTS = {"a": slice(0, 30), "b": slice(-30, None)}


NOBODY = -1


@dataclass(frozen=True)
class Score:
    """A dev score that rises, notes who asked for it, and once kills a process.

    Attributes:
        notes: A file with a line for each call.
        kill_at: The call that does not return; 0 for none.
        victim: The process that is killed then; None for the one that asks, `NOBODY` for none.
    """

    notes: Path
    kill_at: int = 0
    victim: int | None = None

    def __call__(self, _: Encoder) -> float:
        with self.notes.open("a") as file:
            backend = torch.distributed.get_backend() if n_ranks() > 1 else "none"
            file.write(f"{os.getpid()} {rank()} {n_ranks()} {backend}\n")
        n_calls = len(self.calls())
        if n_calls == self.kill_at:
            if self.victim != NOBODY:
                os.kill(self.victim or os.getpid(), signal.SIGKILL)
            time.sleep(600)
        return n_calls / 100

    def calls(self) -> list[list[str]]:
        return [line.split() for line in self.notes.read_text().splitlines()]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core each on this machine, and a head that has none."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the group shares; the models go below it."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def group(cluster: Any, folder: Path) -> Iterator[RayGroup]:
    group = RayGroup(cluster.address, None, local=folder, shared=str(folder))
    yield group
    group.close()


@pytest.fixture(scope="module")
def alone(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingLog]:
    """What one process makes: the model's folder and the log."""
    out = tmp_path_factory.mktemp("alone") / "model"
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker has them
    log = train(handbook(), base_model=str(tiny_model), out=out, settings=SETTINGS)
    torch.set_num_threads(n_threads)
    return out, log


def are_alike(one: Path, other: Path) -> None:
    from safetensors.torch import load_file

    weights = [load_file(str(folder / "model.safetensors")) for folder in (one, other)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=2e-4, rtol=0, msg=name)


def test_two_workers_make_the_model_of_one_process(
    group: RayGroup,
    folder: Path,
    alone: tuple[Path, TrainingLog],
    tiny_model: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert (group.size(), group.device()) == (2, "cpu")
    out = folder / "two"
    log = train(handbook(), base_model=str(tiny_model), out=out, settings=SETTINGS, group=group)
    steps, losses = zip(*alone[1].loss, strict=True)
    assert [step for step, _ in log.loss] == list(steps)
    assert [loss for _, loss in log.loss] == pytest.approx(losses, abs=2e-4)
    assert losses[-1] < losses[0]
    are_alike(alone[0], out)
    assert {path.name for path in out.iterdir()} == {path.name for path in alone[0].iterdir()}
    said = capfd.readouterr().err
    assert "train: 2 workers of the cluster" in said
    assert said.count("pairs over") == 1  # the first worker alone is heard


DRIVER = """
import os, sys
from pathlib import Path
sys.path[:0] = sys.argv[4:]
from test_ray_training import SETTINGS, RayGroup, Score, handbook, train

address, base, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
group = RayGroup(address, None, local=folder, shared=str(folder))
score = Score(folder / "driver", kill_at=4, victim=os.getpid())
out = folder / "driven"
train(handbook(), base_model=base, out=out, settings=SETTINGS, score_dev=score, group=group)
"""


def test_the_same_command_goes_on_where_its_driver_was_killed(
    cluster: Any,
    group: RayGroup,
    folder: Path,
    alone: tuple[Path, TrainingLog],
    tiny_model: Path,
) -> None:
    path = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    arguments = [cluster.address, str(tiny_model), str(folder), *path]
    killed = subprocess.run([sys.executable, "-c", DRIVER, *arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    score, out = Score(folder / "driver"), folder / "driven"
    assert (out / "checkpoints" / "checkpoint-50" / "trainer_state.json").exists()
    train(
        handbook(),
        base_model=str(tiny_model),
        out=out,
        settings=SETTINGS,
        score_dev=score,
        group=group,
    )
    # The base, 26, 52 and the call that killed; then the base, 52 (after step 50), 78 and 104.
    assert len(score.calls()) == 8
    are_alike(alone[0], out)


def test_a_worker_that_is_killed_is_replaced_and_goes_on_from_a_checkpoint_in_a_bucket(
    cluster: Any,
    alone: tuple[Path, TrainingLog],
    tiny_model: Path,
    tmp_path: Path,
    s3: S3,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shared = s3.uri("team/tuned")
    score, local = Score(tmp_path / "notes", kill_at=4), tmp_path / "here"
    group = RayGroup(cluster.address, 2, local=local, shared=shared)
    out = local / "cache" / "model"
    log = train(
        handbook(),
        base_model=str(tiny_model),
        out=out,
        settings=SETTINGS,
        score_dev=score,
        group=group,
    )
    group.close()
    assert "a worker was lost" in capfd.readouterr().err
    pids, ranks, sizes, backends = zip(*score.calls(), strict=True)
    assert (set(ranks), set(sizes), set(backends)) == ({"0"}, {"2"}, {"gloo"})
    # 104 steps, two an epoch; dev after 26, 52, 78 and 104, checkpoints after 50 and 100. So: the
    # base, 26, 52 and the call that killed; then the base again, 52 (after step 50), 78 and 104.
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [4, 4]
    assert (log.kept, log.best_step) == ("tuned", 104)
    are_alike(alone[0], out)
    assert not (out / "checkpoints").exists()
    assert list_files(shared) == []


def test_an_error_of_the_user_comes_back_as_it_is(
    group: RayGroup, folder: Path, tiny_model: Path
) -> None:
    settings = TrainingSettings(dimensions=(4096,), device="cpu")
    with pytest.raises(UsageError, match="none can be cut to 4096"):
        train(
            handbook(),
            base_model=str(tiny_model),
            out=folder / "wrong",
            settings=settings,
            group=group,
        )


def test_a_node_that_is_lost_leaves_the_rest_to_the_others(
    cluster: Any,
    group: RayGroup,
    folder: Path,
    alone: tuple[Path, TrainingLog],
    tiny_model: Path,
    wait_until: Callable[..., None],
) -> None:
    score, out = Score(folder / "lost", kill_at=4, victim=NOBODY), folder / "one"

    def lose_a_node() -> None:
        wait_until(lambda: score.notes.exists() and len(score.calls()) == 4, "no dev", 600)
        node = min(cluster.worker_nodes, key=lambda node: node.unique_id)
        cluster.remove_node(node, allow_graceful=False)

    with ThreadPoolExecutor(1) as beside:
        losing = beside.submit(lose_a_node)
        train(
            handbook(),
            base_model=str(tiny_model),
            out=out,
            settings=SETTINGS,
            score_dev=score,
            group=group,
        )
        losing.result()
    assert [size for *_, size, _ in score.calls()] == ["2"] * 4 + ["1"] * 4
    are_alike(alone[0], out)
