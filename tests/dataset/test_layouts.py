"""The three layouts: recognised by content, read with clear errors, converted without loss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homing.dataset import convert, load_dataset
from homing.errors import UsageError

CORPUS = [
    {"_id": "d1", "title": "Leave", "text": "Parents may take sixteen weeks."},
    {"_id": "d2", "title": "", "text": "Trains are preferred\u2028to planes."},
]
QUERIES = [{"_id": "q1", "text": "how long is parental leave?"}, {"_id": "q2", "text": "trains"}]


def write_beir(folder: Path, qrels: str = "query-id\tcorpus-id\tscore\nq1\td1\t1\n") -> Path:
    (folder / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", CORPUS), ("queries", QUERIES)):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text(qrels, encoding="utf-8")
    return folder


def write_llamaindex(path: Path, **changes: object) -> Path:
    content: dict[str, object] = {
        "queries": {"q-ü": "what about Jörg’s leave?", "q2": "planes"},
        "corpus": {"n1": "Parents may take\nsixteen weeks.", "n2": "Trains are preferred."},
        "relevant_docs": {"q-ü": ["n1"], "q2": ["n2", "n1"]},
    }
    content |= changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}), "utf-8")
    return path


def test_a_beir_folder_is_read_with_its_titles_as_heading_paths(tmp_path: Path) -> None:
    dataset = load_dataset(write_beir(tmp_path / "beir"))
    assert dataset.corpus["d1"].heading_path == ("Leave",)
    assert dataset.corpus["d2"].heading_path == ()
    assert dataset.corpus["d2"].text == "Trains are preferred\u2028to planes."
    assert dataset.split("test") == {"q1": {"d1": 1}}
    assert list(dataset.queries) == ["q1", "q2"]


@pytest.mark.parametrize(
    "qrels", ["q1\td1\t1\r\n", "query-id\tcorpus-id\tscore\r\nq1\td1\t1.0\r\n"]
)
def test_qrels_may_lack_the_header_and_come_from_windows(tmp_path: Path, qrels: str) -> None:
    assert load_dataset(write_beir(tmp_path / "b", qrels)).split("test") == {"q1": {"d1": 1}}


def test_a_llamaindex_file_has_one_split_called_all(tmp_path: Path) -> None:
    dataset = load_dataset(write_llamaindex(tmp_path / "qa.json"))
    assert dataset.splits == ("all",)
    assert dataset.split("all") == {"q-ü": {"n1": 1}, "q2": {"n2": 1, "n1": 1}}
    assert dataset.corpus["n1"].title == ""


def test_scifact_is_read_whole(shared_data: Path) -> None:
    dataset = load_dataset(shared_data / "scifact")
    assert dataset.n_passages == 5183
    assert {name: len(dataset.split(name)) for name in dataset.splits} == {
        "train": 809,
        "test": 300,
    }


def test_uber_is_read_whole(shared_data: Path) -> None:
    dataset = load_dataset(shared_data / "sec10k" / "gpt-3.5-turbo" / "val_dataset.json")
    assert (dataset.n_passages, dataset.n_queries) == (395, 790)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corpus": None}, "it has no 'corpus'"),
        ({"corpus": ["a"]}, '"corpus" should map ids to texts'),
        ({"queries": {"q-ü": 7}}, "should be text, but is int"),
        ({"relevant_docs": {"q2": "n1"}}, "should be a list"),
        ({"relevant_docs": {"q2": ["n9", "n1"]}}, "1 of 2 judgements.*'n9'"),
    ],
)
def test_a_malformed_llamaindex_file_says_what_is_wrong(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = write_llamaindex(tmp_path / "qa.json", **changes)
    with pytest.raises(UsageError, match=message) as caught:
        load_dataset(path)
    assert "qa.json" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("qa.json", b'{"queries": {', "is not JSON"),
        ("qa.json", b"[1, 2]", "not a LlamaIndex dataset"),
        ("qa.json", b"", "is not JSON"),
        ("notes.txt", "müde".encode("latin-1"), "not UTF-8"),
        ("corpus.jsonl", b"{}", "part of a dataset"),
        ("qa.json", b"[" * 100_000, "is not JSON"),
    ],
)
def test_a_file_that_is_no_dataset_is_a_usage_error(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        load_dataset(tmp_path / name)


def test_the_same_id_with_two_texts_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "qa.json"
    path.write_text(
        '{"queries": {"q": "a", "q": "b"}, "corpus": {}, "relevant_docs": {}}', encoding="utf-8"
    )
    with pytest.raises(UsageError, match="'q' occurs twice with different content"):
        load_dataset(path)
    folder = write_beir(tmp_path / "beir")
    corpus = folder / "corpus.jsonl"
    same = corpus.read_text(encoding="utf-8") + "\n" + json.dumps(CORPUS[0])
    corpus.write_text(same, encoding="utf-8")
    assert load_dataset(folder).n_passages == 2
    corpus.write_text(same + '\n{"_id": "d1", "text": "Other."}', encoding="utf-8")
    with pytest.raises(UsageError, match=r"corpus.jsonl, line 4: the passage 'd1' occurs twice"):
        load_dataset(folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "line 3 is not JSON"),
        ('{"_id": "d3"}', 'line 3 should be an object with "_id" and "text"'),
        ('{"_id": "d3", "text": null}', "line 3: the text should be text"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    folder = write_beir(tmp_path / "beir")
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n" + line)
    with pytest.raises(UsageError, match=message):
        load_dataset(folder)


@pytest.mark.parametrize("qrels", ["q1 d1 1\n", "q1\td1\tmuch\n", "q1\td1\t0.5\n", "q1\td1\tinf\n"])
def test_a_broken_judgement_is_named(tmp_path: Path, qrels: str) -> None:
    folder = write_beir(tmp_path / "beir", qrels)
    with pytest.raises(UsageError, match=r"test.tsv, line 1"):
        load_dataset(folder)


def test_nothing_and_unknown_things_are_errors_that_name_the_layouts(tmp_path: Path) -> None:
    for path in (tmp_path / "gone", tmp_path):
        with pytest.raises(UsageError, match="LlamaIndex JSON file"):
            load_dataset(path)
    (tmp_path / "homing.yaml").touch()
    with pytest.raises(UsageError, match="homing curate"):
        load_dataset(tmp_path)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "beir")
    (folder / "qrels" / "test.tsv").unlink()
    with pytest.raises(UsageError, match=r"no qrels/\*.tsv"):
        load_dataset(folder)
    (folder / "queries.jsonl").unlink()
    with pytest.raises(UsageError, match=r"queries\.jsonl does not exist"):
        load_dataset(folder)


@pytest.mark.parametrize("between", ["beir", "mteb"])
def test_llamaindex_there_and_back_keeps_ids_and_texts(tmp_path: Path, between: str) -> None:
    source = write_llamaindex(tmp_path / "qa.json", relevant_docs={"q-ü": ["n1"], "q2": []})
    convert(source, tmp_path / "middle", to=between)
    convert(tmp_path / "middle", tmp_path / "back.json", to="llamaindex")
    expected = json.loads(source.read_text("utf-8")) | {"mode": "text"}
    assert json.loads((tmp_path / "back.json").read_text("utf-8")) == expected


def test_beir_to_parquet_and_back_keeps_everything(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "beir", "q1\td1\t2\nq1\td2\t0\n")
    convert(folder, tmp_path / "mteb", to="mteb")
    convert(tmp_path / "mteb", tmp_path / "again", to="beir")
    assert load_dataset(tmp_path / "mteb") == load_dataset(folder)
    assert load_dataset(tmp_path / "again") == load_dataset(folder)
    qrels = (tmp_path / "again" / "qrels" / "test.tsv").read_text("utf-8")
    assert qrels == "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n"


def test_a_llamaindex_file_holds_one_split_which_must_be_named(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "beir")
    (folder / "qrels" / "train.tsv").write_text("q2\td2\t1\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"train \(1 questions\), test \(1 questions\).*--split"):
        convert(folder, tmp_path / "qa.json", to="llamaindex")
    convert(folder, tmp_path / "qa.json", to="llamaindex", split="train")
    content = json.loads((tmp_path / "qa.json").read_text("utf-8"))
    assert content["queries"] == {"q2": "trains"}
    assert list(content["corpus"]) == ["d1", "d2"]
    assert content["corpus"]["d1"] == "Leave\nParents may take sixteen weeks."


def test_an_earlier_conversion_is_replaced_and_its_other_splits_go(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "beir")
    for to, name in (("beir", "b"), ("mteb", "m")):
        (folder / "qrels" / "train.tsv").write_text("q2\td2\t1\n", encoding="utf-8")
        convert(folder, tmp_path / name, to=to)
        (folder / "qrels" / "train.tsv").unlink()
        convert(folder, tmp_path / name, to=to)
        assert load_dataset(tmp_path / name).splits == ("test",)


@pytest.mark.parametrize("to", ["beir", "mteb", "llamaindex"])
def test_what_is_not_a_dataset_is_never_overwritten(tmp_path: Path, to: str) -> None:
    source = write_llamaindex(tmp_path / "qa.json")
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "dear.txt").write_text("Dear Jane", encoding="utf-8")
    for target in (folder, folder / "dear.txt", source):
        with pytest.raises(UsageError, match=r"[Gg]ive a|is a file"):
            convert(source, target, to=to)
    assert [p.name for p in folder.iterdir()] == ["dear.txt"]
    assert (folder / "dear.txt").read_text(encoding="utf-8") == "Dear Jane"


def test_an_unknown_layout_is_an_error_that_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="beir, llamaindex, mteb"):
        convert(write_llamaindex(tmp_path / "qa.json"), tmp_path / "out", to="trec")


def test_an_id_that_tsv_cannot_carry_is_refused(tmp_path: Path) -> None:
    source = write_llamaindex(
        tmp_path / "qa.json", queries={"q\t1": "trains"}, relevant_docs={"q\t1": ["n2"]}
    )
    with pytest.raises(UsageError, match="tab"):
        convert(source, tmp_path / "out", to="beir")
