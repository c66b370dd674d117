"""A map of question vectors over vectors that are computed once: in seconds, and for any model.

Questions and passages are embedded by the base, a sentence-transformers model or an API, and kept;
a matrix near the identity then learns from them alone (`map_fitting.py`). Passages keep the vectors
that they have, so that a stored index stays valid. What is saved is the map for NumPy and, where
the base model is at hand, one folder for sentence-transformers as well.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from homing.llm.endpoints import is_endpoint, read_endpoint
from homing.progress import say
from homing.retrieval.adapted import AdaptedEncoder
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.models import load_sentence_transformer
from homing.retrieval.prompts import prompts_for
from homing.retrieval.query_map import Adapter, identity, save_adapter
from homing.training.adapting import Pairs, make_pairs
from homing.training.callbacks import TimedScore
from homing.training.job import TrainingJob
from homing.training.map_fitting import Fit, fit_map, gains_on_others
from homing.types import Encoder, TrainingLog

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True, slots=True)
class Base:
    """What is adapted.

    Attributes:
        encoder: Keeps every vector that it gave.
        model: None for a model behind an endpoint.
    """

    encoder: CachedEncoder
    model: SentenceTransformer | None


def tune(job: TrainingJob) -> TrainingLog:
    """Fit a map to the questions of the training split; keep it if it finds more than the base.

    Dev decides, where there is a dev split. Without one, half of the training passages decide about
    a map that was fitted to the other half. What was embedded once is not embedded again.
    """
    settings, examples = job.settings, job.examples()
    base = _base(job)
    started = time.monotonic()
    pairs = make_pairs(examples, base.encoder, settings.seed)
    fit_started = time.monotonic()
    fit = fit_map(pairs, settings.adapter, seed=settings.seed)
    say(
        f"train: a map fitted to {len(pairs.own):,} questions and {len(pairs.passages):,} passages "
        f"in {time.monotonic() - fit_started:.1f} s, τ = {fit.tau:g}"
    )
    timed = TimedScore(job.score_dev) if job.score_dev else None
    dev = _dev_scores(job, base, fit, timed)
    is_better = dev[-1][1] > dev[0][1] if dev else _helps_others(job, pairs)
    kept = fit.map if is_better else identity(fit.map.dimensions)
    save(base.model, Adapter(kept, job.base_model), job.out, is_base=not is_better)
    n_steps = len(fit.losses) - 1
    return TrainingLog(
        loss=list(enumerate(fit.losses)),
        dev=dev,
        kept="tuned" if is_better else "base",
        best_step=n_steps if is_better else 0,
        n_pairs=examples.n_pairs,
        n_passages=len(examples),
        n_tokens=0,
        seconds=time.monotonic() - started,
        dev_seconds=timed.seconds if timed else 0.0,
        settings=asdict(settings),
        index_stays=True,
    )


def save(model: SentenceTransformer | None, adapter: Adapter, out: Path, *, is_base: bool) -> None:
    """Write the map and, where there is a model, the folder that sentence-transformers loads.

    Args:
        model: The base; None for a model behind an endpoint.
        adapter: The map; of the base itself the identity.
        is_base: Whether the model is written as it was.
    """
    if model is not None:
        from homing.training.adapted_model import with_query_map
        from homing.training.models import save_model

        save_model(model if is_base else with_query_map(model, adapter.map), out)
    save_adapter(adapter, out)


def _base(job: TrainingJob) -> Base:
    """Return the base's encoder; vectors of an endpoint are in its ledger, if there is one."""
    if is_endpoint(job.base_model):
        endpoint = read_endpoint(job.base_model)
        family = prompts_for(endpoint.model, {})
        paid = endpoint.encoder(
            query_prompt=family.query,
            passage_prompt=family.passage,
            base_url=job.base_url,
            ledger=job.ledger,
        )
        return Base(CachedEncoder(paid, None if job.ledger else job.cache_folder), None)
    from homing.retrieval.encoders import SentenceTransformerEncoder

    settings = job.settings
    model = load_sentence_transformer(
        job.base_model, max_tokens=settings.max_tokens, device=settings.device
    )
    return Base(CachedEncoder(SentenceTransformerEncoder(model), job.cache_folder), model)


def _dev_scores(
    job: TrainingJob, base: Base, fit: Fit, timed: TimedScore | None
) -> list[tuple[int, float]]:
    """Return (step, dev nDCG@10) of base and map; empty without a dev split."""
    if timed is None:
        return []
    adapted: Encoder = AdaptedEncoder(base.encoder, Adapter(fit.map, job.base_model))
    return [(0, timed(base.encoder)), (len(fit.losses) - 1, timed(adapted))]


def _helps_others(job: TrainingJob, pairs: Pairs) -> bool:
    helps = gains_on_others(pairs, job.settings.adapter, seed=job.settings.seed)
    if helps is None:
        say("train: too few passages to tell whether the map helps; it is kept")
    return helps is not False
