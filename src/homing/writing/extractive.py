"""Questions with no model at all, from the author's own words, asked of text without them.

Each kind takes something out of the passage and asks for it:

* `heading`: the section's heading, asked of the section without it;
* `sentence`: a sentence, asked of the passage from which it was taken out (inverse cloze task);
* `phrase`: 4 to 12 words out of a sentence, which is taken out;
* `how_to`: an instruction ("Return the ...", "Submit the form ..."), as a person would ask for it;
* `statement`: a statement ("Revenue is recognized when ...") as the question that it answers;
* `keywords`: the passage's rarest words, as typed into a search box, every one taken out.

Of `how_to` and `statement` nothing is taken out: they change form and leave the answer out, as
people's questions do, and of all kinds they taught the most (see docs/experiments.md). Sentences
and phrases are asked only of passages that give too few of the others, as in languages whose
grammar we do not know. Training hides what was taken out for half of the passages, drawn anew each
epoch: a question that copies words which stay in the passage teaches the model to compare words.
Cost: linear in the text; one pass for the vocabulary, one to write.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence

from homing.types import Passage, Question, Rejection, Span, passage_input
from homing.writing.headings import heading_question
from homing.writing.instructions import how_to_question
from homing.writing.sentences import sentence_spans, word_spans
from homing.writing.statements import statement_question
from homing.writing.vocabulary import Vocabulary

KINDS = ("heading", "how_to", "statement", "sentence", "phrase", "keywords")
DEFAULT_KINDS = ("heading", "how_to", "statement", "statement")
"""A kind that is named twice is asked twice. Chosen in docs/experiments.md."""
SPARE_KINDS = ("sentence", "phrase")
ENOUGH = 2
"""With fewer questions of a passage than these, the spare kinds are asked as well."""
MIN_SENTENCE_WORDS = 5
MAX_SENTENCE_WORDS = 60
MAX_MASKED_WORDS = 40
"""Of a longer sentence only the neighbourhood of the phrase is taken out."""
MIN_CONTENT_WORDS = 3
PHRASE_WORDS = (4, 12)
N_KEYWORDS = (3, 5)
MIN_REST_WORDS = 8
"""With fewer words left over, the passage could not be told apart without the sentence."""
KEY_BYTES = 16
MAX_TEXT = 2000
"""So many characters of a passage are kept in its rejection."""


class ExtractiveWriter:
    """The writer that needs no model; implements `Writer`.

    Args:
        questions_per_passage: Most questions of one passage.
        kinds: Which of `KINDS` to write, in their order.
        spare_kinds: Which to write where those give fewer than `ENOUGH` questions.
        seed: Equal seeds give equal questions; a passage's questions depend on the seed, the
            passage and the corpus' word frequencies, not on the order of the passages.
    """

    name = "extractive"

    def __init__(
        self,
        *,
        questions_per_passage: int = 4,
        kinds: Sequence[str] = DEFAULT_KINDS,
        spare_kinds: Sequence[str] = SPARE_KINDS,
        seed: int = 0,
    ) -> None:
        self.questions_per_passage = questions_per_passage
        self.kinds = tuple(kinds)
        self.spare_kinds = tuple(spare_kinds)
        self.seed = seed

    def write(self, passages: Sequence[Passage]) -> Iterator[Question | Rejection]:
        """Yield up to `questions_per_passage` questions a passage, or its rejection."""
        vocabulary = Vocabulary.of(passage_input(p.title, p.text) for p in passages)
        yield from self.write_some(passages, vocabulary, set())

    def write_some(
        self, passages: Iterable[Passage], vocabulary: Vocabulary, asked_headings: set[bytes]
    ) -> Iterator[Question | Rejection]:
        """Yield what `write` does of some passages of a corpus.

        Args:
            vocabulary: Of the whole corpus.
            asked_headings: `heading_key` of what passages before these have asked for; what these
                ask for is added.
        """
        for passage in passages:
            generator = random.Random(f"{self.seed}/{passage.id}")
            key = heading_key(passage.heading_path)
            first = key not in asked_headings
            asked_headings.add(key)
            try:
                questions = self._ask(passage, vocabulary, generator, heading=first)
            except Exception as error:  # text from anywhere; what it does to us costs it alone
                yield failed(passage, f"{type(error).__name__}: {error}")
                continue
            if questions:
                yield from questions
            else:
                yield Rejection(
                    passage.id,
                    "write",
                    "nothing_to_ask",
                    "No heading, sentence or rare words that a question could be made of.",
                    passage.text[:MAX_TEXT],
                )

    @property
    def needs_rare_words(self) -> bool:
        """Whether counts of other words than common ones matter; see `Vocabulary`."""
        return "keywords" in (*self.kinds, *self.spare_kinds)

    def _ask(
        self, passage: Passage, vocabulary: Vocabulary, generator: random.Random, *, heading: bool
    ) -> list[Question]:
        sentences = _usable_sentences(passage.text, vocabulary)
        generator.shuffle(sentences)
        found: list[Question] = []
        if heading and "heading" in self.kinds and (text := heading_question(passage.heading_path)):
            found.append(self._question(text, passage, "heading", (), masks_title=True))
        rest = list(sentences)
        wanted = [(kind, self.questions_per_passage) for kind in self.kinds if kind != "heading"]
        enough = min(ENOUGH, self.questions_per_passage)
        wanted += [(kind, enough) for kind in self.spare_kinds if kind not in self.kinds]
        for kind, most in wanted:
            if len(found) >= most:
                continue
            made = _MAKERS[kind](passage.text, rest, vocabulary, generator)
            if made is not None and made[0] not in {question.text for question in found}:
                text, source, masked = made
                found.append(self._question(text, passage, kind, masked))
                rest = [s for s in rest if not any(_overlap(s, span) for span in source)] or rest
        return found

    def _question(
        self,
        text: str,
        passage: Passage,
        kind: str,
        masked: tuple[Span, ...],
        *,
        masks_title: bool = False,
    ) -> Question:
        return Question(
            text=text,
            passage_id=passage.id,
            kind=kind,
            writer=self.name,
            masked=masked,
            masks_title=masks_title,
        )


def heading_key(path: Sequence[str]) -> bytes:
    """Return `KEY_BYTES` bytes that stand for a heading path."""
    return hashlib.blake2b(json.dumps(path).encode(), digest_size=KEY_BYTES).digest()


def failed(passage: Passage, detail: str) -> Rejection:
    """Return the rejection of a passage on which the writer itself failed."""
    return Rejection(
        passage.id,
        "write",
        "writer_failed",
        f"The writer failed on this passage ({detail}). It has no questions; please report it.",
        passage.text[:MAX_TEXT],
    )


Made = tuple[str, tuple[Span, ...], tuple[Span, ...]]
"""A question, the spans that it was made from, and those of them that training hides."""


def _usable_sentences(text: str, vocabulary: Vocabulary) -> list[Span]:
    """Return the spans of sentences that say something and leave something behind."""
    n_words = len(word_spans(text, (0, len(text))))
    usable = []
    for span in sentence_spans(text):
        spans = word_spans(text, span)
        content = sum(vocabulary.carries_content(text[a:b].lower()) for a, b in spans)
        n_taken_out = min(len(spans), MAX_MASKED_WORDS)
        if (
            len(spans) >= MIN_SENTENCE_WORDS
            and content >= MIN_CONTENT_WORDS
            and n_words - n_taken_out >= MIN_REST_WORDS
            and not _is_code(text[span[0] : span[1]])
        ):
            usable.append(span)
    return usable


def _sentence(
    text: str, sentences: list[Span], vocabulary: Vocabulary, generator: random.Random
) -> Made | None:
    """Return a whole sentence, itself taken out."""
    for span in sentences:
        if len(word_spans(text, span)) <= MAX_SENTENCE_WORDS:
            return _clean(text[span[0] : span[1]]), (span,), (span,)
    return None


def _phrase(
    text: str, sentences: list[Span], vocabulary: Vocabulary, generator: random.Random
) -> Made | None:
    """Return a run of words out of a sentence, the whole sentence taken out."""
    for span in sentences:
        spans = word_spans(text, span)
        n = min(generator.randint(*PHRASE_WORDS), len(spans))
        start = generator.randint(0, len(spans) - n)
        chosen = spans[start : start + n]
        n_content = sum(vocabulary.carries_content(text[a:b].lower()) for a, b in chosen)
        if n_content >= 2:
            before = max(0, start + n // 2 - MAX_MASKED_WORDS // 2)
            around = spans[before : before + MAX_MASKED_WORDS]
            masked = span if len(around) == len(spans) else (around[0][0], around[-1][1])
            return _clean(text[chosen[0][0] : chosen[-1][1]]), (span,), (masked,)
    return None


def _how_to(
    text: str, sentences: list[Span], vocabulary: Vocabulary, generator: random.Random
) -> Made | None:
    """Return the first instruction as a person would ask for it."""
    for span in sorted(sentences):
        asked = how_to_question(_clean(text[span[0] : span[1]]), generator)
        if asked:
            return asked, (span,), ()
    return None


def _statement(
    text: str, sentences: list[Span], vocabulary: Vocabulary, generator: random.Random
) -> Made | None:
    """Return the question that a statement answers."""
    for span in sentences:
        asked = statement_question(_clean(text[span[0] : span[1]]), generator)
        n_content = sum(vocabulary.carries_content(word) for word in asked.lower().split())
        if n_content >= MIN_CONTENT_WORDS:
            return asked, (span,), ()
    return None


def _keywords(
    text: str, sentences: list[Span], vocabulary: Vocabulary, generator: random.Random
) -> Made | None:
    """Return the rarest words in the order of the text, each of their occurrences taken out."""
    places: dict[str, list[Span]] = {}
    for a, b in word_spans(text, (0, len(text))):
        word = text[a:b].lower()
        if vocabulary.carries_content(word) and not any(c.isdigit() for c in word):
            places.setdefault(word, []).append((a, b))
    # A word of one passage alone is more often a misprint or a name than what people ask for.
    shared = [w for w in places if vocabulary.counts[w] > 1 or vocabulary.is_small]
    ranked = sorted(shared, key=lambda w: (-(len(places[w]) ** 0.5) * vocabulary.rarity(w), w))
    n = generator.randint(*N_KEYWORDS)
    if len(ranked) < n:
        return None
    chosen = sorted(ranked[:n], key=lambda word: places[word][0])
    spans = tuple(sorted(span for word in chosen for span in places[word]))
    return " ".join(chosen), spans, spans


_MAKERS = {
    "how_to": _how_to,
    "statement": _statement,
    "sentence": _sentence,
    "phrase": _phrase,
    "keywords": _keywords,
}


def _is_code(sentence: str) -> bool:
    """Tell whether a line is code or a formula rather than prose, by its share of symbols."""
    symbols = sum(not (c.isalnum() or c.isspace() or c in ".,'’\"-–()$%") for c in sentence)
    return sentence.startswith(("`", ">>>", "$ ")) or symbols > 0.08 * len(sentence)


def _overlap(a: Span, b: Span) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _clean(text: str) -> str:
    """Return the text in one line without list marks and quotes around it."""
    line = re.sub(r"\s+", " ", text)
    line = re.sub(r"^[-*•–·▪◦>]+\s*|^\(?(?:\d{1,2}|[a-z])[.)]\s+", "", line)
    return line.strip(" \"'“”‘’,;:")
