"""Documents to write about, made up or real, and workspaces that hold them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from homing.dataset import load_dataset, save_documents, save_passages
from homing.pipeline import open_job
from homing.pipeline.job import DOCUMENTS, PASSAGES
from homing.types import Document, Passage, content_id

IN_DOCUMENT = 50
"""Passages."""
N_SENTENCES = 9
STARTS = "Bra Ke Lo Mi Nor Pa Qui Re Sta Tor Ul Ve Wen Xan Yl Zo Dra Fe Gri Ha".split()
MIDDLES = "ba de fi go lu ma ne po ra se ti vu".split()
ENDS = "dan der lin mar nex rin sol ton var wyn".split()
THINGS = (
    "pump valve ledger permit invoice turbine contract survey sensor warranty archive licence "
    "filter boiler cable gearbox audit schedule tender pipeline greenhouse ferry clinic workshop"
).split()
QUALITIES = (
    "quarterly hydraulic insulated municipal portable revised temporary certified seasonal remote "
    "calibrated shared redundant overdue coastal nightly sealed imported leased digital"
).split()
PEOPLE = (
    "auditor operator engineer treasurer captain nurse librarian gardener inspector curator "
    "driver chemist surveyor accountant steward registrar"
).split()
DEEDS = (
    "inspects repairs replaces documents approves measures stores labels cleans orders rejects "
    "compares weighs insures translates photographs"
).split()
REASONS = (
    "because the earlier one leaked",
    "so that nobody waits for a signature",
    "unless the weather forbids it",
    "as the insurer has asked since the flood",
    "which halves the cost of transport",
    "although two members voted against it",
    "before the harbour closes for winter",
    "while the spare parts are on order",
)
FORMS = (
    "The {q} {t} of {name} weighs {n} kilograms and runs at {m} degrees, {r}.",
    "Every {n} days the {p} {d} the {q} {t} in {name}, {r}.",
    "{name} paid {n} dollars for a {q} {t} in {y}, {r}.",
    "If the {t} in {name} fails, the {p} calls extension {n} and waits {m} minutes.",
    "Between {y} and now the {p} {d} each {q} {t} twice, {r}.",
    "A {q} {t} from {name} is kept for {m} months in room {n}.",
    "No {p} {d} the {t} alone: form {n} names a second {p2}, {r}.",
    "In {y} the share of {q} orders from {name} rose to {m} percent, {r}.",
)


def made_up_passages(n: int, *, n_sentences: int = N_SENTENCES) -> Iterator[Passage]:
    """Yield distinct passages, each about things of its own, `IN_DOCUMENT` in each document."""
    start = 0
    for i in range(n):
        draw = random.Random(i)
        name = _name(draw)
        sentences = [_sentence(draw, name) for _ in range(n_sentences)]
        text = f"{' '.join(sentences)} File {i}."
        document, start = i // IN_DOCUMENT, 0 if i % IN_DOCUMENT == 0 else start
        yield Passage(
            id=content_id(text),
            document_id=content_id("document", str(document)),
            start=start,
            end=start + len(text),
            text=text,
            heading_path=(f"Handbook {document}", f"The works of {name}"),
        )
        start += len(text) + 1


def _name(draw: random.Random) -> str:
    first, second = draw.choice(MIDDLES), draw.choice(MIDDLES)
    return f"{draw.choice(STARTS)}{first}{second}{draw.choice(ENDS)}"


def _sentence(draw: random.Random, name: str) -> str:
    return draw.choice(FORMS).format(
        name=name if draw.random() < 0.5 else _name(draw),
        t=draw.choice(THINGS),
        q=draw.choice(QUALITIES),
        p=draw.choice(PEOPLE),
        p2=draw.choice(PEOPLE),
        d=draw.choice(DEEDS),
        r=draw.choice(REASONS),
        n=draw.randrange(3, 9000),
        m=draw.randrange(2, 99),
        y=draw.randrange(1987, 2025),
    )


def report_passages(dataset: Path) -> list[Passage]:
    """Return the passages of a LlamaIndex dataset as those of one document, in its order."""
    found = load_dataset(dataset).corpus.values()
    return [replace(p, document_id="report", heading_path=("Annual report",)) for p in found]


def documents_of(passages: Sequence[Passage]) -> list[Document]:
    """Return English documents that hold the passages."""
    texts: dict[str, list[str]] = {}
    titles: dict[str, str] = {}
    for passage in passages:
        texts.setdefault(passage.document_id, []).append(passage.text)
        titles[passage.document_id] = passage.heading_path[0]
    return [
        Document(key, f"{titles[key]}.md", titles[key], "\n".join(parts), language="en")
        for key, parts in texts.items()
    ]


def make_workspace(
    folder: Path, passages: Sequence[Passage], url: str, **write: object
) -> Mapping[str, Any]:
    """Make a workspace that is ready to be written about, and return its settings.

    Args:
        url: Where the model is served.
        write: Further settings of writing.
    """
    source = folder.with_suffix(".txt")
    source.write_text("The passages were put here by a benchmark.\n", encoding="utf-8")
    settings: dict[str, Any] = {"write.writer": "openai:test", "write.base_url": url}
    settings |= {f"write.{name}": value for name, value in write.items()}
    with open_job(folder, create=True, overrides={"sources": [str(source)], **settings}) as job:
        save_documents(documents_of(passages), job.path(DOCUMENTS))
        save_passages(passages, job.path(PASSAGES))
    return settings
