"""A workspace chooses its recipe where nobody names one, and says what it tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.pipeline import run
from homing.workspace import Workspace

pytest.importorskip("sentence_transformers")


@pytest.mark.slow
def test_without_a_recipe_several_are_tried_and_the_report_shows_them(
    handbook: Path, have_already: Path, tmp_path: Path, settings: dict[str, object]
) -> None:
    chosen = {**settings, "train.ablation": True}
    del chosen["train.recipe"]
    out = tmp_path / "tuned"
    chosen["train_questions"] = str(have_already)
    run(handbook, out=out, settings=chosen)
    manifest = Workspace(out).manifest("train")
    assert manifest is not None
    log, offline = manifest.summary["log"], manifest.summary["offline_log"]
    tried = {trial["recipe"] for trial in log["trials"]}
    assert {"base", "adapter", "query", "full"} <= tried
    assert sum(trial["is_kept"] for trial in log["trials"]) == 1
    assert not offline["trials"] or log["kept"] == "base"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert 'id="trials"' in page
    again = run(out=out)
    assert not any(result.ran for result in again.stages.values())
