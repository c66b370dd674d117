"""A model folder to the hub, in one commit: all of it is there, or nothing.

The token comes from HF_TOKEN or from the hub's own login, goes nowhere but to the hub, and is cut
out of every message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.errors import HubError, MissingDependencyError, UsageError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

SCHEME = "hub:"
MAIN = "main"
CARD = "README.md"
SUFFIXES = frozenset(
    ".bin .bpe .data .json .md .model .npz .onnx .py .safetensors .txt .vocab .xml".split()
)
NAMES = frozenset({"LICENSE", "LICENCE", "NOTICE"})
NOT_OF_A_MODEL = frozenset({"bundle", "checkpoints", "exported", "not-better"})
"""Folders that training, an export or a server may leave in that of a model."""
OURS = re.compile(r"(exported|([a-z]+_)?\d+_\w+)/")
"""Folders at the hub that only a push fills: what an earlier one left there is removed."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file that goes to the hub.

    Attributes:
        name: Its path in the repository.
        source: Where it lies, or its very bytes.
    """

    name: str
    source: Path | bytes

    @property
    def n_bytes(self) -> int:
        """Return how large it is."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    def text(self) -> str:
        """Return it as text; bytes that are none become U+FFFD."""
        content = self.source if isinstance(self.source, bytes) else self.source.read_bytes()
        return content.decode("utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What the hub has now.

    Attributes:
        commit: The commit that holds it.
        is_new: False where the hub had the very same files already.
        removed: What an earlier push had left there and this model does not have.
    """

    url: str
    commit: str
    is_new: bool
    private: bool
    removed: tuple[str, ...]


def hub_id_of(target: str) -> str:
    """Return "OWNER/NAME" of "hub:OWNER/NAME".

    Raises:
        UsageError: It is none that the hub could have.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    hub_id = target.removeprefix(SCHEME)
    try:
        if not target.startswith(SCHEME) or hub_id.count("/") != 1:
            raise HFValidationError("it is not hub:OWNER/NAME")
        validate_repo_id(hub_id)
    except HFValidationError as error:
        raise UsageError(
            f"{target!r} is no place at the hub: {str(error).rstrip('.')}. Name it as "
            "hub:OWNER/NAME, such as hub:me/handbook-minilm, with letters, digits, '-', '_', '.'."
        ) from error
    return hub_id


def model_files(folder: Path, prefix: str = "") -> tuple[list[ModelFile], list[str]]:
    """Return the files of a model folder, and the names of those that are no part of a model."""
    files, left_out = [], []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        parts = path.relative_to(folder).parts
        name = "/".join((*([prefix] if prefix else []), *parts))
        is_hidden = any(part.startswith(".") for part in parts)
        is_known = path.suffix.lower() in SUFFIXES or path.name in NAMES
        if is_hidden or not is_known or parts[0] in NOT_OF_A_MODEL:
            left_out.append(name)
        else:
            files.append(ModelFile(name, path))
    return files, left_out


def upload(
    files: Sequence[ModelFile],
    hub_id: str,
    *,
    private: bool | None = None,
    revision: str = MAIN,
    message: str,
) -> Uploaded:
    """Send the files as one commit, compare what the hub then says of them, and return where.

    Args:
        private: What a new repository is, True where it is None. A public one that exists is
            written to only with False.
        revision: The branch; made where it is not there.

    Raises:
        HubError: There is no token, or the hub cannot be reached or does not take it; the message
            says why and what to do. Readers see nothing of a push that broke off.
    """
    api, token = _api()
    with hub_errors(hub_id, token):
        api.create_repo(hub_id, private=private is not False, exist_ok=True)
        is_private = bool(api.model_info(hub_id).private)
        if not is_private and private is not False:
            raise HubError(
                f"{hub_id} exists and everybody can read it, so nothing was sent. Push with "
                "--public if that is meant, make it private at the hub, or take another name."
            )
        if revision != MAIN:
            api.create_branch(hub_id, branch=revision, exist_ok=True)
        before = api.model_info(hub_id, revision=revision)
        stale = _stale(before, files)
        commit = _commit(api, hub_id, files, stale, revision, message)
        _check(api.model_info(hub_id, revision=commit, files_metadata=True), files)
    return Uploaded(
        url=f"{api.endpoint}/{hub_id}" + ("" if revision == MAIN else f"/tree/{revision}"),
        commit=commit,
        is_new=commit != before.sha,
        private=is_private,
        removed=tuple(stale),
    )


def _api() -> tuple[HfApi, str]:
    try:
        from huggingface_hub import HfApi, constants, get_token
    except ImportError as error:
        raise MissingDependencyError.for_extra("huggingface_hub", "train") from error
    if constants.HF_HUB_OFFLINE:
        raise HubError(
            "HF_HUB_OFFLINE is set, and a push needs the hub. Run it again without: "
            "HF_HUB_OFFLINE=0 homing push …"
        )
    token = get_token()
    if not token:
        raise HubError(
            "There is no token for the hub. Make one that may write, and give it as HF_TOKEN in "
            "the environment, or once with `hf auth login`."
        )
    return HfApi(token=token, library_name="homing"), token


def _stale(info: Any, files: Sequence[ModelFile]) -> list[str]:
    sent = {file.name for file in files}
    there = [sibling.rfilename for sibling in info.siblings or ()]
    return sorted(name for name in there if OURS.match(name) and name not in sent)


def _commit(
    api: HfApi,
    hub_id: str,
    files: Sequence[ModelFile],
    stale: Sequence[str],
    revision: str,
    message: str,
) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    added = [CommitOperationAdd(file.name, file.source) for file in files]
    removed = [CommitOperationDelete(name) for name in stale]
    info = api.create_commit(hub_id, [*removed, *added], commit_message=message, revision=revision)
    return str(info.oid)


def _check(info: Any, files: Sequence[ModelFile]) -> None:
    """Raise `HubError` unless the hub names every file with its size."""
    there = {sibling.rfilename: sibling.size for sibling in info.siblings or ()}
    wrong = [file.name for file in files if there.get(file.name) != file.n_bytes]
    if wrong:
        raise HubError(
            f"The hub took the commit {info.sha}, but {wrong[0]} is not in it as it is here "
            f"({len(wrong):,} of {len(files):,} files). Run the same command again."
        )


@contextmanager
def hub_errors(hub_id: str, token: str) -> Iterator[None]:
    """Turn what the hub, a proxy or the network may raise into a `HubError` with its remedy."""
    try:
        yield
    except HubError:
        raise
    except Exception as error:  # whatever the network, the server or a proxy may do
        said = " ".join(_said(error).replace(token, "…").split())[:300]
        raise HubError(f"{_remedy(hub_id, error)} The hub said: {said}") from None


def _said(error: Exception) -> str:
    return str(getattr(error, "server_message", None) or error) or type(error).__name__


def _remedy(hub_id: str, error: Exception) -> str:
    owner = hub_id.partition("/")[0]
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return (
            "The hub does not know the token. Make a new one that may write, and give it as "
            "HF_TOKEN in the environment, or once with `hf auth login`."
        )
    if status == 403:
        return (
            f"The token may not write to {hub_id}. Take one with the right to write, or an owner "
            f"that is you or an organisation of yours instead of {owner!r}."
        )
    if status == 404:
        return (
            f"The hub has no {hub_id} that this token may see, or not that revision. Check the "
            "owner, the name and --revision."
        )
    if status in (409, 412):
        return (
            f"Somebody else changed {hub_id} at the same time; nothing of this push is there. Run "
            "the same command again."
        )
    if status is not None and status < 500:
        return f"The hub does not take the push to {hub_id} (HTTP {status})."
    if status is not None:
        return f"The hub fails (HTTP {status}). Run the same command again later."
    return (
        "The hub cannot be reached, or broke off. Check the network, HF_ENDPOINT and any proxy; "
        "then run the same command again: what was sent is not sent twice."
    )
