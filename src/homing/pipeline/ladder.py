"""The choice of a recipe: a ladder from no training to full training, climbed within minutes.

From the cheapest: the base, `adapter`, `query`, `full` at two learning rates on a part of the
passages, the better of them on all (successive halving, arXiv 1502.07943), averages of what came
out with the base, and `query` once more over the best of those. Each is scored on the dev
questions. Kept is the simplest that is within one standard error of the best (Breiman et al.,
Classification and Regression Trees, 1984), because dev questions are few and what is simpler costs
less and forgets less.

Every rung is kept on disk the moment it is done, so that a stopped job does not climb it again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.errors import HomingError, NothingToDoError
from homing.pipeline.pace import Pace, measured
from homing.pipeline.rung_making import RungMaker, keep
from homing.pipeline.rungs import BOTH, Rung, choose, why
from homing.progress import say
from homing.types import TrainingLog, Trial

if TYPE_CHECKING:
    from homing.training.settings import TrainingSettings

FIRST_FRACTION = 0.25
"""Of the passages, on which the learning rates of `full` are compared."""
FEWEST_TO_HALVE = 64
"""With fewer passages a quarter of them tells nothing, and both rates get all."""
SLOWER = 0.4
"""The second learning rate, as a share of the first."""
LEAST_SHARE = 0.05
"""Of what there is to learn from; with less a recipe is not tried."""
WEIGHTS = (0.75, 0.5)
"""Of the tuned weights in the averages with the base that are tried after training."""
PACE = "pace.json"


class Ladder:
    """Tries recipes on one dataset within a budget of time.

    Args:
        maker: Makes the rungs and says where the model goes. Of its settings `recipe` is taken
            from the ladder; given epochs and rates hold.
        minutes: How long to try; what was begun is finished.
        max_forgetting: Most that an average may lose on general questions, in nDCG@10, to be
            preferred.
    """

    def __init__(self, maker: RungMaker, *, minutes: float, max_forgetting: float = 0.02) -> None:
        self.maker = maker
        self.settings = maker.settings
        self.max_forgetting = max_forgetting
        self.seconds = 60 * minutes
        self.pace = _read_pace(maker.folder / PACE)
        self.rungs: list[Rung] = []
        self._began = time.monotonic()

    @property
    def left_s(self) -> float:
        """Seconds that are left of the budget; negative when it is passed."""
        return self.seconds - (time.monotonic() - self._began)

    def climb(self) -> TrainingLog:
        """Try one rung after the other, save the model that is kept in `out`, return its log."""
        self._base()
        self._cheap("adapter", "adapter", with_questions=False)
        self._cheap("query", "query")
        tuned = self._full()
        if tuned is not None and tuned.log is not None and tuned.log.kept == "tuned":
            self._averages(tuned)
            self._query_over_full()
        kept = choose(self.rungs, self._forgets)
        self.maker.put_in_place(kept)
        return self._log(kept)

    def _base(self) -> None:
        """Score the base model, and see how fast this machine is."""
        started = time.monotonic()
        trial = Trial("the base model", "base", 0.0, 0.0)
        self.rungs.append(self.maker.scored(trial, None, None, with_general=False))
        self.pace = self.pace or measured(time.monotonic() - started, self.maker.dev.n_passages)
        if self.pace is not None:
            keep(self.maker.folder / PACE, asdict(self.pace))
        if self.maker.general is not None:
            general = self.maker.general(self.maker.encoder(None))
            base = self.rungs[0]
            self._put(base, replace(base, trial=replace(base.trial, general=general)))

    def _cheap(
        self, name: str, recipe: str, base_model: str | None = None, *, with_questions: bool = True
    ) -> Rung | None:
        """Try a recipe that embeds the corpus once, with as many questions as there is time for."""
        settings = self._with(recipe=recipe)
        if self.pace is None:
            return self._try(name, settings, base_model=base_model)
        embedding_s = self.pace.embedding_s(len(self.maker.dataset.corpus))
        share = 1.0
        if with_questions:
            labelled = self.maker.dataset.split(self.maker.split)
            n_questions = len(self.maker.unlabelled(settings)) + len(labelled)
            epochs = settings.n_epochs
            share = (self.left_s - embedding_s) / self.pace.questions_s(n_questions, epochs)
        if embedding_s > self.left_s or share < LEAST_SHARE:
            self._say_left_out(name, embedding_s)
            return None
        return self._try(name, settings, min(1.0, round(share, 3)), base_model)

    def _full(self) -> Rung | None:
        """Compare two rates on a part of the passages; train with the better one on all.

        Where time is too short for that, the default rate is taken, on as many as there is time
        for.
        """
        rate, n_learnt = self.settings.peak_rate, self.maker.n_learnt_from
        rates = [rate] if self.settings.learning_rate else [rate, round(SLOWER * rate, 10)]
        whole_s = self._whole_s(n_learnt)
        comparing_s = len(rates) * FIRST_FRACTION * whole_s
        has_time = self.left_s > whole_s + comparing_s
        if len(rates) == 1 or n_learnt < FEWEST_TO_HALVE or not has_time:
            share = min(1.0, round(self.left_s / whole_s, 3)) if whole_s else 1.0
            chosen = rates if n_learnt < FEWEST_TO_HALVE else rates[:1]
            if share < LEAST_SHARE:
                self._say_left_out("full", whole_s)
                return None
            found = [self._rate(rate, share) for rate in chosen]
            return max(filter(None, found), key=lambda rung: rung.trial.dev, default=None)
        return self._better_rate(rates)

    def _whole_s(self, n_passages: int) -> float:
        """Return the seconds that `full` would take over so many passages; 0.0 where unknown."""
        from homing.training.settings import best_device

        if self.pace is None:
            return 0.0
        here_s = self.pace.full_s(n_passages, self.settings.n_epochs)
        if self.maker.group is None:
            return here_s
        # The pace is that of this process: it says nothing of accelerators that it has not.
        is_alike = best_device(self.settings.device) == self.maker.group.device()
        return here_s / self.maker.group.size() if is_alike else 0.0

    def _better_rate(self, rates: Sequence[float]) -> Rung | None:
        first = [self._rate(rate, FIRST_FRACTION, "first") for rate in rates]
        found = [rung for rung in first if rung is not None]
        if not found:
            return None
        best = max(found, key=lambda rung: rung.trial.dev)
        room = self.left_s / max(1e-9, best.trial.seconds / FIRST_FRACTION)
        if room < 2 * FIRST_FRACTION:
            self._note(best, "no time was left to learn from more")
            return best
        for rung in found:
            if rung is not best:
                self._note(rung, "the other rate was better on dev")
        whole = self._rate(rates[first.index(best)], 1.0 if room >= 1 else round(room, 3))
        return whole or best

    def _rate(self, rate: float, share: float, key: str = "") -> Rung | None:
        """Train at a rate on a share of the passages that `full` would learn from."""
        settings = self._with(recipe="full", learning_rate=rate)
        return self._try(f"full, rate {rate:g}", settings, share, key=key)

    def _averages(self, tuned: Rung) -> None:
        """Try averages of base and tuned weights: no training, one pass over the dev passages."""
        for weight in WEIGHTS:
            if self.left_s < 0:
                return
            name = f"{tuned.trial.name}, averaged with the base at {weight:g}"
            self.rungs.append(self.maker.averaged(tuned, name, weight))

    def _query_over_full(self) -> None:
        """Tune the query tower over what `full` made: its passages' vectors, its teacher."""
        full = [rung for rung in self.rungs if rung.trial.recipe == "full"]
        below = max(full, key=lambda rung: (not self._forgets(rung), rung.trial.dev))
        rung = self._cheap(f"query over {below.trial.name}", "query", str(below.folder))
        if rung is not None and rung.log is not None:
            log = replace(rung.log, index_stays=False)  # an index of the base model, that is
            self._put(rung, replace(rung, trial=replace(rung.trial, recipe=BOTH), log=log))

    def _say_left_out(self, name: str, seconds: float) -> None:
        say(
            f"train: {name} was not tried: it would take about {max(1, round(seconds / 60))} "
            f"minutes, and {max(0.0, self.left_s) / 60:.1f} of {self.seconds / 60:g} are left"
        )

    def _try(
        self,
        name: str,
        settings: TrainingSettings,
        share: float = 1.0,
        base_model: str | None = None,
        key: str = "",
    ) -> Rung | None:
        """Train and score one rung, or read what an earlier run left of it.

        Args:
            share: Of the passages, or questions, that there would be to learn from.
            key: Tells rungs of the same name apart.
        """
        if self.left_s < 0:
            say(f"train: {name} was not tried, the {self.seconds / 60:g} minutes are over")
            return None
        try:
            rung = self.maker.made(name, settings, share, base_model or self.maker.base_model, key)
        except NothingToDoError:
            raise
        except HomingError as error:
            say(f"train: {name} was not tried: {error}")
            return None
        self.rungs.append(rung)
        return rung

    def _forgets(self, rung: Rung) -> bool:
        """Whether a rung lost more on general questions than is allowed."""
        before, after = self.rungs[0].trial.general, rung.trial.general
        return before is not None and after is not None and before - after > self.max_forgetting

    def _note(self, rung: Rung, note: str) -> None:
        self._put(rung, replace(rung, trial=replace(rung.trial, note=note)))

    def _put(self, rung: Rung, other: Rung) -> None:
        """Put another rung in the place of one."""
        self.rungs = [other if known is rung else known for known in self.rungs]

    def _with(self, **changes: Any) -> TrainingSettings:
        return replace(self.settings, **changes)

    def _log(self, kept: Rung) -> TrainingLog:
        trials = [
            replace(rung.trial, is_kept=rung is kept, note=why(rung, kept)) for rung in self.rungs
        ]
        spent = time.monotonic() - self._began
        base = self.rungs[0].trial.dev
        some = next((r.log for r in reversed(self.rungs) if r.log is not None), None)
        log = kept.log or some
        if log is None:
            raise NothingToDoError("No recipe could be tried; the messages above say why.")
        step = max(1, log.best_step)
        is_base = kept.folder is None or log.kept == "base"
        return replace(
            log,
            dev=[(0, base)] if is_base else [(0, base), (step, kept.trial.dev)],
            kept="base" if is_base else "tuned",
            best_step=0 if is_base else step,
            seconds=spent,
            trials=tuple(trials),
        )


def _read_pace(path: Path) -> Pace | None:
    try:
        return Pace(float(json.loads(path.read_text(encoding="utf-8"))["passage_s"]))
    except (OSError, ValueError, KeyError):
        return None
