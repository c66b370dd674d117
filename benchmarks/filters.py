"""What each filter on written questions does to the tuned model, on another writer's questions.

    python benchmarks/filters.py [--rows 'none,form,all defaults'] [--max-tokens 256] [--seeds 0,1]

gpt-3.5-turbo and Mistral-7B wrote questions about the annual reports of Lyft and Uber. Each row
filters one writer's questions about Lyft in one way, tunes the embedded base model on them with the
defaults of `homing.train` (one epoch; the last weights, as a dev set of another cut would blur the
comparison), and measures nDCG@10 on the other writer's questions about Uber, once for each
direction. Differences are to no filter, paired by question, with 95 % intervals that resample
passages; what another seed of the training changes stands beside them, for which there is --seeds.
"context phrases left out" makes "Who pays?" of "Who pays, according to the text?", as the
writer does. "dropped at random" drops as many of these as "all defaults": what fewer cost.
An LLM judge is no row: it needs a provider.

Every result is kept at once, what is there already is not run again, and rows that keep the same
questions are trained once. Writes benchmarks/results/filters.{json,md}, or where --out says.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from filters_table import MEASURE, NONE, markdown, mean_by_query
from machine import describe_machine

import homing
from homing.context_phrases import context_phrase, without_context_phrases
from homing.curation.copied import drop_copied
from homing.curation.duplicates import find_groups
from homing.curation.filters import filter_questions
from homing.curation.repeated import drop_repeated
from homing.curation.roundtrip import find_passages, keep_found_again, key_of
from homing.dataset import Dataset, load_dataset
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import encoder_for
from homing.types import Encoder, Passage, Qrel, Query, Question, Rejection, content_id

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = ROOT.parent / "shared" / "data" / "sec10k"
WRITERS = ("gpt-3.5-turbo", "mistral-7b-instruct")
SPLIT = "all"

Filtered = tuple[list[Question], list[Rejection]]


class Written:
    """One writer's questions about Lyft, with all that the filters look at."""

    def __init__(self, path: Path, writer: str, n_passages: int | None, encoder: Encoder) -> None:
        self.dataset = shortened(load_dataset(path), n_passages)
        self.passages: list[Passage] = list(self.dataset.corpus.values())
        self.groups = find_groups(self.passages)
        self.encoder = encoder
        self.questions = [
            Question(self.dataset.queries[key].text, next(iter(grades)), "written", writer)
            for key, grades in self.dataset.split(SPLIT).items()
        ]
        self.places = {id(question): place for place, question in enumerate(self.questions)}
        self._mended: dict[int, Question] = {}

    def mended(self, question: Question) -> Question:
        """Return the question without what it says about its passage, in the same place."""
        place = self.places[id(question)]
        if place not in self._mended:
            passage = self.dataset.corpus[question.passage_id].text
            text = without_context_phrases(question.text, passage)
            self._mended[place] = replace(question, text=text)
            self.places[id(self._mended[place])] = place
        return self._mended[place]

    @cached_property
    def found(self) -> Mapping[Any, Any]:
        """The one search that the round trip and "too easy" read."""
        asked = [*self.questions, *map(self.mended, self.questions)]
        return find_passages(asked, self.passages, self.groups, encoder=self.encoder)


def by_mending(written: Written, questions: Sequence[Question]) -> Filtered:
    """Leave out "according to the passage", as the writer does; drops nothing."""
    return [written.mended(question) for question in questions], []


def by_form(written: Written, questions: Sequence[Question]) -> Filtered:
    return filter_questions(questions, written.dataset.corpus, written.groups)


def by_copies(written: Written, questions: Sequence[Question], most: float) -> Filtered:
    return drop_copied(questions, written.dataset.corpus, most=most)


def by_likeness(written: Written, questions: Sequence[Question], threshold: float) -> Filtered:
    return drop_repeated(questions, written.encoder, threshold=threshold)


def by_round_trip(written: Written, questions: Sequence[Question], k: int) -> Filtered:
    return keep_found_again(questions, written.found, k=k)


def by_easiness(written: Written, questions: Sequence[Question]) -> Filtered:
    """Drop what is only labelled elsewhere, to see whether dropping would help."""
    easy = [q for q in questions if written.found[key_of(q)].bm25_rank == 1]
    hard = [q for q in questions if written.found[key_of(q)].bm25_rank != 1]
    return hard, [Rejection(key_of(q)[0], "curate", "too_easy", "", q.text) for q in easy]


def at_random(written: Written, questions: Sequence[Question]) -> Filtered:
    """Drop as many as the defaults drop."""
    kept, _ = through(written, DEFAULTS)
    chosen = set(random.Random(0).sample(range(len(questions)), len(kept)))
    dropped = [q for i, q in enumerate(questions) if i not in chosen]
    rejections = [Rejection(key_of(q)[0], "curate", "at_random", "", q.text) for q in dropped]
    return [q for i, q in enumerate(questions) if i in chosen], rejections


MENDED = "context phrases left out"
Filter = Callable[[Written, Sequence[Question]], Filtered]
COPIED: dict[str, Filter] = {
    f"copied text {most}": partial(by_copies, most=most) for most in (0.3, 0.5, 0.7)
}
ALIKE: dict[str, Filter] = {
    f"near-duplicates {least}": partial(by_likeness, threshold=least) for least in (0.85, 0.9, 0.95)
}
TRIPS: dict[str, Filter] = {f"round trip {k}": partial(by_round_trip, k=k) for k in (5, 20, 50)}
DEFAULTS = (
    by_mending,
    by_form,
    COPIED["copied text 0.5"],
    ALIKE["near-duplicates 0.9"],
    TRIPS["round trip 20"],
)
ROWS: dict[str, tuple[Filter, ...]] = {
    NONE: (),
    "form": (by_form,),
    MENDED: (by_mending,),
    f"{MENDED} + form": (by_mending, by_form),
    **{name: (keep,) for name, keep in (COPIED | ALIKE | TRIPS).items()},
    "all defaults": DEFAULTS,
    "dropped at random": (by_mending, at_random),
    "too easy dropped": (by_easiness,),
}


def shortened(dataset: Dataset, n_passages: int | None) -> Dataset:
    """Return the dataset of the first passages and what was asked about them; None keeps all."""
    corpus = dict(list(dataset.corpus.items())[:n_passages])
    qrels = [qrel for qrel in dataset.qrels[SPLIT] if qrel.passage_id in corpus]
    queries = {qrel.query_id: dataset.queries[qrel.query_id] for qrel in qrels}
    return Dataset(corpus, queries, {SPLIT: qrels})


def through(written: Written, filters: Sequence[Filter]) -> tuple[list[Question], Counter[str]]:
    """Return the questions that pass all filters, and how many each reason took."""
    questions = list(written.questions)
    reasons: Counter[str] = Counter()
    for keep in filters:
        questions, rejections = keep(written, questions)
        reasons.update(rejection.reason for rejection in rejections)
    return questions, reasons


def dataset_of(written: Written, questions: Sequence[Question]) -> Dataset:
    """Return the dataset of these questions; each has the same id in every row."""
    queries, qrels = {}, []
    for question in questions:
        key = content_id(str(written.places[id(question)]), question.text)
        queries[key] = Query(key, question.text)
        qrels.append(Qrel(key, question.passage_id))
    return Dataset(written.dataset.corpus, queries, {SPLIT: qrels})


def speaks_of_context(dataset: Dataset, question: Question) -> bool:
    """Whether a question says something such as "according to the passage"."""
    return bool(context_phrase(question.text, dataset.corpus[question.passage_id].text))


def measured(test: Dataset, model: str, max_tokens: int) -> list[float]:
    """Return nDCG@10 of every test question."""
    found = homing.evaluate(test, {"it": model}, max_tokens=max_tokens)
    return [round(float(value), 4) for value in found.by_query["it"][MEASURE]]


class Direction:
    """Trained on one writer's questions, tested on the other's."""

    def __init__(self, writer: str, other: str, given: argparse.Namespace) -> None:
        self.writer = writer
        self.max_tokens: int = given.max_tokens
        encoder = CachedEncoder(encoder_for(max_tokens=given.max_tokens))
        path = given.data / writer / "train_dataset.json"
        self.written = Written(path, writer, given.passages, encoder)
        self.test = shortened(load_dataset(given.data / other / "val_dataset.json"), given.passages)
        self.tested_on = other

    def begun(self) -> dict[str, Any]:
        """Return the results of no row yet: the base model, and whom each question is about."""
        clusters = [next(iter(grades)) for grades in self.test.split(SPLIT).values()]
        base = measured(self.test, homing.DEFAULT_BASE_MODEL, self.max_tokens)
        return {"tested_on": self.tested_on, "clusters": clusters, "base": base, "rows": []}

    def phrases(self) -> dict[str, Any]:
        """Return which questions speak of their passage as such, and how many can be mended."""
        written, test = self.written, self.test
        with_one = [q for q in written.questions if speaks_of_context(written.dataset, q)]
        mended = [q for q in with_one if not speaks_of_context(written.dataset, written.mended(q))]
        asked = [
            bool(context_phrase(test.queries[key].text, test.corpus[next(iter(grades))].text))
            for key, grades in test.split(SPLIT).items()
        ]
        return {
            "phrases": {"n_with": len(with_one), "n_mended": len(mended)},
            "speaks_of_context": asked,
        }

    def row(self, name: str, seed: int, done: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return what one row brings: its questions, and the measure of each test question."""
        started = time.monotonic()
        questions, reasons = through(self.written, ROWS[name])
        dataset = dataset_of(self.written, questions)
        same = content_id(*sorted(dataset.queries))
        row = {
            "filter": name,
            "seed": seed,
            "questions": same,
            "n_written": len(self.written.questions),
            "n_kept": len(questions),
            "rejected": dict(reasons.most_common()),
        }
        twins = (r for r in done if (r["questions"], r["seed"]) == (same, seed))
        if twin := next(twins, None):
            return {**row, "same_as": twin["filter"], "seconds": 0.0, MEASURE: twin[MEASURE]}
        by_query = self._tuned(dataset, seed)
        return {**row, "seconds": round(time.monotonic() - started, 1), MEASURE: by_query}

    def _tuned(self, dataset: Dataset, seed: int) -> list[float]:
        settings = homing.TrainingSettings(max_tokens=self.max_tokens, seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "model"
            homing.train(dataset, out=out, settings=settings, dev_fraction=0.0)
            return measured(self.test, str(out), self.max_tokens)


def opened(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results so far, or the beginning of new ones."""
    if not path.exists():
        command = "python benchmarks/filters.py"
        machine = describe_machine()
        return {"command": command, "machine": machine, "settings": settings, "directions": {}}
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if result["settings"] != settings:
        sys.exit(f"{path} was made with {result['settings']}, not {settings}. Give another --out.")
    return result


def save(result: Mapping[str, Any], path: Path) -> None:
    """Write the results and their table, each in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = {
        ".json": json.dumps(result, ensure_ascii=False) + "\n",
        ".md": markdown(result, list(ROWS)),
    }
    for suffix, text in texts.items():
        temporary = path.with_suffix(f"{suffix}.partial")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path.with_suffix(suffix))


def run(result: dict[str, Any], wanted: Sequence[tuple[str, int]], given: Any) -> None:
    """Run the rows that are missing, both directions of each, and save after every one."""
    directions = [Direction(*pair, given) for pair in (WRITERS, WRITERS[::-1])]
    for direction in directions:
        if direction.writer not in result["directions"]:
            result["directions"][direction.writer] = direction.begun()
        result["directions"][direction.writer] |= direction.phrases()
    for name, seed in wanted:
        for direction in directions:
            rows = result["directions"][direction.writer]["rows"]
            if any((row["filter"], row["seed"]) == (name, seed) for row in rows):
                continue
            row = direction.row(name, seed, rows)
            rows.append(row)
            save(result, given.out)
            print(
                f"{direction.writer}: {name}, seed {seed}: {row['n_kept']:,} of "
                f"{row['n_written']:,} questions, {MEASURE} {mean_by_query([row]).mean():.4f}, "
                f"{row['seconds']:.0f} s",
                file=sys.stderr,
                flush=True,
            )


def main() -> None:
    """Run the rows that are missing and write the results after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of: {', '.join(ROWS)}")
    parser.add_argument("--seeds", default="0", help="averaged over, such as 0,1,2")
    parser.add_argument("--max-tokens", type=int, default=256, help="512 doubles the time")
    parser.add_argument("--passages", type=int, help="the first so many alone, to try this out")
    parser.add_argument("--out", type=Path, default=RESULTS / "filters.json")
    given = parser.parse_args()
    names = [name.strip() for name in given.rows.split(",")]
    if unknown := set(names) - set(ROWS):
        parser.error(f"unknown rows {sorted(unknown)}; there are {', '.join(ROWS)}")
    wanted = [(name, int(seed)) for seed in given.seeds.split(",") for name in names]
    result = opened(given.out, {"max_tokens": given.max_tokens, "passages": given.passages})
    run(result, wanted, given)
    save(result, given.out)
    print(markdown(result, list(ROWS)))


if __name__ == "__main__":
    main()
