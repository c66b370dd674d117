"""A tuned model to folders that other runtimes load, each tried before it is handed over."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homing.dataset import load_dataset
from homing.deployment.backends import encoder_at
from homing.deployment.export_card import export_card
from homing.deployment.export_folders import (
    PARITY,
    check_target,
    hashes,
    out_folder,
    size_of,
)
from homing.deployment.exporting import Exporter
from homing.deployment.formats import FORMATS, read_formats
from homing.deployment.graph import ExportError, static_message
from homing.deployment.parity import Parity
from homing.errors import HomingError, UsageError
from homing.pipeline.copies import on_copies
from homing.pipeline.export_results import Export, Exported
from homing.pipeline.job import DATASET, MODEL, own_settings
from homing.pipeline.parity_trial import Trial, trial_on
from homing.progress import say
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.retrieval.models import find_model, load_sentence_transformer
from homing.retrieval.static import is_static
from homing.retrieval.towers import towers_of
from homing.retrieval.truncating import TruncatedEncoder
from homing.settings import load_settings
from homing.types import Encoder, content_id
from homing.workspace import Workspace, disk_errors, hash_code, whole_folder
from homing.workspace.manifest import library_versions

CARD = "README.md"
ALLOWED_LOSS = 0.5
ROOMS = (
    *("deployment/exporting", "deployment/formats", "deployment/graph", "deployment/parity"),
    *("deployment/quantising", "deployment/openvino_files", "deployment/export_card"),
    *("deployment/speed", "pipeline/exporting", "pipeline/parity_trial"),
    *("retrieval/exported", "retrieval/onnx"),
    *("retrieval/onnx_files", "retrieval/openvino", "retrieval/models", "retrieval/prompts"),
)


@on_copies(write=True)
def export_model(
    source: str | Path,
    formats: str | Sequence[str],
    *,
    out: str | Path | None = None,
    dataset: str | Path | None = None,
    split: str | None = None,
    allowed_loss: float = ALLOWED_LOSS,
    dimensions: int | None = None,
) -> Exported:
    """Export a model in several formats, each a complete folder of its own under `out`.

    Each is set against the original in float32 before it takes its place: one that loses more than
    is allowed is not handed over, the others are. A format that is there already, of the same
    model and tried on the same questions, is left as it is.

    Args:
        source: A workspace, a model folder or a hub id.
        formats: As `FORMATS` has them; a text lists several with commas.
        out: None takes the folder `exported` in the workspace or the model folder.
        dataset: What it is tried and calibrated on; None takes the workspace's own, and general
            questions where there is none.
        split: Whose questions are asked; None takes "test", or the only split there is.
        allowed_loss: Points of nDCG@10 (hundredths) that an export may lose.
        dimensions: To which vectors are cut; None leaves them whole.

    Raises:
        UsageError: A format is not known, the model cannot be exported, or `out` holds something
            else.
        ExportError: An export lost more than is allowed, or could not be made; raised at the end.
        ModelNotFoundError: The model cannot be had.
        MissingDependencyError: A library is not installed.
    """
    names = read_formats(formats)
    spec, own = _source(source)
    if is_static(Path(spec).expanduser()):
        raise UsageError(static_message(spec))
    folder = out_folder(source, spec, out)
    for name in names:
        check_target(folder, name)
    model = load_sentence_transformer(spec, device="cpu")
    chosen = dataset if dataset is not None else own
    trial = trial_on(
        None if chosen is None else load_dataset(chosen),
        split=split,
        seed=_seed(source),
    )
    asked, read = trial.calibration()
    scratch = folder / ".graph.tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    found = find_model(spec)
    exporter = Exporter(
        model,
        found.path if found.hub_id is None else None,
        scratch,
        name=spec,
        questions=asked,
        passages=read,
        dimensions=dimensions,
    )
    original: Encoder = SentenceTransformerEncoder(model, bf16=False)
    if dimensions is not None:
        original = TruncatedEncoder(original, dimensions)
    work = _Work(
        exporter=exporter,
        original=CachedEncoder(original),
        trial=trial,
        out=folder,
        card=_own_card(found.path),
        two_towers=towers_of(model) is not None,
        allowed_loss=allowed_loss,
        made_from=_made_from(original.key, trial, dimensions),
    )
    try:
        with disk_errors(folder):
            return Exported(spec, trial.words, _all(work, names))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@dataclass(frozen=True)
class _Work:
    """What all formats of one export share."""

    exporter: Exporter
    original: Encoder
    trial: Trial
    out: Path
    card: str
    two_towers: bool
    allowed_loss: float
    made_from: dict[str, Any]


def _all(work: _Work, names: Sequence[str]) -> tuple[Export, ...]:
    """Return the exports that may be handed over.

    Raises:
        ExportError: One may not, or could not be made; the others are done all the same.
    """
    done: list[Export] = []
    refused: list[HomingError] = []
    for name in names:
        try:
            done.append(_one(work, name))
            say(f"export: {done[-1].text}")
        except ExportError as error:
            say(f"export: {error}")
            refused.append(error)
    if refused:
        kept = ", ".join(export.format for export in done)
        rest = f" The others are in {work.out}: {kept}." if kept else ""
        raise ExportError(" ".join(str(error) for error in refused) + rest)
    return tuple(done)


def _one(work: _Work, name: str) -> Export:
    target = work.out / name
    saved = _up_to_date(work, target)
    if saved is not None:
        _check_loss(work, name, saved)
        return Export(name, target, saved, made=False, n_bytes=size_of(target))
    started = time.monotonic()
    with whole_folder(target) as fresh:
        work.exporter.write(name, fresh)
        say(f"export: {name} made in {time.monotonic() - started:.1f} s; trying it")
        parity = work.trial.measure(work.original, _encoder(fresh, name))
        _check_loss(work, name, parity)
        card = export_card(work.card, name, parity, two_towers=work.two_towers)
        (fresh / CARD).write_text(card, encoding="utf-8")
        facts = {
            "format": name,
            "precision": FORMATS[name].precision,
            **parity.as_json(),
            "made_from": work.made_from,
            "versions": library_versions(),
            "files": hashes(fresh),
        }
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        (fresh / PARITY).write_text(text, encoding="utf-8")
    return Export(name, target, parity, made=True, n_bytes=size_of(target))


def _encoder(folder: Path, name: str) -> Encoder:
    """Return the encoder of an export, as whoever takes it will run it; torch in float32."""
    backend = FORMATS[name].backend
    if backend == "torch":
        model = load_sentence_transformer(str(folder), device="cpu")
        return SentenceTransformerEncoder(model, bf16=False)
    return encoder_at(folder, backend)


def _check_loss(work: _Work, name: str, parity: Parity) -> None:
    ranking = parity.ranking
    assert ranking is not None
    if ranking.lost_points > work.allowed_loss:
        found = ranking.difference
        raise ExportError(
            f"{name} was not handed over: it loses {ranking.lost_points:.2f} points of nDCG@10 "
            f"({100 * ranking.original:.2f} → {100 * ranking.exported:.2f}; 95 % interval of the "
            f"difference {100 * found.low:+.2f} to {100 * found.high:+.2f}) on {parity.measured_on}"
            f", and {work.allowed_loss:g} are allowed. Allow more with --allowed-loss, or take "
            "another format."
        )


def _source(source: str | Path) -> tuple[str, Path | None]:
    """Return the model that is exported, and the workspace whose dataset it was tuned on."""
    if not Workspace.is_at(source):
        return str(source), None
    folder = Path(source).expanduser()
    if not (folder / MODEL).is_dir():
        raise UsageError(f"{source} has no tuned model yet. First run: homing train {source}")
    has_dataset = all((folder / part).exists() for part in DATASET)
    return str(folder / MODEL), folder if has_dataset else None


def _seed(source: str | Path) -> int:
    return load_settings(own_settings(source)).evaluate.seed


def _own_card(folder: Path | None) -> str:
    file = None if folder is None else folder / CARD
    return file.read_text(encoding="utf-8", errors="replace") if file and file.is_file() else ""


def _made_from(key: str, trial: Trial, dimensions: int | None) -> dict[str, Any]:
    """Return what an export must agree in to be left as it is."""
    dataset = trial.dataset
    judged = [
        f"{q.query_id}/{q.passage_id}/{q.grade}"
        for q in sorted(dataset.qrels[trial.split], key=str)
    ]
    return {
        "model": key,
        "tried_on": content_id(
            trial.split, *dataset.passage_texts(), *trial.questions().values(), *judged
        ),
        "dimensions": dimensions,
        "code": hash_code(*ROOMS),
    }


def _up_to_date(work: _Work, target: Path) -> Parity | None:
    """Return what was found of an export that still holds, None where it has to be made."""
    try:
        saved = json.loads((target / PARITY).read_text(encoding="utf-8"))
        parity = Parity.from_json(saved)
        if saved["made_from"] != work.made_from:
            return None
        return parity if saved["files"] == hashes(target) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
