"""The model card: README.md of the model folder, in the hub's format.

It says in short what the report says, without any text or path of the documents: a model may be
shared where its documents may not.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from homing.numbers import (
    bare_percent,
    count,
    counted,
    duration,
    measure_name,
    percent,
    percent_range,
    plain,
)
from homing.reporting.contenders import ranked_contenders
from homing.reporting.data import ReportData
from homing.reporting.leaderboard import measures_shown
from homing.reporting.naming import short_name
from homing.reporting.snippets import prompt_sentence, snippets
from homing.reporting.sources import describe_questions
from homing.reporting.verdict import INDEX_STAYS, UNIT_NAMES, keeps_index, open_report
from homing.types import TrainingLog

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
LOADED = re.compile(r'SentenceTransformer\(("(?:[^"\\]|\\.)*")\)')
TAGS = ["sentence-transformers", "feature-extraction", "sentence-similarity", "retrieval", "homing"]
CARD_METRICS = ("hit@5", "ndcg@10", "mrr@10")
LOSSES = {
    "full": "symmetric InfoNCE with the other passages of the batch as negatives",
    "query": "cross-entropy of the questions' tower over the whole corpus, the passages' vectors "
    "standing still, with BM25 fused with the base model as a teacher",
    "full-query": "symmetric InfoNCE of all weights, then cross-entropy of the questions' tower "
    "over the whole corpus, with BM25 fused with what came out of the first part as a teacher",
    "static": "token vectors of the base model, tuned to lie where it puts a text and to rank as "
    "BM25 fused with it ranks",
}
"""Recipe -> what it minimised, for those that do otherwise than full."""


def render_model_card(data: ReportData) -> str:
    """Return the model card: YAML front matter, usage, measures with intervals, data, limits.

    No licence is named: it depends on the base model and on the documents, and is the user's to
    choose.
    """
    front = yaml.safe_dump(_front_matter(data), sort_keys=False, allow_unicode=True, width=100)
    sections = [
        f"---\n{front}---",
        f"# {_line(data.title)}: an embedding model tuned with Homing",
        _verdict(data),
        _about(data),
        f"## Use\n\n{prompt_sentence(data.model)}",
        *(
            f"{snippet.library}:\n\n```python\n{snippet.code}\n```"
            for snippet in snippets(data.model)
        ),
        _measures(data),
        _training(data),
        _data_facts(data),
        _making(data),
        _limits(data),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def card_for(card: str, model: str) -> str:
    """Return a card whose snippets load the model from elsewhere, such as its id at the hub."""
    loaded = LOADED.search(card)
    return card.replace(loaded[1], json.dumps(model)) if loaded else card


def _front_matter(data: ReportData) -> dict[str, Any]:
    front: dict[str, Any] = {"library_name": "sentence-transformers"}
    if HUB_ID.fullmatch(data.model.base_model):
        front["base_model"] = data.model.base_model
    front |= {"pipeline_tag": "sentence-similarity", "tags": TAGS}
    result = data.evaluation.contenders.get(data.tuned_name)
    metrics = [
        {
            "type": measure.replace("@", "_at_"),
            "value": round(result.measures[measure], 4),
            "name": measure_name(measure),
        }
        for measure in CARD_METRICS
        if result is not None and measure in result.measures
    ]
    if metrics:
        task = {"type": "information-retrieval", "name": "Information Retrieval"}
        dataset = {"type": "private", "name": _line(data.title), "split": data.evaluation.split}
        scores = [{"task": task, "dataset": dataset, "metrics": metrics}]
        front["model-index"] = [{"name": _line(data.title), "results": scores}]
    return front


def _verdict(data: ReportData) -> str:
    """Return the report's own opening, its headline in bold."""
    opening = open_report(data)
    return f"**{_line(plain(opening.headline))}** {_line(plain(' '.join(opening.sentences)))}"


def _about(data: ReportData) -> str:
    facts = [f"- Base model: `{_line(data.model.base_model)}`"]
    if data.model.max_tokens:
        facts.append(f"- Longest input: {counted(data.model.max_tokens, 'token')}")
    if data.model.dimensions:
        facts.append(f"- Vectors: {count(data.model.dimensions)} dimensions, of length 1; cosine")
    if keeps_index(data):
        facts.append(f"- {INDEX_STAYS}")
    facts.append(f"- Made: {_line(data.created)}")
    return "\n".join(facts)


def _measures(data: ReportData) -> str:
    measures, asked = measures_shown(data), describe_questions(data, "its maker's")
    unit = UNIT_NAMES.get(data.evaluation.cluster_unit, data.evaluation.cluster_unit)
    lines = [
        "## Measured",
        "",
        f"{asked}, each searched in {counted(data.evaluation.n_passages, 'passage')}. In percent, "
        f"with 95 % intervals (bootstrap over {unit}s).",
        "",
        "| | " + " | ".join(measure_name(m) for m in measures) + " |",
        "|---|" + "---|" * len(measures),
    ]
    for name in ranked_contenders(data):
        result = data.evaluation.contenders[name]
        cells = []
        for measure in measures:
            cell = bare_percent(result.measures[measure]) if measure in result.measures else "–"
            interval = result.intervals.get(measure)
            cells.append(f"{cell} ({percent_range(interval)})" if interval else cell)
        lines.append(f"| {_line(short_name(data, name))} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _training(data: ReportData) -> str:
    log = data.training
    if log is None:
        return ""
    kept = "the base model's weights were kept" if log.kept == "base" else f"step {log.best_step}"
    return plain(
        f"## Training\n\n{counted(log.n_pairs, 'pair')} of question and passage "
        f"({counted(log.n_passages, 'passage')}, {counted(log.n_tokens, 'token')}) in "
        f"{duration(log.seconds)}; {LOSSES.get(log.settings.get('recipe', ''), LOSSES['full'])}"
        f"{_mined(log)}. Kept by development nDCG@10: {kept}."
    )


def _mined(log: TrainingLog) -> str:
    share = log.false_negative_fraction
    if share is None:
        return ""
    return (
        f", and mined passages beside them, of whose candidates {percent(share)} were passed over "
        "as probable answers"
    )


def _data_facts(data: ReportData) -> str:
    facts = data.dataset
    lines = [
        "## Data",
        "",
        f"{counted(facts.n_documents, 'document')}, {counted(facts.n_passages, 'passage')}, of "
        f"which {count(facts.n_duplicates)} in {counted(facts.n_duplicate_groups, 'group')} of "
        "duplicates.",
    ]
    if facts.questions:
        lines += ["", "| questions | writer | " + " | ".join(facts.splits) + " |"]
        lines.append("|---|---|" + "---|" * len(facts.splits))
        for kind in facts.questions:
            counts = " | ".join(count(kind.n_by_split.get(s, 0)) for s in facts.splits)
            lines.append(f"| {_line(kind.kind) or '–'} | {_line(kind.writer) or '–'} | {counts} |")
    if data.audit is not None and data.audit.clean:
        lines += ["", "The splits share no passage, no near-duplicate and no question."]
    return "\n".join(lines)


def _making(data: ReportData) -> str:
    """Return what makes the model again: the command, and the versions it was made with."""
    lines = ["## Made with", "", "```", data.command, "```"]
    if data.versions:
        lines += ["", "| library | version |", "|---|---|"]
        lines += [f"| {_line(name)} | {_line(v)} |" for name, v in data.versions.items() if v]
    return "\n".join(lines)


def _limits(data: ReportData) -> str:
    caveats = [f"- {_line(caveat.text)}" for caveat in open_report(data).caveats]
    general = (
        "- It was tuned for these documents; on others, and on other tasks than retrieval, it may "
        "do worse than its base."
    )
    return "\n".join(["## Limits", "", *caveats, general])


def _line(text: str) -> str:
    """Return text from outside as one line that no Markdown table or HTML takes for its own."""
    one_line = " ".join(text.split())
    return one_line.replace("|", "\\|").replace("<", "&lt;")
