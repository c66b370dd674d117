"""A language model that writes from many workers at once, of any engine.

Each worker asks about a stretch of the passages at a time and saves its questions
(`stretch_writing.py`); what the workers share, the limit, the budget and the main ledger, is at the
driver's switchboard (`homing.llm.switchboard`). A worker that is lost costs the calls that it had
under way: its answers are in the main ledger by then, and what may have been on the way there is in
its journal, which whoever comes next reads. The driver holds no passage. Cost beside the calls: a
second or two for a worker's start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from homing.dataset.records import question_schema, rejection_schema
from homing.dataset.shards import concatenate
from homing.engine.base import EngineError, Per
from homing.llm.journal import read_journals
from homing.llm.ledger_sharing import CallRow, SharedLedger
from homing.llm.line import StoppedError
from homing.llm.switchboard import THIS_MACHINE, Door, Switchboard, own_address
from homing.llm.tries import GRACE_S
from homing.pipeline.job import CACHE, DOCUMENTS, PASSAGES, QUESTIONS, Job
from homing.pipeline.language_models import (
    Price,
    is_local,
    language_model,
    ledger_path,
    limits_for,
)
from homing.pipeline.sharding import PARTS
from homing.pipeline.stretch_writing import StretchWriter
from homing.pipeline.stretches import Stretch, stretches_of
from homing.progress import say, track
from homing.storage import join, remove
from homing.writing.prompts import Prompt

JOURNALS = f"{CACHE}/journals"
PARTS_HERE = f"{PARTS}/write/stretches"
ATTEMPTS = 3
"""So often is a stretch begun whose workers die of something else each time."""
SUMS = ("n_asked", "n_found", "n_answered", "n_unusable", "n_failed", "n_questions", "n_rejected")

Made = Mapping[str, Any]
"""What `StretchWriter.write` returned."""


def write_with_workers(
    job: Job,
    *,
    prompt: Prompt,
    examples: Sequence[str],
    per_million: Price | None,
    chosen: Sequence[str] | None,
    rejected: str,
    n_rows: int,
    again: bool = False,
) -> dict[str, Any]:
    """Return counts as `LLMWriter.summary` has them; save questions and rejections.

    Args:
        chosen: Ids of the passages to ask about; None for all.
        rejected: The table of rejections, relative to the workspace.
        n_rows: Passages of a stretch.
        again: Whether what was given up as unusable is asked once more.

    Raises:
        ProviderError: The provider will answer no request; the remedy is in its message.
        EngineError: Workers died again and again; what was answered is kept.
    """
    settings, began = job.settings.write, time.monotonic()
    stretches = stretches_of(job.share(PASSAGES), n_rows)
    n_passages = sum(s.stop - s.start for s in stretches)
    n_asked = n_passages if chosen is None else len(chosen)
    take_journals(job)
    if not is_local(settings.writer):
        with language_model(job, settings.writer, settings.base_url, per_million):
            pass  # what is wrong with the name or the key is said before a worker starts
    with (
        track("Asking for questions", n_asked) as task,
        Switchboard(
            ledger_path(job),
            limits_for(settings, settings.writer),
            per_million=per_million,
            budget_usd=settings.budget,
            task=task,
            host=THIS_MACHINE if job.engine.name == "local" else own_address(),
            shares_pace=not is_local(settings.writer),
        ) as switchboard,
    ):
        writer = partial(
            StretchWriter,
            settings=settings,
            per_million=per_million,
            prompt=prompt,
            examples=tuple(examples),
            documents=join(job.shared, DOCUMENTS),
            journals=join(job.shared, JOURNALS),
            parts=join(job.shared, PARTS_HERE),
            chosen=None if chosen is None else frozenset(chosen),
            again=again,
        )
        made = _write(job, switchboard, writer, stretches)
    summary = {**_sums(made, switchboard, n_passages), "seconds": time.monotonic() - began}
    _put_together(job, made, rejected)
    remove(join(job.shared, JOURNALS))
    return summary


def take_journals(job: Job) -> None:
    """Put what the workers of a job that was killed were answered into its main ledger."""
    folder = join(job.shared, JOURNALS)
    with SharedLedger(ledger_path(job)) as ledger:
        ledger.take(CallRow(*row) for row in read_journals(folder))
    remove(folder)


def _write(
    job: Job,
    switchboard: Switchboard,
    writer: Callable[[Door], StretchWriter],
    stretches: Sequence[Stretch],
) -> list[Made]:
    """Return what the workers made of the stretches, in order."""
    per: Per = "device" if is_local(job.settings.write.writer) else "core"
    try:
        if job.settings.write.budget is not None and switchboard.knows_calls:
            _all(job, switchboard, writer(switchboard.door).count_spent, stretches, per)
        return _all(job, switchboard, writer(switchboard.door).write, stretches, per)
    except BaseException:
        if not switchboard.is_stopped:  # Ctrl-C: answers that are nearly here may still come
            switchboard.stop("The job was stopped.")
            time.sleep(2 * GRACE_S)
        raise


def _all(
    job: Job,
    switchboard: Switchboard,
    function: Callable[[Stretch], Made],
    stretches: Sequence[Stretch],
    per: Per,
) -> list[Made]:
    """Return what a function made of each stretch; one whose worker dies is begun again."""
    made: dict[int, Made] = {}
    errors: list[Exception] = []
    detail = ""
    for attempt in range(ATTEMPTS):
        missing = [s for s in stretches if s.number not in made]
        if attempt and missing:
            say(f"write: workers of {len(missing)} stretches died; they are begun again")
        for outcome in job.engine.map(function, _while_it_runs(missing, switchboard), per=per):
            failure, value = outcome.failure, outcome.value
            if failure is not None and failure.reason == "raised":
                errors.append(EngineError(f"A worker failed: {failure.detail}."))
                switchboard.stop(failure.detail)
            elif failure is not None:
                detail = failure.detail
            elif value is not None and "error" in value:
                errors.append(value["error"])
            elif value is not None:
                made[outcome.item.number] = value
        _raise_first([*errors, switchboard.error])
        if len(made) == len(stretches):
            return [made[stretch.number] for stretch in stretches]
    raise EngineError(
        f"Workers died {ATTEMPTS} times: {detail}. What was answered is kept: run the same command "
        "again, which continues."
    )


def _while_it_runs(stretches: Sequence[Stretch], switchboard: Switchboard) -> Iterator[Stretch]:
    for stretch in stretches:
        if switchboard.is_stopped:
            return
        yield stretch


def _raise_first(errors: Sequence[Exception | None]) -> None:
    """Raise the error that has made the others stop, if there is any."""
    found = [error for error in errors if error is not None]
    first = [error for error in found if not isinstance(error, StoppedError)]
    for error in first or found:
        raise error


def _sums(made: Sequence[Made], switchboard: Switchboard, n_passages: int) -> dict[str, Any]:
    spent = switchboard.spent
    sums = {name: sum(m[name] for m in made) for name in SUMS}
    # Of the passages that a worker saw, those beside its stretch were not its to ask about.
    n_missed = sum(m["n_not_asked"] - (m["n_passages"] - m["n_asked"]) for m in made)
    return {
        **sums,
        "n_passages": n_passages,
        "n_not_asked": n_passages - sums["n_asked"] + n_missed,
        "stopped_by_budget": switchboard.stopped_by_budget,
        "n_calls": spent.n_calls,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "price_usd": None if spent.n_unpriced else spent.price_usd,
    }


def _put_together(job: Job, made: Sequence[Made], rejected: str) -> None:
    for name, relative, schema in (
        ("questions", QUESTIONS, question_schema("passage_id")),
        ("rejections", rejected, rejection_schema()),
    ):
        parts = [join(m["folder"], f"{name}.parquet") for m in made]
        concatenate(parts, job.path(relative), schema)
