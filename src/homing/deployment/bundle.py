"""What a search needs as one folder: passages with their vectors, and how scores are fused.

passages.parquet  id, title, text, page, path (of the document), vector (fixed-size float32)
bundle.json       whose vectors they are, their length, how dense and BM25 are fused, and why so

It is written whole: `bundle.json` lies in a folder that took its name when all else was there.
Passages are embedded and written a group of rows at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import numpy as np

from homing.dataset.tables import atomic, well_formed
from homing.errors import UsageError
from homing.progress import track
from homing.retrieval.fusion import Method
from homing.types import Encoder, FloatArray, Passage, passage_input, passage_key
from homing.workspace import whole_folder

FORMAT = 1
FACTS, PASSAGES = "bundle.json", "passages.parquet"
ROWS_IN_GROUP = 4096


@dataclass(frozen=True, slots=True)
class Fusion:
    """How the scores of BM25 and of the model become one.

    Attributes:
        weight: Share of the model, in [0, 1].
        source: Where method and weight come from, in words.
    """

    method: Method = "z"
    weight: float = 0.5
    source: str = "the simplest; nothing was chosen"


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What `bundle.json` says.

    Attributes:
        model: What the model that made the vectors is called.
        passage_key: Key of what embedded the passages.
        corpus: Hash of the passages' ids, titles, texts, pages and paths, in their order.
        language: By which BM25 finds words; "" guesses.
    """

    model: str
    passage_key: str
    dimensions: int
    n_passages: int
    corpus: str
    fusion: Fusion
    language: str = ""


@dataclass(frozen=True)
class Bundle:
    """Passages, held as Arrow holds them, and their vectors.

    Attributes:
        vectors: float32 (n_passages, dimensions).
    """

    facts: BundleFacts
    table: Any
    vectors: FloatArray

    def passage(self, row: int) -> dict[str, Any]:
        """Return one passage: id, title, text, page and path."""
        found: dict[str, Any] = self.table.slice(row, 1).to_pylist()[0]
        return found

    def inputs(self) -> list[str]:
        """Return what an encoder or BM25 is given for each passage, in their order."""
        titles, texts = (self.table.column(name).to_pylist() for name in ("title", "text"))
        return [passage_input(title, text) for title, text in zip(titles, texts, strict=True)]


def make_bundle(
    folder: Path,
    passages: Iterable[Passage],
    encoder: Encoder,
    *,
    model: str,
    paths: Mapping[str, str] | None = None,
    fusion: Fusion | None = None,
    language: str = "",
) -> BundleFacts:
    """Return the facts of a bundle that now lies in `folder`, in place of an earlier one.

    Args:
        passages: In corpus order, without repeats.
        encoder: Embeds them; give a `CachedEncoder` where their vectors are kept.
        model: What it is called.
        paths: Document id -> path; a passage whose document is not in it has none.
        fusion: How scores are fused.
        language: For BM25.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(encoder.dimensions)
    digest, n_passages = CorpusHash(paths or {}), 0
    with whole_folder(folder) as fresh:
        with pq.ParquetWriter(fresh / PASSAGES, schema, compression="zstd") as writer:
            for group in _groups(passages):
                vectors = encoder.encode_passages([passage_input(p.title, p.text) for p in group])
                rows = [digest.add(passage) for passage in group]
                columns = [
                    pa.array(values, field.type)
                    for values, field in zip(zip(*rows, strict=True), schema, strict=False)
                ]
                flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
                listed = pa.FixedSizeListArray.from_arrays(flat, encoder.dimensions)
                writer.write_table(pa.Table.from_arrays([*columns, listed], schema=schema))
                n_passages += len(group)
        facts = BundleFacts(
            model=model,
            passage_key=passage_key(encoder),
            dimensions=encoder.dimensions,
            n_passages=n_passages,
            corpus=digest.value(),
            fusion=fusion or Fusion(),
            language=language,
        )
        _write_facts(facts, fresh)
    return facts


def read_facts(folder: Path) -> BundleFacts | None:
    """Return what a bundle says of itself, None where there is none.

    Raises:
        UsageError: It cannot be read, or is of another version.
    """
    if not (folder / FACTS).is_file():
        return None
    try:
        saved = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if saved.pop("format") != FORMAT:
            raise ValueError("it is of another version of the format")
        fusion = Fusion(**saved.pop("fusion"))
        if fusion.method not in get_args(Method) or not 0 <= fusion.weight <= 1:
            raise ValueError(f"{fusion.method} with the weight {fusion.weight} is no fusion")
        return BundleFacts(**saved, fusion=fusion)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(folder, error) from error


def load_bundle(folder: Path) -> Bundle:
    """Return the bundle that lies in a folder.

    Raises:
        UsageError: There is none, or its files cannot be read or do not fit together.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    facts = read_facts(folder)
    if facts is None:
        raise UsageError(f"There is no bundle in {folder}: it has no {FACTS}.")
    vectors = np.empty((facts.n_passages, facts.dimensions), dtype=np.float32)
    tables, end = [], 0
    try:
        with pq.ParquetFile(folder / PASSAGES) as file:
            for batch in file.iter_batches(batch_size=ROWS_IN_GROUP):
                part = batch.column("vector").flatten().to_numpy()
                vectors[end : end + len(batch)] = part.reshape(len(batch), facts.dimensions)
                tables.append(pa.Table.from_batches([batch]).drop_columns(["vector"]))
                end += len(batch)
            names = [name for name in file.schema_arrow.names if name != "vector"]
            schema = pa.schema([file.schema_arrow.field(name) for name in names])
        if end != facts.n_passages or not np.isfinite(vectors).all():
            raise ValueError(f"it holds {end:,} of {facts.n_passages:,} passages, or odd vectors")
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise _unreadable(folder, error) from error
    return Bundle(facts, pa.concat_tables(tables) if tables else schema.empty_table(), vectors)


def update_fusion(folder: Path, facts: BundleFacts, fusion: Fusion) -> BundleFacts:
    """Return the facts with another fusion, as they now stand in the folder too."""
    updated = replace(facts, fusion=fusion)
    _write_facts(updated, folder)
    return updated


class CorpusHash:
    """A hash of passages as a bundle holds them, fed one by one."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        """Begin; `paths` are those of documents by id."""
        self._paths = paths
        self._digest = hashlib.sha256()

    def add(self, passage: Passage) -> tuple[str, str, str, int | None, str | None]:
        """Return the row of a passage, which is now in the hash."""
        path = self._paths.get(passage.document_id)
        row = (
            well_formed(passage.id),
            well_formed(passage.title),
            well_formed(passage.text),
            passage.page,
            None if path is None else well_formed(path),
        )
        self._digest.update(json.dumps(row).encode() + b"\n")
        return row

    def value(self) -> str:
        """Return the hash of all that was added."""
        return self._digest.hexdigest()


def _schema(dimensions: int) -> Any:
    import pyarrow as pa

    text = pa.string()
    return pa.schema(
        [
            ("id", text),
            ("title", text),
            ("text", text),
            ("page", pa.int64()),
            ("path", text),
            ("vector", pa.list_(pa.float32(), dimensions)),
        ]
    )


def _groups(passages: Iterable[Passage]) -> Iterator[list[Passage]]:
    source = iter(passages)
    with track("Bundling passages", None) as progress:
        while group := list(islice(source, ROWS_IN_GROUP)):
            yield group
            progress.advance(len(group))


def _write_facts(facts: BundleFacts, folder: Path) -> None:
    text = json.dumps({"format": FORMAT, **asdict(facts)}, indent=2, ensure_ascii=False) + "\n"
    with atomic(folder / FACTS) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _unreadable(folder: Path, error: Exception) -> UsageError:
    return UsageError(
        f"The bundle in {folder} cannot be read: {error}. Delete that folder: homing serve makes "
        "it again from a workspace."
    )
