"""How to use the model, in the libraries that people have: five lines each.

LlamaIndex replaces the prompts saved in a model by its own, empty ones, and LangChain never asks
for them (seen in llama-index-embeddings-huggingface 0.8.0 and langchain-huggingface 1.2.3). So for
a model that needs prompts these snippets pass them on. Neither says to the model which side a text
is of, so that one with a tower for questions would take the other for them: the snippets say it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from homing.reporting.data import ModelFacts


@dataclass(frozen=True, slots=True)
class Snippet:
    """A library's name, what installs it, and the lines that use the model."""

    library: str
    install: str
    code: str


def snippets(model: ModelFacts) -> list[Snippet]:
    """Return the snippets for sentence-transformers, LlamaIndex and LangChain."""
    return [_sentence_transformers(model), _llama_index(model), _langchain(model)]


def prompt_sentence(model: ModelFacts) -> str:
    """Return what must be said about the texts that go in: prompts, and titles."""
    titles = "A passage went in as its headings, a line break and its text."
    if not (model.query_prompt or model.passage_prompt):
        return f"This model needs no prompt. {titles}"
    parts = []
    if model.query_prompt:
        parts.append(f"queries with {_quoted(model.query_prompt)}")
    if model.passage_prompt:
        parts.append(f"passages with {_quoted(model.passage_prompt)}")
    return (
        f"The model was trained and measured with prompts, {' and '.join(parts)} in front. They "
        f"are saved in the model, and these lines make each library use them. {titles}"
    )


def _sentence_transformers(model: ModelFacts) -> Snippet:
    code = f"""\
from sentence_transformers import SentenceTransformer
model = SentenceTransformer({_quoted(model.path)})
passages = model.encode_document(["a passage", "another passage"], normalize_embeddings=True)
query = model.encode_query("a question", normalize_embeddings=True)
print(passages @ query)"""
    return Snippet("sentence-transformers", "pip install sentence-transformers", code)


def _llama_index(model: ModelFacts) -> Snippet:
    made, own = "HuggingFaceEmbedding", ""
    if model.two_towers:
        made, own = "TwoTowers", _LLAMA_INDEX_TOWERS
    arguments = [f"model_name={_quoted(model.path)}"]
    if model.query_prompt:
        arguments.append(f"query_instruction={_quoted(model.query_prompt)}")
    if model.passage_prompt:
        arguments.append(f"text_instruction={_quoted(model.passage_prompt)}")
    code = f"""\
from llama_index.core import Document, VectorStoreIndex
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
{own}model = {made}({", ".join(arguments)})
index = VectorStoreIndex.from_documents([Document(text="a passage")], embed_model=model)
print(index.as_retriever(similarity_top_k=5).retrieve("a question"))"""
    return Snippet("LlamaIndex", "pip install llama-index-embeddings-huggingface", code)


def _langchain(model: ModelFacts) -> Snippet:
    def options(prompt: str, task: str = "") -> str:
        option = f'"prompt": {_quoted(prompt)}, ' if prompt else ""
        option += f'"task": "{task}", ' if task else ""
        return f'{{{option}"normalize_embeddings": True}}'

    arguments = f"model_name={_quoted(model.path)}, encode_kwargs={options(model.passage_prompt)}"
    if model.query_prompt or model.passage_prompt or model.two_towers:
        task = "query" if model.two_towers else ""
        arguments += f", query_encode_kwargs={options(model.query_prompt, task)}"
    code = f"""\
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_huggingface import HuggingFaceEmbeddings
model = HuggingFaceEmbeddings({arguments})
store = InMemoryVectorStore.from_texts(["a passage"], embedding=model)
print(store.similarity_search("a question", k=5))"""
    return Snippet("LangChain", "pip install langchain-huggingface", code)


_LLAMA_INDEX_TOWERS = """\
class TwoTowers(HuggingFaceEmbedding):
    def _get_query_embedding(self, query):
        return self._model.encode_query(query, normalize_embeddings=True).tolist()
"""
"""Asks the tower for questions; `encode` alone takes the one for passages."""


def _quoted(text: str) -> str:
    """Return the text as a Python string in double quotes; JSON's escapes are Python's too."""
    return json.dumps(text, ensure_ascii=False)
