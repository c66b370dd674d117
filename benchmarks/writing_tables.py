"""The results of `writing.py` as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Any

Part = Mapping[str, Any]


def markdown(result: Mapping[str, Any]) -> str:
    """Return every part that has been run, each under its heading."""
    lines = []
    for name, describe in PARTS.items():
        if name in result["parts"]:
            part = result["parts"][name]
            lines += [*describe(part), ""]
    machine = result["machine"]
    lines.append(f"{machine['processor']}, {machine['cores']} cores. `{result['command']}`")
    return "\n".join(lines) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return a table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in rows]


def throughput(part: Part) -> list[str]:
    """Return calls a second of everyone."""
    workers = part.get("workers", {})
    named = {
        f"ours, {part['delay_ms']} ms an answer": part["ours"],
        f"ours, {workers.get('n_workers', 0)} workers, the same": workers,
        **{_sdk(run): run for run in part.get("sdk_alone", ())},
        "ours, without the delay": part["ours_without_delay"],
        "the server, to a client that reads bytes": part["server_alone"],
        "llama-index-finetuning, one after the other": part.get("peer"),
    }
    rows = [
        [
            name,
            f"{run['n_calls']:,}",
            f"{run['calls_per_s']:,.1f}",
            f"{run['client_cpu_ms']:.2f} ms",
            f"{run['server_cpu_ms']:.2f} ms" if "server_cpu_ms" in run else "",
        ]
        for name, run in named.items()
        if run
    ]
    head = ("who", "calls", "calls a second", "of one core a call, client", "server")
    share, ideal = part["ours"]["share_of_ideal"], part["ideal_per_s"]
    text = f"{part['at_once']} at once: {share:.1%} of the ideal {ideal:.0f} a second"
    if workers:
        text += f" by one process, {workers['share_of_ideal']:.1%} by {workers['n_workers']}"
    if part.get("sdk_alone"):
        allowed = max(run["calls_per_s"] for run in part["sdk_alone"])
        best = max(part["ours"]["calls_per_s"], workers.get("calls_per_s", 0.0))
        text += f"; {best / allowed:.1%} of what the SDK alone reaches on this machine"
    if "times_the_peer" in part:
        text += f", and {part['times_the_peer']:.0f} times llama-index's loop on the same server"
    return ["## Calls a second", "", *table(head, rows), "", f"{text}."]


def _sdk(run: Part) -> str:
    n = run["n_processes"]
    return f"the SDK alone, {n} {'process' if n == 1 else 'processes'}, the same"


def kills(part: Part) -> list[str]:
    """Return a row for each kill."""
    head = ("kill", "after", "answers in the ledger", "finished calls", "in flight",
            "finished and asked again", "lost")  # fmt: skip
    keys = ("ledger_rows", "finished", "in_flight", "repeated", "lost")
    rows: list[list[object]] = [
        [row["kill"], f"{row['after_s']:.1f} s", *(f"{row[key]:,}" for key in keys)]
        for row in part["rows"]
    ]
    last = part["after_the_last"]
    rows.append(["none", f"{last['seconds']:.1f} s", *(f"{last[key]:,}" for key in keys)])
    same = all(part["same_bytes"].values())
    return [
        f"## Killed {len(part['rows'])} times",
        "",
        *table(head, rows),
        "",
        f"{part['n_calls']:,} calls, {part['faults']:.0%} faults, seed {part['seed']}: "
        f"{part['n_repeated']} finished calls repeated, {part['n_lost']} lost, "
        f"{part['n_in_flight']} in flight at the kills; the files are "
        f"{'the same bytes as' if same else 'NOT THE SAME AS'} those of an undisturbed run.",
    ]


def scale(part: Part) -> list[str]:
    """Return the seconds of each stage by size, and the memory."""
    sizes = part["sizes"]
    by_stage: dict[str, dict[int, Part]] = {}
    for size in sizes:
        for stage in size["stages"]:
            by_stage.setdefault(stage["stage"], {})[size["n_passages"]] = stage
    rows = [
        [name, *(_seconds(found.get(size["n_passages"])) for size in sizes)]
        for name, found in by_stage.items()
    ]
    written = {size["n_passages"]: size["stages"][1] for size in sizes}
    rows.append(["peak memory until written", *(_mb(written[s["n_passages"]]) for s in sizes)])
    rows.append(["peak memory in all", *(_mb(s["stages"][-1]) for s in sizes)])
    head = ("stage", *(f"{size['n_passages']:,} passages" for size in sizes))
    return ["## How it grows", "", *table(head, rows)]


def _seconds(stage: Part | None) -> str:
    return "not run" if stage is None else f"{stage['seconds']:,.1f} s ({stage['n_left']:,})"


def _mb(stage: Part) -> str:
    return f"{stage['peak_mb']:,.0f} MB"


def dry_run(part: Part) -> list[str]:
    """Return estimates beside counts."""
    if "left_out" in part:
        return ["## What a dry run foresees", "", f"Left out: {part['left_out']}."]
    rows = [
        [
            prompt,
            when.replace("_", " "),
            f"{found['n_calls']['counted']:,}",
            *(_foreseen(found[key]) for key in ("input_tokens", "output_tokens")),
        ]
        for prompt, moments in part["prompts"].items()
        for when, found in moments.items()
    ]
    head = ("prompt", "when", "calls", "tokens in", "tokens out")
    note = (
        "The answers are questions for a quiz whatever is asked: the prompt mixed plans shorter "
        "ones, so that its cold estimate of the output is of other answers than these."
    )
    return ["## What a dry run foresees", "", *table(head, rows), "", note]


def _foreseen(found: Part) -> str:
    return f"{found['estimated']:,} of {found['counted']:,} ({found['error']:+.1%})"


def choice(part: Part) -> list[str]:
    """Return both choices, by measure."""
    names = list(dict.fromkeys(row["choice"] for row in part["rows"]))
    rows = []
    for name in names:
        found = [row for row in part["rows"] if row["choice"] == name]
        cells: list[object] = [name, "" if name == "base" else f"{found[0]['n_questions']:,}"]
        for measure in part["diverse_minus_random"]:
            values = [row[measure] for row in found]
            spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
            cells.append(f"{mean(values):.3f}{spread}")
        rows.append(cells)
    text = "; ".join(
        f"{measure} {d['value']:+.3f} ({d['low']:+.3f} to {d['high']:+.3f}, p {d['p_value']:.2f})"
        for measure, d in part["diverse_minus_random"].items()
    )
    return [
        "## A quarter of the passages",
        "",
        *table(("asked about", "questions", *part["diverse_minus_random"]), rows),
        "",
        f"{part['n_chosen']} of {part['n_passages']} passages; {part['n_test']} test questions "
        f"about {part['n_test_passages']} passages. Those that differ most minus random: {text}.",
    ]


PARTS: dict[str, Callable[[Part], list[str]]] = {
    "throughput": throughput,
    "kills": kills,
    "scale": scale,
    "dry_run": dry_run,
    "choice": choice,
}
