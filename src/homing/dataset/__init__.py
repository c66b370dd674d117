"""Datasets: a corpus, queries and qrels by split, in every layout that Homing reads and writes."""

from homing.dataset.files import Corpus, convert, load_dataset, open_corpus
from homing.dataset.model import Dataset, check_dataset, pick_split
from homing.dataset.mteb import save_dataset
from homing.dataset.records import (
    document_paths,
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
    "Corpus",
    "Dataset",
    "check_dataset",
    "convert",
    "document_paths",
    "iter_documents",
    "iter_passages",
    "iter_questions",
    "iter_rejections",
    "load_dataset",
    "load_documents",
    "load_passages",
    "load_questions",
    "load_rejections",
    "open_corpus",
    "pick_split",
    "save_dataset",
    "save_documents",
    "save_passages",
    "save_questions",
    "save_rejections",
]
