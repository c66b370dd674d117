"""The model hub, through its local cache: the one file that talks to it for single files.

The cache is asked first and trusted, so that a model that was fetched once keeps working without
a network; HF_HUB_OFFLINE and HF_HOME are honoured by the library underneath.
"""

from __future__ import annotations

import json
from pathlib import Path

from homing.errors import ModelNotFoundError

CONNECT_TIMEOUT_S = 10.0


def hub_file(hub_id: str, name: str) -> Path | None:
    """Return one file of a model at the hub as a local path, or None if the model has no such.

    Raises:
        ModelNotFoundError: If the file is not in the cache and the hub cannot be reached, does not
            know the model, or does not let us have it.
    """
    from huggingface_hub import (
        get_hf_file_metadata,
        hf_hub_download,
        hf_hub_url,
        try_to_load_from_cache,
    )
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        cached = try_to_load_from_cache(hub_id, name)
        if cached is not None:
            return Path(cached) if isinstance(cached, str) else None
        # A first look without the library's retries: half a minute of them helps nobody offline.
        get_hf_file_metadata(hf_hub_url(hub_id, name), timeout=CONNECT_TIMEOUT_S)
        return Path(hf_hub_download(hub_id, name))
    except LocalEntryNotFoundError as error:
        raise ModelNotFoundError(_unreachable(hub_id, error)) from error
    except EntryNotFoundError:
        return None
    except Exception as error:  # whatever the network, the server or a proxy may do
        raise ModelNotFoundError(_unreachable(hub_id, error)) from error


def cached_snapshot(hub_id: str) -> Path | None:
    """Return the folder of a model that lies in the local cache with all its parts, or None."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(hub_id, local_files_only=True))
    except (OSError, ValueError):
        return None
    return folder if is_complete(folder) else None


def is_complete(folder: Path) -> bool:
    """Return whether a model folder has its weights and every module that it names."""
    if not any(folder.rglob("*.safetensors")) and not any(folder.rglob("pytorch_model*.bin")):
        return False
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return (folder / "config.json").is_file()
    needed = [m for m in modules if not m["type"].endswith(".Normalize")]
    return all((folder / m["path"]).is_dir() for m in needed)


def _unreachable(hub_id: str, error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    first_line = (str(error).strip() or repr(error)).splitlines()[0]
    if isinstance(error, GatedRepoError):
        return (
            f"The hub gives {hub_id} only after its licence is accepted there; then set HF_TOKEN."
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"There is no model {hub_id} at the hub, nor a folder of that name. Check the name; "
            "for a private model set HF_TOKEN."
        )
    return (
        f"The model {hub_id} is neither a folder nor in the local cache, and the hub cannot be "
        f"reached ({first_line}). Check the network, unset HF_HUB_OFFLINE if it is set, or give "
        "the path of a model folder."
    )
