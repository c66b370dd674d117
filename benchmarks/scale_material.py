"""Any number of passages out of real text, for benchmarks of scale: the same seed, the same bytes.

    python benchmarks/scale_material.py FOLDER --passages 1000000 [--seed 0]

Sentences of the documents in ../shared/data (abstracts, annual reports, encyclopedia articles) are
drawn at random, and some of their longer words are put in the place of others with the same ending,
as often as the documents use them: no two sentences are alike, and the words are as frequent as in
the documents. A passage has about 100 tokens, under a heading of its own; a document has 50 of them
under a title. Documents come in pairs, and of the second of a pair some passages repeat one of the
first, word for word or with one word changed. Cost: some 30 microseconds a passage; memory: the
sentences, some 40 MB.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from homing.types import Document, Passage, content_id

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
IN_DOCUMENT = 50
"""Passages."""
IN_FOLDER = 500
"""Files."""
MIN_WORDS = 55
"""Of a passage; the sentence that reaches it is the last."""
SENTENCE_WORDS = range(8, 31)
SENTENCE_END = re.compile(r"(?<=[.])\s+(?=[A-Z])")
PLAIN = re.compile(r"[A-Z][A-Za-z0-9 ,;:()%'./$-]+\.")
"""A sentence that says the same as text and as Markdown."""
SLOT = re.compile(r"\b[a-z]{5,}\b")
EVERY = 3
"""Of the words that could be, one in so many is put in the place of another."""
ENDING = 2
MIN_ALIKE = 5
"""With fewer words of an ending, each stays where it is."""
QUALITY_ENDINGS = ("al", "ic", "ve", "ed", "nt")
THING_ENDINGS = ("on", "ty", "es", "is", "ns", "er", "rs")


@dataclass(frozen=True, slots=True)
class Section:
    """A passage to be: what stands under one heading."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A document to be; `name` is that of its file."""

    name: str
    title: str
    sections: tuple[Section, ...]

    def as_markdown(self) -> str:
        """Return the file."""
        parts = [f"## {section.heading}\n\n{section.text}\n" for section in self.sections]
        return "\n".join([f"# {self.title}\n", *parts])

    def as_passages(self) -> list[Passage]:
        """Return its passages without a file and without cutting."""
        document, passages, start = content_id(self.name), [], 0
        for section in self.sections:
            end = start + len(section.text)
            path = (self.title, section.heading)
            key = content_id(self.name, *path, section.text)
            passages.append(Passage(key, document, start, end, section.text, path))
            start = end + 1
        return passages

    def as_document(self) -> Document:
        """Return the document that those passages are of."""
        text = "\n".join(section.text for section in self.sections)
        return Document(content_id(self.name), self.name, self.title, text, language="en")


class Material:
    """Sentences with gaps, and what may stand in them.

    Args:
        near_duplicates: Share of the passages that repeat another with one word changed.
        duplicates: Share that repeat another word for word.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        near_duplicates: float = 0.02,
        duplicates: float = 0.01,
        data: Path = DATA,
    ) -> None:
        self.seed = seed
        self.shares = (2 * duplicates, 2 * (duplicates + near_duplicates))
        sentences = list(read_sentences(data))
        by_ending: dict[str, list[str]] = defaultdict(list)
        for sentence in sentences:
            for word in SLOT.findall(sentence):
                by_ending[word[-ENDING:]].append(word)
        self._words = {e: w for e, w in by_ending.items() if len(set(w)) >= MIN_ALIKE}
        self._templates = [self._template(i, sentence) for i, sentence in enumerate(sentences)]
        self._qualities = self._distinct(QUALITY_ENDINGS)
        self._things = self._distinct(THING_ENDINGS)

    def documents(self, n_passages: int) -> Iterator[MadeUp]:
        """Yield documents with so many passages in all."""
        for first in range(0, n_passages, 2 * IN_DOCUMENT):
            draw = random.Random(f"{self.seed}/{first}")
            number = first // IN_DOCUMENT
            n = min(IN_DOCUMENT, n_passages - first)
            one = self._document(draw, number, [self._text(draw) for _ in range(n)])
            yield one
            n = min(IN_DOCUMENT, n_passages - first - n)
            if n:
                texts = [self._text_after(draw, one) for _ in range(n)]
                yield self._document(draw, number + 1, texts)

    def passages(self, n: int) -> Iterator[Passage]:
        """Yield so many passages, of which a document has `IN_DOCUMENT` each."""
        for document in self.documents(n):
            yield from document.as_passages()

    def _template(self, number: int, sentence: str) -> tuple[str, tuple[list[str], ...], int]:
        """Return a sentence with gaps, the words for each, and how many words it has."""
        gaps: list[list[str]] = []
        n_seen = number % EVERY

        def gap(found: re.Match[str]) -> str:
            nonlocal n_seen
            words = self._words.get(found[0][-ENDING:])
            n_seen += words is not None
            if words is None or n_seen % EVERY:
                return found[0]
            gaps.append(words)
            return "%s"

        text = SLOT.sub(gap, sentence.replace("%", "%%"))
        return text, tuple(gaps), len(sentence.split())

    def _distinct(self, endings: tuple[str, ...]) -> list[str]:
        return sorted({w for ending in endings for w in self._words.get(ending, ())})

    def _text(self, draw: random.Random) -> str:
        sentences, n_words = [], 0
        while n_words < MIN_WORDS:
            text, gaps, n = self._templates[int(draw.random() * len(self._templates))]
            n_words += n
            words = tuple([words[int(draw.random() * len(words))] for words in gaps])
            sentences.append(text % words)
        return " ".join(sentences)

    def _text_after(self, draw: random.Random, other: MadeUp) -> str:
        """Return a text of its own, or one that repeats one of the other document."""
        lot = draw.random()
        if lot >= self.shares[1]:
            return self._text(draw)
        text = draw.choice(other.sections).text
        if lot < self.shares[0]:
            return text
        words = text.split(" ")
        words[len(words) // 2] = draw.choice(self._things)
        return " ".join(words)

    def _document(self, draw: random.Random, number: int, texts: list[str]) -> MadeUp:
        sections = tuple(Section(self._heading(draw), text) for text in texts)
        title = f"{self._heading(draw)}, report {number + 1}"
        return MadeUp(f"{number // IN_FOLDER:03d}/report_{number:06d}.md", title, sections)

    def _heading(self, draw: random.Random) -> str:
        quality, one, other = (
            words[int(draw.random() * len(words))]
            for words in (self._qualities, self._things, self._things)
        )
        return f"{quality.capitalize()} {one} and {other}"


def read_sentences(data: Path) -> Iterator[str]:
    """Yield the distinct plain English sentences of the documents, in their order.

    Raises:
        SystemExit: The documents are not there.
    """
    if not (data / "scifact" / "corpus.jsonl").is_file():
        raise SystemExit(f"{data} has no documents: see CONTRIBUTING.md")
    seen: set[str] = set()
    for text in read_texts(data):
        for sentence in SENTENCE_END.split(text):
            is_usable = PLAIN.fullmatch(sentence) and len(sentence.split()) in SENTENCE_WORDS
            if is_usable and sentence not in seen:
                seen.add(sentence)
                yield sentence


def read_texts(data: Path) -> Iterator[str]:
    """Yield abstracts, passages of annual reports and paragraphs of encyclopedia articles."""
    with (data / "scifact" / "corpus.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]
    for file in sorted((data / "sec10k" / "gpt-3.5-turbo").glob("*.json")):
        for text in json.loads(file.read_text(encoding="utf-8"))["corpus"].values():
            yield " ".join(text.split())
    articles = json.loads((data / "xquad" / "xquad.en.json").read_text(encoding="utf-8"))["data"]
    for article in articles:
        for paragraph in article["paragraphs"]:
            yield " ".join(paragraph["context"].split())


def write_files(folder: Path, n_passages: int, material: Material) -> tuple[int, int]:
    """Return how many files and bytes the folder now holds for `homing ingest`."""
    n_files = n_bytes = 0
    for document in material.documents(n_passages):
        path = folder / document.name
        if n_files % IN_FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        content = document.as_markdown().encode()
        path.write_bytes(content)
        n_files += 1
        n_bytes += len(content)
    return n_files, n_bytes


def main() -> None:
    """Write the files and print what was written as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--passages", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--near-duplicates", type=float, default=0.02)
    parser.add_argument("--duplicates", type=float, default=0.01)
    given = parser.parse_args()
    material = Material(
        seed=given.seed, near_duplicates=given.near_duplicates, duplicates=given.duplicates
    )
    started = time.perf_counter()
    n_files, n_bytes = write_files(given.folder, given.passages, material)
    seconds = time.perf_counter() - started
    found = {"n_passages": given.passages, "n_files": n_files, "n_bytes": n_bytes}
    print(json.dumps({**found, "passages_per_s": round(given.passages / seconds)}))


if __name__ == "__main__":
    main()
