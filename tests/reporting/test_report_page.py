"""The page: whole in itself, the same for the same data, and safe whatever the documents say."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from handbook_report import handbook_passages, handbook_report
from selectolax.lexbor import LexborHTMLParser

from homing.reporting.data import QuestionKind, ReportData, count_questions
from homing.reporting.render import render_report
from homing.types import Audit, Query, Rejection

ATTACK = "<script>alert(1)</script></script><img src=x onerror=alert(2)>\"'&<!--"


@pytest.fixture(scope="module")
def page() -> LexborHTMLParser:
    return LexborHTMLParser(render_report(handbook_report()))


def text_of(page: LexborHTMLParser, selector: str) -> str:
    """Return an element's text with spaces run together."""
    node = page.css_first(selector)
    assert node is not None, selector
    return " ".join(node.text().split())


def test_the_page_opens_with_the_winner_and_the_plain_sentence(page: LexborHTMLParser) -> None:
    assert text_of(page, "h1") == "BM25 fused with the tuned model scores highest."
    leads = [node.text() for node in page.css(".lead")]
    assert "the base model for 53.9" in leads[1]
    assert "102 questions, resampled by document" in leads[1]
    assert [node.text() for node in page.css(".way .to")] == ["77.5", "67.3", "58.9"]


def test_the_chapters_stand_in_their_order(page: LexborHTMLParser) -> None:
    assert [node.attributes["id"] for node in page.css("h2")] == [
        "contenders",
        "depth",
        "won-and-lost",
        "training",
        "questions",
        "dropped",
        "audit",
        "use",
        "made",
    ]
    anchors = [node.attributes["href"] for node in page.css("nav a")]
    assert all(page.css_first(str(anchor)) for anchor in anchors)


def test_the_table_has_every_contender_the_best_first_and_bold(page: LexborHTMLParser) -> None:
    rows = page.css("#leaderboard tbody tr")
    names = [" ".join(row.css_first(".name").text().split()) for row in rows]
    assert names == ["BM25 + tuned", "Tuned model", "BM25 + base", "Base model", "BM25"]
    assert rows[0].css_first(".best").text() == "84.3"
    assert rows[0].css_first(".num .spread").text() == "79.2–90.5"
    assert "n = 102" in text_of(page, "#contenders-note")


def test_twenty_won_and_twenty_lost_open_on_both_models_passages(page: LexborHTMLParser) -> None:
    drawers = page.css("#most-changed .ranked")
    assert [len(drawer.css("details")) for drawer in drawers] == [20, 20]
    first = drawers[0].css_first("details")
    assert first.css_first("summary .question").text() == "how fast must we answer criticism"
    assert [len(side.css(".hit")) for side in first.css(".sides > div")] == [3, 3]
    assert "rank 21 → 1" in " ".join(first.css_first(".ranks").text().split())
    assert "30 → >30" in drawers[1].text()
    right = first.css_first(".hit.right")
    assert "Feedback > Complaints" in right.text()
    assert "teaching/feedback.md" in right.text()


def test_without_javascript_every_chart_has_its_numbers_in_an_open_table(
    page: LexborHTMLParser,
) -> None:
    figures = page.css("figure.plot")
    assert len(figures) == 3
    assert all("open" in figure.css_first("details").attributes for figure in figures)
    hits = figures[0].css("tbody tr")
    assert len(hits) == 5
    cells = [cell.text() for cell in hits[0].css("td")]
    assert cells[0] == "51.0"
    assert cells[3] == "84.3"


def test_rejections_are_counted_by_reason_with_one_to_look_at(page: LexborHTMLParser) -> None:
    drawer = page.css("section:has(#dropped) details")
    summaries = [" ".join(node.css_first("summary").text().split()) for node in drawer]
    assert summaries == [
        "Too short write7",
        "Duplicate question curate2",
        "No text layer ingest1",
        "Table of contents write1",
    ]
    assert "Run OCR over it" in drawer[2].text()


def test_the_audit_is_green_when_nothing_is_shared_and_red_else(page: LexborHTMLParser) -> None:
    assert "Nothing is shared" in text_of(page, ".note.good")
    leak = Audit({("train", "test"): {"passages": 3, "near_duplicates": 0, "questions": 0}})
    leaking = LexborHTMLParser(render_report(replace(handbook_report(), audit=leak)))
    assert "The splits share something" in text_of(leaking, ".note.bad")
    assert leaking.css_first(".note.good") is None


def test_command_versions_machine_timings_and_settings_are_shown(page: LexborHTMLParser) -> None:
    made = text_of(page, "section:has(#made)")
    assert "homing run handbook/ --out tuned/ --seed 7" in made
    assert "torch2.13.0" in made
    assert "x86-64, 2 cores" in made
    assert "Together104" in made
    assert "max_tokens: 256" in made


def test_equal_data_give_equal_bytes_below_three_megabytes() -> None:
    first, second = render_report(handbook_report()), render_report(handbook_report())
    assert first == second
    assert len(first.encode("utf-8")) < 3_000_000


def test_nothing_in_the_page_points_outside(page: LexborHTMLParser) -> None:
    policy = page.css_first("meta[http-equiv]").attributes["content"] or ""
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]
    assert page.css("script[src], img, iframe, object, embed") == []
    assert [link.attributes["href"] for link in page.css("link")] == ["data:,"]
    assert "sourceMappingURL" not in (page.html or "")
    assert not re.search(r"url\(|@import", text_of(page, "style"))


def attacked() -> ReportData:
    """Return a report in which every text from outside tries to be markup."""
    data = handbook_report()
    contenders = {
        name: replace(result, spec=ATTACK if name == "base" else result.spec)
        for name, result in data.evaluation.contenders.items()
    }
    return replace(
        data,
        title=ATTACK,
        command=ATTACK,
        evaluation=replace(data.evaluation, contenders=contenders, notes=(ATTACK,)),
        model=replace(data.model, path=ATTACK, query_prompt=ATTACK),
        query_texts=dict.fromkeys(data.query_texts, ATTACK),
        passages={
            passage_id: replace(passage, text=ATTACK, heading_path=(ATTACK,))
            for passage_id, passage in handbook_passages().items()
        },
        document_paths=dict.fromkeys(data.document_paths, ATTACK),
        rejections=[Rejection(ATTACK, ATTACK, ATTACK, ATTACK, ATTACK)],
        ablation_notes=(ATTACK,),
        dataset=replace(
            data.dataset, questions=(QuestionKind(ATTACK, ATTACK, {"test": 1}, (ATTACK,)),)
        ),
        settings={ATTACK: ATTACK},
        versions={ATTACK: ATTACK},
    )


def test_text_of_documents_never_becomes_markup() -> None:
    page = LexborHTMLParser(render_report(attacked()))
    running = [s for s in page.css("script") if s.attributes.get("type") is None]
    assert len(running) == 1
    assert page.css("img") == []
    assert page.css_first("#most-changed .hit .text").text().strip() == ATTACK
    assert page.css_first("footer") is not None


def test_chart_data_survive_the_attack_as_data() -> None:
    data = handbook_report()
    contenders = {
        f"</script>{name}" if name == "bm25" else name: result
        for name, result in data.evaluation.contenders.items()
    }
    contenders["</script>bm25"] = replace(contenders["</script>bm25"], spec="</script>")
    evaluation = replace(data.evaluation, contenders=contenders, comparisons=[])
    html = render_report(replace(data, evaluation=evaluation))
    source = LexborHTMLParser(html).css_first("#page-data").text()
    assert "<" not in source
    charts = json.loads(source)["charts"]
    names = {row["contender"] for row in charts["chart-hits"]["data"]["values"]}
    assert "</script>bm25" in names


def test_what_did_not_go_as_planned_in_training_is_said() -> None:
    data = handbook_report()
    assert data.training is not None
    note = "the loss is nan at step 37, so the learning rate was halved to 5e-05"
    page = LexborHTMLParser(
        render_report(replace(data, training=replace(data.training, note=note)))
    )
    section = page.css_first("section:has(#training)")
    assert "The loss is nan at step 37, so the learning rate was halved to 5e-05." in section.text()


def test_a_sparse_report_has_no_empty_chapters() -> None:
    data = handbook_report()
    evaluation = replace(data.evaluation, runs={}, comparisons=[])
    sparse = replace(
        data,
        evaluation=evaluation,
        training=None,
        audit=None,
        rejections=(),
        hit_curve={},
        ablation_notes=(),
        settings={},
        stage_seconds={},
    )
    page = LexborHTMLParser(render_report(sparse))
    ids = [node.attributes["id"] for node in page.css("h2")]
    assert "training" not in ids
    assert "won-and-lost" not in ids
    assert "Nothing was dropped" in text_of(page, "section:has(#dropped)")
    charts = json.loads(page.css_first("#page-data").text())["charts"]
    assert sorted({row["k"] for row in charts["chart-hits"]["data"]["values"]}) == [1, 3, 5, 10]


def test_questions_are_counted_by_kind_writer_and_split() -> None:
    asked = [Query(f"p{n}", f"asked {n}", "", "person") for n in range(3)]
    cloze = [Query(f"c{n}", f"cloze {n}", "cloze", "extractive") for n in range(5)]
    kinds = count_questions({"train": cloze[:4], "test": [cloze[4], *asked]}, n_examples=2)
    assert [(kind.kind, kind.writer, kind.n) for kind in kinds] == [
        ("cloze", "extractive", 5),
        ("", "person", 3),
    ]
    assert kinds[0].n_by_split == {"train": 4, "test": 1}
    assert kinds[0].examples == ("cloze 0", "cloze 1")
