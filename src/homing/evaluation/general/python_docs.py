"""Questions about the Python standard library, answered by the docstrings of the running Python.

336 questions in the words of people who do not know the name of what they look for, each about
one object. The corpus is what answers them and other docstrings, evenly taken, 1,000 in all: few
enough for two small models within a minute on two cores.
"""

from __future__ import annotations

import json
import subprocess
from functools import lru_cache
from importlib import resources

from homing.dataset import Dataset
from homing.errors import HomingError
from homing.evaluation.general.docstrings import Docstring, read_docstrings
from homing.types import Passage, Qrel, Query
from homing.types.questions import query_id
from homing.types.texts import content_id

N_PASSAGES = 500


@lru_cache(maxsize=1)
def load_python_docs() -> Dataset:
    """Return the questions, split "test", over the docstrings of this Python.

    Questions about objects that this Python lacks are left out. The same Python gives the same
    dataset.

    Raises:
        HomingError: No process of this Python can be started to read them.
    """
    by_name = {d.name: d for d in _distinct_docstrings()}
    asked = {name: text for name, text in python_questions() if name in by_name}
    others = [name for name in by_name if name not in asked]
    n_others = min(len(others), max(0, N_PASSAGES - len(asked)))
    kept = {*asked, *(others[i * len(others) // n_others] for i in range(n_others))}
    passages = {name: _passage(d) for name, d in by_name.items() if name in kept}
    queries = {query_id(q): Query(query_id(q), q) for q in asked.values()}
    qrels = [Qrel(query_id(text), passages[name].id) for name, text in asked.items()]
    return Dataset({p.id: p for p in passages.values()}, queries, {"test": qrels})


def python_questions() -> list[tuple[str, str]]:
    """Return (full name of the object that answers, question), one question an object."""
    file = resources.files("homing.evaluation").joinpath("general/python_questions.jsonl")
    rows = (json.loads(line) for line in file.read_text("utf-8").splitlines())
    return [(row["object"], row["question"]) for row in rows]


def _distinct_docstrings() -> list[Docstring]:
    """Return each docstring once, under the first of its names."""
    try:
        found = read_docstrings()
    except (OSError, subprocess.CalledProcessError) as error:
        raise HomingError(
            f"The documentation of this Python cannot be read ({error}). Name another general set "
            "with --general, or none with --set evaluate.general=[]."
        ) from error
    first: dict[str, Docstring] = {}
    for docstring in found:
        first.setdefault(docstring.text, docstring)
    return list(first.values())


def _passage(docstring: Docstring) -> Passage:
    text = docstring.text
    passage_id = content_id(docstring.name, text)
    return Passage(passage_id, passage_id, 0, len(text), text, (docstring.name,))
