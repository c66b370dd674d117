"""A language model as the workspace's writer: its ledger, its prompt, its passages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.curation.boilerplate import boilerplate_reason
from homing.curation.duplicates import find_groups
from homing.dataset import iter_documents, load_passages
from homing.errors import UsageError
from homing.pipeline.job import DOCUMENTS, EMBEDDINGS, PASSAGES, Job, inputs_of
from homing.pipeline.language_models import language_model
from homing.progress import say
from homing.settings import WriteSettings
from homing.types import Passage, passage_input

if TYPE_CHECKING:
    from homing.writing.llm import LLMWriter

QUESTIONS_PER_PASSAGE = 2
BATCH_PRICE = 0.5


@contextmanager
def language_model_writer(
    job: Job, passages: Sequence[Passage], *, again: bool = False
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
    from homing.llm.prices import price_of
    from homing.writing.llm import LLMWriter
    from homing.writing.prompts import load_prompt

    settings = job.settings.write
    prompt, examples = load_prompt(settings.prompt), read_examples(settings.examples)
    ask: Any = ask_all
    if settings.batch:
        from homing.llm.batch import ask_in_batches

        ask = ask_in_batches
    price = settings.price or price_of(settings.writer, settings.base_url)
    with language_model(job, settings.writer, settings.base_url, price) as model:
        yield LLMWriter(
            model.provider,
            model.ledger,
            prompt=prompt,
            questions_per_passage=settings.questions_per_passage or QUESTIONS_PER_PASSAGE,
            seed=settings.seed,
            examples=examples,
            neighbours=settings.neighbours,
            languages={d.id: d.language for d in iter_documents(job.path(DOCUMENTS))},
            asked=chosen_passages(job, passages),
            limits=model.limits,
            per_million=model.per_million,
            budget_usd=settings.budget,
            again=again,
            ask=ask,
        )


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
    passages = load_passages(job.path(PASSAGES))
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


def chosen_passages(job: Job, passages: Sequence[Passage]) -> list[str] | None:
    """Return the ids of the passages to ask about, None for all of them."""
    n = job.settings.write.max_passages
    if n is None or n >= len(passages):
        return None
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
