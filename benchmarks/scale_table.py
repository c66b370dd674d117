"""The results of `scale.py` for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scale_paper import KEPT, paper

Row = Mapping[str, Any]
STAGES = ("ingest", "write", "curate")
BASE = 10_000
"""The size that the others are compared with."""
OVERHEAD_AT = 100_000


def row_name(n: int, engine: str) -> str:
    """Return what a row is called."""
    return f"{n:,} passages, {engine}"


def markdown(result: Mapping[str, Any]) -> str:
    """Return all tables."""
    rows: dict[str, Row] = result["rows"]
    runs = sorted(
        (row for row in rows.values() if "files" in row),
        key=lambda row: (row["n_passages"], row["engine"]),
    )
    overheads = ["Seconds of Ray against those of the local engine:", "", *_overheads(runs)]
    lines = [*_runs(runs), "", *_slopes(runs), "", *_same(runs), "", *overheads]
    faults = [row for row in rows.values() if "repeated_at_most" in row]
    if faults:
        lines += ["", *_faults(faults)]
    if "estimates" in rows:
        lines += ["", *_estimates(rows["estimates"]["plan"], runs), "", *paper(rows)]
    machine = result["machine"]
    lines += ["", f"Two workers; {machine['processor']}, {machine['cores']} cores, shared."]
    return "\n".join(lines) + "\n"


def slope(row: Row, base: Row, stage: str, of: str = "seconds") -> float:
    """Return the seconds for a passage, in units of those at the size compared with."""
    each = row["stages"][stage][of] / row["n_passages"]
    return float(each / (base["stages"][stage][of] / base["n_passages"]))


def _runs(runs: list[Row]) -> Iterator[str]:
    yield "Seconds are those of the stage; processor is the time of all processes. Peaks are VmHWM"
    yield "of single processes: the leading one, the largest worker, the largest of Ray's own."
    yield ""
    yield (
        "| passages | engine | stage | seconds | passages a second | processor s | leading MB "
        "| worker MB | Ray MB |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in runs:
        for stage in STAGES:
            s, n = row["stages"][stage], row["n_passages"]
            peaks = [s["peak_mb"].get(kind) for kind in ("driver", "worker", "ray")]
            cells = [
                f"{n:,}",
                row["engine"],
                stage,
                f"{s['seconds']:,.1f}",
                f"{n / max(s['seconds'], 1e-9):,.0f}",
                f"{s['cpu_s']:,.1f}",
                *("" if peak is None else f"{peak:,.0f}" for peak in peaks),
            ]
            yield f"| {' | '.join(cells)} |"


def _slopes(runs: list[Row]) -> Iterator[str]:
    yield f"Seconds for a passage, in units of those at {BASE:,}; in brackets the processor's time:"
    yield ""
    yield "| passages | engine | ingest | write | curate | all three |"
    yield "|---|---|---|---|---|---|"
    bases = {row["engine"]: row for row in runs if abs(row["n_passages"] - BASE) < 0.05 * BASE}
    for row in runs:
        base = bases.get(row["engine"])
        if base is None or base is row:
            continue
        cells = [f"{slope(row, base, s):.2f} ({slope(row, base, s, 'cpu_s'):.2f})" for s in STAGES]
        both = [_all(r, "seconds") / r["n_passages"] for r in (row, base)]
        cells.append(f"{both[0] / both[1]:.2f}")
        yield f"| {row['n_passages']:,} | {row['engine']} | {' | '.join(cells)} |"


def _all(row: Row, of: str) -> float:
    return sum(float(row["stages"][stage][of]) for stage in STAGES)


def _same(runs: list[Row]) -> Iterator[str]:
    for n in sorted({row["n_passages"] for row in runs}):
        here = [row for row in runs if row["n_passages"] == n]
        if len(here) < 2:
            continue
        first, *others = here
        differing = sorted(
            {
                name
                for row in others
                for name in {*first["files"], *row["files"]}
                if first["files"].get(name) != row["files"].get(name)
            }
        )
        engines = " and ".join(row["engine"] for row in here)
        what = f"differ in {', '.join(differing)}" if differing else "leave the same bytes"
        yield f"* {n:,} passages: {engines} {what} ({len(first['files'])} files)"


def _overheads(runs: list[Row]) -> Iterator[str]:
    for n in sorted({row["n_passages"] for row in runs}):
        rows = {row["engine"]: row for row in runs if row["n_passages"] == n}
        for engine in sorted(set(rows) - {"local"}) if "local" in rows else ():
            local, other = (_all(rows[name], "seconds") for name in ("local", engine))
            parts = [f"{s} {_ratio(rows['local'], rows[engine], s):+.0%}" for s in STAGES]
            yield f"* {n:,} passages: {engine} {other / local - 1:+.0%} ({', '.join(parts)})"


def _ratio(local: Row, other: Row, stage: str) -> float:
    seconds = (row["stages"][stage]["seconds"] for row in (other, local))
    return float(next(seconds) / max(next(seconds), 1e-9) - 1)


def _faults(rows: list[Row]) -> Iterator[str]:
    yield "One of two machines killed when half of the parts were done. Parts of `ask`, writing"
    yield "by a language model, are calls, those of `train` steps; made twice is then what was"
    yield "paid for again, and the steps between two checkpoints. Calm is the same without a"
    yield "loss: by the local engine, of `train` and `evaluate` by the cluster with both"
    yield "machines."
    yield ""
    columns = ("stage", "parts", "killed after", "made twice, at most", "same bytes", "seconds")
    yield f"| {' | '.join(columns)} | calm |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        cells = [
            row["stage"],
            str(row["n_parts"]),
            str(row["killed_after_parts"]),
            f"{row['repeated_at_most']:.1%}",
            _same_bytes(row),
            f"{row['seconds']:.1f}",
            f"{row['undisturbed_s']:.1f}",
        ]
        yield f"| {' | '.join(cells)} |"


def _same_bytes(row: Row) -> str:
    if row["same_bytes"]:
        return "yes"
    return "; ".join(f"{name}: {what}" for name, what in row["differences"].items())


def _estimates(found: Mapping[str, Any], runs: list[Row]) -> Iterator[str]:
    yield "`homing plan` by a sample of 4,000 passages, against what was measured (local engine):"
    yield ""
    yield "| passages | stage | estimated s | measured s | ratio | estimated MB kept | measured |"
    yield "|---|---|---|---|---|---|---|"
    for row in runs:
        stages = found.get(str(row["n_passages"]))
        if stages is None or row["engine"] != "local":
            continue
        for stage in STAGES:
            said, took = stages[stage]["seconds"], row["stages"][stage]["seconds"]
            kept = _kept(row, stage)
            cells = [
                f"{row['n_passages']:,}",
                stage,
                f"{said:,.1f}",
                f"{took:,.1f}",
                f"{said / max(took, 1e-9):.2f}",
                f"{stages[stage]['kept_bytes'] / 1e6:,.0f}",
                f"{kept / 1e6:,.0f}",
            ]
            yield f"| {' | '.join(cells)} |"


def _kept(row: Row, stage: str) -> float:
    return float(sum(row["kept_bytes"][name] for name in KEPT[stage]))
