"""Offline questions over shards are those of one pass over the whole corpus, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handbook_sentences import HANDBOOK
from homing.dataset import load_rejections, save_passages, save_questions, save_rejections, tables
from homing.dataset.records import question_schema, rejection_schema
from homing.dataset.shards import concatenate, shards_of
from homing.storage import write_bytes
from homing.types import Passage, Question, Rejection
from homing.writing.extractive import KINDS, ExtractiveWriter, heading_key
from homing.writing.sharded import asked_before, count_words, merge_counts, write_questions
from homing.writing.vocabulary import FUNCTION_WORDS, Vocabulary

SENTENCES = [*HANDBOOK.values(), "Wer früher geht, meldet sich ab.", "`f(a=1)`", "旅費を払う。"]
HEADINGS = ["Handbook", "2.1 Parental leave", "Business travel costs", "Overview", "os.path.join"]


@pytest.fixture(autouse=True)
def groups_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups of four passages."""
    monkeypatch.setattr(tables, "ROWS_IN_GROUP", 4)


@st.composite
def corpora(draw: st.DrawFn) -> list[Passage]:
    texts = st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=6).map(" ".join)
    paths = st.lists(st.sampled_from(HEADINGS), max_size=2).map(tuple)
    drawn = draw(st.lists(st.tuples(texts, paths), max_size=60))
    return [Passage(f"p{i}", "d", 0, len(t), t, path) for i, (t, path) in enumerate(drawn)]


def in_one_pass(writer: ExtractiveWriter, passages: Sequence[Passage], folder: Path) -> list[bytes]:
    items = list(writer.write(passages))
    save_questions((i for i in items if isinstance(i, Question)), folder / "q.parquet")
    save_rejections((i for i in items if isinstance(i, Rejection)), folder / "r.parquet")
    return [(folder / name).read_bytes() for name in ("q.parquet", "r.parquet")]


def in_shards(
    writer: ExtractiveWriter, passages: Sequence[Passage], folder: Path, *, halve: bool = False
) -> list[bytes]:
    save_passages(passages, folder / "passages.parquet")
    shards = shards_of(folder / "passages.parquet")
    counted = [f"{folder}/counted/{shard.number}" for shard in shards]
    summaries = [count_words(shard, place) for shard, place in zip(shards, counted, strict=True)]
    vocabulary = merge_counts(counted, summaries, all_words=writer.needs_rare_words)
    for shard, keys in zip(shards, asked_before([place] for place in counted), strict=True):
        write_bytes(f"{folder}/plan/{shard.number}", keys)
    parts = []
    for shard in shards:
        for piece in shard.halves() if halve and shard.n_rows > 1 else [shard]:
            parts.append(f"{folder}/written/{piece.first_row}")
            write_questions(
                piece, parts[-1], writer=writer, vocabulary=vocabulary, plan=f"{folder}/plan"
            )
    questions = [f"{part}/questions.parquet" for part in parts]
    rejections = [f"{part}/rejections.parquet" for part in parts]
    concatenate(questions, folder / "questions.parquet", question_schema("passage_id"))
    concatenate(rejections, folder / "rejections.parquet", rejection_schema())
    return [(folder / f"{name}.parquet").read_bytes() for name in ("questions", "rejections")]


@pytest.mark.slow
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(corpora(), st.sampled_from([{}, {"kinds": KINDS, "questions_per_passage": 6}, {"seed": 3}]))
def test_the_questions_of_any_corpus_are_those_of_one_pass(passages, options) -> None:
    writer = ExtractiveWriter(**options)
    with TemporaryDirectory() as one, TemporaryDirectory() as many, TemporaryDirectory() as halves:
        wanted = in_one_pass(writer, passages, Path(one))
        assert in_shards(writer, passages, Path(many)) == wanted
        assert in_shards(writer, passages, Path(halves), halve=True) == wanted


def passage(number: int, text: str, *path: str) -> Passage:
    return Passage(f"p{number}", "d", 0, len(text), text, path)


def test_a_heading_is_asked_for_once_although_its_passages_lie_in_many_shards(tmp_path: Path):
    text = " ".join(HANDBOOK.values())
    passages = [passage(n, text, "Handbook", "Parental leave and adoption") for n in range(30)]
    save_passages(passages, tmp_path / "passages.parquet")
    shards = shards_of(tmp_path / "passages.parquet")
    folders = [str(tmp_path / str(shard.number)) for shard in shards]
    for shard, folder in zip(shards, folders, strict=True):
        count_words(shard, folder)
    key = heading_key(("Handbook", "Parental leave and adoption"))
    assert len(shards) == 8
    assert list(asked_before([folder] for folder in folders)) == [b"", *[key] * 7]


def test_a_word_counts_as_common_by_its_share_of_the_whole_corpus(tmp_path: Path) -> None:
    """It is in every passage of the first shard, and in a fifth of all."""
    passages = [
        passage(n, f"Rule {n}: {'receipts' if n < 8 else 'flights'} count") for n in range(40)
    ]
    save_passages(passages, tmp_path / "passages.parquet")
    shards = shards_of(tmp_path / "passages.parquet")
    folders = [str(tmp_path / str(shard.number)) for shard in shards]
    summaries = [count_words(s, folder) for s, folder in zip(shards, folders, strict=True)]
    assert "receipts" in summaries[0]["common"]
    found = merge_counts(folders, summaries, all_words=False)
    whole = Vocabulary.of(p.text for p in passages)
    assert found.n_passages == whole.n_passages == 40
    assert (found.counts["receipts"], found.counts["flights"]) == (8, 32)
    words = {w for p in passages for w in p.text.lower().replace(":", "").split()}
    for word in words | FUNCTION_WORDS:
        assert found.carries_content(word) == whole.carries_content(word)
    assert not found.carries_content("flights")
    assert found.carries_content("receipts")


def test_counts_kept_of_a_corpus_do_not_grow_with_its_rare_words(tmp_path: Path) -> None:
    def kept(n: int) -> int:
        folder = tmp_path / str(n)
        passages = (passage(i, f"word{i} count receipts") for i in range(n))
        save_passages(passages, folder / "p.parquet")
        shards = shards_of(folder / "p.parquet")
        folders = [str(folder / str(shard.number)) for shard in shards]
        summaries = [count_words(s, f) for s, f in zip(shards, folders, strict=True)]
        return len(merge_counts(folders, summaries, all_words=False).counts)

    assert kept(40) == kept(400)


class Fragile(ExtractiveWriter):
    """A writer that some texts make fail."""

    def _ask(self, passage: Passage, *rest: object, **more: object) -> list[Question]:
        if "poison" in passage.text:
            raise ValueError("a word that nobody expected")
        return super()._ask(passage, *rest, **more)  # type: ignore[arg-type]


def test_a_passage_on_which_the_writer_fails_is_a_rejection_and_the_others_are_asked(
    tmp_path: Path,
) -> None:
    text = " ".join(HANDBOOK.values())
    passages = [passage(n, "poison " * (n == 5) + text) for n in range(12)]
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    assert in_shards(Fragile(), passages, tmp_path / "many") == in_one_pass(
        Fragile(), passages, tmp_path / "one"
    )
    (rejection,) = load_rejections(tmp_path / "many" / "rejections.parquet")
    assert (rejection.item_id, rejection.reason) == ("p5", "writer_failed")
    assert "a word that nobody expected" in rejection.detail
    assert rejection.text.startswith("poison")


def test_a_passage_whose_words_cannot_be_counted_is_counted_all_the_same() -> None:
    counted = Vocabulary(0, {})
    counted.add(None)  # type: ignore[arg-type]
    counted.add("Keep every receipt")
    assert (counted.n_passages, counted.counts["receipt"]) == (2, 1)
