"""Further contenders of a workspace: beside its own, and paid for once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from homing.errors import ModelNotFoundError, UsageError
from homing.llm.ledger import Ledger
from homing.llm.testing import ModelVectors, TestServer
from homing.pipeline import evaluate_dataset, run
from homing.pipeline.evaluation import evaluate_stage
from homing.pipeline.job import StageResult, open_job

OWN = ["base", "tuned", "bm25", "bm25+base", "bm25+tuned"]


def evaluated(workspace: Path, **settings: Any) -> StageResult:
    overrides = {f"evaluate.{name}": value for name, value in settings.items()}
    with open_job(workspace, create=False, overrides=overrides) as job:
        return evaluate_stage(job)


def test_an_endpoint_stands_beside_a_workspaces_own_and_is_asked_once(
    copied: Path, tiny_model: Path
) -> None:
    with TestServer(embedder=ModelVectors(tiny_model)) as server:
        named = ["there=openai:any", "mix=fusion(bm25,there,0.3)"]
        first = evaluated(copied, contenders=named, base_url=server.url)
        assert list(first.summary["contenders"]) == [*OWN, "there", "mix"]
        assert first.summary["contenders"]["there"] == pytest.approx(
            first.summary["contenders"]["base"], abs=1e-9
        )
        n_paid = server.counts.answered
        assert not evaluated(copied).ran
        assert evaluated(copied, contenders=[*named, "more=fusion(base,there)"]).ran
        assert server.counts.answered == n_paid
        assert server.counts.n_repeated == 0
    with Ledger(copied / "ledger.sqlite") as ledger:
        assert ledger.spent(purpose="embed").n_calls > 0


def test_vectors_of_further_models_are_kept_as_long_as_they_are_compared(
    copied: Path, static_model: Path
) -> None:
    folder = copied / "cache" / "embeddings"
    evaluated(copied)
    own = set(folder.iterdir())
    evaluated(copied, contenders=[f"static={static_model}"])
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")}
    assert len(set(folder.iterdir()) - own) == 1
    evaluated(copied, contenders=[f"static={static_model}", "mix=fusion(static,bm25)"])
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")} == kept
    evaluated(copied, contenders=[])
    assert set(folder.iterdir()) == own


def test_a_model_that_changed_is_evaluated_anew(copied: Path, static_model: Path) -> None:
    assert evaluated(copied, contenders=[f"static={static_model}"]).ran
    assert not evaluated(copied).ran
    with (static_model / "model.safetensors").open("ab") as file:
        file.write(b" ")
    try:
        with pytest.raises(ModelNotFoundError, match=r"static=.*cannot be loaded"):
            evaluated(copied)
    finally:
        with (static_model / "model.safetensors").open("ab") as file:
            file.truncate(file.tell() - 1)


def test_a_slip_of_the_pen_is_told_before_anything_is_done(tmp_path: Path, handbook: Path) -> None:
    settings = {"evaluate.contenders": ["mix=fusion(base,tund)"]}
    with pytest.raises(UsageError, match="'tund', which is no contender"):
        run(handbook, out=tmp_path / "tuned", settings=settings)
    assert not (tmp_path / "tuned" / "documents").exists()
    with pytest.raises(UsageError, match=r"evaluate\.contenders.*NAME=SPEC"):
        run(handbook, out=tmp_path / "tuned", settings={"evaluate.contenders": ["bm25"]})


def test_any_dataset_may_be_compared_over_an_endpoint_and_keeps_its_vectors_with_its_results(
    copied: Path, tmp_path: Path
) -> None:
    with TestServer() as server:
        for _ in range(2):
            found = evaluate_dataset(
                copied,
                ["words=bm25", "there=openai:any?dimensions=16", "both=fusion(words,there)"],
                out=tmp_path / "out",
                overrides={
                    "evaluate.base_url": server.url,
                    "write.ledger": str(tmp_path / "shared.sqlite"),
                },
            )
        assert server.counts.n_repeated == 0
        assert (tmp_path / "shared.sqlite").exists()
        assert found.evaluation.contenders["both"].chosen.startswith(("z-scores", "reciprocal"))


def test_contenders_of_a_workspace_are_found_in_the_ledger_that_its_settings_name(
    copied: Path, tmp_path: Path
) -> None:
    named = tmp_path / "shared.sqlite"
    with open_job(copied, create=False, overrides={"write.ledger": str(named)}):
        pass
    with TestServer() as server:
        for out in ("first", "second"):
            evaluate_dataset(
                copied,
                ["words=bm25", "there=openai:any?dimensions=16"],
                out=tmp_path / out,
                overrides={"evaluate.base_url": server.url},
            )
        assert server.counts.answered > 0
        assert server.counts.n_repeated == 0
    with Ledger(named) as ledger:
        assert ledger.spent(purpose="embed").n_calls > 0
    assert not (copied / "ledger.sqlite").exists()
