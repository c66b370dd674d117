"""The files of examples/cluster are what Ray and KubeRay read, and their commands are Homing's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from homing.cli.main import app

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "cluster"
LAUNCHER_FIELDS = {
    "cluster_name", "max_workers", "upscaling_speed", "idle_timeout_minutes", "docker", "provider",
    "auth", "available_node_types", "head_node_type", "file_mounts", "cluster_synced_files",
    "rsync_exclude", "rsync_filter", "initialization_commands", "setup_commands",
    "head_setup_commands", "worker_setup_commands", "head_start_ray_commands",
    "worker_start_ray_commands",
}  # fmt: skip
"""docs.ray.io, "Cluster YAML Configuration Options"."""
DOCKER_FIELDS = {
    "image", "head_image", "worker_image", "container_name", "pull_before_run", "run_options",
    "head_run_options", "worker_run_options", "disable_automatic_runtime_detection",
    "disable_shm_size_detection",
}  # fmt: skip
RAY_JOB_FIELDS = {
    "entrypoint", "submissionMode", "backoffLimit", "shutdownAfterJobFinishes",
    "ttlSecondsAfterFinished", "rayClusterSpec", "runtimeEnvYAML", "suspend",
    "activeDeadlineSeconds", "submitterPodTemplate",
}  # fmt: skip
"""ray-project.github.io/kuberay/reference/api, RayJobSpec."""


@pytest.fixture(scope="module")
def launcher() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "cluster.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ray_job() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "rayjob.yaml").read_text(encoding="utf-8"))


def pods(ray_job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = ray_job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def check_command(command: str) -> dict[str, Any]:
    """Parse a command as Homing would, without running it."""
    program, verb, *arguments = shlex.split(command)
    assert program == "homing"
    group = typer.main.get_command(app)
    parsed = group.commands[verb].make_context(verb, arguments)  # raises for a wrong option
    return parsed.params


def test_the_cluster_launcher_knows_every_field_and_starts_ten_workers(launcher):
    assert set(launcher) <= LAUNCHER_FIELDS
    assert {"cluster_name", "provider", "auth", "available_node_types", "head_node_type"} <= set(
        launcher
    )
    assert set(launcher["docker"]) <= DOCKER_FIELDS
    kinds = launcher["available_node_types"]
    assert launcher["head_node_type"] in kinds
    works = kinds["works"]
    assert works["min_workers"] == works["max_workers"] == launcher["max_workers"] == 10
    for kind in kinds.values():
        assert {"InstanceType", "ImageId", "IamInstanceProfile"} <= set(kind["node_config"])
    assert kinds["leads"]["resources"] == {"CPU": 0}


def test_the_machines_are_those_that_plan_knows_the_price_of(launcher):
    from homing.pipeline.plan_nodes import NODE_KINDS

    known = {kind.instance for kind in NODE_KINDS.values()}
    named = {
        kind["node_config"]["InstanceType"] for kind in launcher["available_node_types"].values()
    }
    assert named <= known


def test_what_has_to_be_replaced_is_marked_and_no_secret_is_in_the_files(launcher):
    assert launcher["docker"]["image"].startswith("<")
    for file in FOLDER.iterdir():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"AKIA[0-9A-Z]{12}|sk-[A-Za-z0-9]{20}", text), file.name


def test_the_ray_job_has_the_fields_that_kuberay_asks_for(ray_job):
    assert (ray_job["apiVersion"], ray_job["kind"]) == ("ray.io/v1", "RayJob")
    assert ray_job["metadata"]["name"]
    assert set(ray_job["spec"]) <= RAY_JOB_FIELDS
    cluster = ray_job["spec"]["rayClusterSpec"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", cluster["rayVersion"])
    assert {"rayStartParams", "template"} <= set(cluster["headGroupSpec"])
    for group in cluster["workerGroupSpecs"]:
        assert {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams"} <= set(
            group
        )
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_the_pods_run_as_nobody_with_the_same_image_and_credentials_from_a_secret(ray_job):
    containers = [pod["containers"][0] for pod in pods(ray_job)]
    assert len({container["image"] for container in containers}) == 1
    for pod, container in zip(pods(ray_job), containers, strict=True):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert [source["secretRef"]["name"] for source in container["envFrom"]]
        assert container["resources"]["requests"] == container["resources"]["limits"]


def test_the_entrypoint_is_a_command_of_homing_on_a_shared_workspace(ray_job):
    given = check_command(ray_job["spec"]["entrypoint"])
    assert given["engine"] == "ray"
    assert given["address"] == "auto"
    assert [str(given["out"]), *given["sources"]] == ["s3://bucket/tuned/", "s3://bucket/docs/"]


@pytest.mark.parametrize("page", ["examples/cluster/README.md", "docs/scale.md"])
def test_every_command_on_the_pages_is_a_command_of_homing(page):
    text = (FOLDER.parents[1] / page).read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"^    (homing .+?)(?:\s+#.*)?$", text, re.MULTILINE)
    commands += re.findall(r"'(homing run .+?)'", text)
    assert commands
    for command in commands:
        check_command(re.sub(r"\s+", " ", command))
