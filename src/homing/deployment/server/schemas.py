"""What requests and answers look like, as pydantic checks them and OpenAPI tells them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

InputType = Literal["query", "passage", "search_query", "search_document"]
Mode = Literal["dense", "bm25", "fused"]


def _whole(value: Any) -> Any:
    """Return 5 for 5.0: JSON knows one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Positive = Annotated[int, Field(ge=1), BeforeValidator(_whole)]


class _Asked(BaseModel):
    # A field that is misspelt would be a prompt that is silently forgotten.
    model_config = ConfigDict(extra="forbid", strict=True)


class EmbeddingsRequest(_Asked):
    """Texts to embed, as OpenAI's `/v1/embeddings` takes them."""

    input: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    ) = Field(description="A text, or a list of texts.")
    model: str | None = Field(
        None,
        description="The served model's name, NAME, for passages; NAME:query for questions. "
        "May be left out.",
    )
    input_type: InputType | None = Field(
        None,
        description="Whether the texts are questions or passages; decides which prompt the model "
        "is given before each. Without it, and without a suffix of the model's name, passages.",
    )
    dimensions: Positive | None = Field(
        None, description="Return the first so many dimensions, of length 1 again."
    )
    encoding_format: Literal["float", "base64"] | None = Field(
        "float", description="base64: little-endian float32."
    )
    user: str | None = Field(None, description="Taken and not used.")


class Embedding(BaseModel):
    """One vector."""

    object: Literal["embedding"]
    index: int = Field(description="Of the text in the request.")
    embedding: list[float] | str


class Usage(BaseModel):
    """What the model read: prompts and special tokens included, what was cut off not."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(BaseModel):
    """A unit vector for each text, in the order of the request."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class Model(BaseModel):
    """A name under which the model may be asked."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelsAnswer(BaseModel):
    """The served model under its three names."""

    object: Literal["list"]
    data: list[Model]


class SearchRequest(_Asked):
    """A question to the bundled passages."""

    query: str = Field(min_length=1)
    k: Positive = Field(10, description="How many passages to return.")
    mode: Mode | None = Field(
        None,
        description="By meaning, by words, or both, fused as the evaluation settled it. Without "
        "it, fused.",
    )
    model: str | None = Field(None, description="The served model's name; may be left out.")


class Hit(BaseModel):
    """A passage that was found; scores are comparable within one mode and one question."""

    id: str
    score: float
    text: str
    title: str
    page: int | None
    path: str | None = Field(description="Of its document, relative to the folder of documents.")


class SearchAnswer(BaseModel):
    """Passages, best first."""

    object: Literal["list"]
    mode: Mode
    results: list[Hit]
    usage: Usage


class DocumentText(BaseModel):
    """A document as Cohere writes it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(min_length=1)


class RerankRequest(_Asked):
    """A question and the documents to put in order, as Cohere's `/v1/rerank` takes them."""

    query: str = Field(min_length=1)
    documents: list[Annotated[str, Field(min_length=1)] | DocumentText] = Field(min_length=1)
    model: str | None = Field(None, description="Taken and not used: there is one reranker.")
    top_n: Positive | None = Field(None, description="Return the best so many.")
    return_documents: bool | None = Field(False, description="Whether their texts are returned.")


class Ranked(BaseModel):
    """A document's place."""

    index: int = Field(description="Of the document in the request.")
    relevance_score: float
    document: DocumentText | None = None


class RerankAnswer(BaseModel):
    """Documents, best first."""

    id: str
    results: list[Ranked]
    meta: dict[str, Any]


class Health(BaseModel):
    """How the server is."""

    status: Literal["ok", "stopping"]
    model: str
    search: bool
    rerank: bool


class ErrorDetail(BaseModel):
    """What went wrong and what to do."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorAnswer(BaseModel):
    """An error in OpenAI's shape."""

    error: ErrorDetail
