"""`homing doctor`: what this machine and this installation have."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from homing.cli.session import JsonOption, QuietOption, answering

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN")
LIBRARIES = (
    "numpy", "pyarrow", "pypdfium2", "tokenizers", "bm25s", "torch", "transformers",
    "sentence-transformers", "datasets", "accelerate",
)  # fmt: skip
NARROWEST_MASK = 12
"""A key shorter than this shows none of its characters."""


def doctor(json_output: JsonOption = False, quiet: QuietOption = False) -> None:
    """Print what this machine and installation have.

    Versions, cores, memory, device, the base models at hand, and which keys are set (masked).
    """
    with answering(json_output=json_output, quiet=quiet) as answer:
        answer.data = examine()
        answer.text = as_text(answer.data)


def examine() -> dict[str, Any]:
    """Return everything that the verb prints, as plain data."""
    return {
        "versions": versions(),
        "machine": machine(),
        "compute": compute(),
        "base_models": base_models(),
        "keys": {name: masked(os.environ.get(name, "")) for name in KEYS},
    }


def versions() -> dict[str, str]:
    """Return name -> version, "not installed" for libraries of extras that are absent."""
    import platform
    from importlib import metadata

    from homing import __version__

    found = {"homing": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> dict[str, Any]:
    """Return system, usable cores and memory in GiB."""
    import platform
    import shutil

    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "system": platform.platform(),
        "cores": cores,
        "memory_gib": round(memory, 1),
        "free_disk_gib": round(shutil.disk_usage(Path.cwd()).free / 2**30, 1),
    }


def compute() -> dict[str, Any]:
    """Return the device that training takes and whether it computes in bf16."""
    try:
        import torch
    except ImportError:
        return {"device": None, "bf16": None, "remedy": "pip install 'homing[train]'"}
    from homing.retrieval.encoders import has_fast_bf16
    from homing.training.settings import best_device

    device = best_device(None)
    names = {"cpu": "processor", "mps": "Apple GPU"}
    name = names.get(device) or torch.cuda.get_device_name()
    return {"device": device, "name": name, "bf16": has_fast_bf16(device)}


def base_models() -> list[dict[str, str]]:
    """Return the embedding models that load without a network: name, where, size or state."""
    from homing.retrieval.models import EMBEDDED_MODEL, embedded_folder

    models = []
    if folder := embedded_folder():
        models.append({"name": EMBEDDED_MODEL, "from": "embedded package", "path": str(folder)})
    return models + hub_models()


def hub_models() -> list[dict[str, str]]:
    """Return the sentence-transformers models in the hub's local cache."""
    try:
        from huggingface_hub import scan_cache_dir
        from huggingface_hub.errors import CacheNotFound
    except ImportError:
        return []
    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return []
    found = []
    for repository in sorted(repositories, key=lambda r: r.repo_id):
        files = {f.file_name for revision in repository.revisions for f in revision.files}
        if repository.repo_type == "model" and "modules.json" in files:
            path = str(repository.repo_path)
            found.append({"name": repository.repo_id, "from": "hub cache", "path": path})
    return found


def masked(key: str) -> str:
    """Return "not set", "set", or for a long key "set (…yz)" with its last two characters."""
    if not key:
        return "not set"
    return f"set (…{key[-2:]})" if len(key) >= NARROWEST_MASK else "set"


def as_text(found: Mapping[str, Any]) -> str:
    """Return the findings as aligned lines for people."""
    here, compute_with = found["machine"], found["compute"]
    lines = [f"{name:<22}{version}" for name, version in found["versions"].items()]
    lines += [
        "",
        f"{'system':<22}{here['system']}",
        f"{'cores':<22}{here['cores']}",
        f"{'memory':<22}{here['memory_gib']} GiB",
        f"{'free disk here':<22}{here['free_disk_gib']} GiB",
    ]
    if compute_with["device"] is None:
        lines.append(f"{'device':<22}none: torch is missing ({compute_with['remedy']})")
    else:
        bf16 = "bf16" if compute_with["bf16"] else "no bf16"
        lines.append(f"{'device':<22}{compute_with['device']} ({compute_with['name']}, {bf16})")
    lines.append("")
    for model in found["base_models"]:
        lines.append(f"{'base model at hand':<22}{model['name']} ({model['from']})")
    if not found["base_models"]:
        lines.append(f"{'base model at hand':<22}none: pip install 'homing[offline]'")
    lines += ["", *(f"{name:<22}{state}" for name, state in found["keys"].items())]
    return "\n".join(lines)
