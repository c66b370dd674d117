"""Which words a model expects before a question and before a passage, by family.

Leaving them out costs quality silently, in training as in serving. What a model itself has saved
always wins; the table answers for models that were published without them.

Sources: the model cards of the families, at the hub, as of 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True, slots=True)
class Prompts:
    """What is put, as it stands, before each text of a side; "" for nothing."""

    query: str = ""
    passage: str = ""


NO_PROMPTS = Prompts()
_SEARCH_EN = Prompts(query="Represent this sentence for searching relevant passages: ")
_SEARCH_ZH = Prompts(query="为这个句子生成表示以用于检索相关文章：")
_TASK = "Given a web search query, retrieve relevant passages that answer the query"
_INSTRUCT = Prompts(query=f"Instruct: {_TASK}\nQuery: ")
_INSTRUCT_NO_SPACE = Prompts(query=f"Instruct: {_TASK}\nQuery:")
_INSTRUCT_TAGGED = Prompts(query=f"<instruct>{_TASK}.\n<query>")

FAMILIES: tuple[tuple[str, str, Prompts], ...] = (
    ("BGE M3", r"bge-m3", NO_PROMPTS),
    ("BGE with a language model", r"bge-(multilingual-gemma2|en-icl)", _INSTRUCT_TAGGED),
    ("BGE Chinese", r"bge-(small|base|large)-zh", _SEARCH_ZH),
    ("BGE English", r"bge-(small|base|large)-en", _SEARCH_EN),
    ("E5 instruct", r"(multilingual-)?e5-(.+-)?instruct|e5-mistral-7b.*", _INSTRUCT),
    (
        "E5",
        r"(multilingual-)?e5-(small|base|large).*",
        Prompts(query="query: ", passage="passage: "),
    ),
    ("GTE Qwen", r"gte-qwen[\d.]*-.*instruct", _INSTRUCT),
    ("GTE", r"gte-.*", NO_PROMPTS),
    (
        "Nomic code",
        r"(nomic-embed-code|coderankembed)",
        Prompts(query="Represent this query for searching relevant code: "),
    ),
    (
        "Nomic",
        r"(nomic-embed-text|modernbert-embed)-.*",
        Prompts(query="search_query: ", passage="search_document: "),
    ),
    ("Snowflake Arctic 2", r"(snowflake-)?arctic-embed-.*v2.*", Prompts(query="query: ")),
    ("Snowflake Arctic", r"(snowflake-)?arctic-embed-.*", _SEARCH_EN),
    ("Qwen3", r"qwen3-embedding-.*", _INSTRUCT_NO_SPACE),
    ("Mixedbread", r"mxbai-embed-large.*", _SEARCH_EN),
    (
        "Gemma",
        r"embeddinggemma-.*",
        Prompts(query="task: search result | query: ", passage="title: none | text: "),
    ),
    ("Sentence-Transformers", r"(all|multi-qa|paraphrase|msmarco)-.*", NO_PROMPTS),
)
"""(family, pattern for the start of a model's own name in lower case, prompts); first match."""

_QUERY_KEYS = ("query", "search_query", "retrieval.query", "s2p_query", "retrieval_query")
_PASSAGE_KEYS = (
    "document",
    "passage",
    "corpus",
    "search_document",
    "retrieval.passage",
    "retrieval_document",
)


def prompts_for(
    name_or_path: str, saved_prompts: Mapping[str, str | None] | None = None
) -> Prompts:
    """Return the prompts of a model: those saved with it, else its family's, else none.

    A saved prompt wins even when it is blank: sentence-transformers 5 and later saves the prompts
    that were in force, so that blank means trained without.

    Args:
        name_or_path: Hub id, or a folder; a folder's own name, its config and its model card are
            asked for the family, in this order.
        saved_prompts: What `config_sentence_transformers.json` holds under "prompts"; for a folder
            it is read if None.
    """
    folder = Path(name_or_path)
    if saved_prompts is None and folder.is_dir():
        saved_prompts = read_saved_prompts(folder)
    saved = _from_saved(saved_prompts or {})
    if saved is not None:
        return saved
    for name in (name_or_path, *(_names_inside(folder) if folder.is_dir() else ())):
        known = _family_prompts(name)
        if known is not None:
            return known
    return NO_PROMPTS


def read_saved_prompts(folder: Path) -> dict[str, str]:
    """Return the prompts saved in a model folder by side or task; empty if there are none."""
    prompts = _read_json(folder / "config_sentence_transformers.json").get("prompts")
    if not isinstance(prompts, dict):
        return {}
    return {str(key): text for key, text in prompts.items() if isinstance(text, str)}


def _from_saved(saved: Mapping[str, str | None]) -> Prompts | None:
    """Return saved prompts under our two names, or None if neither side is among them."""
    query = next((saved[key] for key in _QUERY_KEYS if saved.get(key) is not None), None)
    passage = next((saved[key] for key in _PASSAGE_KEYS if saved.get(key) is not None), None)
    if query is None and passage is None:
        return None
    return Prompts(query or "", passage or "")


def _family_prompts(name: str) -> Prompts | None:
    own_name = re.split(r"[/\\]", name.rstrip("/\\"))[-1].lower()
    for _, pattern, prompts in FAMILIES:
        if re.match(f"(?:{pattern})(?![a-z0-9])", own_name):
            return prompts
    return None


def _names_inside(folder: Path) -> list[str]:
    """Return the names of the models that this one was made from, as its own files tell."""
    names = [_read_json(folder / "config.json").get("_name_or_path"), *_card_base_models(folder)]
    return [name for name in names if isinstance(name, str) and name]


def _card_base_models(folder: Path) -> list[object]:
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    front = re.match(r"---\s*\n(.*?)\n---", text, flags=re.DOTALL)
    if front is None:
        return []
    try:
        base = (yaml.safe_load(front[1]) or {}).get("base_model")
    except (yaml.YAMLError, AttributeError):
        return []
    return list(base) if isinstance(base, list) else [base]


def _read_json(path: Path) -> dict[str, object]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
