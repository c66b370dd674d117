"""The model card and the summary say what the report says, in short."""

from __future__ import annotations

from dataclasses import replace

import yaml
from handbook_full import full_report
from handbook_report import handbook_report
from handbook_text import SECTIONS

from homing.numbers import plain
from homing.reporting.model_card import card_for, render_model_card
from homing.reporting.terminal import summary_lines


def test_the_card_opens_with_front_matter_that_the_hub_reads() -> None:
    _, front, body = render_model_card(handbook_report()).split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["library_name"] == "sentence-transformers"
    assert facts["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert facts["pipeline_tag"] == "sentence-similarity"
    assert "license" not in facts
    metrics = facts["model-index"][0]["results"][0]["metrics"]
    assert {metric["name"]: metric["value"] for metric in metrics}["Hit@5"] == 0.7745
    assert body.lstrip().startswith("# Sailing school handbook")


def test_a_base_model_from_a_folder_is_not_announced_as_the_hubs() -> None:
    data = handbook_report()
    card = render_model_card(replace(data, model=replace(data.model, base_model="/home/me/model")))
    assert "base_model" not in yaml.safe_load(card.split("---\n", 2)[1])


def test_the_card_has_usage_measures_with_intervals_data_and_limits() -> None:
    card = render_model_card(handbook_report())
    assert 'SentenceTransformer("tuned/model")' in card
    assert "| Tuned model | 77.5 (71.6–83.3) |" in card
    assert "102 test questions written by the offline writer" in card
    assert "1,934 pairs of question and passage" in card
    assert "| cloze | extractive | 34 | 5 | 102 |" in card
    assert "not asked by people" in card.split("## Limits")[1]


def test_the_card_tells_nothing_out_of_the_documents() -> None:
    card = render_model_card(handbook_report())
    for section in SECTIONS:
        assert section.text[:40] not in card
        assert section.path not in card
        assert not any(question in card for question in section.questions)


def test_names_from_outside_break_neither_the_table_nor_the_front_matter() -> None:
    data = replace(handbook_report(), title="a: [b] | <script>\n---\nc")
    card = render_model_card(data)
    assert yaml.safe_load(card.split("---\n", 2)[1])["model-index"][0]["name"].startswith("a: [b]")
    assert "<script>" not in card.split("---\n", 2)[2]


def test_the_summary_is_the_verdict_and_an_aligned_table_in_plain_characters() -> None:
    lines = summary_lines(handbook_report())
    assert lines[0] == "BM25 fused with the tuned model scores highest."
    table = [line for line in lines if line.startswith(("BM25", "Tuned", "Base")) and "  " in line]
    assert [line.split("  ")[0] for line in table] == [
        "BM25 + tuned",
        "Tuned model",
        "BM25 + base",
        "Base model",
        "BM25",
    ]
    assert len({len(line) for line in table}) == 1
    assert "\n".join(lines).isascii()
    assert any(line.startswith("Note: The test questions were written") for line in lines)


def test_card_and_summary_open_with_the_verdict_of_the_evaluation() -> None:
    data = full_report()
    verdict = data.evaluation.verdict
    assert verdict is not None
    lines = summary_lines(data)
    assert lines[0] == verdict.headline
    assert " ".join(lines[2:]).startswith(plain(" ".join(verdict.reasons)))
    body = render_model_card(data).split("---\n", 2)[2]
    assert f"**{verdict.headline}** {plain(verdict.reasons[0])}".replace("<", "&lt;") in body
    assert "scores highest" not in body + "\n".join(lines)


def test_a_card_for_others_does_not_call_the_questions_theirs() -> None:
    data = handbook_report()
    given = replace(data, evaluation=replace(data.evaluation, query_source="people"))
    card = render_model_card(given)
    assert "102 of its maker's own test questions, each searched in 34 passages" in card
    assert "your" not in card.split("## Use")[0]


def test_the_card_says_what_a_recipe_minimised_and_that_an_index_stays() -> None:
    data = handbook_report()
    assert data.training is not None
    assert "symmetric InfoNCE" in render_model_card(data)
    log = replace(data.training, index_stays=True, settings={"recipe": "query"})
    card = render_model_card(replace(data, training=log))
    assert "over the whole corpus" in card
    assert "symmetric InfoNCE" not in card
    assert "- The stored index stays valid" in card


def test_the_card_says_how_it_was_made_and_with_what() -> None:
    made = render_model_card(handbook_report()).split("## Made with")[1].split("## ")[0]
    assert "homing run handbook/ --out tuned/ --seed 7" in made
    assert "| sentence-transformers | 6.1.0 |" in made
    assert "| torch | 2.13.0 |" in made


def test_a_card_can_be_given_another_place_to_load_the_model_from() -> None:
    data = handbook_report()
    data = replace(data, model=replace(data.model, path='odd "folder"\\model'))
    card = card_for(render_model_card(data), "me/handbook-minilm")
    assert card.count('"me/handbook-minilm"') == 3
    assert "odd" not in card
    assert card_for("no snippet", "me/handbook-minilm") == "no snippet"


def test_the_hubs_own_reader_takes_the_front_matter() -> None:
    from huggingface_hub import ModelCard

    data = handbook_report()
    card = ModelCard(render_model_card(data), ignore_metadata_errors=False)
    found = {result.metric_type: result.metric_value for result in card.data.eval_results}
    measures = data.evaluation.contenders["tuned"].measures
    assert found["hit_at_5"] == round(measures["hit@5"], 4)
    assert card.data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert {result.dataset_type for result in card.data.eval_results} == {"private"}
