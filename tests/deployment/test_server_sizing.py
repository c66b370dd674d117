"""How a model is run on the cores that there are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from homing.deployment.server.batching import Batching
from homing.deployment.server.sizing import batching_for, n_cores, one_thread, threads_for
from homing.retrieval.encoders import encoder_for


@pytest.mark.parametrize(
    ("quota", "most"),
    [("150000 100000", 2), ("100000 100000", 1), ("5000 100000", 1), ("max 100000", None)],
)
def test_a_container_gives_no_more_cores_than_it_may_use(tmp_path: Path, quota, most):
    here = n_cores(tmp_path / "none")
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert n_cores(tmp_path / "cpu.max") == (here if most is None else min(here, most))
    (tmp_path / "cpu.max").write_text("nonsense")
    assert n_cores(tmp_path / "cpu.max") == here >= 1


def test_a_torch_model_has_a_run_of_one_thread_on_each_core(tiny_model: Path):
    import torch

    encoder = encoder_for(str(tiny_model), device="cpu")
    batching = batching_for(encoder, 3)
    assert batching.n_runs == 3
    before = torch.get_num_threads(), encoder.batch_tokens
    with threads_for(encoder, batching):
        assert (torch.get_num_threads(), encoder.batch_tokens) == (1, batching.max_tokens)
    assert (torch.get_num_threads(), encoder.batch_tokens) == before


def test_a_model_that_cannot_be_shared_has_one_run(static_model: Path):
    from homing.retrieval.static import load_static

    encoder = load_static(str(static_model))
    assert batching_for(encoder, 3) == Batching()
    with threads_for(encoder, Batching(n_runs=3)):
        pass


def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with one_thread():
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with one_thread():
        pass
    assert os.environ["OMP_NUM_THREADS"] == "5"
