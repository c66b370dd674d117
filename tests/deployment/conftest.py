"""A model of two towers."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def two_towers(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tower for questions has other weights, another limit and a prompt."""
    import torch

    from homing.retrieval.models import load_sentence_transformer
    from homing.retrieval.towers import join_towers

    query, document = (load_sentence_transformer(str(tiny_model), device="cpu") for _ in range(2))
    with torch.no_grad():
        for parameter in query.parameters():
            parameter.mul_(1.1).add_(0.01)
    query.max_seq_length = 16
    query.prompts = {"query": "find: ", "document": ""}
    folder = tmp_path_factory.mktemp("towers") / "model"
    joined = join_towers(query, document)
    joined.save_pretrained(str(folder), create_model_card=False)
    return folder
