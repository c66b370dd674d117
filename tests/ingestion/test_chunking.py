"""Passages are exact slices, within the token limit, at borders, and nothing is lost."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homing.ingestion.chunking import Chunker
from homing.ingestion.raw import Block, RawDocument
from homing.ingestion.reading import assemble
from homing.types import Document, Passage, content_id

SENTENCE = "Parental leave is paid for twelve weeks at the full salary of the employee. "


def document(
    *blocks: tuple[int, str] | str, title: str = "Handbook", path: str = "handbook.md"
) -> Document:
    """Return a document of body texts and (level, heading) pairs."""
    raw = [Block(b) if isinstance(b, str) else Block(b[1], b[0]) for b in blocks]
    text, _, headings = assemble(RawDocument(title, (tuple(raw),)))
    return Document(content_id(path, text), path, title, text, (), headings)


def check_laws(chunker: Chunker, document: Document, passages: list[Passage]) -> None:
    """Assert what holds for the passages of every document."""
    text = document.text
    for passage in passages:
        assert text[passage.start : passage.end] == passage.text
        assert passage.text == passage.text.strip() != ""
        assert chunker.count_tokens(passage.text) <= chunker.max_tokens
        assert passage.document_id == document.id
    assert all(first.end <= second.start for first, second in pairwise(passages))
    assert len({passage.id for passage in passages}) == len(passages)
    left_over = list(text)
    for start, end in [(p.start, p.end) for p in passages] + [
        (h.start, h.end) for h in document.headings
    ]:
        left_over[start:end] = " " * (end - start)
    assert "".join(left_over).strip() == ""


WORDS = (
    "leave pay the is Employees; don't Dr. e.g. 12.5 % — Übergangsgeld 東京都。 ... (see 3.) ☃ x "
    "https://example.org/a?b=c supercalifragilisticexpialidocious 🙂 •"
).split()
words = st.sampled_from([*WORDS, "", " ", "\t", "\n", "\n \n", "\u00a0", "a" * 400])
bodies = st.lists(words, max_size=120).map(" ".join)
parts = st.one_of(
    bodies.map(str.strip).filter(bool),
    st.tuples(st.integers(1, 4), st.sampled_from(["Leave", "Pay", "Leave of absence", "§ 3"])),
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(blocks=st.lists(parts, max_size=12), max_tokens=st.sampled_from([16, 40, 256]))
def test_the_laws_hold_for_any_document(
    tokenizer_file: Path, blocks: list[tuple[int, str] | str], max_tokens: int
) -> None:
    chunker = _chunker(tokenizer_file, max_tokens)
    whole = document(*blocks)
    check_laws(chunker, whole, chunker.chunk(whole))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(min_size=1, max_size=400).map(str.strip).filter(bool))
def test_the_laws_hold_for_any_characters(tokenizer_file: Path, text: str) -> None:
    chunker = _chunker(tokenizer_file, 16)
    whole = document(text)
    check_laws(chunker, whole, chunker.chunk(whole))


_chunkers: dict[int, Chunker] = {}


def _chunker(tokenizer_file: Path, max_tokens: int) -> Chunker:
    return _chunkers.setdefault(max_tokens, Chunker(tokenizer_file, max_tokens))


def test_a_long_section_is_cut_at_the_ends_of_sentences(chunker: Chunker) -> None:
    passages = chunker.chunk(document((1, "Leave"), SENTENCE * 60))
    assert len(passages) > 3
    assert all(passage.text.endswith("the employee.") for passage in passages)
    assert all(passage.text.startswith("Parental leave") for passage in passages)


def test_passages_are_filled_and_no_tiny_one_is_left_at_the_end(chunker: Chunker) -> None:
    n_tokens = chunker.count_tokens(SENTENCE)
    n_sentences = 2 * (256 // n_tokens) + 1
    sizes = [chunker.count_tokens(p.text) for p in chunker.chunk(document(SENTENCE * n_sentences))]
    assert sizes[0] > 256 - n_tokens
    assert sizes[-1] >= 100


def test_a_paragraph_that_fits_is_not_cut(chunker: Chunker) -> None:
    paragraph = (SENTENCE * 12).strip()
    passages = chunker.chunk(document(*[paragraph] * 4))
    assert [passage.text for passage in passages] == [paragraph] * 4


def test_sections_are_never_mixed(chunker: Chunker) -> None:
    passages = chunker.chunk(
        document(
            (1, "Leave"),
            SENTENCE,
            (1, "Pay"),
            "Pay day is the 25th, or the last working day before it.",
        )
    )
    assert [(p.heading_path, p.text[:7]) for p in passages] == [
        (("Handbook", "Leave"), "Parenta"),
        (("Handbook", "Pay"), "Pay day"),
    ]


def test_the_heading_path_is_the_title_and_not_part_of_the_text(chunker: Chunker) -> None:
    (passage,) = chunker.chunk(document((1, "Leave"), (2, "Parental leave"), SENTENCE))
    assert passage.heading_path == ("Handbook", "Leave", "Parental leave")
    assert passage.title == "Handbook > Leave > Parental leave"
    assert passage.text == SENTENCE.strip()


def test_a_title_that_is_also_the_first_heading_is_named_once(chunker: Chunker) -> None:
    (passage,) = chunker.chunk(document((1, "Handbook"), (2, "Leave"), SENTENCE))
    assert passage.heading_path == ("Handbook", "Leave")


def test_a_heading_closes_deeper_ones(chunker: Chunker) -> None:
    passages = chunker.chunk(
        document(
            (1, "Leave"), (3, "Notice"), SENTENCE, (2, "Forms"), SENTENCE, (1, "Pay"), SENTENCE
        )
    )
    assert [passage.heading_path[1:] for passage in passages] == [
        ("Leave", "Notice"),
        ("Leave", "Forms"),
        ("Pay",),
    ]


def test_short_sections_that_say_a_sentence_stay_alone(chunker: Chunker) -> None:
    passages = chunker.chunk(
        document(
            (1, "os.path"),
            (2, "os.path.exists"),
            "Test whether a path exists.  Returns False for broken symbolic links",
            (2, "os.path.commonprefix"),
            "Given a list of pathnames, returns the longest common leading component",
            title="os.path",
        )
    )
    assert [passage.heading_path[-1] for passage in passages] == [
        "os.path.exists",
        "os.path.commonprefix",
    ]


def test_sections_of_a_few_words_are_put_together_under_their_common_heading(
    chunker: Chunker,
) -> None:
    (passage,) = chunker.chunk(
        document((1, "Contacts"), (2, "Payroll"), "Room 12", (2, "Reception"), "Ground floor")
    )
    assert passage.heading_path == ("Handbook", "Contacts")
    assert passage.text == "Payroll\n\nRoom 12\n\nReception\n\nGround floor"


def test_a_short_introduction_leaves_the_first_section_its_heading(chunker: Chunker) -> None:
    passages = chunker.chunk(
        document((1, "glob"), "Filename globbing utility.", (2, "glob.glob"), SENTENCE)
    )
    assert [passage.heading_path[-1] for passage in passages] == ["glob", "glob.glob"]


def test_a_short_section_joins_no_stranger(chunker: Chunker) -> None:
    passages = chunker.chunk(
        document((1, "Contacts"), (2, "Payroll"), "Room 12", (1, "Leave"), SENTENCE)
    )
    assert [passage.heading_path[-1] for passage in passages] == ["Payroll", "Leave"]


def test_a_long_table_is_cut_between_its_rows(chunker: Chunker) -> None:
    rows = [f"Region {n} | {n * 137} | {n * 731} | up by {n % 7} percent" for n in range(80)]
    passages = chunker.chunk(document("\n".join(rows)))
    assert len(passages) > 2
    assert [row for passage in passages for row in passage.text.split("\n")] == rows


def test_text_without_spaces_is_cut_too(chunker: Chunker) -> None:
    endless = document("x" * 50_000)
    passages = chunker.chunk(endless)
    check_laws(chunker, endless, passages)
    assert max(len(passage.text) for passage in passages) <= 256 * 24


def test_chinese_is_cut_at_its_own_full_stops(chunker: Chunker) -> None:
    text = "产假期间工资照发。" * 80
    passages = chunker.chunk(document(text))
    assert len(passages) > 2
    assert all(passage.text.endswith("。") for passage in passages)


def test_abbreviations_do_not_end_a_sentence(tokenizer_file: Path) -> None:
    text = "Ask Dr. Miller of Acme Inc. in the U.S. office about it. Then wait for the answer."
    passages = Chunker(tokenizer_file, 20).chunk(document(text * 1))
    assert [passage.text for passage in passages] == [
        "Ask Dr. Miller of Acme Inc. in the U.S. office about it.",
        "Then wait for the answer.",
    ]


def test_equal_passages_have_ids_of_their_own(chunker: Chunker) -> None:
    passages = chunker.chunk(document((1, "Leave"), SENTENCE, (1, "Leave"), SENTENCE))
    assert passages[0].text == passages[1].text
    assert passages[0].id != passages[1].id
    assert passages[0].id == content_id("handbook.md", "Handbook", "Leave", passages[0].text, "0")


def test_ids_hold_when_another_section_changes(chunker: Chunker) -> None:
    before = chunker.chunk(
        document(
            (1, "Leave"), SENTENCE, (1, "Pay"), "Pay day is the 25th of every month for all of us."
        )
    )
    after = chunker.chunk(
        document(
            (1, "Leave"),
            SENTENCE * 2,
            (1, "Pay"),
            "Pay day is the 25th of every month for all of us.",
        )
    )
    assert before[0].id != after[0].id
    assert before[1].id == after[1].id


def test_a_passage_knows_the_page_on_which_it_begins(chunker: Chunker) -> None:
    raw = RawDocument(
        "Report",
        ((Block("One", 1), Block(SENTENCE * 3)), (), (Block("Two", 1), Block(SENTENCE))),
        paged=True,
    )
    text, page_starts, headings = assemble(raw)
    passages = chunker.chunk(Document("id", "report.pdf", "Report", text, page_starts, headings))
    assert [passage.page for passage in passages] == [1, 3]


def test_a_document_of_headings_alone_has_no_passage(chunker: Chunker) -> None:
    assert chunker.chunk(document((1, "Leave"))) == []


def test_a_chunker_travels_to_another_process(chunker: Chunker) -> None:
    chunker.count_tokens("loads the tokenizer")
    copy = pickle.loads(pickle.dumps(chunker))
    assert copy.chunk(document(SENTENCE)) == chunker.chunk(document(SENTENCE))


def test_the_token_limit_must_leave_room_for_a_sentence(tokenizer_file: Path) -> None:
    with pytest.raises(ValueError, match="16"):
        Chunker(tokenizer_file, 8)


@pytest.mark.parametrize("kind", ["byte_level", "metaspace"])
def test_other_kinds_of_tokenizers_are_counted_exactly(kind: str, tmp_path: Path) -> None:
    """Byte-level and SentencePiece-like vocabularies count a word differently after a space."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    if kind == "byte_level":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<pad>"], show_progress=False)
    tokenizer.train_from_iterator([SENTENCE, "Pay day is the 25th."], trainer)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    chunker = Chunker(tmp_path / "tokenizer.json", 24)
    whole = document((1, "Leave"), SENTENCE * 5, "Urlaub für Übergänge\n" * 30, "x" * 300)
    check_laws(chunker, whole, chunker.chunk(whole))
