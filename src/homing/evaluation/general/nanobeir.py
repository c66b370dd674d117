"""NanoBEIR: small versions of the BEIR benchmarks, 50 questions each, from the model hub.

Source: huggingface.co/collections/zeta-alpha-ai/nanobeir. What was fetched once is found in the
hub's local cache without a network.
"""

from __future__ import annotations

from pathlib import Path

from homing.dataset import Dataset, load_dataset
from homing.errors import HomingError, MissingDependencyError, UsageError

PREFIX = "nanobeir:"
NAMES = (
    "ArguAna", "ClimateFEVER", "DBPedia", "FEVER", "FiQA2018", "HotpotQA", "MSMARCO", "NFCorpus",
    "NQ", "QuoraRetrieval", "SCIDOCS", "SciFact", "Touche2020",
)  # fmt: skip
PARTS = ("corpus", "queries", "qrels")
CONNECT_TIMEOUT_S = 10.0


def nanobeir_name(spec: str) -> str | None:
    """Return the set that "nanobeir:NAME" names, in whatever case; None for any other spec.

    Raises:
        UsageError: If there is no such set; the message names those there are.
    """
    if not spec.lower().startswith(PREFIX):
        return None
    asked = spec[len(PREFIX) :].strip()
    for name in NAMES:
        if asked.lower() in (name.lower(), f"nano{name}".lower()):
            return name
    raise UsageError(f"NanoBEIR has no set {asked!r}. It has: {', '.join(NAMES)}.")


def load_nanobeir(name: str) -> Dataset:
    """Return a set by one of `NAMES`; its split is called "train", as at the hub.

    Raises:
        HomingError: If it is not in the local cache and the hub cannot be reached.
        MissingDependencyError: Without huggingface_hub.
    """
    return load_dataset(_folder(f"zeta-alpha-ai/Nano{name}"))


def _folder(hub_id: str) -> Path:
    try:
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError as error:
        raise MissingDependencyError.for_extra("huggingface_hub", "train") from error

    wanted = [f"{part}/*.parquet" for part in PARTS]
    options = {"repo_type": "dataset", "allow_patterns": wanted}
    try:
        kept = Path(snapshot_download(hub_id, local_files_only=True, **options))
        if all(any(kept.glob(pattern)) for pattern in wanted):
            return kept
    except (LocalEntryNotFoundError, ValueError):
        pass
    try:
        # A first look without the library's retries: half a minute of them helps nobody offline.
        HfApi().dataset_info(hub_id, timeout=CONNECT_TIMEOUT_S)
        return Path(snapshot_download(hub_id, **options))
    except Exception as error:  # whatever the network, the server or a proxy may do
        first_line = (str(error).strip() or repr(error)).splitlines()[0]
        raise HomingError(
            f"The general set {hub_id} is not in the local cache and cannot be had from the hub "
            f"({first_line}). Check the network and unset HF_HUB_OFFLINE if it is set; or fetch "
            f"the folder elsewhere and name its path in place of {PREFIX}{hub_id.split('Nano')[1]}."
        ) from error
