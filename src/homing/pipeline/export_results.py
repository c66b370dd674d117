"""What an export came to, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homing.deployment.parity import Parity


@dataclass(frozen=True)
class Export:
    """One format of an export.

    Attributes:
        made: False where it was up to date.
        n_bytes: Size of its folder.
    """

    format: str
    folder: Path
    parity: Parity
    made: bool
    n_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        return {
            "format": self.format,
            "folder": str(self.folder),
            "up_to_date": not self.made,
            "bytes": self.n_bytes,
            "parity": self.parity.as_json(),
        }

    @property
    def text(self) -> str:
        """One line: size, cosines, what the ranking lost, and how fast it is."""
        parity = self.parity
        cosines = [
            f"{name} {side.mean:.4f} (least {side.least:.4f})"
            for name, side in (("questions", parity.questions), ("passages", parity.passages))
        ]
        line = f"{self.format}: {self.n_bytes / 1e6:.1f} MB, cosine {', '.join(cosines)}"
        if parity.ranking is not None:
            found = parity.ranking.difference
            line += (
                f", nDCG@10 {100 * found.value:+.2f} points ({100 * found.low:+.2f} to "
                f"{100 * found.high:+.2f})"
            )
        if parity.speed is not None:
            line += f", {parity.speed.text}"
        return line if self.made else f"{line}; up to date"


@dataclass(frozen=True)
class Exported:
    """What an export came to.

    Attributes:
        measured_on: Whose questions it was tried on.
    """

    model: str
    measured_on: str
    exports: tuple[Export, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the one object that `--json` prints."""
        return {
            "model": self.model,
            "measured_on": self.measured_on,
            "exports": [export.as_json() for export in self.exports],
        }

    @property
    def text(self) -> str:
        """Each export in a line, and what they were tried on."""
        lines = [export.text for export in self.exports]
        return "\n".join([*lines, f"Tried on {self.measured_on}, beside the model in float32."])
