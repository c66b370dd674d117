"""Numbers, names, scripts and snippets that the report is put together from."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from dataclasses import replace
from importlib.resources import files

import pytest
from handbook_report import handbook_report
from hypothesis import given
from hypothesis import strategies as st

from homing import numbers
from homing.reporting.data import ModelFacts
from homing.reporting.leaderboard import ticks
from homing.reporting.looks import DASHES, SHAPES, SPARE_STYLES, styles
from homing.reporting.naming import short_name, spoken_name
from homing.reporting.packing import as_json, pack
from homing.reporting.places import root_of, safe_link
from homing.reporting.render import render_report
from homing.reporting.scripts import (
    LIBRARIES,
    SCRIPTS,
    STYLES,
    escape_script,
    licences,
    page_script,
)
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
    assert numbers.measure_name("hit@2000tokens") == "In 2,000 tokens"


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0004, "hardly chance (p < 0.001)"),
        (0.021, "unlikely chance (p = 0.021)"),
        (0.412, "may be chance (p = 0.412)"),
    ],
)
def test_p_is_said_in_words(p: float, text: str) -> None:
    assert numbers.plain(numbers.chance(p)) == text


def test_costs_have_the_unit_that_fits() -> None:
    sizes = [numbers.plain(numbers.byte_size(n)) for n in (640, 52_224, 1_234_567, 999_600_000)]
    assert sizes == ["640 B", "52 kB", "1.2 MB", "1.0 GB"]
    times = [numbers.plain(numbers.milliseconds(ms)) for ms in (0.42, 3.14, 215.4, 1_204.0)]
    assert times == ["0.42 ms", "3.1 ms", "215 ms", "1,204 ms"]
    assert [numbers.dollars(d) for d in (0.02, 1153.4)] == ["$0.02", "$1,153"]
    assert [numbers.rate(r) for r in (0.84, 3.14, 21_400.0)] == ["0.84", "3.1", "21,400"]


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
    assert "</script" not in page_script().lower()
    assert "<!--" not in page_script()


def test_every_script_and_style_of_the_folder_is_in_the_page() -> None:
    folder = files("homing.reporting") / "templates"
    assert {file.name for file in (folder / "script").iterdir()} == set(SCRIPTS)
    assert {file.name for file in (folder / "style").iterdir()} == set(STYLES)


def test_every_contender_has_a_colour_a_dash_and_a_shape() -> None:
    colours = (files("homing.reporting") / "templates/style/colours.css").read_text("utf-8")
    assert set(DASHES) == set(SHAPES) > set(SPARE_STYLES)
    for style in DASHES:
        assert colours.count(f"--c-{style}:") == 2, "one for light and one for dark"
        assert f".c-{style} {{" in colours


@given(st.text())
def test_data_in_the_page_can_be_no_markup(text: str) -> None:
    shown = as_json([text])
    assert not set("<>&") & set(shown)
    assert json.loads(shown) == [text]
    packed = pack([text])
    assert packed is not None
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed)


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("../handbook/people/pay.pdf", "../handbook/people/pay.pdf"),
        (
            "../handbook/Löhne & Gehälter #3?.pdf",
            "../handbook/L%C3%B6hne%20%26%20Geh%C3%A4lter%20%233%3F.pdf",
        ),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ('../a"onclick=x.pdf', "../a%22onclick%3Dx.pdf"),
        ("//evil.example/x.pdf", ""),
        ("/etc/passwd", ""),
        ("..\\x.pdf", ""),
        ("../x/../../y.pdf", ""),
        ("../a\n.pdf", ""),
        ("../page.html", ""),
        ("../drawing.SVG", ""),
        ("", ""),
    ],
)
def test_a_link_is_a_path_and_nothing_else(path: str, link: str) -> None:
    assert safe_link(path) == link


def test_documents_are_linked_below_the_folder_that_most_lie_in() -> None:
    files_of = ["../handbook/a.pdf", "../handbook/b/c.pdf", "../more/d.pdf", ""]
    assert root_of(files_of, ["a.pdf", "b/c.pdf", "d.pdf", "e.pdf"]) == "../handbook/"
    assert root_of(["x.pdf"], ["x.pdf"]) == ""
    assert root_of([], []) == ""


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


def test_a_tower_for_questions_is_asked_for_by_name_where_the_library_would_not() -> None:
    model = ModelFacts("m", "BAAI/bge-small-en", BGE, two_towers=True)
    transformers, llama_index, langchain = snippets(model)
    assert "encode_query" in transformers.code
    assert "self._model.encode_query(query, normalize_embeddings=True)" in llama_index.code
    assert 'TwoTowers(model_name="m"' in llama_index.code
    assert f'query_encode_kwargs={{"prompt": "{BGE}", "task": "query", ' in langchain.code
    for snippet in (llama_index, langchain):
        ast.parse(snippet.code)


def test_the_report_shows_what_was_tried_and_marks_what_was_kept() -> None:
    page = render_report(handbook_report())
    table = re.search(r'<table id="trials">.*?</table>', page, re.DOTALL)
    assert table is not None
    rows = re.findall(r"<tr.*?</tr>", table[0], re.DOTALL)[1:]
    assert len(rows) == 3
    assert "the base model" in rows[0]
    assert ["kept" in row for row in rows] == [False, False, True]
    assert "69.8" in rows[2]
    assert "74.1" in rows[2]
    report = handbook_report()
    assert report.training is not None
    untried = replace(report, training=replace(report.training, trials=()))
    assert 'id="trials"' not in render_report(untried)
