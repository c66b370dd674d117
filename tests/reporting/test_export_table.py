"""The model card tells what each export costs."""

from __future__ import annotations

from handbook_report import handbook_report

from homing.reporting.export_table import ExportFacts, with_exports
from homing.reporting.model_card import render_model_card
from homing.types.evaluation import Interval

INT8 = ExportFacts(
    "onnx-int8",
    mean_cosine=0.99431,
    least_cosine=0.98712,
    n_bytes=23_400_000,
    ndcg=0.7361,
    difference=Interval(-0.0021, -0.0048, 0.0009),
    n_queries=790,
)
FLOAT = ExportFacts("safetensors", mean_cosine=1.0, least_cosine=1.0)


def test_each_export_has_a_row_with_its_interval() -> None:
    card = with_exports(render_model_card(handbook_report()), [INT8, FLOAT])
    section = card.split("## Exports")[1].split("\n## ")[0]
    assert "790 test questions" in section
    row = "| onnx-int8 | 23 MB | 0.99431 | 0.98712 | 73.6 | −0.2 (−0.5 to +0.1) |"
    assert row in section
    assert "| safetensors | – | 1.00000 | 1.00000 | – | – |" in section
    assert card.index("## Data") < card.index("## Exports") < card.index("## Made with")


def test_a_table_takes_the_place_of_the_one_before_and_goes_with_its_exports() -> None:
    bare = render_model_card(handbook_report())
    once = with_exports(bare, [INT8])
    assert with_exports(once, [INT8]) == once
    assert with_exports(with_exports(bare, [FLOAT]), [INT8]) == once
    assert with_exports(once, []) == bare
    assert with_exports(bare, []) == bare


def test_a_card_of_somebody_elses_gets_it_at_the_end() -> None:
    card = with_exports("# A model\n\nIts text.\n", [FLOAT])
    assert card.startswith("# A model\n\nIts text.\n\n## Exports\n")
    assert with_exports(card, []) == "# A model\n\nIts text.\n"
