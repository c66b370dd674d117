"""Every command ends with a documented code, results on stdout and all else on stderr."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from homing.cli.main import app
from homing.cli.session import EXIT_CODES, answering, run_cli
from homing.errors import (
    HomingError,
    MissingDependencyError,
    ModelNotFoundError,
    NothingToDoError,
    UsageError,
    WorkspaceBusyError,
)

VERBS = "run ingest write questions curate train evaluate report init doctor version".split()


def failing_app(error: BaseException) -> typer.Typer:
    """Return an app whose only command raises."""
    failing = typer.Typer()

    @failing.command()
    def fail(json_output: bool = typer.Option(False, "--json")) -> None:
        raise error

    return failing


def test_help_names_every_verb_and_every_exit_code(homing):
    done = homing("--help")
    assert done.code == 0
    for verb in [*VERBS, "dataset"]:
        assert re.search(rf"^  {verb} ", done.out, re.MULTILINE), verb
    for code in EXIT_CODES:
        assert str(code) in done.out


@pytest.mark.parametrize("verb", [*VERBS, "dataset convert"])
def test_every_verb_offers_json(homing, verb):
    done = homing(*verb.split(), "--help")
    assert done.code == 0
    assert "--json" in done.out


def test_help_loads_no_heavy_library():
    code = (
        "import sys, homing.cli.main;"
        "print(sorted({'torch','numpy','pydantic','pyarrow','yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_python_m_homing_is_the_same_command():
    command = [sys.executable, "-m", "homing", "version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", done.stdout)


def test_a_mistyped_verb_is_wrong_usage(homing):
    done = homing("evalute")
    assert done.code == 2
    assert done.out == ""
    assert "evalute" in done.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HomingError("the disk is full"), 1),
        (UsageError("no such split"), 2),
        (MissingDependencyError.for_extra("torch", "train"), 9),
        (NothingToDoError("no readable file"), 5),
        (WorkspaceBusyError("process 7"), 6),
        (ModelNotFoundError("no model"), 7),
    ],
)
def test_each_kind_of_error_has_its_code_and_one_line_without_a_traceback(capsys, error, code):
    assert run_cli(failing_app(error), []) == code
    assert code in EXIT_CODES
    assert capsys.readouterr().err == f"homing: {error}\n"


def test_with_json_an_error_is_the_one_object_on_stdout(homing):
    done = homing("train", "nowhere", "--json")
    assert done.code == 2
    assert done.json["error"]["kind"] == "UsageError"
    assert done.json["error"]["exit_code"] == 2
    assert done.json["error"]["message"] in done.err


def test_with_json_a_mistyped_option_is_too(homing):
    done = homing("version", "--json", "--colour")
    assert (done.code, done.json["error"]["exit_code"]) == (2, 2)


def test_ctrl_c_says_that_the_command_continues(capsys):
    assert run_cli(failing_app(KeyboardInterrupt()), []) == 130
    assert "continues" in capsys.readouterr().err


def test_a_full_disk_is_no_defect(capsys):
    error = OSError(28, "No space left on device", "/data/report.html")
    assert run_cli(failing_app(error), []) == 1
    assert capsys.readouterr().err.startswith("homing: No space left to write /data/report.html")


def test_a_defect_keeps_its_traceback_in_a_file(capsys):
    assert run_cli(failing_app(ZeroDivisionError("division by zero")), []) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "defect" in err
    path = Path(re.search(r"\S+\.traceback\.txt", err)[0])
    assert "ZeroDivisionError: division by zero" in path.read_text()
    path.unlink()


def test_debug_shows_the_traceback_of_every_error(capsys, monkeypatch):
    monkeypatch.setenv("HOMING_DEBUG", "1")
    run_cli(failing_app(UsageError("no such split")), [])
    assert "Traceback" in capsys.readouterr().err


def test_what_libraries_print_does_not_reach_stdout(capsys):
    with answering(json_output=True, quiet=False) as answer:
        print("Downloading the internet")
        answer.data = {"n_passages": 3}
    captured = capsys.readouterr()
    assert captured.out == '{\n  "n_passages": 3\n}\n'
    assert "Downloading" in captured.err


def test_a_reader_that_hangs_up_is_no_defect():
    command = f"{sys.executable} -m homing --help | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr


def test_the_exit_codes_are_documented():
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    text = page.read_text(encoding="utf-8")
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning}" in text
    for verb in VERBS:
        assert f"homing {verb}" in text
    assert app.info.epilog.startswith("Exit codes: 0 done")
