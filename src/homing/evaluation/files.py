"""An evaluation on disk: one JSON for people, three tables for everything else.

evaluation.json       means, intervals, comparisons, the curve of hit rate against k, notes
measurements.parquet  query_id, contender, measure, value
runs.parquet          query_id, contender, rank, passage_id, score
passages.parquet      passage_id, in corpus order: what the ranks refer to
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.dataset.tables import atomic
from homing.errors import UsageError
from homing.evaluation.measures import HIT_CUTOFFS
from homing.types import Comparison, ContenderResult, Evaluation, Interval, Run

FORMAT = 1
JSON_NAME = "evaluation.json"


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write an evaluation into a folder; `evaluation.json` comes last, when all else is there."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "measurements.parquet", _measurement_columns(evaluation))
    _write(folder / "runs.parquet", _run_columns(evaluation))
    ids = next(iter(evaluation.runs.values())).passage_ids
    _write(folder / "passages.parquet", {"passage_id": list(ids)})
    text = json.dumps(_header(evaluation), ensure_ascii=False, indent=2) + "\n"
    with atomic(folder / JSON_NAME) as temporary:
        temporary.write_text(text, encoding="utf-8")


def load_evaluation(folder: Path) -> Evaluation:
    """Return the evaluation that was saved in a folder, equal in every number.

    Raises:
        UsageError: If a file is missing, damaged or of another version of the format.
    """
    import pyarrow as pa

    try:
        header = json.loads((folder / JSON_NAME).read_text(encoding="utf-8"))
        if header.get("format") != FORMAT:
            raise ValueError(f"its format is {header.get('format')!r}, not {FORMAT}")
        return _assemble(folder, header)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise UsageError(
            f"{folder} holds no evaluation that can be read ({error}). "
            "Make it again with: homing evaluate"
        ) from error


def _header(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "split": evaluation.split,
        "n_queries": evaluation.n_queries,
        "n_passages": evaluation.n_passages,
        "cluster_unit": evaluation.cluster_unit,
        "query_source": evaluation.query_source,
        "notes": list(evaluation.notes),
        "depth": max(run.ranking.shape[1] for run in evaluation.runs.values()),
        "contenders": {
            name: {
                "spec": result.spec,
                "seconds": result.seconds,
                "measures": dict(result.measures),
                "intervals": {m: asdict(i) for m, i in result.intervals.items()},
                "hit_curve": _hit_curve(result),
            }
            for name, result in evaluation.contenders.items()
        },
        "comparisons": [asdict(comparison) for comparison in evaluation.comparisons],
    }


def _hit_curve(result: ContenderResult) -> list[list[float]]:
    known = ((k, result.measures.get(f"hit@{k}")) for k in HIT_CUTOFFS)
    return [[k, value] for k, value in known if value is not None]


def _assemble(folder: Path, header: Mapping[str, Any]) -> Evaluation:
    names = list(header["contenders"])
    measures = list(header["contenders"][names[0]]["measures"])
    query_ids, by_query = _read_measurements(folder, names, measures)
    passage_ids = tuple(_read(folder / "passages.parquet").column("passage_id").to_pylist())
    runs = _read_runs(folder, names, query_ids, passage_ids, int(header["depth"]))
    return Evaluation(
        split=header["split"],
        n_queries=header["n_queries"],
        n_passages=header["n_passages"],
        query_ids=query_ids,
        contenders={n: _result(n, saved) for n, saved in header["contenders"].items()},
        comparisons=tuple(
            Comparison(**{**saved, "difference": Interval(**saved["difference"])})
            for saved in header["comparisons"]
        ),
        by_query=by_query,
        runs=runs,
        cluster_unit=header["cluster_unit"],
        query_source=header["query_source"],
        notes=tuple(header["notes"]),
    )


def _result(name: str, saved: Mapping[str, Any]) -> ContenderResult:
    return ContenderResult(
        name=name,
        spec=saved["spec"],
        measures=saved["measures"],
        intervals={m: Interval(**interval) for m, interval in saved["intervals"].items()},
        seconds=saved["seconds"],
    )


def _measurement_columns(evaluation: Evaluation) -> dict[str, Any]:
    """Return the columns in the order contender, measure, query."""
    cells = [(c, m) for c, values in evaluation.by_query.items() for m in values]
    contenders, measures = list(evaluation.by_query), list(dict.fromkeys(m for _, m in cells))
    n = len(evaluation.query_ids)
    return {
        "query_id": _dictionary(np.tile(np.arange(n), len(cells)), evaluation.query_ids),
        "contender": _dictionary(np.repeat([contenders.index(c) for c, _ in cells], n), contenders),
        "measure": _dictionary(np.repeat([measures.index(m) for _, m in cells], n), measures),
        "value": np.concatenate([evaluation.by_query[c][m] for c, m in cells]),
    }


def _run_columns(evaluation: Evaluation) -> dict[str, Any]:
    """Return the columns of all runs, one row for each passage that was found."""
    parts: dict[str, list[Any]] = {key: [] for key in ("query", "name", "rank", "passage", "score")}
    for number, run in enumerate(evaluation.runs.values()):
        rows, ranks = np.nonzero(run.ranking >= 0)
        parts["query"].append(rows)
        parts["name"].append(np.full(len(rows), number))
        parts["rank"].append(ranks + 1)
        parts["passage"].append(run.ranking[rows, ranks])
        parts["score"].append(run.scores[rows, ranks])
    columns = {key: np.concatenate(arrays) for key, arrays in parts.items()}
    passage_ids = next(iter(evaluation.runs.values())).passage_ids
    return {
        "query_id": _dictionary(columns["query"], evaluation.query_ids),
        "contender": _dictionary(columns["name"], list(evaluation.runs)),
        "rank": columns["rank"].astype(np.int32),
        "passage_id": _dictionary(columns["passage"], passage_ids),
        "score": columns["score"],
    }


def _read_measurements(
    folder: Path, names: list[str], measures: list[str]
) -> tuple[tuple[str, ...], dict[str, dict[str, NDArray[np.float64]]]]:
    table = _read(folder / "measurements.parquet")
    values = table.column("value").to_numpy()
    n = len(values) // (len(names) * len(measures))
    query_ids = tuple(table.column("query_id").slice(0, n).to_pylist())
    cells = values.reshape(len(names), len(measures), n)
    by_query = {
        name: {measure: cells[i, j].copy() for j, measure in enumerate(measures)}
        for i, name in enumerate(names)
    }
    return query_ids, by_query


def _read_runs(
    folder: Path,
    names: list[str],
    query_ids: tuple[str, ...],
    passage_ids: tuple[str, ...],
    depth: int,
) -> dict[str, Run]:
    table = _read(folder / "runs.parquet")
    contenders = _positions(table.column("contender"), names)
    queries = _positions(table.column("query_id"), query_ids)
    passages = _positions(table.column("passage_id"), passage_ids)
    ranks = table.column("rank").to_numpy() - 1
    scores = table.column("score").to_numpy()
    runs = {}
    for number, name in enumerate(names):
        mine = contenders == number
        ranking = np.full((len(query_ids), depth), -1, dtype=np.int64)
        kept = np.full((len(query_ids), depth), -np.inf, dtype=np.float32)
        ranking[queries[mine], ranks[mine]] = passages[mine]
        kept[queries[mine], ranks[mine]] = scores[mine]
        runs[name] = Run(query_ids, passage_ids, ranking, kept)
    return runs


def _positions(column: Any, values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    return pc.index_in(plain, value_set=pa.array(list(values), pa.string())).to_numpy()


def _dictionary(codes: Any, values: Any) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(
        pa.array(np.asarray(codes), pa.int32()), pa.array(list(values), pa.string())
    )


def _write(path: Path, columns: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with atomic(path) as temporary:
        pq.write_table(pa.table(dict(columns)), temporary, compression="zstd")


def _read(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path)
