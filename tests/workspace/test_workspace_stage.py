"""A stage runs again exactly when something that decides its outcome has changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homing.workspace import Workspace, hash_code

PROMPT = {"inputs": {"handbook.pdf": "aa"}, "settings": {"seed": 0}, "code": "c1"}


@pytest.fixture
def workspace(tmp_path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "tuned") as workspace:
        yield workspace


class Letters:
    """Work that writes two files and counts how often it was done."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.n_times = 0

    def __call__(self):
        self.n_times += 1
        self.workspace.write_text("letters/a.txt", "alpha")
        self.workspace.write_text("letters/b.txt", "beta")
        return {"n_letters": 2}


def run(workspace, work, **changes):
    arguments = {**PROMPT, "outputs": ["letters"], **changes}
    return workspace.stage("spell", work, **arguments)


def test_nothing_has_changed_so_nothing_is_done_again(workspace):
    work = Letters(workspace)
    first, ran = run(workspace, work)
    again, ran_again = run(workspace, work)
    assert (ran, ran_again, work.n_times) == (True, False, 1)
    assert again == first
    assert again.summary == {"n_letters": 2}
    assert set(again.outputs) == {"letters/a.txt", "letters/b.txt"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"inputs": {"handbook.pdf": "bb"}}, "changed: handbook.pdf"),
        ({"inputs": {"handbook.pdf": "aa", "annex.pdf": "cc"}}, "changed: annex.pdf"),
        ({"settings": {"seed": 1}}, "settings changed: seed"),
        ({"code": "c2"}, "Homing itself changed"),
    ],
)
def test_a_change_makes_it_run_again_and_is_named(workspace, capsys, change, reason):
    work = Letters(workspace)
    run(workspace, work)
    _, ran = run(workspace, work, **change)
    assert ran
    assert f"spell: again, {reason}" in capsys.readouterr().err


def test_an_output_that_someone_edited_is_made_again(workspace, capsys):
    work = Letters(workspace)
    run(workspace, work)
    workspace.path("letters", "a.txt").write_text("alphA")
    assert run(workspace, work)[1]
    assert workspace.path("letters", "a.txt").read_text() == "alpha"
    assert "letters/a.txt is missing or was changed" in capsys.readouterr().err


def test_an_output_that_is_gone_is_made_again(workspace):
    work = Letters(workspace)
    run(workspace, work)
    workspace.path("letters", "b.txt").unlink()
    assert run(workspace, work)[1]


def test_a_stage_that_failed_is_not_taken_for_done(workspace):
    def fail():
        workspace.write_text("letters/a.txt", "alpha")
        raise RuntimeError("out of ink")

    with pytest.raises(RuntimeError):
        run(workspace, fail)
    assert run(workspace, Letters(workspace))[1]


def test_a_damaged_manifest_only_costs_a_run(workspace):
    work = Letters(workspace)
    run(workspace, work)
    workspace.path("manifests", "spell.json").write_text("{")
    assert run(workspace, work)[1]


def test_a_file_of_another_stage_in_the_same_folder_does_not_count(workspace):
    work = Letters(workspace)
    run(workspace, work, but_not=["letters/README.md"])
    workspace.write_text("letters/README.md", "by another stage")
    _, ran = run(workspace, work, but_not=["letters/README.md"])
    assert not ran


def test_settings_that_json_writes_alike_are_alike(workspace):
    work = Letters(workspace)
    run(workspace, work, settings={"kinds": ("heading", "cloze")})
    assert not run(workspace, work, settings={"kinds": ["heading", "cloze"]})[1]


def test_the_manifest_says_what_versions_made_it(workspace):
    manifest, _ = run(workspace, Letters(workspace))
    assert {"python", "homing", "numpy"} <= set(manifest.versions)
    assert manifest.seconds >= 0
    assert manifest.started.endswith("+00:00")


def test_the_hash_of_the_code_differs_by_room():
    assert hash_code("workspace") == hash_code("workspace") != hash_code("settings")
    assert hash_code("types") != hash_code("errors")
