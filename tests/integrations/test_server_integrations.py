"""The libraries that people have get the model's own vectors from the server."""

from __future__ import annotations

import numpy as np
import openai
import pytest
from tuned_models import PASSAGES, QUESTIONS, TEXTS, TITLES, Tuned, assert_same

FLAT = [text.replace("\n", " ") for text in PASSAGES]
"""As LlamaIndex sends them."""


def test_the_openai_client_gives_the_same(server: str, tuned: Tuned) -> None:
    client = openai.OpenAI(base_url=server, api_key="any")
    asked = client.embeddings.create(model="handbook:query", input=QUESTIONS)
    read = client.embeddings.create(model="handbook", input=PASSAGES)
    assert_same([item.embedding for item in asked.data], tuned.query_vectors)
    assert_same([item.embedding for item in read.data], tuned.passage_vectors)
    typed = client.embeddings.create(
        model="handbook", input=QUESTIONS[0], extra_body={"input_type": "query"}
    )
    assert_same(typed.data[0].embedding, tuned.query_vectors[0])
    as_floats = client.embeddings.create(
        model="handbook:query", input=QUESTIONS, encoding_format="float"
    )
    assert_same([item.embedding for item in as_floats.data], tuned.query_vectors)


def test_fewer_dimensions_are_the_first_ones_of_length_one(server: str, tuned: Tuned) -> None:
    client = openai.OpenAI(base_url=server, api_key="any")
    short = client.embeddings.create(model="handbook:query", input=QUESTIONS, dimensions=8)
    first = tuned.query_vectors[:, :8]
    unit = first / np.linalg.norm(first, axis=1, keepdims=True)
    assert_same([item.embedding for item in short.data], unit)


def test_llama_index_gives_the_same(server: str, tuned: Tuned) -> None:
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding

    reads = OpenAILikeEmbedding(model_name="handbook", api_base=server, api_key="any")
    asks = OpenAILikeEmbedding(model_name="handbook:query", api_base=server, api_key="any")
    assert_same([asks.get_query_embedding(text) for text in QUESTIONS], tuned.query_vectors)
    expected = tuned.encoder.encode_passages(FLAT)
    assert_same(reads.get_text_embedding_batch(PASSAGES), expected)
    # A line break is a blank to this tokenizer; to one that tells them apart it would not be.
    assert_same(expected, tuned.passage_vectors)


def test_langchain_gives_the_same(server: str, tuned: Tuned) -> None:
    from langchain_openai import OpenAIEmbeddings

    def model(name: str) -> OpenAIEmbeddings:
        return OpenAIEmbeddings(
            model=name, base_url=server, api_key="any", check_embedding_ctx_length=False
        )

    asked = [model("handbook:query").embed_query(text) for text in QUESTIONS]
    assert_same(asked, tuned.query_vectors)
    assert_same(model("handbook").embed_documents(PASSAGES), tuned.passage_vectors)


def test_langchains_token_ids_are_answered_with_the_setting_to_change(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiktoken
    from langchain_openai import OpenAIEmbeddings

    # Its vocabularies lie on the network; one of single bytes makes token ids as well.
    single = {bytes([byte]): byte for byte in range(256)}
    encoding = tiktoken.Encoding("bytes", pat_str=".", mergeable_ranks=single, special_tokens={})
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: encoding)
    model = OpenAIEmbeddings(model="handbook", base_url=server, api_key="any", max_retries=0)
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        model.embed_query(QUESTIONS[0])


def test_haystack_gives_the_same_from_document_and_title(server: str, tuned: Tuned) -> None:
    from haystack import Document
    from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
    from haystack.utils import Secret

    key = Secret.from_token("any")
    asks = OpenAITextEmbedder(api_key=key, model="handbook:query", api_base_url=server)
    assert_same([asks.run(text)["embedding"] for text in QUESTIONS], tuned.query_vectors)
    reads = OpenAIDocumentEmbedder(
        api_key=key,
        model="handbook",
        api_base_url=server,
        meta_fields_to_embed=["title"],
        progress_bar=False,
        raise_on_failure=True,
    )
    titled = [{"title": title} if title else {} for title in TITLES]
    documents = [Document(content=t, meta=m) for t, m in zip(TEXTS, titled, strict=True)]
    found = reads.run(documents)["documents"]
    assert_same([document.embedding for document in found], tuned.passage_vectors)
