"""What is stored of a passage beside its vector, in the forms that frameworks read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homing.dataset.tables import well_formed
from homing.errors import UsageError
from homing.types import Passage, content_id, passage_input

KNOWN = ("title", "path", "page", "document_id", "start", "end")
"""What there is to know about a passage beside its text."""
HIDDEN_FROM_MODELS = ("document_id", "start", "end")
"""Of the metadata, what LlamaIndex shows to no language model: it says nothing about the text."""


@dataclass(frozen=True, slots=True)
class Record:
    """A passage as a store holds it.

    Attributes:
        path: Of its document, "" where that is unknown.
        start: Of the passage in its document's text, as `end`; None where that is unknown.
        digest: Changes with anything that is stored.
    """

    id: str
    text: str
    title: str
    document_id: str
    path: str
    page: int | None
    start: int | None
    end: int | None
    digest: str

    @property
    def embedded(self) -> str:
        """What the encoder is given: title, line break, text."""
        return passage_input(self.title, self.text)

    def metadata(self) -> dict[str, Any]:
        """Return what is known about the passage; what is not is left out."""
        return known_of({name: getattr(self, name) for name in KNOWN})

    def llamaindex_metadata(self, *, with_text: bool) -> dict[str, Any]:
        """Return the metadata with the node in it, as LlamaIndex's vector stores write it.

        Args:
            with_text: Whether the node holds the text; stores that hand it over themselves need
                it just once.
        """
        own = self.metadata()
        return {
            **own,
            "_node_content": json.dumps(self._node(own, with_text), ensure_ascii=False),
            "_node_type": "TextNode",
            "document_id": self.document_id,
            "doc_id": self.document_id,
            "ref_doc_id": self.document_id,
        }

    def _node(self, metadata: dict[str, Any], with_text: bool) -> dict[str, Any]:
        source: dict[str, Any] = {
            "node_id": self.document_id,
            "node_type": "4",
            "metadata": {},
            "hash": None,
            "class_name": "RelatedNodeInfo",
        }
        return {
            "id_": self.id,
            "embedding": None,
            "metadata": metadata,
            "excluded_embed_metadata_keys": [*HIDDEN_FROM_MODELS, "path", "page"],
            "excluded_llm_metadata_keys": list(HIDDEN_FROM_MODELS),
            "relationships": {"1": source},
            "metadata_template": "{key}: {value}",
            "metadata_separator": "\n",
            "text": self.text if with_text else "",
            "mimetype": "text/plain",
            "start_char_idx": self.start,
            "end_char_idx": self.end,
            "text_template": "{metadata_str}\n\n{content}",
            "class_name": "TextNode",
        }


def known_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known about a passage, of all that a store keeps beside its text."""
    found = {name: stored.get(name) for name in KNOWN}
    return {name: value for name, value in found.items() if value not in (None, "")}


def record_of(passage: Passage, path: str = "") -> Record:
    """Return what is stored of a passage.

    Args:
        path: Of its document, "" for passages of sets that know no documents: these have no
            place in one.

    Raises:
        UsageError: Its id is empty or holds a character that no store takes.
    """
    passage_id = well_formed(passage.id)
    if not passage_id or "\0" in passage_id:
        raise UsageError(
            f"The passage id {passage_id!r} is empty or holds a NUL, which no store takes. "
            "Give the passage another id."
        )
    text, title = well_formed(passage.text), well_formed(passage.title)
    has_place = bool(path) or passage.document_id != passage.id
    start, end = (passage.start, passage.end) if has_place else (None, None)
    stored = [passage_id, text, title, passage.document_id, path, passage.page, start, end]
    return Record(
        id=passage_id,
        text=text,
        title=title,
        document_id=well_formed(passage.document_id),
        path=well_formed(path),
        page=passage.page,
        start=start,
        end=end,
        digest=content_id(json.dumps(stored)),
    )
