"""The writer that needs no model, over the shards of a table of passages.

Its questions depend on the whole corpus in two ways: on which words are common in it, and on which
passage is the first below a heading, which alone is asked for it. So workers first count the words
and list the headings of their shards (`count_words`); then the driver adds up the counts
(`merge_counts`) and finds out which headings were asked for before each shard (`asked_before`);
with that, workers write the questions of their shards (`write_questions`). What comes out has the
bytes of `ExtractiveWriter.write` over all passages.

Memory of a worker: one shard. Of the driver: some 100 bytes for each heading path, and the counts
of a few hundred words; with questions of keywords, those of all words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from homing.dataset import save_questions, save_rejections
from homing.dataset.records import passage_of
from homing.dataset.shards import Shard
from homing.dataset.tables import open_table
from homing.storage import join, open_input, read_bytes, write_bytes
from homing.types import Passage, Question, Rejection, passage_input
from homing.writing.extractive import KEY_BYTES, ExtractiveWriter, failed, heading_key
from homing.writing.vocabulary import ENOUGH_PASSAGES, Vocabulary

WORDS = "words"
HEADINGS = "headings"
QUESTIONS = "questions"
REJECTIONS = "rejections"


def count_words(shard: Shard, folder: str) -> dict[str, Any]:
    """Return how many passages a shard has, and its common words; save counts and headings."""
    return _count(shard, folder, lambda passage: passage_input(passage.title, passage.text))


def pass_over_words(shard: Shard, folder: str) -> dict[str, Any]:
    """Return what `count_words` does, without the words of passages of which workers die."""
    return _count(shard, folder, lambda passage: "")


def _count(shard: Shard, folder: str, text_of: Callable[[Passage], str]) -> dict[str, Any]:
    vocabulary = Vocabulary(0, {})
    headings: dict[bytes, None] = {}
    for passage in map(passage_of, shard.rows()):
        headings[heading_key(passage.heading_path)] = None
        vocabulary.add(text_of(passage))
    _save_counts(vocabulary.counts, join(folder, f"{WORDS}.parquet"))
    write_bytes(join(folder, HEADINGS), b"".join(headings))
    return {
        "shard": shard.number,
        "n_passages": vocabulary.n_passages,
        "common": vocabulary.common(),
    }


def merge_counts(
    folders: Iterable[str], summaries: Iterable[Mapping[str, Any]], *, all_words: bool
) -> Vocabulary:
    """Return the vocabulary of a corpus from what `count_words` made of its shards, in any order.

    Args:
        all_words: Whether counts of words that are common nowhere are needed as well.
    """
    n_passages, common = 0, set[str]()
    for summary in summaries:
        n_passages += summary["n_passages"]
        common.update(summary["common"])
    counts: Counter[str] = Counter()
    for folder in folders:
        counts.update(_load_counts(join(folder, f"{WORDS}.parquet"), None if all_words else common))
    least = 2 if n_passages >= ENOUGH_PASSAGES else 1
    return Vocabulary(n_passages, {word: n for word, n in counts.items() if n >= least})


def asked_before(shards: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """Yield for each shard, in order, the keys of its headings that shards before it ask for.

    Args:
        shards: The folders that `count_words` filled for each, mostly one.
    """
    seen: set[bytes] = set()
    for folders in shards:
        keys = [key for folder in folders for key in _keys(read_bytes(join(folder, HEADINGS)))]
        yield b"".join(key for key in keys if key in seen)
        seen.update(keys)


def write_questions(
    shard: Shard, folder: str, *, writer: ExtractiveWriter, vocabulary: Vocabulary, plan: str
) -> dict[str, Any]:
    """Return how many questions and rejections were saved of a shard's passages.

    Args:
        plan: The folder with what `asked_before` gave, each in a file named by the shard's number.
    """
    asked = set(_keys(read_bytes(join(plan, str(shard.number)))))
    before = map(passage_of, shard.before().rows() if shard.skip else ())
    asked.update(heading_key(passage.heading_path) for passage in before)
    rejections: list[Rejection] = []

    def questions() -> Iterator[Question]:
        passages = map(passage_of, shard.rows())
        for item in writer.write_some(passages, vocabulary, asked):
            if isinstance(item, Question):
                yield item
            else:
                rejections.append(item)

    n_questions = save_questions(questions(), join(folder, f"{QUESTIONS}.parquet"))
    n_rejected = save_rejections(rejections, join(folder, f"{REJECTIONS}.parquet"))
    return {"n_questions": n_questions, "n_rejected": n_rejected}


def reject(shard: Shard, folder: str, detail: str) -> dict[str, Any]:
    """Return what `write_questions` does, of passages of which workers die."""
    rejections = [failed(passage, detail) for passage in map(passage_of, shard.rows())]
    save_questions((), join(folder, f"{QUESTIONS}.parquet"))
    n_rejected = save_rejections(rejections, join(folder, f"{REJECTIONS}.parquet"))
    return {"n_questions": 0, "n_rejected": n_rejected}


def _save_counts(counts: Mapping[str, int], place: str) -> None:
    import pyarrow as pa

    schema = pa.schema([("word", pa.string()), ("n_passages", pa.int64())])
    names = sorted(counts)
    columns = [pa.array(names, pa.string()), pa.array([counts[n] for n in names], pa.int64())]
    with open_table(place, schema) as writer:
        writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _load_counts(place: str, only: Set[str] | None) -> dict[str, int]:
    """Return word -> passages; where `only` is given, of those words alone."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with open_input(place) as source:
        table = pq.read_table(source)
    if only is not None:
        wanted = pa.array(sorted(only), pa.string())
        table = table.filter(pc.is_in(table["word"], value_set=wanted))
    return dict(zip(table["word"].to_pylist(), table["n_passages"].to_pylist(), strict=True))


def _keys(joined: bytes) -> list[bytes]:
    return [joined[i : i + KEY_BYTES] for i in range(0, len(joined), KEY_BYTES)]
