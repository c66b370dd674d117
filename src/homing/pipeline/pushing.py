"""A tuned model to the hub: which folder, whether it should go, and that no document goes along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from homing.dataset import load_dataset
from homing.deployment.export_folders import EXPORTED
from homing.deployment.pushing import (
    CARD,
    MAIN,
    ModelFile,
    Uploaded,
    hub_id_of,
    model_files,
    upload,
)
from homing.errors import ModelNotFoundError, NothingToDoError, UsageError
from homing.evaluation.files import load_evaluation
from homing.pipeline.copies import on_copies
from homing.pipeline.export_facts import export_facts, export_folders
from homing.pipeline.job import EVALUATION, MODEL
from homing.pipeline.training import MODEL_FILES
from homing.pipeline.training_summary import load_log
from homing.reporting.export_table import ExportFacts, with_exports
from homing.reporting.model_card import card_for
from homing.workspace import Workspace

COPIED_WORDS = 8
"""So many words in a row, in a file to be sent and in a document, are a copy."""
READ_BYTES = 512 * 1024
"""Larger files are weights and vocabularies."""
VOCABULARIES = frozenset({"tokenizer.json", "vocab.txt", "vocab.json", "merges.txt"})


@dataclass(frozen=True)
class Pushed:
    """What was sent, or would be.

    Attributes:
        files: Name in the repository -> bytes.
        left_out: Names in the model folder that are no part of a model.
        uploaded: None where nothing was sent.
    """

    hub_id: str
    revision: str
    private: bool
    files: dict[str, int]
    left_out: tuple[str, ...]
    uploaded: Uploaded | None = None

    @property
    def n_bytes(self) -> int:
        """Return how much that is."""
        return sum(self.files.values())

    def as_json(self) -> dict[str, Any]:
        """Return the one object that `--json` prints."""
        return {**asdict(self), "n_bytes": self.n_bytes, "dry_run": self.uploaded is None}


@on_copies(write=False)
def push_model(
    source: str | Path,
    target: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    message: str | None = None,
    with_exports: bool = False,
    dry_run: bool = False,
    anyway: bool = False,
) -> Pushed:
    """Send a model to the hub, private unless said otherwise, and return what went there.

    Args:
        source: A workspace, or the folder of a model.
        target: "hub:OWNER/NAME".
        private: What a new repository is; None takes private.
        revision: The branch; None takes the main one.
        with_exports: Whether the workspace's exports go along, each in `exported/NAME/`.
        dry_run: Whether to say only what would be sent; needs no token and no network.
        anyway: Whether to send what the evaluation speaks against, what was not evaluated, and
            files that hold words of the documents.

    Raises:
        UsageError: `target` is no hub id, or the model should not go there as it is.
        ModelNotFoundError: There is no model.
        HubError: The hub does not take it.
        WorkspaceBusyError: Another job works in the workspace.
    """
    hub_id = hub_id_of(target)
    is_workspace = Workspace.is_at(source)
    hold = Workspace(source, create=False) if is_workspace else nullcontext()
    with hold:
        files, left_out = _files(Path(source), hub_id, exports_too=with_exports)
        if is_workspace and not anyway:
            _refuse_base(Path(source))
            _refuse_card_missing(Path(source), files)
            _refuse_copies(Path(source), files)
        pushed = Pushed(
            hub_id=hub_id,
            revision=revision or MAIN,
            private=private is not False,
            files={file.name: file.n_bytes for file in files},
            left_out=tuple(left_out),
        )
        if dry_run:
            return pushed
        uploaded = upload(
            files,
            hub_id,
            private=private,
            revision=pushed.revision,
            message=message or "Model tuned with Homing",
        )
    return replace(pushed, uploaded=uploaded, private=uploaded.private)


def _files(source: Path, hub_id: str, *, exports_too: bool) -> tuple[list[ModelFile], list[str]]:
    """Return what to send, the card as the hub shall show it, and what is no part of a model."""
    folder = _model_folder(source)
    files, left_out = model_files(folder)
    facts = []
    if exports_too:
        exports = export_folders(source)
        facts = export_facts(exports, folder)
        for export in exports:
            more, others = model_files(export, f"{EXPORTED}/{export.name}")
            files, left_out = [*files, *more], [*left_out, *others]
    return [_of_the_hub(file, hub_id, facts) for file in files], left_out


def _model_folder(source: Path) -> Path:
    folder = source / MODEL if Workspace.is_at(source) else source
    if any((folder / name).is_file() for name in MODEL_FILES):
        return folder
    if Workspace.is_at(source):
        raise ModelNotFoundError(
            f"The workspace {source} holds no model yet. Make it with: homing train {source}"
        )
    raise ModelNotFoundError(
        f"{source} holds no model: neither a workspace with one, nor a folder with modules.json or "
        "config.json."
    )


def _refuse_base(workspace: Path) -> None:
    """Raise `NothingToDoError` if the workspace's model is its base, or is no better."""
    held = Workspace(workspace)
    trained, evaluated = held.manifest("train"), held.manifest("evaluate")
    if trained and load_log(trained.summary).kept == "base":
        raise NothingToDoError(
            f"Training found nothing better, so {workspace / MODEL} holds the base model itself, "
            "which its maker publishes already. Push it --anyway, or tune it otherwise."
        )
    if not evaluated:
        return
    verdict = load_evaluation(workspace / EVALUATION).verdict
    if verdict and verdict.decision == "keep base":
        raise NothingToDoError(
            f"The evaluation says: {verdict.headline} Push the tuned model --anyway, if you mean "
            "to; its card says so too."
        )


def _refuse_card_missing(workspace: Path, files: Iterable[ModelFile]) -> None:
    if not any(file.name == CARD for file in files):
        raise UsageError(
            f"{workspace / MODEL} has no model card, so nobody at the hub would learn how well it "
            f"does. `homing evaluate {workspace}` and `homing report {workspace}` write it; push "
            "--anyway to go without."
        )


def _of_the_hub(file: ModelFile, hub_id: str, exports: Sequence[ExportFacts]) -> ModelFile:
    """Return a card that loads the model from the hub and tells of its exports; others as is."""
    if Path(file.name).name != CARD:
        return file
    card = card_for(file.text(), hub_id)
    if file.name == CARD:
        card = with_exports(card, exports)
    return ModelFile(file.name, card.encode())


def _refuse_copies(workspace: Path, files: Sequence[ModelFile]) -> None:
    """Raise `UsageError` if a file to be sent repeats the words of a passage or a question."""
    dataset = load_dataset(workspace)
    texts = {f.name: f.text() for f in files if _is_read(f)}
    runs = {run: name for name, text in texts.items() for run in _runs(text)}
    asked = (query.text for query in dataset.queries.values())
    for text in (*(passage.text for passage in dataset.corpus.values()), *asked):
        for run in _runs(text):
            if run in runs:
                raise UsageError(
                    f"{runs[run]} holds words of your documents (“{run}”), so nothing was sent. "
                    "Take them out of it, or push --anyway."
                )


def _is_read(file: ModelFile) -> bool:
    is_text = Path(file.name).suffix in (".md", ".json", ".txt")
    is_vocabulary = Path(file.name).name in VOCABULARIES
    return is_text and not is_vocabulary and file.n_bytes <= READ_BYTES


def _runs(text: str) -> Iterator[str]:
    words = text.lower().split()
    for start in range(len(words) - COPIED_WORDS + 1):
        yield " ".join(words[start : start + COPIED_WORDS])
