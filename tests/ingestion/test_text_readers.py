"""Plain text and Markdown: encodings, headings, markup."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from homing.ingestion.files import SourceFile
from homing.ingestion.raw import Block, UnreadableError
from homing.ingestion.readers.markdown import plain, read_markdown
from homing.ingestion.readers.text import read_text
from homing.ingestion.reading import read_document
from homing.types import Document

GERMAN = (
    "Über Mutterschutz: Beschäftigte dürfen in den letzten sechs Wochen vor der Entbindung nicht "
    "beschäftigt werden, es sei denn, sie erklären sich ausdrücklich dazu bereit.\n\n"
    "Die Erklärung können sie jederzeit für die Zukunft widerrufen – auch mündlich. 100 €."
)
RUSSIAN = "Отпуск по уходу за ребёнком предоставляется по заявлению работника. " * 4


def read(path: Path) -> Document:
    return read_document(SourceFile(path, path.name))


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("cp1252", b""),
    ],
)
def test_german_is_read_in_every_usual_encoding(tmp_path: Path, encoding: str, mark: bytes) -> None:
    path = write(tmp_path, "schutz.txt", mark + GERMAN.encode(encoding))
    assert read(path).text == GERMAN


def test_latin_1_is_read(tmp_path: Path) -> None:
    text = "Le congé de maternité dure seize semaines; à l'été, déjà, il fut prolongé."
    assert read(write(tmp_path, "congé.txt", text.encode("latin-1"))).text == text


def test_polish_in_its_old_code_page_is_read(tmp_path: Path) -> None:
    text = "Pracownikowi przysługuje urlop w wymiarze dwudziestu sześciu dni, także później."
    assert read(write(tmp_path, "urlop.txt", text.encode("cp1250"))).text == text


def test_chinese_in_its_old_code_page_is_read(tmp_path: Path) -> None:
    text = "女职工生育享受九十八天产假，其中产前可以休假十五天。" * 5
    assert read(write(tmp_path, "产假.txt", text.encode("gb18030"))).text == text


def test_cyrillic_in_an_old_code_page_is_read(tmp_path: Path) -> None:
    document = read(write(tmp_path, "отпуск.txt", RUSSIAN.encode("cp1251")))
    assert document.text == RUSSIAN.strip()
    assert document.language == "ru"


def test_one_bad_byte_does_not_cost_the_file(tmp_path: Path) -> None:
    raw = GERMAN.encode() + b" broken \xff byte, und noch ein wenig mehr Text dahinter."
    text = read(write(tmp_path, "fast.txt", raw)).text
    assert "Beschäftigte dürfen" in text
    assert "noch ein wenig mehr" in text


def test_line_ends_and_control_characters_are_made_plain(tmp_path: Path) -> None:
    path = write(tmp_path, "log.txt", "one\r\ntwo\rthree\x00\n\n\n\nfour\x0c\n" + "five " * 20)
    assert read(path).text == "one\ntwo\nthree\n\nfour\n\n" + ("five " * 20).strip()


def test_binary_data_is_not_text(tmp_path: Path) -> None:
    path = write(tmp_path, "noise.txt", bytes(range(256)) * 50)
    with pytest.raises(UnreadableError) as caught:
        read_text(path)
    assert caught.value.reason == "not_text"
    assert "noise.txt" in caught.value.detail


def test_markdown_headings_of_both_kinds(tmp_path: Path) -> None:
    document = read(
        write(
            tmp_path,
            "handbook.md",
            "Handbook\n========\n\nIntro.\n\n## Leave ##\n\nText.\n\nSick leave\n---\nMore.\n",
        )
    )
    assert [(h.level, h.title) for h in document.headings] == [
        (1, "Handbook"),
        (2, "Leave"),
        (2, "Sick leave"),
    ]
    for heading in document.headings:
        assert document.text[heading.start : heading.end] == heading.title
    assert document.title == "Handbook"
    assert document.text == "Handbook\n\nIntro.\n\nLeave\n\nText.\n\nSick leave\n\nMore."


def test_what_looks_like_a_heading_in_code_is_code(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "setup.md",
        "# Setup\n\n```sh\n# install\npip install homing\n\n\nrun\n```\n\nDone.",
    )
    document = read(path)
    assert [heading.title for heading in document.headings] == ["Setup"]
    assert "# install\npip install homing\n\n\nrun\n\nDone." in document.text
    assert "```" not in document.text


def test_an_unclosed_fence_keeps_the_rest(tmp_path: Path) -> None:
    assert "# not a heading" in read(write(tmp_path, "a.md", "~~~\n# not a heading")).text


def test_front_matter_gives_the_title_and_is_no_text(tmp_path: Path) -> None:
    path = write(tmp_path, "a.md", '---\ntitle: "Leave policy"\ntags: [hr]\n---\n# Leave\n\nText.')
    document = read(path)
    assert document.title == "Leave policy"
    assert document.text == "Leave\n\nText."


def test_a_file_without_heading_is_titled_by_its_name(tmp_path: Path) -> None:
    assert read(write(tmp_path, "leave_policy-2024.txt", "Leave is paid.")).title == (
        "leave policy 2024"
    )


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("see [the handbook](https://example.org/a_b) now", "see the handbook now"),
        (
            "see [the handbook][1] and <https://example.org>",
            "see the handbook and https://example.org",
        ),
        ("![a chart](chart.png) shows", "a chart shows"),
        ("**must** not, *ever*, ***really***", "must not, ever, really"),
        ("_should not_ and __Note__", "should not and Note"),
        (
            "call `foo_bar(*args, **kwargs)` or __init__",
            "call foo_bar(*args, **kwargs) or __init__",
        ),
        ("2 * 3 * 4 and a*b*c and snake_case_name", "2 * 3 * 4 and a*b*c and snake_case_name"),
        (r"1\. not a list, 3 \* 4", "1. not a list, 3 * 4"),
        ("water is H<sub>2</sub>O<br/>", "water is H2O"),
        ("if a < b and c > d", "if a < b and c > d"),
    ],
)
def test_markup_is_taken_off_and_words_stay(markup: str, words: str) -> None:
    assert plain(markup) == words


def test_tables_become_rows_and_lists_keep_their_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a.md",
        "| Kind | Days |\n|------|-----:|\n| Paid | **28** |\n\n- one\n- two\n  more of two\n",
    )
    (blocks,) = read_markdown(path).pages
    assert blocks == (Block("Kind | Days\nPaid | 28"), Block("- one\n- two\nmore of two"))


def test_indented_code_keeps_its_shape(tmp_path: Path) -> None:
    path = write(tmp_path, "a.md", "Example:\n\n    >>> for x in y:\n    ...     print(*x)\n")
    assert read(path).text == "Example:\n\n    >>> for x in y:\n    ...     print(*x)"


def test_a_rule_under_a_list_makes_no_heading(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a.md", "- item\n---\ntext")).headings == ()
