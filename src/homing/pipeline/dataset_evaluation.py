"""Contenders on any dataset, without a workspace of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from homing.dataset import Dataset, load_dataset, pick_split
from homing.dataset.tables import atomic
from homing.errors import UsageError
from homing.evaluation.contenders import parse_contenders
from homing.evaluation.evaluate import evaluate as measure
from homing.evaluation.evaluate import evaluation_summary
from homing.evaluation.files import save_evaluation
from homing.evaluation.published import published_table
from homing.evaluation.trec import write_qrels, write_run
from homing.evaluation.verdict import decided
from homing.pipeline.breakage import check_pair, general_sets, with_breakage, with_measured_costs
from homing.pipeline.conclusion import verdict
from homing.pipeline.copies import on_copies
from homing.pipeline.evaluation import BASE, TUNED
from homing.pipeline.language_models import ledger_beside
from homing.pipeline.pooling import assessed
from homing.progress import say
from homing.settings import load_settings
from homing.types import Evaluation, Retriever

TREC, TABLE = "trec", "published.csv"


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of any dataset, for people and for programs."""

    evaluation: Evaluation

    def as_json(self) -> dict[str, Any]:
        """Return the one object that `--json` prints."""
        return evaluation_summary(self.evaluation)

    @property
    def text(self) -> str:
        """The verdict and a table of all contenders."""
        return verdict(self.evaluation)


@on_copies(write=True)
def evaluate_dataset(
    source: str | Path,
    contenders: Sequence[str],
    *,
    split: str | None = None,
    out: str | Path | None = None,
    config: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    general: Sequence[str] = (),
    costs: bool = False,
) -> Evaluated:
    """Compare "name=spec" contenders on any dataset; runs and measurements are saved in `out`.

    Args:
        general: General sets on which the contender called "tuned" is set against the one called
            "base".
        costs: Whether to time every contender.
    """
    parsed = parse_contenders(contenders)
    if general:
        check_pair([contender.name for contender in parsed], base=BASE, tuned=TUNED)
    settings = load_settings(config, overrides)
    dataset = load_dataset(source)
    sets, notes = general_sets(general, dataset)
    built: dict[str, Retriever] = {}
    ledger = ledger_beside(source, settings.write.ledger, out)
    evaluation = measure(
        dataset,
        parsed,
        split=pick_split(dataset, "test", asked=split),
        seed=settings.evaluate.seed,
        max_tokens=settings.train.max_tokens,
        language=settings.evaluate.language,
        base_url=settings.evaluate.base_url,
        ledger=ledger,
        on_built=built.__setitem__,
    )
    if general:
        seed = settings.evaluate.seed
        evaluation = replace(evaluation, notes=(*evaluation.notes, *notes))
        evaluation = with_breakage(evaluation, built, sets, base=BASE, tuned=TUNED, seed=seed)
    evaluation = decided(evaluation, settings.evaluate.seed)
    evaluation = assessed(evaluation, dataset, settings, ledger)
    if costs:
        evaluation = with_measured_costs(evaluation, built, dataset)
    if out is not None:
        save_evaluation(evaluation, Path(out))
        save_for_others(evaluation, dataset, Path(out))
    return Evaluated(evaluation)


def save_for_others(evaluation: Evaluation, dataset: Dataset, folder: Path) -> None:
    """Write runs and judgements as TREC files, and the table of the original experiment.

    Ids that TREC's files cannot hold leave those out; the reason is said.
    """
    try:
        write_qrels(dataset.qrels[evaluation.split], folder / TREC / "qrels.txt")
        for name, run in evaluation.runs.items():
            write_run(run, folder / TREC / f"{name}.run", name)
    except UsageError as error:
        say(str(error))
    with atomic(folder / TABLE) as temporary:
        temporary.write_text(published_table(evaluation), encoding="utf-8")
