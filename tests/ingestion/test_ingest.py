"""Whatever lies in a folder: every file becomes a document or a rejection with its reason."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from reportlab.pdfgen.canvas import Canvas

from homing.engine.base import Outcome
from homing.engine.local import LocalEngine
from homing.ingestion.chunking import Chunker
from homing.ingestion.files import SourceFile, find_files
from homing.ingestion.reading import ingest, ingest_and_chunk, read_document
from homing.types import Document, Rejection

TEXT = "Parental leave is paid for twelve weeks at the full salary of the employee."


def pdf(path: Path, text: str = TEXT) -> Path:
    canvas = Canvas(str(path))
    canvas.drawString(72, 700, text)
    canvas.save()
    return path


def reasons(folder: Path, engine: LocalEngine) -> dict[str, str]:
    """Return for each file of a folder its rejection's reason, or "read"."""
    sources = find_files([folder])
    results = list(ingest(sources, engine=engine))
    names = [r.item_id if isinstance(r, Rejection) else r.path for r in results]
    assert names == [source.name for source in sources]
    for result in results:
        if isinstance(result, Rejection):
            assert result.stage == "ingest"
            assert Path(result.item_id).name in result.detail
    return {
        name: result.reason if isinstance(result, Rejection) else "read"
        for name, result in zip(names, results, strict=True)
    }


def test_every_file_of_a_messy_folder_is_accounted_for(tmp_path: Path, engine: LocalEngine) -> None:
    pdf(tmp_path / "a_good.pdf")
    (tmp_path / "b_empty.pdf").touch()
    (tmp_path / "c_junk.pdf").write_bytes(os.urandom(5000))
    (tmp_path / "d_junk.txt").write_bytes(b"\x00\x01\x02\x03" * 800)
    (tmp_path / "e_sheet.xlsx").write_bytes(b"PK\x03\x04" + bytes(100))
    (tmp_path / "f_photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + os.urandom(500))
    (tmp_path / "g_program.exe").write_bytes(b"MZ" + bytes(500))
    (tmp_path / "h_table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "i_blank.md").write_text(" \n\n \t\n")
    (tmp_path / "j_old.doc").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    (tmp_path / "k_secret.docx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    (tmp_path / "l_note").write_text(TEXT)
    assert reasons(tmp_path, engine) == {
        "a_good.pdf": "read",
        "b_empty.pdf": "empty_file",
        "c_junk.pdf": "not_text",
        "d_junk.txt": "not_text",
        "e_sheet.xlsx": "damaged",
        "f_photo.jpg": "unsupported_format",
        "g_program.exe": "not_text",
        "h_table.csv": "unsupported_format",
        "i_blank.md": "no_text",
        "j_old.doc": "unsupported_format",
        "k_secret.docx": "encrypted",
        "l_note": "read",
    }


def test_wrongly_named_files_are_read_as_what_they_are(tmp_path: Path) -> None:
    pdf(tmp_path / "report.txt")
    (tmp_path / "page.pdf").write_text(f"<!DOCTYPE html><html><body><p>{TEXT}</p></body></html>")
    (tmp_path / "note.docx").write_text(TEXT)
    for name in ("report.txt", "page.pdf", "note.docx"):
        assert read_document(SourceFile(tmp_path / name, name)).text == TEXT


def test_a_file_over_the_limit_is_named_with_its_size(tmp_path: Path) -> None:
    from homing.ingestion.raw import UnreadableError

    path = tmp_path / "long.txt"
    path.write_text("x " * 2000)
    with pytest.raises(UnreadableError, match="limit") as caught:
        read_document(SourceFile(path, "long.txt"), max_bytes=1000)
    assert caught.value.reason == "too_large"


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may read everything")
def test_a_file_without_permission_is_a_rejection(tmp_path: Path, engine: LocalEngine) -> None:
    (tmp_path / "secret.txt").write_text(TEXT)
    (tmp_path / "secret.txt").chmod(0)
    assert reasons(tmp_path, engine) == {"secret.txt": "not_accessible"}


def test_a_file_that_goes_away_is_a_rejection(tmp_path: Path, engine: LocalEngine) -> None:
    (result,) = ingest([SourceFile(tmp_path / "gone.txt", "gone.txt")], engine=engine)
    assert isinstance(result, Rejection)
    assert result.reason == "not_accessible"


def test_an_empty_folder_gives_nothing(tmp_path: Path, engine: LocalEngine) -> None:
    assert reasons(tmp_path, engine) == {}


def misbehave(source: SourceFile, function: Callable[[SourceFile], Any]) -> Any:
    """Do to some files what a reader's native code may do."""
    if source.name == "hangs.txt":
        time.sleep(600)
    if source.name == "crashes.txt":
        os.kill(os.getpid(), signal.SIGSEGV)
    if source.name == "fails.txt":
        raise ValueError("unexpected token")
    return function(source)


class Sabotage:
    """An engine whose readers hang, crash or fail on some files."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine

    def map(
        self, function: Callable[[Any], Any], items: Iterable[Any], *, time_limit_s: Any = None
    ) -> Iterator[Outcome[Any, Any]]:
        return self.engine.map(
            partial(misbehave, function=function), items, time_limit_s=time_limit_s
        )


def test_a_reader_that_hangs_or_crashes_costs_its_file_alone(
    tmp_path: Path, engine: LocalEngine, tokenizer_file: Path
) -> None:
    for name in ("a.txt", "crashes.txt", "fails.txt", "hangs.txt", "z.txt"):
        (tmp_path / name).write_text(TEXT)
    results = list(
        ingest_and_chunk(
            find_files([tmp_path]),
            tokenizer_file=tokenizer_file,
            engine=Sabotage(engine),
            time_limit_s=2.0,
        )
    )
    found = {
        r.item_id if isinstance(r, Rejection) else r[0].path: getattr(r, "reason", "read")
        for r in results
    }
    assert found == {
        "a.txt": "read",
        "crashes.txt": "reader_crashed",
        "fails.txt": "reader_failed",
        "hangs.txt": "timed_out",
        "z.txt": "read",
    }
    (failed,) = [r for r in results if isinstance(r, Rejection) and r.reason == "reader_failed"]
    assert "unexpected token" in failed.detail


def test_documents_and_passages_come_in_the_order_of_the_files(
    tmp_path: Path, engine: LocalEngine, tokenizer_file: Path, chunker: Chunker
) -> None:
    for n in range(12):
        (tmp_path / f"{n:02}.md").write_text(f"# Rule {n}\n\n" + TEXT * (1 + 200 * (n % 3)))
    results = list(
        ingest_and_chunk(find_files([tmp_path]), tokenizer_file=tokenizer_file, engine=engine)
    )
    documents = [result[0] for result in results if not isinstance(result, Rejection)]
    assert [document.title for document in documents] == [f"Rule {n}" for n in range(12)]
    for document, passages in (r for r in results if not isinstance(r, Rejection)):
        assert passages == chunker.chunk(document)


def test_a_document_without_a_passage_is_a_rejection(
    tmp_path: Path, engine: LocalEngine, tokenizer_file: Path
) -> None:
    (tmp_path / "bare.md").write_text("# Nothing below\n")
    (result,) = ingest_and_chunk(
        find_files([tmp_path]), tokenizer_file=tokenizer_file, engine=engine
    )
    assert isinstance(result, Rejection)
    assert (result.reason, result.text) == ("no_passages", "Nothing below")


def test_reading_again_gives_the_same_ids(tmp_path: Path, engine: LocalEngine) -> None:
    pdf(tmp_path / "a.pdf")
    (tmp_path / "b.md").write_text(f"# Leave\n\n{TEXT}")
    first = list(ingest(find_files([tmp_path]), engine=engine))
    assert list(ingest(find_files([tmp_path]), engine=engine)) == first
    assert all(isinstance(document, Document) for document in first)


@pytest.mark.slow
def test_ten_thousand_tiny_files(tmp_path: Path, engine: LocalEngine, tokenizer_file: Path) -> None:
    for n in range(10_000):
        (tmp_path / f"{n:05}.txt").write_text(f"Rule {n}: {TEXT}")
    results = ingest_and_chunk(find_files([tmp_path]), tokenizer_file=tokenizer_file, engine=engine)
    paths = [r[0].path for r in results if not isinstance(r, Rejection) and len(r[1]) == 1]
    assert paths == [f"{n:05}.txt" for n in range(10_000)]


@pytest.mark.slow
def test_the_laws_hold_for_every_real_document(
    shared_data: Path, engine: LocalEngine, tokenizer_file: Path, chunker: Chunker
) -> None:
    sources = find_files([str(shared_data / "**" / "*.pdf")])
    assert len(sources) >= 22
    for result in ingest_and_chunk(sources, tokenizer_file=tokenizer_file, engine=engine):
        assert not isinstance(result, Rejection)
        document, passages = result
        assert len(passages) > 50
        assert len(document.headings) > 20
        assert len({passage.id for passage in passages}) == len(passages)
        for passage in passages:
            assert document.text[passage.start : passage.end] == passage.text
            assert chunker.count_tokens(passage.text) <= 256
        for heading in document.headings:
            assert document.text[heading.start : heading.end].split() == heading.title.split()


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_a_text_of_200_mb_is_read_in_bounded_memory(tmp_path: Path, tokenizer_file: Path) -> None:
    sentence = "The traveller in row {} asked for tea, naïvely, and was given coffee. "
    with (tmp_path / "long.txt").open("w") as file:
        for n in range(200_000_000 // (10 * len(sentence))):
            file.write("".join(sentence.format(10 * n + i) for i in range(10)) + "\n\n")
    with LocalEngine(1) as engine:
        (result,) = ingest_and_chunk(
            find_files([tmp_path]), tokenizer_file=tokenizer_file, engine=engine
        )
    assert not isinstance(result, Rejection), result.detail
    document, passages = result
    assert len(document.text) > 190_000_000
    assert passages[-1].end == len(document.text)
    peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak_kb < 3_000_000
