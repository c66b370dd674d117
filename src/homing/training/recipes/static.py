"""A static model: a vector for each token, looked up and averaged, distilled from `base_model`.

For those who need a hundred times the speed. `base_model`, best a tuned one, is the teacher: it
says what each token means alone (as in model2vec), where every passage and question lies (as in
Tokenlearn), and, fused with BM25, what each question should find; a minute of tuning the token
vectors does the rest. The folder loads with SentenceTransformer and, as `static:FOLDER`, with
model2vec.

Dev decides between the vectors before and after tuning; the teacher itself is never handed over,
since whoever asks for this recipe has it already. The log's dev starts with the teacher.

Cost: the teacher embeds every token, passage and question once; what follows runs no network. A job
that was stopped starts anew with the vectors that were kept in `job.cache_folder`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.training.callbacks import TimedScore
from homing.training.examples import Example
from homing.training.job import TrainingJob
from homing.training.models import load_for_training, quiet_libraries, save_model
from homing.training.negatives import seen_passages
from homing.training.questions import Asked, asked_questions
from homing.training.static_fit import Material, first_vectors, fit
from homing.training.static_tokens import bare_tokenizer, counted_tokens, token_vectors
from homing.training.teaching import teach
from homing.types import Encoder, FloatArray, TrainingLog

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

FIRST = 1
"""The step that the log's dev gives to the vectors before tuning; the teacher's is 0."""


def tune(job: TrainingJob) -> TrainingLog:
    """Distil a static model from the base model and save it.

    Raises:
        UsageError: If the base model has no tokenizer that can be taken over.
    """
    settings, examples = job.settings, job.examples()
    model = load_for_training(job.base_model, settings)
    started = time.monotonic()
    encoder = SentenceTransformerEncoder(model)
    teacher = CachedEncoder(encoder, job.cache_folder)
    tokenizer, first, material = _first(job, encoder, teacher, examples)
    tuned, loss = fit(
        first,
        material,
        settings.static,
        epochs=settings.n_epochs,
        rate=settings.peak_rate,
        temperature=settings.temperature,
        seed=settings.seed,
    )
    timed = TimedScore(job.score_dev) if job.score_dev else None
    models = {FIRST: static_model(tokenizer, first), loss[-1][0]: static_model(tokenizer, tuned)}
    dev = [(0, timed(teacher))] if timed else []
    if timed:
        dev += [(step, timed(SentenceTransformerEncoder(m))) for step, m in models.items()]
    best = max(dev[1:], key=lambda row: row[::-1])[0] if dev else loss[-1][0]
    with quiet_libraries():
        save_model(models[best], job.out)
    n_tokens = sum(int(counts.sum()) for _, counts in material.question_tokens)
    return TrainingLog(
        loss=loss,
        dev=dev,
        kept="tuned",
        best_step=best,
        n_pairs=examples.n_pairs,
        n_passages=len(examples),
        n_tokens=settings.n_epochs * n_tokens,
        seconds=time.monotonic() - started,
        dev_seconds=timed.seconds if timed else 0.0,
        settings=asdict(settings),
        note=_note(dev),
    )


def _first(
    job: TrainingJob,
    encoder: SentenceTransformerEncoder,
    teacher: Encoder,
    examples: Sequence[Example],
) -> tuple[Tokenizer, FloatArray, Material]:
    """Return the student's tokenizer, the rows that it starts from, and what it is tuned on."""
    own, tower = job.settings.static, encoder.towers.document
    seen = seen_passages(job.dataset, job.split)
    tokenizer = bare_tokenizer(tower)
    questions = asked_questions(examples, job.unlabelled)
    material = _material(tokenizer, teacher, questions, list(seen), list(seen.values()))
    first = first_vectors(token_vectors(tower), material.passage_tokens, own.smoothing)
    return tokenizer, first, material


def static_model(tokenizer: Tokenizer, rows: FloatArray) -> SentenceTransformer:
    """Return the model that averages these rows, one for each token of the tokenizer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    return SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_weights=rows), Normalize()],
        device="cpu",
        prompts={"query": "", "document": ""},
        similarity_fn_name="cosine",
    )


def _note(dev: Sequence[tuple[int, float]]) -> str:
    if not dev or not dev[0][1]:
        return ""
    share = max(score for _, score in dev[1:]) / dev[0][1]
    return f"a static model; it has {100 * share:.0f} % of its teacher's nDCG@10 on dev"


def _material(
    tokenizer: Tokenizer,
    teacher: Encoder,
    questions: Sequence[Asked],
    ids: Sequence[str],
    texts: Sequence[str],
) -> Material:
    asked = [question.text for question in questions]
    return Material(
        questions=questions,
        question_tokens=counted_tokens(tokenizer, asked),
        question_vectors=teacher.encode_queries(asked),
        passage_tokens=counted_tokens(tokenizer, texts),
        passage_vectors=teacher.encode_passages(texts),
        rows={passage_id: row for row, passage_id in enumerate(ids)},
        teaching=teach(asked, texts, teacher),
    )
