"""Curation: duplicates, filters, asked questions, splits, and the proof that they share nothing."""

from homing.curation.asked import AskedQuestion, read_questions
from homing.curation.auditing import audit
from homing.curation.boilerplate import boilerplate_reason
from homing.curation.building import build_dataset
from homing.curation.components import find_components
from homing.curation.duplicates import find_groups
from homing.curation.filters import filter_questions
from homing.curation.questions import match_questions
from homing.curation.splitting import split_passages

__all__ = [
    "AskedQuestion",
    "audit",
    "boilerplate_reason",
    "build_dataset",
    "filter_questions",
    "find_components",
    "find_groups",
    "match_questions",
    "read_questions",
    "split_passages",
]
