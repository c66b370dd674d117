"""Datasets as LlamaIndex's `EmbeddingQAFinetuneDataset` saves them: one JSON file, one split.

Keys: `queries` (id -> text), `corpus` (id -> text), `relevant_docs` (query id -> passage ids),
`mode` ("text"; older files have none).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from homing.dataset.model import Dataset, check_dataset
from homing.dataset.parsing import read_text, text_of
from homing.dataset.records import passage_of
from homing.dataset.tables import atomic
from homing.errors import UsageError
from homing.types import Qrel, Query, passage_input

ONLY_SPLIT = "all"
MODE = "text"
KEYS = ("queries", "corpus", "relevant_docs")


def load_llamaindex(path: Path) -> Dataset:
    """Return the dataset of a LlamaIndex JSON file; its only split is called "all".

    Raises:
        UsageError: If the file is no JSON, lacks a key, is not of texts, repeats an id with another
            text, or names unknown ids.
    """
    content = _parse(path)
    corpus = {
        passage_id: passage_of({"_id": passage_id, "text": text})
        for passage_id, text in _texts(path, content, "corpus").items()
    }
    queries = {key: Query(key, text) for key, text in _texts(path, content, "queries").items()}
    relevant = content["relevant_docs"]
    if not isinstance(relevant, dict):
        raise UsageError(f'{path}: "relevant_docs" should map query ids to lists of passage ids.')
    qrels = []
    for key, passage_ids in relevant.items():
        if not isinstance(passage_ids, list):
            raise UsageError(f'{path}: "relevant_docs" of {key!r} should be a list of passage ids.')
        qrels += [Qrel(key, str(passage_id)) for passage_id in passage_ids]
    return check_dataset(Dataset(corpus, queries, {ONLY_SPLIT: qrels}), str(path))


def _parse(path: Path) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key, value in pairs:
            if content.setdefault(key, value) != value:
                raise UsageError(f"{path}: the id {key!r} occurs twice with different content.")
        return content

    try:
        content = json.loads(read_text(path), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON ({error}).") from error
    missing = [k for k in KEYS if k not in content] if isinstance(content, dict) else list(KEYS)
    if missing:
        raise UsageError(
            f"{path} is not a LlamaIndex dataset: it has no {', '.join(map(repr, missing))}. "
            'Expected the keys "queries", "corpus" and "relevant_docs".'
        )
    if content.get("mode", MODE) != MODE:
        raise UsageError(
            f"{path} has the mode {content['mode']!r}; only datasets of texts can be read."
        )
    return dict(content)


def _texts(path: Path, content: dict[str, Any], key: str) -> dict[str, str]:
    if not isinstance(content[key], dict):
        raise UsageError(f'{path}: "{key}" should map ids to texts.')
    return {i: text_of(text, f'{path}: "{key}" of {i!r}') for i, text in content[key].items()}


def is_llamaindex(path: Path) -> bool:
    """Tell whether a file is a LlamaIndex dataset."""
    try:
        _parse(path)
    except UsageError:
        return False
    return True


def save_llamaindex(dataset: Dataset, path: Path, split: str) -> None:
    """Write one split as a LlamaIndex JSON file, titles put before their texts.

    When the dataset has no other split, queries without an answer are written too.
    """
    relevant = dataset.split(split)
    chosen = dataset.queries if len(dataset.splits) == 1 else relevant
    content = {
        "queries": {key: dataset.queries[key].text for key in chosen},
        "corpus": {p.id: passage_input(p.title, p.text) for p in dataset.corpus.values()},
        "relevant_docs": {key: list(relevant.get(key, ())) for key in chosen},
        "mode": MODE,
    }
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
        file.write("\n")
