"""Datasets: a corpus, queries and qrels by split, in every layout that Homing reads and writes."""

from homing.dataset.files import convert, load_dataset
from homing.dataset.model import Dataset, check_dataset, pick_split
from homing.dataset.mteb import save_dataset
from homing.dataset.records import (
    iter_documents,
    iter_passages,
    iter_questions,
    iter_rejections,
    load_documents,
    load_passages,
    load_questions,
    load_rejections,
    save_documents,
    save_passages,
    save_questions,
    save_rejections,
)

__all__ = [
    "Dataset",
    "check_dataset",
    "convert",
    "iter_documents",
    "iter_passages",
    "iter_questions",
    "iter_rejections",
    "load_dataset",
    "load_documents",
    "load_passages",
    "load_questions",
    "load_rejections",
    "pick_split",
    "save_dataset",
    "save_documents",
    "save_passages",
    "save_questions",
    "save_rejections",
]
