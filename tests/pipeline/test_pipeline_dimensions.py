"""A workspace that is trained for shorter vectors evaluates each length."""

from __future__ import annotations

import json

from homing.cli.main import app
from homing.cli.session import run_cli


def test_each_length_is_evaluated_beside_the_whole(copied, capsys):
    assert run_cli(app, ["train", str(copied), "--recipe", "full", "--dimensions", "32,16,8"]) == 0
    assert run_cli(app, ["evaluate", str(copied), "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)["contenders"]
    assert {"tuned", "tuned@16", "tuned@8"} <= set(found)
    assert "tuned@32" not in found  # that is tuned itself
    assert found["tuned@8"]["hit@5"] <= 1.0
    assert "tuned@16" in err
    log = json.loads((copied / "manifests" / "train.json").read_text())["summary"]["log"]
    assert log["settings"]["dimensions"] == [32, 16, 8]
    assert run_cli(app, ["evaluate", str(copied)]) == 0
    assert "evaluate: up to date" in capsys.readouterr().err


def test_what_is_no_list_of_lengths_is_told_what_it_takes(copied, capsys):
    assert run_cli(app, ["train", str(copied), "--dimensions", "half"]) == 2
    assert "whole numbers" in capsys.readouterr().err


def test_a_length_that_the_model_has_not_is_an_error(copied, capsys):
    code = run_cli(app, ["train", str(copied), "--recipe", "full", "--dimensions", "64"])
    assert code == 2
    assert "32 dimensions" in capsys.readouterr().err
