"""Numbers, names, scripts and snippets that the report is put together from."""

from __future__ import annotations

import ast
import hashlib
import re
from dataclasses import replace
from importlib.resources import files

import pytest
from handbook_report import handbook_report
from hypothesis import given
from hypothesis import strategies as st

from homing.reporting import numbers
from homing.reporting.data import ModelFacts
from homing.reporting.leaderboard import ticks
from homing.reporting.naming import short_name, spoken_name, styles
from homing.reporting.scripts import LIBRARIES, escape_script, licences, page_scripts
from homing.reporting.snippets import prompt_sentence, snippets
from homing.types import ContenderResult

BGE = "Represent this sentence for searching relevant passages: "


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (81.3, "81 s"),
        (135, "2 min 15 s"),
        (3840, "1 h 4 min"),
        (7199, "2 h 0 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert numbers.plain(numbers.duration(seconds)) == text


def test_a_difference_has_a_sign_unless_it_is_nothing() -> None:
    assert [numbers.points(d) for d in (0.0804, -0.03, 0.0, -0.0001)] == [
        "+8.0",
        "−3.0",
        "0.0",
        "0.0",
    ]


def test_counts_agree_with_their_noun() -> None:
    assert numbers.counted(1, "question") == "1 question"
    assert numbers.counted(1153, "passage") == "1,153 passages"


def test_measures_are_written_as_the_field_writes_them() -> None:
    shown = [
        numbers.measure_name(m) for m in ("hit@5", "ndcg@10", "mrr@10", "map@100", "recall@10")
    ]
    assert shown == ["Hit@5", "nDCG@10", "MRR@10", "MAP@100", "Recall@10"]


def test_contenders_are_named_by_what_they_are() -> None:
    data = handbook_report()
    results = dict(data.evaluation.contenders)
    del results["bm25+tuned"]
    results["mine"] = ContenderResult("mine", "fusion( tuned, bm25 , 0.3)", {"hit@5": 0.5}, {})
    results["ada"] = ContenderResult("ada", "text-embedding-ada-002", {"hit@5": 0.5}, {})
    data = replace(data, evaluation=replace(data.evaluation, contenders=results))
    assert spoken_name(data, "mine") == "BM25 fused with the tuned model"
    assert short_name(data, "mine") == "BM25 + tuned"
    assert short_name(data, "tuned") == "Tuned model"
    assert (spoken_name(data, "ada"), short_name(data, "ada")) == ("ada", "ada")
    blend = replace(results["tuned"], spec="fusion(bm25,base)")
    blended = replace(data.evaluation, contenders={**results, "tuned": blend})
    assert short_name(replace(data, evaluation=blended), "tuned") == "Tuned model"
    looks = styles(data)
    assert looks["mine"] == "fused-tuned"
    assert len(set(looks.values())) == len(looks)


def test_contenders_of_one_make_are_told_apart_by_their_names() -> None:
    data = handbook_report()
    results = dict(data.evaluation.contenders)
    results["light"] = ContenderResult("light", "fusion(bm25,tuned,0.2)", {"hit@5": 0.5}, {})
    data = replace(data, evaluation=replace(data.evaluation, contenders=results))
    assert short_name(data, "light") == "BM25 + tuned (light)"
    assert short_name(data, "bm25+tuned") == "BM25 + tuned (bm25+tuned)"


def test_the_axis_has_few_round_ticks_inside_the_drawing() -> None:
    found = ticks(handbook_report())
    assert [label for _, label in found] == ["50", "60", "70", "80", "90"]
    assert all(0 <= x <= 200 for x, _ in found)


def test_the_vendored_libraries_are_the_published_builds() -> None:
    vendor = files("homing.reporting") / "vendor"
    readme = (vendor / "README.md").read_text(encoding="utf-8")
    for name in LIBRARIES:
        found = hashlib.sha256((vendor / name).read_bytes()).hexdigest()
        assert re.search(rf"`{re.escape(name)}` .* `{found}`", readme), name
    assert "University of Washington Interactive Data Lab" in licences()


@given(st.text(alphabet="<>/!-scriptSCRIPT \n"))
def test_no_script_can_close_its_element(text: str) -> None:
    source = escape_script(f"const a = '{text}</ScRiPt><!--';")
    assert "</script" not in source.lower()
    assert "<!--" not in source


def test_the_pages_own_scripts_cannot_close_their_element() -> None:
    assert len(page_scripts()) == len(LIBRARIES) + 1
    assert not any("</script" in source.lower() for source in page_scripts())


def test_each_snippet_is_five_lines_of_python() -> None:
    for snippet in snippets(ModelFacts('odd "folder"\\model', "base", BGE, "passage: ")):
        assert len(snippet.code.splitlines()) == 5
        strings = [
            n.value for n in ast.walk(ast.parse(snippet.code)) if isinstance(n, ast.Constant)
        ]
        assert 'odd "folder"\\model' in strings


def test_a_model_without_prompts_is_used_without() -> None:
    model = ModelFacts("tuned/model", "sentence-transformers/all-MiniLM-L6-v2")
    code = "\n".join(snippet.code for snippet in snippets(model))
    assert "needs no prompt" in prompt_sentence(model)
    assert "prompt" not in code
    assert "instruction" not in code
    assert 'HuggingFaceEmbeddings(model_name="tuned/model", encode_kwargs=' in code


def test_prompts_are_handed_to_the_libraries_that_would_drop_them() -> None:
    transformers, llama_index, langchain = snippets(ModelFacts("m", "BAAI/bge-small-en", BGE))
    assert "encode_query" in transformers.code
    assert f'query_instruction="{BGE}"' in llama_index.code
    assert "text_instruction" not in llama_index.code
    assert (
        f'query_encode_kwargs={{"prompt": "{BGE}", "normalize_embeddings": True}}' in langchain.code
    )
