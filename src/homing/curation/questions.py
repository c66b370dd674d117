"""Asked questions become queries with the passages that answer them, or rejections."""

from __future__ import annotations

from collections.abc import Sequence

from homing.curation.asked import AskedQuestion, read_questions
from homing.curation.likeness import find_alike
from homing.curation.places import DocumentIndex, SectionIndex
from homing.curation.quotes import LENGTHS, condense, condensed, find_places
from homing.types import Document, Passage, Qrel, Query, Rejection, query_id
from homing.words import words_of

__all__ = ["AskedQuestion", "match_questions", "read_questions"]

MAX_MATCHES = 10
LONG_QUOTE = 60
SHORT_QUOTE = 16
"""Condensed characters: a longer quote may stand in any number of passages (they repeat it), a
shorter one must be made of whole words."""

Matches = list[Passage] | Rejection


def match_questions(
    asked: Sequence[AskedQuestion], documents: Sequence[Document], passages: Sequence[Passage]
) -> tuple[list[Query], list[Qrel], list[Rejection]]:
    """Return queries, the qrels that they have, and a rejection for each question without answer.

    Of what a question gives, the passage id decides, else the quote, else the heading; its
    document, if given, narrows the search. A quote may run over the border of passages (those
    with the larger part of it count) and may have small mistakes, but none in its digits. A
    heading stands for all passages of its section. A question that is asked twice becomes one
    query with the answers of both.
    """
    matches = _Matcher(documents, passages).match(asked)
    queries: dict[str, Query] = {}
    qrels: dict[tuple[str, str], Qrel] = {}
    rejections = []
    for question, found in zip(asked, matches, strict=True):
        if isinstance(found, Rejection):
            rejections.append(found)
            continue
        text = " ".join(question.question.split())
        key = query_id(text)
        queries.setdefault(key, Query(key, text, kind="asked", writer="person"))
        for passage in found:
            qrels.setdefault((key, passage.id), Qrel(key, passage.id))
    by_query: dict[str, list[Qrel]] = {key: [] for key in queries}
    for qrel in qrels.values():
        by_query[qrel.query_id].append(qrel)
    return list(queries.values()), [q for found in by_query.values() for q in found], rejections


class _Matcher:
    """The corpus, and what of it has been indexed so far."""

    def __init__(self, documents: Sequence[Document], passages: Sequence[Passage]) -> None:
        self.documents = documents
        self.passages = passages
        self.by_id = {p.id: p for p in passages}
        self.names = DocumentIndex(documents)

    def match(self, asked: Sequence[AskedQuestion]) -> list[Matches]:
        """Return the passages or the rejection of each question."""
        matches: dict[int, Matches] = {}
        quoted: dict[int, list[str] | None] = {}
        headed: dict[int, list[str] | None] = {}
        for i, question in enumerate(asked):
            where = self.names.find(question.document) if question.document else None
            if not words_of(question.question):
                matches[i] = _reject(question, "empty_question", "It has no words.")
            elif question.passage_id:
                matches[i] = self._by_id(question)
            elif where == []:
                matches[i] = self._unknown_document(question)
            elif question.quote:
                quoted[i] = where
            elif question.heading:
                headed[i] = where
            else:
                matches[i] = _reject(
                    question,
                    "no_answer_given",
                    "Add a quote from the answering passage, its heading or its id.",
                )
        matches |= self._by_quotes(asked, quoted)
        if headed:
            sections = SectionIndex(self.documents, self.passages)
            matches |= {i: _by_heading(asked[i], sections, where) for i, where in headed.items()}
        return [matches[i] for i in range(len(asked))]

    def _by_id(self, question: AskedQuestion) -> Matches:
        passage = self.by_id.get(question.passage_id)
        if passage is not None:
            return [passage]
        detail = f"There is no passage {question.passage_id!r}; ids change when the text does."
        return _reject(question, "no_passage_matches", detail)

    def _unknown_document(self, question: AskedQuestion) -> Rejection:
        nearest = self.names.nearest(question.document)
        meant = f" Did you mean {nearest!r}?" if nearest else ""
        detail = f"There is no document {question.document!r}.{meant}"
        return _reject(question, "no_such_document", detail)

    def _by_quotes(
        self, asked: Sequence[AskedQuestion], quoted: dict[int, list[str] | None]
    ) -> dict[int, Matches]:
        quotes = {i: condensed(asked[i].quote) for i in quoted}
        found: dict[int, dict[str, Passage]] = {i: {} for i in quoted}
        for document_id, parts in condense(self.documents, self.passages).items() if quoted else ():
            wanted = {
                str(i): quotes[i]
                for i, where in quoted.items()
                if where is None or document_id in where
            }
            for part in parts:
                for key, offset in find_places(part.text, wanted):
                    i = int(key)
                    if len(found[i]) <= MAX_MATCHES or len(quotes[i]) >= LONG_QUOTE:
                        holders = part.holders(offset, offset + len(quotes[i]))
                        found[i] |= {p.id: p for p in holders if _whole(asked[i].quote, p)}
        missing = {i: where for i, where in quoted.items() if not found[i]}
        alike = find_alike({i: asked[i].quote for i in missing}, missing, self.passages)
        return {
            i: _judge(asked[i], quotes[i], list(found[i].values()) or alike.get(i, []))
            for i in quoted
        }


def _whole(quote: str, passage: Passage) -> bool:
    """Tell whether a short quote is made of whole words of the passage; a long one always is."""
    if len(quote) >= SHORT_QUOTE:
        return True
    words = f" {' '.join(words_of(quote))} "
    return words in f" {' '.join(words_of(passage.text))} "


def _judge(question: AskedQuestion, quote: str, found: list[Passage]) -> Matches:
    if len(quote) < LENGTHS[-1]:
        detail = "The quote is too short to look for. Quote a whole sentence."
        return _reject(question, "quote_too_short", detail)
    if len(found) > MAX_MATCHES and len(quote) < LONG_QUOTE:
        detail = f"The quote stands in more than {MAX_MATCHES} passages. Quote a longer piece."
        return _reject(question, "ambiguous_quote", detail)
    if not found:
        where = f"{question.document!r}" if question.document else "the documents"
        detail = f"The quote is not in {where}: {question.quote[:200]!r}. Copy it from the text."
        return _reject(question, "no_passage_matches", detail)
    return found


def _by_heading(
    question: AskedQuestion, sections: SectionIndex, where: Sequence[str] | None
) -> Matches:
    found = sections.find(question.heading, where)
    if not found:
        detail = f"No section with text has the heading {question.heading!r}."
        return _reject(question, "no_passage_matches", detail)
    several = list(dict.fromkeys((p.document_id, p.heading_path) for p in found))
    if len(several) > 1:
        names = " and ".join(repr(" > ".join(path)) for _, path in several[:2])
        detail = (
            f"{len(several)} sections have the heading {question.heading!r}, such as {names}. "
            "Give the document or more of the heading path."
        )
        return _reject(question, "ambiguous_heading", detail)
    return found


def _reject(question: AskedQuestion, reason: str, detail: str) -> Rejection:
    text = " ".join(question.question.split())
    line = f"Line {question.line}: " if question.line else ""
    return Rejection(query_id(text), "curate", reason, line + detail, text[:2000])
