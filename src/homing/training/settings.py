"""How to train, and what is chosen where the user leaves it open.

Each field, and each group of fields that one recipe has for itself, stands under the same name in
`homing.settings.TrainSettings`, with its description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from homing.training.examples import Example, given_of
from homing.training.full_settings import FullSettings

GIVEN_WEIGHT, OFFLINE_WEIGHT = 1.0, 0.5
"""Of the tuned weights in their average with the base's. Chosen in docs/experiments.md: what a rule
made of a sentence needs a lighter hand than what a person or a language model asked. Between the
two, the share of passages decides."""
OFFLINE_PASSAGES_ON_CPU = 800
"""What offline questions teach levels off, and a laptop's minutes are short."""
RecipeName = Literal["full", "lora", "query", "full-query", "adapter", "static", "reranker"]
OF_WEIGHTS: tuple[RecipeName, ...] = ("full", "lora")
"""The recipes that train one network for questions and passages in batches."""
EPOCHS_AND_RATE: Mapping[RecipeName, tuple[int, float]] = {
    "full": (1, 1e-4),
    "lora": (2, 5e-4),
    "query": (3, 1e-4),
    "full-query": (1, 1e-4),  # of the first part
    "adapter": (1, 1.0),  # neither is used: a map is fitted, not trained in epochs
    "static": (20, 3e-3),
    "reranker": (2, 5e-5),
}
"""Recipe -> epochs and peak learning rate where none is given."""


@dataclass(frozen=True, slots=True)
class NegativesSettings:
    """Hard negatives beside the other passages of the batch.

    Attributes:
        n: Mined passages for each question; 0 for none.
        ceiling: A candidate whose cosine is above this share of the right passage's is a probable
            answer and passed over.
        refresh: Mine anew before every epoch, with the model as it is then.
    """

    n: int = 0
    ceiling: float = 0.95
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """What `lora` trains (arXiv 2106.09685).

    Attributes:
        rank: Of the two factors of each change.
        alpha: Changes are scaled by alpha / rank.
        modules: Which linear layers are changed.
    """

    rank: int = 16
    alpha: float = 32.0
    modules: Literal["all", "attention", "mlp"] = "all"


@dataclass(frozen=True, slots=True)
class QuerySettings:
    """How `query` trains the tower for questions.

    Attributes:
        batch_questions: Questions a batch; the whole corpus is searched for each.
        teacher_weight: Share of the teacher, BM25 fused with the base, in what a question with a
            label is to find, in [0, 1]; of one without a label it is all. With 0, questions without
            a label are left out.
        teacher_temperature: Of the softmax over the teacher's averaged z-scores, > 0.
        teacher_depth: Passages that the teacher names for each question.
        offline_questions: Most questions of the offline writer about each passage that training may
            see, learnt from without a label; 0 for none.
    """

    batch_questions: int = 32
    teacher_weight: float = 0.5
    teacher_temperature: float = 0.7
    teacher_depth: int = 100
    offline_questions: int = 4


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """How `adapter` fits a map of question vectors.

    Attributes:
        kind: A full matrix, one of low rank beside the identity, or two layers beside it.
        rank: Of "low-rank", and units of the inner layer of "two-layer".
        pull: Weight of what draws the map to the identity (`training/map_fitting.py`), > 0.
        temperature: τ of the softmax; None takes the one at which the base model's own loss is
            least.
        max_steps: Most steps of L-BFGS.
    """

    kind: Literal["linear", "low-rank", "two-layer"] = "linear"
    rank: int = 64
    pull: float = 0.05
    temperature: float | None = None
    max_steps: int = 60


@dataclass(frozen=True, slots=True)
class StaticSettings:
    """How `static` distils token vectors.

    Attributes:
        smoothing: A token of probability p starts with the weight smoothing / (smoothing + p).
        place_weight: Of lying where the teacher puts a text, beside ranking as it ranks.
        teacher_weight: Share of the teacher, BM25 fused with the base, in what a question with a
            label is to find, in [0, 1]; of one without a label it is all.
        teacher_temperature: Of the softmax over the teacher's averaged z-scores, > 0.
        batch_questions: Questions a batch.
        batch_passages: Passages of a batch, those that its questions are about among them.
        offline_questions: Most questions of the offline writer about each passage that training may
            see, learnt from without a label; 0 for none.
    """

    smoothing: float = 0.001
    place_weight: float = 3.0
    teacher_weight: float = 0.5
    teacher_temperature: float = 0.7
    batch_questions: int = 64
    batch_passages: int = 512
    offline_questions: int = 4


@dataclass(frozen=True, slots=True)
class RerankerSettings:
    """How `reranker` trains a cross-encoder.

    Attributes:
        first_stage: The encoder whose ranking, fused with BM25's, is read again; None takes the
            base model, or the default one where the base is a cross-encoder.
        loss: "listwise": which of the passages answers; "binary": whether a passage does.
        n_negatives: Passages beside the right one, for each question and epoch.
        pool: Hard negatives mined for each question, of which those of an epoch are drawn.
        batch_questions: Questions a batch.
        max_tokens: Longest pair of question and passage.
        depth: Passages of the first stage that are read again when dev is scored.
    """

    first_stage: str | None = None
    loss: Literal["listwise", "binary"] = "listwise"
    n_negatives: int = 4
    pool: int = 16
    batch_questions: int = 8
    max_tokens: int = 256
    depth: int = 20


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train; the defaults were chosen in `docs/experiments.md`.

    Attributes:
        recipe: The way to tune; a module of `training/recipes/`.
        epochs: Passes over the passages; None takes what suits the recipe (`EPOCHS_AND_RATE`).
        learning_rate: Peak, after the warm-up; linear to zero then. None as with `epochs`.
        batch_passages: Passages a batch; all others of the batch are negatives.
        questions_per_passage: Most questions of one passage in one batch.
        temperature: τ of the InfoNCE.
        whole_fraction: Share of passages shown whole although a question masks a part of them.
        warmup_fraction: Share of the steps over which the learning rate rises.
        weight_decay: Of AdamW.
        merge_weight: Of the tuned weights in their average with the base's, in (0, 1]; 1 leaves
            the tuned weights as they are. None goes from `OFFLINE_WEIGHT` to `GIVEN_WEIGHT` by
            the share of passages that somebody asked about.
        max_tokens: Sequence length; None leaves the model's own.
        max_offline_passages: Most passages that have questions of the offline writer alone; None
            takes `OFFLINE_PASSAGES_ON_CPU` on a CPU and all on a GPU.
        evaluations: How often dev is scored, evenly spread, the last at the end.
        seed: Of batches, choices and weights.
        device: "cpu", "cuda", "mps", or None for the best at hand.
        dimensions: Prefixes of the vectors that are to serve as well (Matryoshka, arXiv
            2205.13147); none trains the whole vectors alone. The whole length is always trained.
        track: Where the curves go besides stderr: "tensorboard", "trackio", or None for nowhere.
        full: Of the recipes `full` and `lora`.
        negatives: Hard negatives of the recipes that train encoders; its ceiling is `reranker`'s
            as well.
        lora: Of the recipe `lora` alone.
        query: Of the recipe `query` alone.
        static: Of the recipe `static` alone.
        adapter: Of the recipe `adapter` alone.
        reranker: Of the recipe `reranker` alone.
    """

    recipe: RecipeName = "full"
    epochs: int | None = None
    learning_rate: float | None = None
    batch_passages: int = 16
    questions_per_passage: int = 2
    temperature: float = 0.05
    whole_fraction: float = 0.5
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    merge_weight: float | None = None
    max_tokens: int | None = None
    max_offline_passages: int | None = None
    evaluations: int = 1
    seed: int = 0
    device: str | None = None
    dimensions: tuple[int, ...] = ()
    track: Literal["tensorboard", "trackio"] | None = None
    full: FullSettings = field(default_factory=FullSettings)
    negatives: NegativesSettings = NegativesSettings()
    lora: LoraSettings = LoraSettings()
    query: QuerySettings = QuerySettings()
    static: StaticSettings = StaticSettings()
    adapter: AdapterSettings = AdapterSettings()
    reranker: RerankerSettings = RerankerSettings()

    @property
    def n_epochs(self) -> int:
        """Passes over the passages, the recipe's own where none was given."""
        return EPOCHS_AND_RATE[self.recipe][0] if self.epochs is None else self.epochs

    @property
    def peak_rate(self) -> float:
        """Peak learning rate, the recipe's own where none was given."""
        rate = self.learning_rate
        return EPOCHS_AND_RATE[self.recipe][1] if rate is None else rate


def settled(
    settings: TrainingSettings, examples: Sequence[Example], *, device: str | None = None
) -> TrainingSettings:
    """Return the settings with a number wherever None left the choice to us.

    Args:
        device: Where training runs if the settings leave it open; None takes this machine's best.
    """
    n_given = sum(given_of(examples))
    weight, most = settings.merge_weight, settings.max_offline_passages
    if most is None:
        asked = settings.device or device
        most = offline_limit(replace(settings, device=asked), len(examples))
    if weight is None:
        n_offline = min(len(examples) - n_given, most)
        share = n_given / max(1, n_given + n_offline)
        weight = round(OFFLINE_WEIGHT + share * (GIVEN_WEIGHT - OFFLINE_WEIGHT), 4)
    return replace(
        settings,
        epochs=settings.n_epochs,
        learning_rate=settings.peak_rate,
        merge_weight=weight,
        max_offline_passages=most,
    )


def offline_limit(settings: TrainingSettings, n_passages: int) -> int:
    """Return how many of so many passages with offline questions alone are learnt from, at most."""
    if settings.max_offline_passages is not None:
        return settings.max_offline_passages
    return OFFLINE_PASSAGES_ON_CPU if best_device(settings.device) == "cpu" else n_passages


def best_device(asked: str | None) -> str:
    """Return the device that was asked for, or the best at hand: "cuda", "mps" or "cpu"."""
    if asked:
        return asked
    try:
        import torch
    except ImportError:  # a map over an API's vectors needs none
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
