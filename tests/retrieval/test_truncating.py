"""Vectors cut to their first dimensions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handbook_sentences import HANDBOOK
from homing.errors import UsageError
from homing.retrieval.encoders import encoder_for
from homing.retrieval.truncating import TruncatedEncoder

pytest.importorskip("sentence_transformers")
TEXTS = list(HANDBOOK.values())


@pytest.mark.usefixtures("in_float32")
def test_they_are_what_sentence_transformers_gives_for_truncate_dim(tiny_model: Path) -> None:
    from sentence_transformers import SentenceTransformer

    cut = TruncatedEncoder(encoder_for(str(tiny_model), device="cpu"), 8)
    theirs = SentenceTransformer(str(tiny_model), truncate_dim=8, device="cpu").encode(
        TEXTS, normalize_embeddings=True
    )
    np.testing.assert_allclose(cut.encode_passages(TEXTS), theirs, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(cut.encode_queries(TEXTS), axis=1), 1, atol=1e-6)
    assert cut.dimensions == 8


def test_each_length_has_a_key_of_its_own(tiny_model: Path) -> None:
    whole = encoder_for(str(tiny_model), device="cpu")
    keys = {whole.key, *(TruncatedEncoder(whole, n).key for n in (8, 16, 32))}
    assert len(keys) == 4


def test_a_length_that_the_vectors_do_not_have_is_an_error(tiny_model: Path) -> None:
    whole = encoder_for(str(tiny_model), device="cpu")
    for n in (0, 33):
        with pytest.raises(UsageError, match="32 dimensions"):
            TruncatedEncoder(whole, n)
