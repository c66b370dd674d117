"""Saved types come back as they were, from bytes that depend on nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homing.dataset import (
    Dataset,
    iter_questions,
    load_dataset,
    load_documents,
    load_passages,
    load_questions,
    load_rejections,
    save_dataset,
    save_documents,
    save_passages,
    save_questions,
    save_rejections,
    tables,
)
from homing.errors import UsageError
from homing.types import Document, Heading, Passage, Qrel, Query, Question, Rejection

words = st.text(max_size=12)
offsets = st.integers(0, 2**40)
spans = st.lists(st.tuples(offsets, offsets), max_size=3).map(tuple)
passages = st.builds(
    Passage,
    id=words,
    document_id=words,
    start=offsets,
    end=offsets,
    text=words,
    heading_path=st.lists(words, max_size=3).map(tuple),
    page=st.none() | st.integers(1, 400),
)
documents = st.builds(
    Document,
    id=words,
    path=words,
    title=words,
    text=words,
    page_starts=st.lists(offsets, max_size=3).map(tuple),
    headings=st.lists(st.builds(Heading, offsets, words, offsets, offsets), max_size=3).map(tuple),
    language=words,
)
asked = {"text": words, "kind": words, "writer": words, "prompt": words, "masked": spans}
questions = st.builds(Question, passage_id=words, masks_title=st.booleans(), **asked)
queries = st.builds(Query, id=words, masks_title=st.booleans(), **asked)
rejections = st.builds(
    Rejection, item_id=words, stage=words, reason=words, detail=words, text=words
)


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    corpus = {p.id: p for p in draw(st.lists(passages, min_size=1, max_size=5))}
    asked_ = {q.id: q for q in draw(st.lists(queries, min_size=1, max_size=5))}
    qrel = st.builds(
        Qrel, st.sampled_from(sorted(asked_)), st.sampled_from(sorted(corpus)), st.integers(-1, 3)
    )
    names = draw(
        st.lists(st.sampled_from(["train", "dev", "test", "all"]), min_size=1, unique=True)
    )
    qrels = {name: draw(st.lists(qrel, max_size=4)) for name in names}
    groups = draw(st.dictionaries(st.sampled_from(sorted(corpus)), words, max_size=4))
    return Dataset(corpus, asked_, qrels, groups)


quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(datasets())
def test_a_dataset_comes_back_as_it_was_saved(dataset: Dataset) -> None:
    with TemporaryDirectory() as folder:
        save_dataset(dataset, Path(folder))
        loaded = load_dataset(folder)
    assert loaded == dataset
    assert list(loaded.corpus) == list(dataset.corpus)
    assert list(loaded.queries) == list(dataset.queries)


@quick
@given(
    st.lists(documents, max_size=3),
    st.lists(passages, max_size=3),
    st.lists(questions, max_size=3),
    st.lists(rejections, max_size=3),
)
def test_tables_come_back_as_they_were_saved(
    ds: list[Document], ps: list[Passage], qs: list[Question], rs: list[Rejection]
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        assert save_documents(ds, path) == len(ds)
        assert load_documents(path) == ds
        assert save_passages(ps, path) == len(ps)
        assert load_passages(path) == ps
        assert save_questions(qs, path) == len(qs)
        assert load_questions(path) == qs
        assert save_rejections(rs, path) == len(rs)
        assert load_rejections(path) == rs


LEAVE = Passage("p1", "d1", 0, 31, "Parents may take sixteen weeks.", ("Handbook", "Leave"), 3)
ASKED = Question("parental leave length?", "p1", "cloze", "extractive", "", ((17, 30),), True)
SMALL = Dataset(
    {"p1": LEAVE, "p2": Passage("p2", "d1", 31, 61, "Trains are preferred to planes")},
    {"q1": Query("q1", "how long?", "cloze", "extractive", "", ((0, 7),), True)},
    {"train": [Qrel("q1", "p1")], "test": []},
    {"p1": "p1", "p2": "p2"},
)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_equal_datasets_give_equal_bytes_wherever_they_are_saved(tmp_path: Path) -> None:
    save_dataset(SMALL, tmp_path / "one")
    save_dataset(SMALL, tmp_path / "two")
    save_dataset(SMALL, tmp_path / "two")
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert set(digests(tmp_path / "one")) == {
        "corpus/corpus.parquet",
        "queries/queries.parquet",
        "qrels/test.parquet",
        "qrels/train.parquet",
    }


def test_the_datasets_library_reads_what_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    import datasets as library

    save_dataset(SMALL, tmp_path)

    def rows(file: str) -> list[dict[str, Any]]:
        loaded = library.load_dataset(
            "parquet", data_files=str(tmp_path / file), split="train", cache_dir=str(tmp_path / "c")
        )
        return list(loaded)

    (first, second) = rows("corpus/corpus.parquet")
    assert first["title"] == "Handbook > Leave"
    assert first["text"] == LEAVE.text
    assert second["page"] is None
    assert rows("queries/queries.parquet")[0]["masked"] == [[0, 7]]
    assert rows("qrels/train.parquet") == [{"query-id": "q1", "corpus-id": "p1", "score": 1}]


def test_a_set_of_other_people_in_shards_and_with_bare_columns_is_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(name: str, **columns: list[Any]) -> None:
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), path)

    write("corpus/corpus-00000-of-00002", _id=["7"], title=["Leave"], text=["Sixteen weeks."])
    write("corpus/corpus-00001-of-00002", _id=["8"], title=[""], text=["By train."])
    write("queries/queries-00000-of-00001", _id=["1"], text=["how long?"])
    write("qrels/test-00000-of-00001", **{"query-id": ["1"], "corpus-id": ["7"], "score": [1.0]})
    dataset = load_dataset(tmp_path)
    assert dataset.corpus["7"] == Passage("7", "7", 0, 14, "Sixteen weeks.", ("Leave",))
    assert dataset.corpus["8"].title == ""
    assert dataset.split("test") == {"1": {"7": 1}}
    assert dataset.groups == {}
    write("qrels/test-00000-of-00001", **{"query-id": ["1"], "corpus-id": ["8"]})
    assert load_dataset(tmp_path).split("test") == {"1": {"8": 1}}  # as NanoBEIR has it


def test_a_corpus_without_questions_says_how_to_make_them(tmp_path: Path) -> None:
    save_passages([LEAVE], tmp_path / "corpus" / "corpus.parquet")
    with pytest.raises(UsageError, match="homing curate"):
        load_dataset(tmp_path)


def test_a_truncated_table_is_an_error_that_names_it(tmp_path: Path) -> None:
    save_dataset(SMALL, tmp_path)
    path = tmp_path / "queries" / "queries.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UsageError, match=r"queries.parquet cannot be read as Parquet"):
        load_dataset(tmp_path)
    with pytest.raises(UsageError, match=r"gone.parquet does not exist"):
        load_documents(tmp_path / "gone.parquet")


def test_a_table_of_another_kind_is_an_error_that_names_the_missing_column(tmp_path: Path) -> None:
    save_questions([ASKED], tmp_path / "t.parquet")
    readers: list[Callable[[Path], object]] = [load_documents, load_passages, load_rejections]
    for read in readers:
        with pytest.raises(UsageError, match="has no column"):
            read(tmp_path / "t.parquet")


def test_a_table_that_fails_half_way_leaves_the_old_one_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "questions.parquet"
    save_questions([ASKED], path)

    def breaking() -> Iterable[Question]:
        yield from [ASKED] * 10_000
        raise RuntimeError("the writer broke")

    with pytest.raises(RuntimeError, match="the writer broke"):
        save_questions(breaking(), path)
    assert load_questions(path) == [ASKED]
    assert [p.name for p in tmp_path.iterdir()] == ["questions.parquet"]


def test_large_tables_are_streamed_in_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr(tables, "CHARACTERS_IN_GROUP", 1000)
    save_questions((ASKED for _ in range(500)), tmp_path / "q.parquet")
    assert pq.ParquetFile(tmp_path / "q.parquet").num_row_groups > 5
    stream = iter_questions(tmp_path / "q.parquet")
    assert next(stream) == ASKED
    assert sum(1 for _ in stream) == 499


def test_what_utf8_cannot_hold_is_saved_as_a_replacement_character(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    save_rejections([Rejection("caf\udce9.pdf", "ingest", "unreadable")], path)
    assert load_rejections(path)[0].item_id == "caf\ufffd.pdf"
    document = Document("d", "a.pdf", "", "x\ud800y", (), (Heading(1, "\udfff", 0, 1),))
    save_documents([document], path)
    loaded = load_documents(path)[0]
    assert (loaded.text, loaded.headings[0].title) == ("x\ufffdy", "\ufffd")
