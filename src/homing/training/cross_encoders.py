"""Cross-encoders in training: loaded from a cross-encoder or an encoder, trained, asked for dev."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homing.errors import MissingDependencyError, ModelNotFoundError
from homing.retrieval.models import find_model
from homing.retrieval.reranking import MAX_TOKENS, CrossEncoderScorer, find_reranker
from homing.training.checkpoints import StateCheckpoints
from homing.training.models import quiet_libraries
from homing.training.pairs import PairCollator
from homing.training.sampling import PassageBatchSampler
from homing.training.settings import TrainingSettings

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


def is_cross_encoder(base_model: str) -> bool:
    """Return whether a model reads pairs already; False as well where there is no such model."""
    try:
        find_reranker(base_model)
    except ModelNotFoundError:
        return False
    return True


def load_for_pairs(base_model: str, settings: TrainingSettings) -> CrossEncoder:
    """Return a cross-encoder with one score, without dropout, of the length that was asked for.

    An encoder becomes one with a fresh head over its own weights, drawn by the seed; its scores
    are logits, as the listwise loss wants them, and so are those of any model trained by it.

    Raises:
        ModelNotFoundError: If it cannot be had, cannot be loaded or gives several scores.
        MissingDependencyError: Without the extra `train`.
    """
    source = find_model(base_model)
    try:
        import torch
        from sentence_transformers import CrossEncoder
    except ImportError as error:
        raise MissingDependencyError.for_extra("sentence-transformers", "train") from error
    fresh = {} if is_cross_encoder(base_model) else {"num_labels": 1}
    torch.manual_seed(settings.seed)
    try:
        with quiet_libraries():
            model = CrossEncoder(
                str(source.path or source.hub_id),
                device=settings.device,
                local_files_only=source.path is not None,
                model_kwargs={"dtype": torch.float32},
                **fresh,
            )
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        raise ModelNotFoundError(
            f"The model {source.name} cannot be made a cross-encoder: {error} Take a transformer "
            "such as the default base model, or a cross-encoder."
        ) from error
    if model.num_labels != 1:
        raise ModelNotFoundError(
            f"{source.name} gives {model.num_labels} scores for a pair, and a reranker gives one. "
            "Take another base model."
        )
    if fresh or settings.reranker.loss == "listwise":
        model.activation_fn = torch.nn.Identity()
    _limit_length(model, settings.reranker.max_tokens)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def _limit_length(model: Any, max_tokens: int) -> None:
    """Cut pairs at what was asked for, or at the model's own limit where that is shorter."""
    own = model.max_seq_length
    limit = own if own and own <= 1_000_000 else MAX_TOKENS
    model.max_seq_length = min(limit, max_tokens)


def make_pair_loss(model: CrossEncoder, name: str) -> Any:
    """Return the library's loss: ListNet with one-hot targets, or binary cross-entropy."""
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss, ListNetLoss

    if name == "binary":
        return BinaryCrossEntropyLoss(model)
    return ListNetLoss(model, mini_batch_size=-1)  # all pairs of a batch in one pass


def pair_scorer(model: CrossEncoder) -> CrossEncoderScorer:
    """Return what scores pairs with a model in training, as it will be used once saved."""
    return CrossEncoderScorer(model, None)


def make_pair_trainer(
    model: CrossEncoder,
    n_rows: int,
    collator: PairCollator,
    sampler: PassageBatchSampler,
    callback: Any,
    arguments: dict[str, Any],
    loss: Any,
) -> Any:
    """Return sentence-transformers' CrossEncoder Trainer over positions 0 … n_rows - 1."""
    from datasets import Dataset as Table
    from sentence_transformers.cross_encoder import (
        CrossEncoderTrainer,
        CrossEncoderTrainingArguments,
    )
    from transformers import PrinterCallback

    class Trainer(StateCheckpoints, CrossEncoderTrainer):  # type: ignore[misc]
        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """Leave it out: the card says what dev said."""

        def get_batch_sampler(self, *_: Any, **__: Any) -> Any:
            return sampler

    trainer = Trainer(
        model=model,
        args=CrossEncoderTrainingArguments(**arguments),
        train_dataset=Table.from_dict({"position": list(range(n_rows))}),
        loss=loss,
        data_collator=collator,
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
