"""The saved types as Parquet tables, one file each: documents, passages, questions, rejections.

`save_*` takes any iterable and returns the number of rows; `iter_*` streams; `load_*` lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from homing.dataset.tables import Row, read_table, write_table
from homing.storage import Place
from homing.types import Document, Heading, Passage, Query, Question, Rejection


def document_schema() -> Any:
    """Return the Arrow schema of documents with their headings and page offsets."""
    import pyarrow as pa

    heading = pa.struct(
        [
            ("level", pa.int64()),
            ("title", pa.string()),
            ("start", pa.int64()),
            ("end", pa.int64()),
        ]
    )
    return pa.schema(
        [
            ("id", pa.string()),
            ("path", pa.string()),
            ("title", pa.string()),
            ("text", pa.string()),
            ("page_starts", pa.list_(pa.int64())),
            ("headings", pa.list_(heading)),
            ("language", pa.string()),
        ]
    )


def save_documents(documents: Iterable[Document], path: Place) -> int:
    """Return how many documents were written, with headings and page offsets."""
    return write_table((_document_row(d) for d in documents), path, document_schema())


def _document_row(document: Document) -> Row:
    headings = [
        {"level": h.level, "title": h.title, "start": h.start, "end": h.end}
        for h in document.headings
    ]
    d = document
    return (d.id, d.path, d.title, d.text, list(d.page_starts), headings, d.language)


def iter_documents(path: Place) -> Iterator[Document]:
    """Yield the documents of a table that `save_documents` wrote."""
    for row in read_table(path, required=("id", "text", "headings")):
        headings = tuple(Heading(**heading) for heading in row["headings"])
        page_starts = tuple(row["page_starts"])
        yield Document(**{**row, "page_starts": page_starts, "headings": headings})


def load_documents(path: Place) -> list[Document]:
    """Return the documents of a table that `save_documents` wrote."""
    return list(iter_documents(path))


def document_paths(path: Place) -> dict[str, str]:
    """Return document id -> path of a table that `save_documents` wrote; no text is read."""
    columns = ("id", "path")
    return {row["id"]: row["path"] for row in read_table(path, columns, only=columns)}


PASSAGE_COLUMNS = ("_id", "title", "text", "document_id", "start", "end", "page", "heading_path")


def passage_schema() -> Any:
    """Return the Arrow schema of `PASSAGE_COLUMNS`, the first three being MTEB's own."""
    import pyarrow as pa

    kinds = (
        *(pa.string(),) * 4,
        *(pa.int64(),) * 3,
        pa.list_(pa.string()),
    )
    return pa.schema(list(zip(PASSAGE_COLUMNS, kinds, strict=True)))


def passage_row(passage: Passage) -> Row:
    """Return a passage's values in the order of `PASSAGE_COLUMNS`."""
    p = passage
    return (p.id, p.title, p.text, p.document_id, p.start, p.end, p.page, list(p.heading_path))


def passage_of(row: Mapping[str, Any]) -> Passage:
    """Return the passage of a corpus row, ours or one of any other MTEB set.

    Where a set knows no documents, each passage is its own document, whole; where it has titles
    alone, the title is the heading path.
    """
    passage_id, text = str(row["_id"]), row["text"] or ""
    title, heading_path = row.get("title") or "", row.get("heading_path")
    if heading_path is None:
        heading_path = [title] if title else []
    document_id, start, end = row.get("document_id"), row.get("start"), row.get("end")
    return Passage(
        id=passage_id,
        document_id=passage_id if document_id is None else document_id,
        start=0 if start is None else start,
        end=len(text) if end is None else end,
        text=text,
        heading_path=tuple(heading_path),
        page=row.get("page"),
    )


def save_passages(passages: Iterable[Passage], path: Place) -> int:
    """Return how many passages were written."""
    return write_table((passage_row(p) for p in passages), path, passage_schema())


def iter_passages(path: Place) -> Iterator[Passage]:
    """Yield the passages of a table that `save_passages` wrote, or of an MTEB corpus file."""
    for row in read_table(path, required=("_id", "text")):
        yield passage_of(row)


def load_passages(path: Place) -> list[Passage]:
    """Return the passages of a table that `save_passages` wrote, or of an MTEB corpus file."""
    return list(iter_passages(path))


QUESTION_COLUMNS = ("text", "kind", "writer", "prompt", "masked", "masks_title")


def question_schema(*more: str) -> Any:
    """Return the Arrow schema of `QUESTION_COLUMNS` behind further string columns."""
    import pyarrow as pa

    text = pa.string()
    kinds = (text, text, text, text, pa.list_(pa.list_(pa.int64())), pa.bool_())
    first = [(name, text) for name in more]
    return pa.schema([*first, *zip(QUESTION_COLUMNS, kinds, strict=True)])


def question_row(question: Question | Query) -> Row:
    """Return the values of `QUESTION_COLUMNS`."""
    q = question
    masked = [list(span) for span in q.masked]
    return (q.text, q.kind, q.writer, q.prompt, masked, q.masks_title)


def question_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that `Question` and `Query` share, defaults where a set has only texts."""
    return {
        "text": row["text"] or "",
        "kind": row.get("kind") or "",
        "writer": row.get("writer") or "",
        "prompt": row.get("prompt") or "",
        "masked": tuple((start, end) for start, end in row.get("masked") or ()),
        "masks_title": bool(row.get("masks_title")),
    }


def save_questions(questions: Iterable[Question], path: Place) -> int:
    """Return how many questions were written."""
    rows = ((q.passage_id, *question_row(q)) for q in questions)
    return write_table(rows, path, question_schema("passage_id"))


def iter_questions(path: Place) -> Iterator[Question]:
    """Yield the questions of a table that `save_questions` wrote, without holding them all."""
    for row in read_table(path, required=("passage_id", "text")):
        yield Question(passage_id=row["passage_id"], **question_fields(row))


def load_questions(path: Place) -> list[Question]:
    """Return the questions of a table that `save_questions` wrote."""
    return list(iter_questions(path))


REJECTION_COLUMNS = ("item_id", "stage", "reason", "detail", "text")


def rejection_schema() -> Any:
    """Return the Arrow schema of `REJECTION_COLUMNS`."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in REJECTION_COLUMNS])


def save_rejections(rejections: Iterable[Rejection], path: Place) -> int:
    """Return how many rejections were written."""
    rows = ((r.item_id, r.stage, r.reason, r.detail, r.text) for r in rejections)
    return write_table(rows, path, rejection_schema())


def iter_rejections(path: Place) -> Iterator[Rejection]:
    """Yield the rejections of a table that `save_rejections` wrote."""
    for row in read_table(path, required=REJECTION_COLUMNS):
        yield Rejection(**row)


def load_rejections(path: Place) -> list[Rejection]:
    """Return the rejections of a table that `save_rejections` wrote."""
    return list(iter_rejections(path))
