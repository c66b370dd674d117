"""What each family of models expects before a question and before a passage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homing.retrieval.prompts import NO_PROMPTS, Prompts, prompts_for, read_saved_prompts

SEARCH = "Represent this sentence for searching relevant passages: "
TASK = "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("BAAI/bge-small-en", SEARCH, ""),
        ("BAAI/bge-base-en-v1.5", SEARCH, ""),
        ("BAAI/bge-large-zh-v1.5", "为这个句子生成表示以用于检索相关文章：", ""),
        ("BAAI/bge-m3", "", ""),
        (
            "BAAI/bge-multilingual-gemma2",
            "<instruct>Given a web search query, retrieve relevant passages that answer the query."
            "\n<query>",
            "",
        ),
        ("intfloat/e5-small-v2", "query: ", "passage: "),
        ("intfloat/multilingual-e5-base", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large-instruct", TASK + "Query: ", ""),
        ("intfloat/e5-mistral-7b-instruct", TASK + "Query: ", ""),
        ("thenlper/gte-base", "", ""),
        ("Alibaba-NLP/gte-modernbert-base", "", ""),
        ("Alibaba-NLP/gte-Qwen2-1.5B-instruct", TASK + "Query: ", ""),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("nomic-ai/modernbert-embed-base", "search_query: ", "search_document: "),
        ("Snowflake/snowflake-arctic-embed-m", SEARCH, ""),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", SEARCH, ""),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("Qwen/Qwen3-Embedding-0.6B", TASK + "Query:", ""),
        ("mixedbread-ai/mxbai-embed-large-v1", SEARCH, ""),
        ("sentence-transformers/all-MiniLM-L6-v2", "", ""),
        ("all-mpnet-base-v2", "", ""),
        ("somebody/house-model", "", ""),
    ],
)
def test_each_family_gets_the_words_it_was_trained_with(name: str, query: str, passage: str):
    assert prompts_for(name) == Prompts(query, passage)


def test_a_name_that_merely_resembles_a_family_gets_nothing():
    assert prompts_for("acme/bge-small-english-teacher") == NO_PROMPTS
    assert prompts_for("acme/code5-base") == NO_PROMPTS


def test_what_a_model_has_saved_wins_over_its_family():
    saved = {"query": "Frage: ", "document": "Text: "}
    assert prompts_for("BAAI/bge-small-en-v1.5", saved) == Prompts("Frage: ", "Text: ")


def test_prompts_saved_as_blank_mean_trained_without():
    assert prompts_for("BAAI/bge-small-en-v1.5", {"query": "", "document": ""}) == NO_PROMPTS


def test_saved_prompts_for_other_tasks_leave_the_family_in_force():
    assert prompts_for("intfloat/e5-base", {"clustering": "cluster: "}).query == "query: "


def test_other_names_for_the_two_sides_are_understood():
    saved = {"search_query": "q: ", "retrieval.passage": "p: "}
    assert prompts_for("jina/some-model", saved) == Prompts("q: ", "p: ")


def test_a_folder_is_known_by_its_own_name(tmp_path: Path):
    folder = tmp_path / "bge-small-en-v1.5"
    folder.mkdir()
    assert prompts_for(str(folder)).query == SEARCH


def test_a_folder_is_known_by_the_base_model_on_its_card(tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "README.md").write_text(
        "---\nlicense: mit\nbase_model: intfloat/e5-base-v2\n---\n# My model\n"
    )
    assert prompts_for(str(folder)) == Prompts("query: ", "passage: ")


def test_a_folder_is_known_by_the_name_in_its_config(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"_name_or_path": "BAAI/bge-base-en"}))
    assert prompts_for(str(tmp_path)).query == SEARCH


def test_broken_files_in_a_folder_are_as_good_as_none(tmp_path: Path):
    (tmp_path / "config.json").write_text("{not json")
    (tmp_path / "config_sentence_transformers.json").write_text("[]")
    (tmp_path / "README.md").write_text("---\nbase_model: [unclosed\n---\n")
    assert prompts_for(str(tmp_path)) == NO_PROMPTS
    assert read_saved_prompts(tmp_path) == {}
