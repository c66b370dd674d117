"""Datasets by path: recognised by what is there, and converted from one layout to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from homing.dataset.beir import is_beir, load_beir, save_beir
from homing.dataset.llamaindex import is_llamaindex, load_llamaindex, save_llamaindex
from homing.dataset.model import Dataset, pick_split
from homing.dataset.mteb import (
    is_mteb,
    iter_mteb_corpus,
    load_mteb,
    sample_mteb_questions,
    save_dataset,
)
from homing.errors import UsageError
from homing.types import Passage

KNOWN = (
    "A dataset is a workspace or an MTEB folder (corpus/, queries/ and qrels/ with Parquet files), "
    "a BEIR folder (corpus.jsonl, queries.jsonl, qrels/*.tsv), or a LlamaIndex JSON file "
    '("queries", "corpus", "relevant_docs").'
)
LAYOUTS = ("beir", "llamaindex", "mteb")
ENTRIES = {
    "beir": {"corpus.jsonl", "queries.jsonl", "qrels"},
    "mteb": {"corpus", "queries", "qrels"},
}


def load_dataset(path: Path | str) -> Dataset:
    """Return the dataset at a path, whichever of the known layouts it has.

    Raises:
        UsageError: If there is nothing, nothing that is known, or a malformed dataset.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"There is no dataset at {path}. {KNOWN}")
    if path.is_file():
        if path.suffix.lower() in (".jsonl", ".tsv", ".parquet"):
            raise UsageError(f"{path} is a part of a dataset: give its folder. {KNOWN}")
        return load_llamaindex(path)
    if is_mteb(path):
        return load_mteb(path)
    if is_beir(path):
        return load_beir(path)
    if (path / "homing.yaml").is_file():
        raise UsageError(
            f"The workspace {path} holds no dataset yet. "
            "`homing curate` (or `homing run`) makes it."
        )
    raise UsageError(f"{path} is not a dataset. {KNOWN}")


@dataclass(frozen=True, slots=True)
class Corpus:
    """The passages of a dataset, as often as they are wanted, and some of its questions.

    Attributes:
        passages: Gives them from the first on; of a workspace or an MTEB folder they are streamed.
        questions: Texts, of the test split where there is one.
    """

    passages: Callable[[], Iterator[Passage]]
    questions: tuple[str, ...]


def open_corpus(path: Path | str, n_questions: int, split: str = "test") -> Corpus:
    """Return the corpus of the dataset at a path, with at most `n_questions` questions.

    Raises:
        UsageError: If there is nothing, nothing that is known, or a malformed dataset.
    """
    path = Path(path)
    if path.is_dir() and is_mteb(path):
        questions = sample_mteb_questions(path, split, n_questions)
        return Corpus(lambda: iter_mteb_corpus(path), tuple(questions))
    dataset = load_dataset(path)
    filled = [name for name in (split, *dataset.splits) if name in dataset.splits]
    asked = list(dataset.split(filled[0]))[:n_questions] if filled else []
    texts = tuple(dataset.queries[query_id].text for query_id in asked)
    return Corpus(lambda: iter(dataset.corpus.values()), texts)


def convert(
    source: Path | str, target: Path | str, *, to: str, split: str | None = None
) -> Dataset:
    """Write the dataset at `source` to `target` in another layout, and return what was written.

    Args:
        source: Any dataset that `load_dataset` knows.
        target: A folder (beir, mteb) or a file (llamaindex). An earlier dataset of the same
            layout is replaced; anything else is left alone.
        to: "beir", "llamaindex" or "mteb".
        split: Write this split alone. A LlamaIndex file holds just one, so it must be named
            where there are several.

    Raises:
        UsageError: If the layout is unknown, the split is missing, or the target is taken.
    """
    source, target = Path(source), Path(target)
    if to not in LAYOUTS:
        raise UsageError(f"Unknown layout {to!r}. Choose one of: {', '.join(LAYOUTS)}.")
    dataset = load_dataset(source)
    _refuse_foreign(source, target, to)
    if split is not None or to == "llamaindex":
        split = pick_split(dataset, "all", asked=split)
        dataset = _only(dataset, split)
    if to == "llamaindex":
        save_llamaindex(dataset, target, str(split))
    elif to == "beir":
        save_beir(dataset, target)
    else:
        save_dataset(dataset, target)
    return dataset


def _only(dataset: Dataset, split: str) -> Dataset:
    """Return the dataset with one split; the queries that belong to others alone are left out."""
    elsewhere = {
        q.query_id for name in dataset.splits if name != split for q in dataset.qrels[name]
    }
    here = {q.query_id for q in dataset.qrels[split]}
    queries = {key: q for key, q in dataset.queries.items() if key in here or key not in elsewhere}
    return Dataset(dataset.corpus, queries, {split: dataset.qrels[split]}, dataset.groups)


def _refuse_foreign(source: Path, target: Path, to: str) -> None:
    if target.exists() and source.resolve() == target.resolve():
        raise UsageError(f"{target} would be overwritten by its own conversion. Give another path.")
    if to == "llamaindex":
        if target.is_dir() or (target.exists() and not is_llamaindex(target)):
            raise UsageError(f"{target} exists and is not a LlamaIndex dataset. Give another path.")
        return
    if target.is_file():
        raise UsageError(f"{target} is a file; a dataset in the layout {to!r} is a folder.")
    if target.is_dir():
        foreign = sorted({p.name for p in target.iterdir()} - ENTRIES[to])
        if foreign:
            raise UsageError(
                f"{target} holds other things than a dataset in the layout {to!r}, such as "
                f"{foreign[0]!r}. Give an empty or a new folder."
            )
