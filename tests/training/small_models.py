"""Small models of several architectures, with random weights and the tiny model's tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
ARCHITECTURES = ("bert", "distilbert", "mpnet", "modernbert", "qwen3")


def small_model(kind: str, tiny_model: Path, folder: Path) -> Any:
    """Return a SentenceTransformer of 3 layers and 32 dimensions of an architecture."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model)
    common = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    feed_forward = {"intermediate_size": 64}
    config: Any = {
        "bert": lambda: transformers.BertConfig(**common, **SIZES, **feed_forward),
        "albert": lambda: transformers.AlbertConfig(
            **common, **SIZES, **feed_forward, embedding_size=16
        ),
        "distilbert": lambda: transformers.DistilBertConfig(
            **common, dim=32, n_layers=3, n_heads=2, hidden_dim=64
        ),
        "mpnet": lambda: transformers.MPNetConfig(**common, **SIZES, **feed_forward),
        "modernbert": lambda: transformers.ModernBertConfig(**common, **SIZES, **feed_forward),
        "qwen3": lambda: transformers.Qwen3Config(
            **common, **SIZES, **feed_forward, num_key_value_heads=2, head_dim=16
        ),
    }[kind]()
    torch.manual_seed(3)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    modules = [Transformer(str(folder)), Pooling(32, pooling_mode="mean"), Normalize()]
    model = SentenceTransformer(modules=modules, device="cpu")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def wide_model(tiny_model: Path, folder: Path) -> Path:
    """Return the folder of a saved model that takes 512 tokens, and much memory for them."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    tokenizer = AutoTokenizer.from_pretrained(tiny_model, model_max_length=512)
    torch.manual_seed(3)
    config = BertConfig(vocab_size=len(tokenizer), **(SIZES | {"hidden_size": 128}))
    plain = folder.with_name("plain")
    BertModel(config).save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    modules = [Transformer(str(plain), max_seq_length=512), Pooling(128), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder))
    return folder
