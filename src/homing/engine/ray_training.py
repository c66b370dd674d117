"""Several processes of a Ray cluster that work on one model, by Ray Train's `TorchTrainer`.

Ray Train places the processes, tells each its rank, and joins them by torch.distributed (gloo on
CPUs, nccl on GPUs). What they are to do and what came of it pass through files at a place that all
of them reach, so that neither depends on a process that may be lost.

When one is lost, those that are left end too, and all begin again with as many as the cluster then
has room for: the function finds its checkpoints and goes on. That is our own loop, not Ray Train's,
which would wait for a machine that may never come back.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from homing import progress
from homing.engine.base import EngineError
from homing.engine.group import Item, Value
from homing.engine.ray_cluster import connect, machines
from homing.engine.ray_manners import is_debugging
from homing.engine.ray_relay import Surroundings, present_surroundings
from homing.errors import HomingError
from homing.progress import Event, Retelling, say
from homing.ranks import is_main, n_ranks
from homing.storage import Place, join, read_bytes, remove, write_bytes

MAX_FAILURES = 3
"""Times that processes may be lost before the job ends; what was reached is kept even then."""
PATIENCE_S = 3 * 3600
"""How long the others wait while the first one embeds the dev corpus."""
SETTLE_S = 40
"""The cluster takes up to so long to see that a machine is gone."""
START_S = 120
"""How long workers may take to find room and start."""
LOOK_S = 0.3
CALL, ANSWER = "call.pickle", "answer.pickle"
ALONE = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK")
"""Variables of a launcher, which one process by itself is better without."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of a call: a value, or an error that trying again would not mend."""

    value: Any = None
    error: HomingError | None = None


class RayGroup:
    """A `Group` of processes on a Ray cluster, one for each GPU, or one for each machine.

    Args:
        address: Of the cluster, as `ray_cluster.connect` takes it.
        n_workers: How many processes; None for as many as there are GPUs, else machines.
        local: A folder of this machine.
        shared: The place of the same folder for every process.
    """

    def __init__(
        self, address: str | None, n_workers: int | None, *, local: Path, shared: Place
    ) -> None:
        self._asked = n_workers
        self._local, self._shared = local.absolute(), shared
        self._connection = connect(address, n_workers)

    def size(self) -> int:
        """Return how many processes the cluster has room for now, at most those asked for."""
        found = machines()
        n_gpus = sum(machine.n_gpus for machine in found)
        room = n_gpus or sum(machine.n_cpus for machine in found)
        usual = n_gpus or sum(machine.n_cpus > 0 for machine in found)
        return max(1, min(self._asked or usual, room))

    def device(self) -> str:
        """Return "cuda" where the cluster has GPUs, else "cpu"."""
        return "cuda" if any(machine.n_gpus for machine in machines()) else "cpu"

    def place_of(self, path: Path) -> Place:
        """Return the place of a path below the local folder as every process can reach it."""
        relative = path.absolute().relative_to(self._local).as_posix()
        return join(self._shared, relative) if relative != "." else self._shared

    def run(
        self, function: Callable[[Item], Value], item: Item, folder: Place, *, most: int
    ) -> Value:
        """Return what `function(item)` gives in the first of the processes; see `Group.run`."""
        call = join(folder, "group")
        remove(call)
        write_bytes(join(call, CALL), pickle.dumps((function, item), protocol=5))
        for attempt in range(MAX_FAILURES + 1):
            failure = self._fit(call, min(most, self.size()))
            answer = _read_answer(call)
            if answer is not None:
                remove(call)
                if answer.error is not None:
                    raise answer.error
                value: Value = answer.value
                return value
            if attempt < MAX_FAILURES:
                say(f"train: a worker was lost ({_said(failure)}); all go on from what was kept")
                _look_around()
        raise EngineError(
            f"Workers of the cluster were lost {MAX_FAILURES + 1} times, at last so: "
            f"{_said(failure)}. What was reached is kept: run the same command again, which "
            "continues."
        )

    def close(self) -> None:
        """Let go of the cluster."""
        self._connection.close()

    def _fit(self, call: Place, n: int) -> BaseException | None:
        """Run the call once; return why it did not end well, None where it did."""
        from ray.train.torch import TorchTrainer

        os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
        os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"  # relative paths stay what they are
        os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", str(START_S))
        device = self.device()
        what = "GPU" if device == "cuda" else "worker"
        say(f"train: {n} {what if n == 1 else f'{what}s'} of the cluster")
        heard = _Heard()
        work = partial(  # no train_loop_config, which Ray may show; surroundings hold keys
            _work,
            call,
            present_surroundings(self._n_threads(n)),
            heard.mailbox,
            is_quiet=progress.is_silent(),
        )
        with tempfile.TemporaryDirectory(prefix="homing-") as scratch:
            configs = _configs(scratch, n, is_gpu=device == "cuda")
            return heard.during(TorchTrainer(work, **configs))

    def _n_threads(self, n: int) -> int:
        """Return the cores that one of n processes has to itself."""
        return max(1, sum(machine.n_cpus for machine in machines()) // n)


class _Heard:
    """What the first process says, shown here while it works."""

    def __init__(self) -> None:
        import ray

        # On the driver's own machine, which is the one that must not be lost.
        here = _on(ray.get_runtime_context().get_node_id())
        self.mailbox: Any = ray.remote(num_cpus=0, scheduling_strategy=here)(_Mailbox).remote()
        self.retelling = Retelling()

    def during(self, trainer: Any) -> BaseException | None:
        """Run the trainer to its end; return the error that it ended with, None for none."""
        import ray

        failures: list[BaseException] = []

        def fit() -> None:
            try:
                trainer.fit()
            except BaseException as error:  # from the cluster; what to do is decided above
                failures.append(error)

        # In a thread, since in the first one Ray Train would take Ctrl-C for itself.
        thread = threading.Thread(target=fit, daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(LOOK_S)
                self._show()
            self._show()
        finally:
            self.retelling.close()
            # After Ctrl-C this ends the work, too: the first process finds nobody to tell.
            ray.kill(self.mailbox)
        return failures[0] if failures else None

    def _show(self) -> None:
        import ray

        for event in ray.get(self.mailbox.taken.remote()):
            self.retelling.show(event)


class _Mailbox:
    """An actor that keeps what was said until it is asked for."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def put(self, event: Event) -> None:
        """Keep an event."""
        self._events.append(event)

    def taken(self) -> list[Event]:
        """Return what came since the last time."""
        events, self._events = self._events, []
        return events


def _configs(scratch: str, n: int, *, is_gpu: bool) -> dict[str, Any]:
    """Return the Trainer's configurations for n processes.

    Args:
        scratch: A folder of this machine for what Ray Train writes; checkpoints are ours.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig

    known = {field.name for field in fields(FailureConfig)}
    # Of machines that are taken away, and workers that find no room; older versions know neither.
    limits = {"controller_failure_limit", "max_preemption_failures"}
    ours = dict.fromkeys(sorted(known & limits), 0)
    return {
        "torch_config": TorchConfig(backend="nccl" if is_gpu else "gloo", timeout_s=PATIENCE_S),
        "scaling_config": ScalingConfig(
            num_workers=n,
            use_gpu=is_gpu,
            resources_per_worker={"CPU": 1, **({"GPU": 1} if is_gpu else {})},
            placement_strategy="PACK" if is_gpu else "SPREAD",
        ),
        "run_config": RunConfig(
            name="train",
            storage_path=scratch,
            failure_config=FailureConfig(max_failures=0, **ours),
        ),
    }


def _work(call: Place, surroundings: Surroundings, mailbox: Any, *, is_quiet: bool) -> None:
    """Run in every process: make the call, and in the first one keep what came of it."""
    surroundings.take_on()
    if n_ranks() == 1:
        for name in ALONE:
            os.environ.pop(name, None)
    import ray
    import torch

    torch.set_num_threads(surroundings.n_threads)
    progress.configure(quiet=is_quiet or not is_main())
    function, item = pickle.loads(read_bytes(join(call, CALL)))  # noqa: S301  (our own)
    place = join(call, ANSWER)
    with progress.told_to(lambda event: ray.get(mailbox.put.remote(event))):
        try:
            value = function(item)
        except HomingError as error:
            write_bytes(place, pickle.dumps(_Answer(error=error)))
            raise
    if is_main():
        write_bytes(place, pickle.dumps(_Answer(value)))


def _look_around() -> None:
    """Wait until every machine of the cluster has answered, or is known to be gone."""
    import ray

    ask = ray.remote(num_cpus=0, max_retries=0)(_is_here)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    asked = [ask.options(scheduling_strategy=_on(node)).remote() for node in nodes]
    ray.wait(asked, num_returns=len(asked), timeout=SETTLE_S)


def _is_here() -> bool:
    return True


def _on(node: str) -> Any:
    """Return where Ray is to run something: on one machine, and nowhere else."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def _read_answer(call: Place) -> _Answer | None:
    try:
        answer: _Answer = pickle.loads(read_bytes(join(call, ANSWER)))  # noqa: S301  (our own)
    except FileNotFoundError:
        return None
    return answer


def _said(failure: BaseException | None) -> str:
    """Return the last line of an error that came from the cluster, which names its cause."""
    if is_debugging():
        return str(failure)
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    return lines[-1][:160].rstrip(".") if lines else type(failure).__name__
