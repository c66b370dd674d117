"""From ten thousand passages to a million, on one machine, by both engines.

    python benchmarks/scale.py [--sizes 10k,100k,1M] [--engines local,ray] [--only run,faults,plan]

`scale_material.py` makes the documents; then `homing ingest`, `write` (offline) and `curate`
(near-duplicates, filters, splits) run as a person runs them, each a process of its own with two
workers; `ray` is a cluster of this machine that runs already, `ray-anew` one that each of them
starts. Of each stage: its seconds, the processor's, and the peak of memory of each process. The
tables of all engines must be the same bytes. `faults` kills a machine of a Ray cluster in the
middle of each stage (see scale_faults.py); `plan` holds the estimates of `homing plan` against what
was measured. What a stage took is kept at once and no stage is run twice: the script can be
stopped, and continued with the same command. Writes benchmarks/results/scale.{json,md}.
"""

from __future__ import annotations

import argparse
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from results_file import ResultsFile
from scale_faults import FAULTS, N_WORKERS, TABLES, engine_flags, run_faults
from scale_material import Material, write_files
from scale_processes import MARK, homing
from scale_table import markdown, row_name
from scale_watches import hashes_of

from homing.pipeline.plan_types import parse_count

STAGES = ("ingest", "write", "curate")
COMMAND = "python benchmarks/scale.py"
PARTS = ("run", "faults", "plan")
SAMPLE = 4_000
"""Passages that `homing plan` is given to measure by."""
SEED = 0


def measure(results: ResultsFile, n: int, engine: str) -> None:
    """Measure the stages of a row that are missing, and the hashes of what they leave."""
    name = row_name(n, engine)
    material = material_of(results, n)
    workspace = results.work / f"tuned-{n}-{engine}"
    row = results.rows.get(name)
    if row is None or not workspace.exists():
        shutil.rmtree(workspace, ignore_errors=True)
        row = results.rows[name] = {"n_passages": n, "engine": engine, "stages": {}}
    with standing(engine) as (flags, mark):
        for stage in STAGES[len(row["stages"]) :]:
            said, watched = run_stage(stage, material, workspace, flags, mark=mark)
            row["stages"][stage] = {"seconds": said["seconds"], **watched.as_json()}
            row["n_passages"] = said.get("n_passages", row["n_passages"])
            print(f"{name}: {stage} {said['seconds']:.1f} s", flush=True)
            results.save()
    row["kept_bytes"] = {table: size_of(workspace / table) for table in TABLES}
    row["files"] = hashes_of(workspace, TABLES)
    results.save()
    shutil.rmtree(workspace)


@contextmanager
def standing(engine: str) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """Give a verb's options for an engine and the mark of what runs already; see `watch`.

    "ray" is a cluster that runs already, as clusters do; "ray-anew" is started by every verb.
    """
    if engine != "ray":
        yield engine_flags(engine.partition("-")[0]), None
        return
    from ray.cluster_utils import Cluster

    mark = os.environ[MARK] = uuid.uuid4().hex
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": N_WORKERS})
    del os.environ[MARK]
    try:
        yield engine_flags("ray", cluster.address), mark
    finally:
        cluster.shutdown()


def run_stage(
    stage: str, material: Path, workspace: Path, flags: tuple[object, ...], **options: Any
) -> tuple[dict[str, Any], Any]:
    """Run one stage as a person does; return what it said and what it took."""
    where = (material, "--out", workspace) if stage == "ingest" else (workspace,)
    return homing(stage, *where, *flags, **options)


def material_of(results: ResultsFile, n: int) -> Path:
    """Return the folder of documents with so many passages, made if it is not there."""
    folder = results.work / f"material-{n}"
    if not folder.exists():
        partial = results.work / f"material-{n}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        write_files(partial, n, Material(seed=SEED))
        partial.rename(folder)
    return folder


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def estimate(results: ResultsFile) -> dict[str, Any]:
    """Return what `homing plan` says of every size that was measured, by a sample of the same."""
    material = material_of(results, SAMPLE)
    sizes = sorted(
        {r["n_passages"] for r in results.rows.values() if "stages" in r and "engine" in r}
    )
    found: dict[str, Any] = {}
    said: dict[str, Any] = {"rates": None}
    for n in sizes:
        said, _ = homing("plan", material, "--passages", n, "--nodes", 1)
        found[str(n)] = {
            stage["name"]: {name: stage[name] for name in ("seconds", "kept_bytes", "driver_bytes")}
            for stage in said["stages"]
            if stage["name"] in STAGES
        }
    return {"plan": found, "rates": said["rates"]}


def main() -> None:
    """Make the rows that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default="10k,100k,1M")
    parser.add_argument("--engines", default="local,ray")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--again", action="store_true", help="make rows anew that are there")
    given = parser.parse_args()
    results = ResultsFile("scale", COMMAND, markdown)
    only = given.only.split(",")
    sizes = [parse_count(text) for text in given.sizes.split(",")]
    for n in sizes if "run" in only else ():
        for engine in given.engines.split(","):
            name = row_name(n, engine)
            if given.again:
                results.rows.pop(name, None)
            if "files" not in results.rows.get(name, {}):
                measure(results, n, engine)
    if "faults" in only:
        for stage, fault in FAULTS.items():
            name = f"node killed in {stage}"
            if given.again or name not in results.rows:
                material = material_of(results, fault.n_passages)
                results.rows[name] = run_faults(stage, material, results.work, run_stage)
                results.save()
    if "plan" in only:
        results.rows["estimates"] = estimate(results)
        results.save()
    print(results.table)


if __name__ == "__main__":
    main()
