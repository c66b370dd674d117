"""The experiments behind the defaults of the offline writer and of training.

    python benchmarks/experiments.py [NAME ...] [--list] [--data ../shared/data]

Trains one model for each named experiment (all without a name: about three minutes each on two
cores), averages it with the base at several weights, and scores each average on questions that no
final figure is reported on. Appends to benchmarks/results/experiments.jsonl as it goes;
docs/experiments.md says what followed from them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "examples"), str(ROOT / "examples" / "stdlib")]

from homing import ingest  # noqa: E402
from homing.curation.duplicates import find_groups  # noqa: E402
from homing.curation.questions import match_questions, read_questions  # noqa: E402
from homing.dataset import Dataset, load_dataset  # noqa: E402
from homing.evaluation.measures import measure_run  # noqa: E402
from homing.pipeline.curation import curate  # noqa: E402
from homing.retrieval.dense import DenseRetriever  # noqa: E402
from homing.retrieval.encoders import SentenceTransformerEncoder  # noqa: E402
from homing.retrieval.models import EMBEDDED_MODEL, load_sentence_transformer  # noqa: E402
from homing.retrieval.search import search  # noqa: E402
from homing.training.merging import Merge  # noqa: E402
from homing.training.settings import TrainingSettings  # noqa: E402
from homing.training.trainer import train  # noqa: E402
from homing.types import Document, Passage, Question  # noqa: E402
from homing.writing.extractive import ExtractiveWriter  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "experiments.jsonl"
MEASURES = ("hit@1", "hit@5", "mrr@10", "ndcg@10")
MAX_TOKENS = 512
CORPORA = {
    "reports": "offline questions about two annual reports; judged on gpt-3.5-turbo's about Lyft's",
    "docs": "offline questions about the standard library; judged on the demo's training questions",
    "mistral": "Mistral-7B's questions about Lyft's report; judged on its questions about Uber's",
}


@dataclass(frozen=True)
class Experiment:
    """One model: what it is trained on, and how."""

    corpus: str
    training: Mapping[str, Any] = field(default_factory=dict)
    writer: Mapping[str, Any] = field(default_factory=dict)
    merge_weights: tuple[float, ...] = (1.0, 0.5)


def experiments() -> dict[str, Experiment]:
    """Return every experiment by its name."""
    found = {}
    few = {"max_offline_passages": 800}
    for corpus in ("reports", "docs"):
        for rate in (4e-5, 1e-4):
            found[f"{corpus}, defaults, {rate:.0e}"] = Experiment(
                corpus, {"learning_rate": rate, **few}, merge_weights=(1.0, 0.7, 0.5, 0.4, 0.3)
            )
        found[f"{corpus}, without spare kinds, 1e-04"] = Experiment(
            corpus, {"learning_rate": 1e-4, **few}, {"spare_kinds": ()}
        )
        found[f"{corpus}, sentences and phrases, 4e-05"] = Experiment(
            corpus, {"learning_rate": 4e-5, **few}, {"kinds": ("heading", "sentence", "phrase")}
        )
        found[f"{corpus}, defaults, all passages, 1e-04"] = Experiment(
            corpus, {"learning_rate": 1e-4, "max_offline_passages": 10**9}
        )
    for rate in (6e-5, 1e-4, 1.5e-4):
        found[f"mistral, {rate:.1e}"] = Experiment(
            "mistral", {"learning_rate": rate}, merge_weights=(1.0, 0.8, 0.6)
        )
    return found


class Corpora:
    """The documents and the questions that judge, each read once."""

    def __init__(self, data: Path, scratch: Path) -> None:
        self.data = data / "sec10k"
        self.scratch = scratch

    @cache  # noqa: B019 - one object a run
    def documents(self, corpus: str) -> tuple[list[Document], list[Passage]]:
        """Return the documents and passages of "reports" or "docs"."""
        if corpus == "reports":
            sources = [self.data / "lyft_2021.pdf", self.data / "uber_2021.pdf"]
        else:
            from export import export

            sources = [self.scratch / "stdlib"]
            export(sources[0])
        documents, passages, _ = ingest(*sources)
        return documents, passages

    def judge(self, corpus: str) -> Dataset:
        """Return the dataset whose one split judges models of the corpus."""
        if corpus == "reports":
            return load_dataset(self.data / "gpt-3.5-turbo" / "train_dataset.json")
        if corpus == "mistral":
            return load_dataset(self.data / "mistral-7b-instruct" / "val_dataset.json")
        from demo import objects_in, write_questions

        documents, passages = self.documents(corpus)
        asked = self.scratch / "asked.jsonl"
        questions = ROOT / "examples" / "stdlib" / "train_questions.jsonl"
        write_questions(questions, objects_in(self.scratch / "stdlib"), asked)
        queries, qrels, _ = match_questions(read_questions(asked), documents, passages)
        return Dataset(
            {p.id: p for p in passages},
            {q.id: q for q in queries},
            {"test": list(qrels)},
            find_groups(passages),
        )

    def pairs(self, experiment: Experiment) -> tuple[Dataset, str]:
        """Return what to train on, and its split."""
        if experiment.corpus == "mistral":
            dataset = load_dataset(self.data / "mistral-7b-instruct" / "train_dataset.json")
            return dataset, dataset.splits[0]
        documents, passages = self.documents(experiment.corpus)
        written = ExtractiveWriter(**experiment.writer).write(passages)
        questions = [row for row in written if isinstance(row, Question)]
        return curate(passages, questions, documents=documents).dataset, "train"


def score(model: Any, dataset: Dataset) -> dict[str, float]:
    """Return the mean measures of a model on the dataset's one split."""
    split = dataset.splits[0]
    asked = list(dataset.split(split))
    retriever = DenseRetriever(SentenceTransformerEncoder(model), dataset.passage_texts())
    texts = [dataset.queries[query_id].text for query_id in asked]
    run = search(retriever, asked, texts, dataset.passage_ids(), 100)
    measures = measure_run(run, dataset.qrels[split], groups=dataset.groups, names=MEASURES)
    return {name: round(float(value), 4) for name, value in measures.means().items()}


def rows(name: str, experiment: Experiment, corpora: Corpora) -> Iterable[dict[str, Any]]:
    """Train the experiment's model and yield a row for each weight of its average with the base."""
    judge = corpora.judge(experiment.corpus)
    dataset, split = corpora.pairs(experiment)
    out = corpora.scratch / "model"
    settings = TrainingSettings(max_tokens=MAX_TOKENS, merge_weight=1.0, **experiment.training)
    log = train(dataset, base_model=EMBEDDED_MODEL, out=out, settings=settings, split=split)
    tuned = load_sentence_transformer(str(out), max_tokens=MAX_TOKENS).state_dict()
    for weight in experiment.merge_weights:
        model = load_sentence_transformer(None, max_tokens=MAX_TOKENS)
        merge = Merge(model, weight)
        model.load_state_dict(tuned)
        merge.apply(model)
        yield {
            "name": name,
            "merge_weight": weight,
            **score(model, judge),
            "n_passages": log.n_passages,
            "n_pairs": log.n_pairs,
            "training_s": round(log.seconds),
            "settings": log.settings,
        }


def main() -> None:
    """Run the experiments that are named, or all."""
    known = experiments()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", metavar="NAME", help="see --list; none means all")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join([*known, *(f"{name}: {text}" for name, text in CORPORA.items())]))
        return
    unknown = [name for name in arguments.names if name not in known]
    if unknown:
        parser.error(f"no experiment is called {unknown[0]!r}; --list prints all names")
    with tempfile.TemporaryDirectory() as scratch, RESULTS.open("a", encoding="utf-8") as target:
        corpora = Corpora(arguments.data, Path(scratch))
        for name in arguments.names or known:
            for row in rows(name, known[name], corpora):
                print(json.dumps(row), file=target, flush=True)
                print(*(f"{key} {row[key]}" for key in ("name", "merge_weight", *MEASURES)))


if __name__ == "__main__":
    main()
