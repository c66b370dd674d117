"""The libraries that people have give the model's own vectors, from its folder.

Where a library drops a prompt or takes the wrong tower, a test says so too: the day it no longer
does, the advice in docs/deploy.md can go.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuned_models import PASSAGES, QUESTIONS, TEXTS, TITLES, Tuned, assert_same

from homing.reporting.snippets import snippets


def shown(tuned: Tuned, library: str) -> dict[str, Any]:
    """Run the snippet of the report and the card, and return its variables."""
    code = next(s.code for s in snippets(tuned.facts) if s.library == library)
    variables: dict[str, Any] = {}
    exec(code, variables)
    return variables


def test_the_kinds_of_models_differ_where_they_should(tuned: Tuned) -> None:
    other_side = tuned.encoder.encode_passages(QUESTIONS)
    has_sides = bool(tuned.facts.query_prompt) or tuned.two_towers
    assert np.allclose(other_side, tuned.query_vectors, atol=1e-3) != has_sides


def test_sentence_transformers_gives_the_same(tuned: Tuned) -> None:
    model = shown(tuned, "sentence-transformers")["model"]
    assert_same(model.encode_query(QUESTIONS, normalize_embeddings=True), tuned.query_vectors)
    assert_same(model.encode_document(PASSAGES, normalize_embeddings=True), tuned.passage_vectors)


def test_llama_index_gives_the_same(tuned: Tuned) -> None:
    model = shown(tuned, "LlamaIndex")["model"]
    assert_same([model.get_query_embedding(text) for text in QUESTIONS], tuned.query_vectors)
    assert_same(model.get_text_embedding_batch(PASSAGES), tuned.passage_vectors)


def test_langchain_gives_the_same(tuned: Tuned) -> None:
    pytest.importorskip("langchain_huggingface")
    model = shown(tuned, "LangChain")["model"]
    assert_same([model.embed_query(text) for text in QUESTIONS], tuned.query_vectors)
    assert_same(model.embed_documents(PASSAGES), tuned.passage_vectors)


def test_haystack_gives_the_same_from_document_and_title(tuned: Tuned) -> None:
    from haystack import Document
    from haystack_integrations.components.embedders.sentence_transformers import (
        SentenceTransformersDocumentEmbedder,
        SentenceTransformersTextEmbedder,
    )

    folder = str(tuned.folder)
    side = {"prompt_name": "query", "task": "query"}
    asks = SentenceTransformersTextEmbedder(
        model=folder, normalize_embeddings=True, encode_kwargs=side, progress_bar=False
    )
    assert_same([asks.run(text)["embedding"] for text in QUESTIONS], tuned.query_vectors)
    side = {"prompt_name": "document", "task": "document"}
    reads = SentenceTransformersDocumentEmbedder(
        model=folder,
        normalize_embeddings=True,
        encode_kwargs=side,
        meta_fields_to_embed=["title"],
        progress_bar=False,
    )
    titled = [{"title": title} if title else {} for title in TITLES]
    documents = [Document(content=t, meta=m) for t, m in zip(TEXTS, titled, strict=True)]
    found = reads.run(documents)["documents"]
    assert_same([document.embedding for document in found], tuned.passage_vectors)


def test_what_the_libraries_drop_by_themselves_is_known(tuned: Tuned) -> None:
    """The traps of docs/deploy.md: without a word, these take a question for a passage."""
    pytest.importorskip("langchain_huggingface")
    from haystack_integrations.components.embedders.sentence_transformers import (
        SentenceTransformersTextEmbedder,
    )
    from langchain_huggingface import HuggingFaceEmbeddings
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    folder = str(tuned.folder)
    haystack = SentenceTransformersTextEmbedder(model=folder, progress_bar=False)
    bare = {
        "LlamaIndex": HuggingFaceEmbedding(model_name=folder).get_query_embedding,
        "LangChain": HuggingFaceEmbeddings(model_name=folder).embed_query,
        "Haystack": lambda text: haystack.run(text)["embedding"],
    }
    needs_care = bool(tuned.facts.query_prompt)
    for library, embed in bare.items():
        vector = np.array(embed(QUESTIONS[0]))
        is_same = np.allclose(vector, tuned.query_vectors[0], atol=1e-3)
        assert is_same != needs_care, library


def test_the_folder_needs_no_code_of_ours(tuned: Tuned) -> None:
    files = {path.suffix for path in Path(tuned.folder).rglob("*") if path.is_file()}
    assert ".py" not in files
