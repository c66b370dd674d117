"""A job: a workspace, its settings, and what each stage of it came to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homing.dataset import document_paths
from homing.engine.base import Engine
from homing.engine.opening import open_engine
from homing.errors import UsageError
from homing.ingestion.files import check_sources_exist
from homing.pipeline.remote_ledger import ledger_kept
from homing.progress import say
from homing.settings import Settings, dump_settings, load_settings
from homing.storage import Place, is_remote, join, local_copy
from homing.workspace import Workspace, disk_errors, hash_code

SETTINGS_FILE = "homing.yaml"
DOCUMENTS = "documents/documents.parquet"
PASSAGES = "documents/passages.parquet"
QUESTIONS = "questions/questions.parquet"
DATASET = ("corpus", "queries", "qrels")
MODEL = "model"
MODEL_CARD = "model/README.md"
OFFLINE_MODEL = "model-offline"
EVALUATION = "evaluation"
REPORT = "report.html"
REJECTIONS = "rejections"
CACHE = "cache"
EMBEDDINGS = "cache/embeddings"


@dataclass(frozen=True)
class Job:
    """A workspace that is held, the settings in force, and the engine that does the work."""

    workspace: Workspace
    settings: Settings
    engine: Engine

    @property
    def shared(self) -> str:
        """The place of the workspace as every worker of the engine can reach it.

        Of a remote workspace the URI: what is written below it with `storage` is there at once; of
        the job's files in the copy on this machine, see `share`.
        """
        return self.workspace.place

    def share(self, relative: str) -> str:
        """Return the place at which every worker can read a file of the workspace.

        What an earlier stage made is there already; what this one has just made is sent now.
        """
        self.workspace.publish()
        return join(self.shared, relative)

    def path(self, relative: str) -> Path:
        """Return a path inside the workspace."""
        return self.workspace.path(relative)

    def summary(self, stage: str) -> Mapping[str, Any]:
        """Return what an earlier stage came to.

        Raises:
            UsageError: It has not been run; the message names the verb.
        """
        manifest = self.workspace.manifest(stage)
        if manifest is None:
            raise UsageError(_not_yet(stage, self.workspace.name))
        return manifest.summary


@dataclass(frozen=True)
class StageResult:
    """What a stage came to.

    Attributes:
        ran: False when everything was up to date.
        seconds: Of the run that made what is there now.
        summary: Counts and results.
        text: The same in one sentence.
    """

    stage: str
    ran: bool
    seconds: float
    summary: Mapping[str, Any]
    text: str

    def as_json(self) -> dict[str, Any]:
        """Return the one object that `--json` prints."""
        return {
            "stage": self.stage,
            "up_to_date": not self.ran,
            "seconds": self.seconds,
            **self.summary,
        }


@contextmanager
def open_job(
    folder: Place,
    *,
    create: bool,
    config: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    keep_settings: bool = True,
) -> Iterator[Job]:
    """Hold a workspace while the block runs; its homing.yaml then says what is in force.

    Settings come from `config`, else from the workspace's own homing.yaml, else they are the
    defaults; `overrides` win. Without `keep_settings` they hold for this block alone. The folder
    may be a URI: then the job works in a copy of it, and what each stage makes is sent there.

    Raises:
        UsageError: The settings are wrong, the folder is not a workspace and none can be made, or
            a new one would have no documents.
        WorkspaceBusyError: Another job works in it.
    """
    workspace = Workspace(folder, create=create)
    is_workspace = Workspace.is_at(workspace.place)
    with _settings_at(workspace.place) if is_workspace else nullcontext() as own:
        settings = load_settings(config or own, overrides)
    if create and not is_workspace:
        # Before a folder is made for nothing.
        check_sources(settings.sources, workspace.name)
    with workspace:
        if keep_settings:
            _keep_settings(workspace, dump_settings(settings))
        with ledger_kept(workspace.place, workspace.folder), engine_of(settings) as engine:
            yield Job(workspace, settings, engine)


@contextmanager
def _settings_at(place: str) -> Iterator[Path | None]:
    """Give the settings file of a workspace, None where there is none."""
    if not is_remote(place):
        yield own_settings(place)
        return
    try:
        with local_copy(join(place, SETTINGS_FILE)) as path:
            yield path
    except FileNotFoundError:
        yield None


def _keep_settings(workspace: Workspace, text: str) -> None:
    own = workspace.path(SETTINGS_FILE)
    with disk_errors(workspace.folder):
        if not own.is_file() or own.read_text(encoding="utf-8") != text:
            workspace.write_text(SETTINGS_FILE, text)
    workspace.publish()


def engine_of(settings: Settings) -> Engine:
    """Return the engine that the settings name; its workers start when they are needed."""
    wanted = settings.engine
    return open_engine(wanted.name, address=wanted.address, n_workers=wanted.workers or None)


def own_settings(folder: str | Path) -> Path | None:
    """Return the settings file of a workspace; None where there is none, or no workspace."""
    path = Path(folder).expanduser() / SETTINGS_FILE
    return path if Workspace.is_at(folder) and path.is_file() else None


def paths_of_documents(source: str | Path) -> dict[str, str]:
    """Return document id -> path of a workspace's documents; {} where they are not known."""
    file = Path(source) / DOCUMENTS
    return document_paths(file) if file.is_file() else {}


def check_sources(sources: Sequence[str], folder: Place) -> None:
    """Raise `UsageError` if there are no sources, or one of them does not exist."""
    if not sources:
        raise UsageError(
            f"There are no documents to read. Name them: homing run SOURCES --out {folder}"
        )
    check_sources_exist(sources)


def run_stage(
    job: Job,
    name: str,
    work: Callable[[], Mapping[str, Any]],
    describe: Callable[[Mapping[str, Any]], str],
    *,
    inputs: Mapping[str, str],
    settings: Mapping[str, Any],
    rooms: Sequence[str],
    outputs: Sequence[str],
    but_not: Sequence[str] = (),
    again: str = "",
) -> StageResult:
    """Run a stage unless it is up to date, say what came out, and return it.

    Args:
        work: Writes the outputs and returns the summary.
        describe: Turns a summary into one sentence without the final stop.
        rooms: Parts of Homing whose code decides the outcome, such as "ingestion" or
            "pipeline/ingestion".
        again: Why the stage runs even if it is up to date; "" for no reason.
    """
    manifest, ran = job.workspace.stage(
        name,
        work,
        inputs=inputs,
        settings=settings,
        code=hash_code(*rooms),
        outputs=outputs,
        but_not=but_not,
        again=again,
    )
    text = describe(manifest.summary)
    say(f"{name}: {text} in {manifest.seconds:.1f} s" if ran else f"{name}: up to date ({text})")
    return StageResult(name, ran, manifest.seconds, manifest.summary, text)


def inputs_of(job: Job, after: str, *relative: str) -> dict[str, str]:
    """Return path -> SHA-256 of what an earlier stage left for the next.

    Raises:
        UsageError: Something is missing; the message names the verb that makes it.
    """
    for name in relative:
        if not job.path(name).exists():
            raise UsageError(_not_yet(after, job.workspace.name))
    return job.workspace.hashes(*relative)


def _not_yet(stage: str, folder: str) -> str:
    command = "ingest SOURCES --out" if stage == "ingest" else stage
    return f"{folder} is not that far yet. First run: homing {command} {folder}"


def plural(n: int, noun: str) -> str:
    """Return a count with its noun, such as "1 passage" or "1,630 passages"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
