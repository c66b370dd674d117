"""A language model as the workspace's writer: its ledger, its prompt, its passages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.curation.boilerplate import boilerplate_reason
from homing.curation.duplicates import find_groups
from homing.dataset import save_questions, save_rejections
from homing.dataset.records import rejection_schema
from homing.dataset.shards import concatenate
from homing.engine.local import n_cores
from homing.errors import UsageError
from homing.pipeline.job import CACHE, DOCUMENTS, EMBEDDINGS, PASSAGES, QUESTIONS, Job, inputs_of
from homing.pipeline.language_models import Price, is_local, language_model
from homing.pipeline.llm_writers import QUESTIONS_PER_PASSAGE as QUESTIONS_PER_PASSAGE
from homing.pipeline.llm_writers import make_writer
from homing.pipeline.stretches import StoredPassages, languages_of
from homing.progress import Task, say, track
from homing.settings import WriteSettings
from homing.storage import remove
from homing.types import Question, Rejection, passage_input

if TYPE_CHECKING:
    from homing.writing.llm import LLMWriter
    from homing.writing.neighbours import Passages

BATCH_PRICE = 0.5
ROWS_IN_STRETCH = 2048
"""Passages that a worker asks about at a time: at the end of each its last calls run alone."""
MANY_CORES = 4
MANY_CALLS = 64
"""More calls at once than this are more than one process keeps up with, if they are quick."""
REJECTED_PARTS = f"{CACHE}/rejected"
REJECTIONS_HELD = 10_000


def write_with_language_model(job: Job, *, rejected: str, again: bool = False) -> dict[str, Any]:
    """Return counts as `LLMWriter.summary` has them, and save questions and rejections.

    One process asks, which makes some 270 calls a second; workers of the engine do on a cluster,
    and here where several were asked for, or on many cores with many calls at once.

    Args:
        rejected: The table of rejections, relative to the workspace.
        again: Whether replies that were given up as unusable are asked for once more.

    Raises:
        UsageError: Prompt, examples or the model's name are wrong.
        ProviderError: There is no key for the provider, or it will answer no request.
    """
    passages = StoredPassages(job.path(PASSAGES))
    if not _wants_workers(job, len(passages)):
        with language_model_writer(job, passages, again=again) as writer:
            counts = _save(job, writer, passages, rejected)
            return {**writer.summary, **counts}
    from homing.pipeline.llm_sharded import write_with_workers
    from homing.writing.prompts import load_prompt

    settings = job.settings.write
    return write_with_workers(
        job,
        prompt=load_prompt(settings.prompt),
        examples=read_examples(settings.examples),
        per_million=_price(settings),
        chosen=chosen_passages(job, passages),
        rejected=rejected,
        n_rows=ROWS_IN_STRETCH,
        again=again,
    )


def _wants_workers(job: Job, n_passages: int) -> bool:
    settings = job.settings.write
    if settings.batch:
        return False
    if job.engine.name != "local":
        return n_passages > ROWS_IN_STRETCH or is_local(settings.writer)
    if is_local(settings.writer) or n_passages <= ROWS_IN_STRETCH:
        return False
    has_many = n_cores() >= MANY_CORES and settings.max_concurrency > MANY_CALLS
    return job.settings.engine.workers > 1 or (job.settings.engine.workers == 0 and has_many)


def _save(job: Job, writer: LLMWriter, passages: Passages, rejected: str) -> dict[str, Any]:
    """Save what a writer makes; rejections, of which there may be many, go out in parts."""
    held: list[Rejection] = []
    parts: list[str] = []

    def put_away() -> None:
        parts.append(f"{job.path(REJECTED_PARTS)}/{len(parts):05d}.parquet")
        save_rejections(held, parts[-1])
        held.clear()

    def questions(task: Task) -> Iterator[Question]:
        last = ""
        for item in writer.write(passages):
            passage_id = item.passage_id if isinstance(item, Question) else item.item_id
            task.advance(passage_id != last)
            last = passage_id
            if isinstance(item, Question):
                yield item
                continue
            held.append(item)
            if len(held) >= REJECTIONS_HELD:
                put_away()

    with track("Writing questions", len(passages)) as task:
        n_questions = save_questions(questions(task), job.path(QUESTIONS))
    put_away()
    n_rejected = concatenate(parts, job.path(rejected), rejection_schema())
    remove(job.path(REJECTED_PARTS))
    return {"n_passages": len(passages), "n_questions": n_questions, "n_rejected": n_rejected}


@contextmanager
def language_model_writer(
    job: Job, passages: Passages, *, again: bool = False
) -> Iterator[LLMWriter]:
    """Give the writer that the settings name; its provider and ledger are closed afterwards.

    Args:
        passages: The whole corpus.
        again: Whether replies that were given up as unusable are asked for once more.

    Raises:
        UsageError: Prompt, examples or the model's name are wrong.
        ProviderError: There is no key for the provider.
    """
    from homing.llm.dispatch import ask_all
    from homing.writing.prompts import load_prompt

    settings = job.settings.write
    prompt, examples = load_prompt(settings.prompt), read_examples(settings.examples)
    ask: Any = ask_all
    if settings.batch:
        from homing.llm.batch import ask_in_batches

        ask = ask_in_batches
    with language_model(job, settings.writer, settings.base_url, _price(settings)) as model:
        yield make_writer(
            settings,
            model,
            prompt=prompt,
            examples=examples,
            languages=languages_of(job.path(DOCUMENTS)),
            asked=chosen_passages(job, passages),
            budget_usd=settings.budget,
            again=again,
            ask=ask,
        )


def _price(settings: WriteSettings) -> Price | None:
    from homing.llm.prices import price_of

    return settings.price or price_of(settings.writer, settings.base_url)


def estimate_writing(job: Job) -> dict[str, Any]:
    """Return what writing would still take: calls, tokens, dollars, seconds; nothing is sent.

    Raises:
        UsageError: No language model is to write.
    """
    from homing.writing.estimating import estimate

    settings = job.settings.write
    if not settings.is_language_model:
        raise UsageError(
            f"The writer {settings.writer!r} costs nothing. Name a language model to plan for: "
            "--writer openai:gpt-5-mini"
        )
    inputs_of(job, "ingest", PASSAGES)
    passages = StoredPassages(job.path(PASSAGES))
    with language_model_writer(job, passages) as writer:
        factor = BATCH_PRICE if settings.batch else 1.0
        found = estimate(writer, passages, price_factor=factor)
    return {"writer": settings.writer, "n_passages": len(passages), **asdict(found)}


def describe_estimate(found: Mapping[str, Any]) -> str:
    """Return an estimate for a person."""
    price, seconds = found["price_usd"], found["seconds"]
    lines = [
        f"{found['writer']}, {found['n_passages']:,} passages:",
        f"  calls to make      {found['n_calls']:>12,}   ({found['n_found']:,} in the ledger)",
        f"  tokens in          {found['input_tokens']:>12,}",
        f"  tokens out         {found['output_tokens']:>12,}",
        f"  price              {'not known' if price is None else f'${price:,.2f}':>12}",
    ]
    if price is None:
        lines[-1] += "   (give it: --set 'write.price=[0.25, 2.0]')"
    if seconds is not None:
        lines.append(f"  seconds            {seconds:>12,.0f}")
    basis = "corrected by what the provider counted before" if found["n_learned_from"] else ""
    return "\n".join([*lines, f"Nothing was sent{', ' + basis if basis else ''}."])


def read_examples(path: str | None) -> list[str]:
    """Return the questions of a text file, one a line.

    Raises:
        UsageError: It cannot be read, or holds none.
    """
    if path is None:
        return []
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The examples {path} cannot be read as UTF-8 text: {error}") from error
    if not (found := [line.strip() for line in lines if line.strip()]):
        raise UsageError(f"There is no question in {path}. Write one a line, or leave it out.")
    return found


def chosen_passages(job: Job, corpus: Passages) -> list[str] | None:
    """Return the ids of the passages to ask about, None for all of them.

    To choose takes all passages and their vectors in the driver's memory at once: some 5 KB a
    passage, so that a few million are the limit. Without --max-passages none is held.
    """
    n = job.settings.write.max_passages
    if n is None or n >= len(corpus):
        return None
    passages = list(corpus)
    from homing.retrieval.cache import CachedEncoder
    from homing.retrieval.encoders import encoder_for
    from homing.writing.choosing import choose_passages

    train = job.settings.train
    encoder = encoder_for(train.base_model, max_tokens=train.max_tokens, device=train.device)
    texts = [passage_input(p.title, p.text) for p in passages]
    vectors = CachedEncoder(encoder, job.path(EMBEDDINGS)).encode_passages(texts)
    boilerplate = [p.id for p in passages if boilerplate_reason(p)]
    say(f"write: {n:,} of {len(passages):,} passages are asked about, those that differ most")
    return choose_passages(
        passages,
        vectors,
        n=n,
        groups=find_groups(passages),
        last=boilerplate,
        seed=job.settings.write.seed,
    )


def writing_inputs(settings: WriteSettings, hash_of: Any) -> dict[str, str]:
    """Return name -> hash of the files, beside the passages, that decide the questions."""
    from homing.writing.prompts import load_prompt

    if not settings.is_language_model:
        return {}
    inputs = {"prompt": load_prompt(settings.prompt).name}
    if settings.examples:
        read_examples(settings.examples)
        inputs["examples"] = hash_of(Path(settings.examples).expanduser())
    return inputs
