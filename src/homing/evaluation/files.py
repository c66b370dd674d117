"""An evaluation on disk: one JSON for people, tables for everything else.

evaluation.json       the verdict, means, intervals, comparisons, slices, costs, notes
questions.parquet     query_id, cluster: what it goes together with
slices.parquet        slice (its position in evaluation.json), row (of questions.parquet)
measurements.parquet  query_id, contender, measure, value
runs.parquet          query_id, contender, rank, passage_id, score
passages.parquet      passage_id, in corpus order: what the ranks refer to
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.dataset.tables import atomic
from homing.errors import UsageError
from homing.evaluation.header import from_header, to_header
from homing.types import Evaluation, IntArray, Run

FORMAT = 2
JSON_NAME = "evaluation.json"


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write an evaluation into a folder; `evaluation.json` comes last, when all else is there."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "questions.parquet", _question_columns(evaluation))
    _write(folder / "slices.parquet", _slice_columns(evaluation))
    _write(folder / "measurements.parquet", _measurement_columns(evaluation))
    _write(folder / "runs.parquet", _run_columns(evaluation))
    ids = next(iter(evaluation.runs.values())).passage_ids
    _write(folder / "passages.parquet", {"passage_id": list(ids)})
    depth = max(run.ranking.shape[1] for run in evaluation.runs.values())
    header = {"format": FORMAT, **to_header(evaluation), "depth": depth}
    text = json.dumps(header, ensure_ascii=False, indent=2) + "\n"
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


def _assemble(folder: Path, header: Mapping[str, Any]) -> Evaluation:
    names = list(header["contenders"])
    measures = list(header["contenders"][names[0]]["measures"])
    questions = _read(folder / "questions.parquet")
    query_ids = tuple(questions.column("query_id").to_pylist())
    clusters = questions.column("cluster").to_pylist()
    passage_ids = tuple(_read(folder / "passages.parquet").column("passage_id").to_pylist())
    return Evaluation(
        **from_header(header, _read_slices(folder)),
        query_ids=query_ids,
        clusters=() if None in clusters else tuple(clusters),
        by_query=_read_measurements(folder, names, measures, len(query_ids)),
        runs=_read_runs(folder, names, query_ids, passage_ids, int(header["depth"])),
    )


def _question_columns(evaluation: Evaluation) -> dict[str, Any]:
    import pyarrow as pa

    clusters: list[str | None] = [*evaluation.clusters] or [None] * len(evaluation.query_ids)
    return {
        "query_id": pa.array(list(evaluation.query_ids), pa.string()),
        "cluster": pa.array(clusters, pa.string()),
    }


def _slice_columns(evaluation: Evaluation) -> dict[str, Any]:
    rows = [part.rows for part in evaluation.slices]
    positions = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    return {
        "slice": positions.astype(np.int32),
        "row": np.concatenate([np.empty(0, np.int64), *rows]).astype(np.int32),
    }


def _read_slices(folder: Path) -> dict[int, IntArray]:
    table = _read(folder / "slices.parquet")
    positions, rows = (table.column(name).to_numpy() for name in ("slice", "row"))
    return {int(p): rows[positions == p].astype(np.int64) for p in np.unique(positions)}


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
    folder: Path, names: list[str], measures: list[str], n_queries: int
) -> dict[str, dict[str, NDArray[np.float64]]]:
    values = _read(folder / "measurements.parquet").column("value").to_numpy()
    cells = values.reshape(len(names), len(measures), n_queries)
    return {
        name: {measure: cells[i, j].copy() for j, measure in enumerate(measures)}
        for i, name in enumerate(names)
    }


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
