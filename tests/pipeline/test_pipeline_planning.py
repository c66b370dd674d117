"""What a plan says follows from its rates, and its rates from what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from homing.errors import NothingToDoError, UsageError
from homing.pipeline import plan_calibration
from homing.pipeline.plan_calibration import calibrate
from homing.pipeline.plan_making import Wanted, make_plan, node_of
from homing.pipeline.plan_model import Shape, shape_of
from homing.pipeline.plan_nodes import ACCELERATORS, NODE_KINDS, REACHED, NodeKind
from homing.pipeline.plan_rates import Rate, Rates, StageRate
from homing.pipeline.plan_sample import bundled_sample, take_sample
from homing.pipeline.plan_types import Plan, Size, Writing, parse_count
from homing.pipeline.plan_writing import writing_of
from homing.pipeline.planning import plan
from homing.settings import WriteSettings
from homing.types import Passage, content_id

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "scale.json"
STAGES = ("ingest", "write", "curate")
NODE = NodeKind("a machine of four cores", 4, 32 * 10**9, usd_per_hour=2.0)
SOURCE = "measured here"
MINILM = Shape(6, 384, 1536, "written down here")


def measured() -> Rates:
    """Rates that are easily worked out by hand: a passage takes 1 ms to lead and 4 ms to work."""
    return Rates(
        stages=dict.fromkeys(STAGES, StageRate(2.0, 0.001, 0.004, 500, SOURCE)),
        tokens=Rate(100, SOURCE),
        questions=Rate(2, SOURCE),
        tokenize_s=Rate(0.0002, SOURCE),
        flops=Rate(MINILM.flops(100), SOURCE),
        search_flops=Rate(50e9, SOURCE),
        bm25_bytes=Rate(600, SOURCE),
        measured_on="four reports",
        embed_s=Rate(0.02, SOURCE),
    )


def stage_of(found: Plan, name: str):
    return next(stage for stage in found.stages if stage.name == name)


def test_ten_million_passages_take_a_thousand_times_what_ten_thousand_take():
    small, large = (plan(Size(n, NODE), measured()) for n in (10_000, 10_000_000))
    for name in STAGES:
        few, many = stage_of(small, name), stage_of(large, name)
        assert many.seconds - 2.0 == pytest.approx(1000 * (few.seconds - 2.0))
        assert many.kept_bytes == pytest.approx(1000 * few.kept_bytes)
    assert stage_of(large, "embed").seconds == pytest.approx(
        1000 * stage_of(small, "embed").seconds
    )


def test_a_stage_takes_what_leads_it_and_its_workers_share():
    found = stage_of(plan(Size(1_000_000, NODE), measured()), "write")
    assert found.seconds == pytest.approx(2.0 + 1000.0 + 4000.0 / 4)
    assert found.core_s == pytest.approx(4000.0)
    assert found.usd == pytest.approx(found.seconds / 3600 * 2.0)


def test_more_machines_shorten_the_work_but_not_what_one_process_does():
    one, ten = (plan(Size(1_000_000, NODE, n_nodes), measured()) for n_nodes in (1, 10))
    assert ten.seconds < one.seconds
    for name in STAGES:
        assert stage_of(ten, name).driver_s == stage_of(one, name).driver_s
        assert stage_of(ten, name).seconds > stage_of(ten, name).driver_s
    thousand = plan(Size(1_000_000, NODE, 1000), measured())
    assert stage_of(thousand, "curate").seconds > 1000.0
    assert 1 < one.useful_nodes() < 1000


def test_the_sizing_rule_is_the_same_for_every_size_of_corpus():
    few, many = (plan(Size(n, NODE, train_passages=1), measured()) for n in (10**6, 10**9))
    for name in ("core_hours", "driver_hours", "gigabytes"):
        assert many.per_million()[name] == pytest.approx(few.per_million()[name], rel=0.01)


def test_vectors_of_twice_the_length_take_twice_the_room():
    short, long = (plan(Size(1000, NODE, dimensions=d), measured()) for d in (384, 768))
    assert stage_of(long, "embed").kept_bytes == 2 * stage_of(short, "embed").kept_bytes


def test_an_accelerator_of_the_table_is_worked_out_from_its_peak_and_says_so():
    rates = replace(measured(), embed_s=None, tokenize_s=Rate(1e-9, "no time at all"))
    found = stage_of(plan(Size(1_000_000, NODE_KINDS["l4"]), rates), "embed")
    expected = 1_000_000 * MINILM.flops(100) / (REACHED * ACCELERATORS["l4"].peak_flops)
    assert found.seconds == pytest.approx(expected)
    assert "not measured by us" in found.source
    assert found.core_s == 0


def test_an_accelerator_is_no_faster_than_its_machine_can_tokenize():
    rates = replace(measured(), tokenize_s=Rate(0.001, "timed"))
    found = stage_of(plan(Size(1_000_000, NODE_KINDS["h100"]), rates), "embed")
    assert found.seconds == pytest.approx(1_000_000 * 0.001 / 16)
    assert "tokenize" in found.source


def test_what_was_not_measured_has_neither_hours_nor_dollars():
    found = plan(Size(1000, NODE), replace(measured(), embed_s=None))
    assert stage_of(found, "embed").seconds is None
    assert stage_of(found, "embed").source == "not measured"
    assert found.seconds is None
    assert found.usd is None
    assert stage_of(found, "ingest").usd is not None


def test_machines_without_a_price_have_no_dollars_but_hours():
    found = plan(Size(1000, replace(NODE, usd_per_hour=None)), measured())
    assert found.usd is None
    assert found.seconds is not None


def test_a_price_of_ones_own_goes_before_the_table():
    assert node_of(Wanted(gpu="h100")).usd_per_hour == NODE_KINDS["h100"].usd_per_hour
    own = node_of(Wanted(gpu="h100", usd_per_hour=1.5))
    assert (own.usd_per_hour, own.price_source) == (1.5, "--usd-per-hour")


def test_every_price_and_peak_has_a_source():
    for kind in NODE_KINDS.values():
        assert kind.usd_per_hour
        assert "2026" in kind.price_source
    for accelerator in ACCELERATORS.values():
        assert "data sheet" in accelerator.source


def test_a_language_model_is_billed_beside_the_machines():
    rates = measured()
    calm = plan(Size(10_000, NODE), rates)
    asked = plan(Size(10_000, NODE), rates, Writing("openai:gpt-5-mini", 0.001, 0.03, "estimated"))
    assert stage_of(asked, "write").seconds == pytest.approx(300.0)
    billed = stage_of(asked, "write").usd - 300.0 / 3600 * 2.0
    assert billed == pytest.approx(10.0)
    assert asked.sources["language model"] == "estimated"
    assert stage_of(asked, "curate") == stage_of(calm, "curate")


def test_what_gives_way_first_comes_first_and_moves_with_the_machine():
    found = plan(Size(10**9, NODE), measured())
    sizes = [limit.n_passages for limit in found.limits]
    assert sizes == sorted(sizes)
    larger = plan(Size(10**9, replace(NODE, memory_bytes=10 * NODE.memory_bytes)), measured())
    in_memory = [
        next(limit.n_passages for limit in p.limits if "memory of the leading" in limit.what)
        for p in (found, larger)
    ]
    assert in_memory[1] > 5 * in_memory[0]


@pytest.mark.parametrize(
    ("text", "n"),
    [("10M", 10_000_000), ("1.5B", 1_500_000_000), ("250k", 250_000), ("40,000", 40_000), ("7", 7)],
)
def test_numbers_of_passages_are_understood_as_people_write_them(text, n):
    assert parse_count(text) == n
    assert parse_count(text.lower()) == n


@pytest.mark.parametrize("text", ["", "many", "0", "-5k", "10G", "1.2.3M"])
def test_what_is_no_number_of_passages_is_refused(text):
    with pytest.raises(UsageError, match="10M"):
        parse_count(text)


def test_the_shape_of_a_model_is_read_from_its_configuration(tiny_model):
    config = next(Path(tiny_model).rglob("config.json"))
    read = json.loads(config.read_text(encoding="utf-8"))
    found = shape_of(str(tiny_model))
    assert (found.layers, found.width) == (read["num_hidden_layers"], read["hidden_size"])


def passages(n: int) -> list[Passage]:
    text = "The quay is closed on Fridays after a storm, and the harbour master keeps the key. " * 5
    return [
        Passage(
            content_id(str(i)), "quay", i * 500, i * 500 + len(text), text, ("Quay", f"Day {i}")
        )
        for i in range(n)
    ]


def test_a_language_model_is_planned_for_without_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = writing_of(WriteSettings(writer="openai:gpt-5-mini"), passages(30))
    assert 0.00001 < found.usd_per_passage < 0.01
    dearer = writing_of(WriteSettings(writer="openai:gpt-5"), passages(30))
    assert dearer.usd_per_passage > found.usd_per_passage
    half = writing_of(WriteSettings(writer="openai:gpt-5-mini", batch=True), passages(30))
    assert half.usd_per_passage == pytest.approx(found.usd_per_passage / 2)


def test_a_language_model_that_nobody_knows_the_price_of_has_none():
    found = writing_of(WriteSettings(writer="openai:my-own-model"), passages(5))
    assert found.usd_per_passage is None


def test_a_sample_is_some_of_the_files_and_a_few_of_those(tmp_path):
    for i in range(900):
        file = tmp_path / "docs" / f"{i:03d}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"# Page {i}\n\n" + "The quay is closed. " * 200, encoding="utf-8")
    found = take_sample([str(tmp_path / "docs")], tmp_path / "sample")
    whole, small = (len(list(folder.iterdir())) for folder in (found.whole, found.small))
    assert 1 < small < whole < 900
    assert found.all_bytes == sum(file.stat().st_size for file in (tmp_path / "docs").iterdir())
    assert found.said == f"{whole} of your 900 files"


def test_the_documents_that_come_with_homing_stand_in_where_there_are_none(tmp_path):
    found = bundled_sample(tmp_path)
    assert found.all_bytes is None
    assert len(list(found.whole.iterdir())) > 20


def test_no_document_at_all_is_nothing_to_plan_by(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToDoError):
        take_sample([str(tmp_path / "empty")], tmp_path / "sample")


@pytest.fixture
def few_will_do(monkeypatch):
    """Take a handbook of some dozen passages for enough to measure by."""
    monkeypatch.setattr(plan_calibration, "MIN_PASSAGES", 5)


@pytest.mark.slow
def test_rates_come_from_running_the_stages_on_the_documents(handbook, settings, few_will_do):
    overrides = {name: settings[name] for name in ("ingest.max_tokens", "train.base_model")}
    found = calibrate([str(handbook)], overrides, embeds=False)
    assert set(found.rates.stages) == set(STAGES)
    for rate in found.rates.stages.values():
        assert rate.driver_s + rate.worker_s > 0
        assert rate.kept_bytes > 0
        assert "measured now on this machine" in rate.source
    assert found.n_passages == len(found.sample)
    assert 5 < found.rates.tokens.value < 64 * 1.5


@pytest.mark.slow
def test_a_few_documents_are_counted_but_not_measured_by(handbook, settings):
    overrides = {name: settings[name] for name in ("ingest.max_tokens", "train.base_model")}
    found = calibrate([str(handbook)], overrides, embeds=False)
    assert "since yours are few" in found.rates.measured_on
    assert found.n_passages is not None
    assert found.n_passages < plan_calibration.MIN_PASSAGES <= len(found.sample)


@pytest.mark.slow
def test_a_workspace_is_planned_for_by_its_own_settings_and_documents(copied, few_will_do):
    found = make_plan([str(copied)], Wanted(gpu="none", n_nodes=10), {})
    assert found.size.n_nodes == 10
    assert 10 < found.size.n_passages < 1000
    assert stage_of(found, "embed").seconds > 0
    assert "embedded on cpu" in stage_of(found, "embed").source


def test_without_documents_the_number_of_passages_has_to_be_said(settings):
    overrides = {"train.base_model": settings["train.base_model"]}
    with pytest.raises(UsageError, match="--passages"):
        make_plan([], Wanted(gpu="h100"), overrides)  # before anything is measured


@pytest.fixture(scope="module")
def committed() -> dict[str, dict]:
    """The rows of the benchmark of scale, which are committed."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]


@pytest.mark.parametrize("name", STAGES)
def test_what_two_sizes_took_foretells_the_largest(name, committed):
    runs = {r["n_passages"]: r for r in committed.values() if r.get("engine") == "local"}
    one, two, *_, largest = sorted(runs)
    took = {n: runs[n]["stages"][name]["cpu_s"] for n in (one, two, largest)}
    slope = (took[two] - took[one]) / (two - one)
    rate = StageRate(took[one] - slope * one, 0.0, slope, 0.0, str(RESULTS))
    rates = replace(measured(), stages=dict.fromkeys(STAGES, rate))
    said = stage_of(plan(Size(largest, replace(NODE, cores=1)), rates), name).seconds
    assert 0.75 < said / took[largest] < 1.33


@pytest.mark.parametrize("name", STAGES)
def test_what_a_sample_promised_is_near_what_the_stages_took(name, committed):
    runs = {r["n_passages"]: r for r in committed.values() if r.get("engine") == "local"}
    for n in (10_000, 100_000):
        said = committed["estimates"]["plan"][str(n)][name]
        assert 0.5 < said["seconds"] / runs[n]["stages"][name]["seconds"] < 2.0
