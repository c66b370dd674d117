"""The page in a real browser: drawn, silent, narrow, dark, and still whole without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from threading import Thread
from urllib.request import urlopen

import pytest
from browsing import CONTRAST, Opener
from handbook_full import full_report
from test_report_page import attacked

from homing.reporting.render import render_report
from homing.reporting.spreadsheet import leaderboard_csv

pytestmark = pytest.mark.browser

CHARTS = ("#chart-hits", "#chart-latency", "#chart-index", "#chart-loss", "#chart-dev")


class Heard(BaseHTTPRequestHandler):
    """Answers every request, and remembers its path."""

    paths: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[HTTPServer]:
    """A server on this machine, to hear what the page asks for."""
    Heard.paths.clear()
    # Threads: Chromium opens an empty connection ahead of a frame that the policy then refuses.
    server = ThreadingHTTPServer(("127.0.0.1", 0), Heard)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_every_chart_is_drawn_without_a_complaint_or_a_request(open_report: Opener) -> None:
    page, complaints, requests = open_report(render_report(full_report()))
    for chart in CHARTS:
        page.wait_for_selector(f"{chart} .chart svg :is(.mark-line, .mark-symbol) path")
    assert page.locator("#chart-hits .mark-line path").count() >= 5
    assert complaints == []
    assert [url for url in requests if not url.startswith("file:")] == []
    assert len(requests) == 1


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_no_width_scrolls_sideways(open_report: Opener, width: int) -> None:
    html = render_report(full_report())
    page, _, _ = open_report(html, viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_mode_turns_page_and_charts_without_drawing_again(open_report: Opener) -> None:
    page, _, _ = open_report(color_scheme="light")

    def colours() -> list[str]:
        return page.evaluate(
            """() => [
                getComputedStyle(document.body).backgroundColor,
                getComputedStyle(document.querySelector('#chart-hits .mark-line path')).stroke,
                getComputedStyle(document.querySelector('#chart-hits .role-axis-label text')).fill,
            ]"""
        )

    light = colours()
    page.emulate_media(color_scheme="dark")
    dark = colours()
    assert light[0] == "rgb(250, 249, 246)"
    assert dark[0] == "rgb(20, 24, 27)"
    assert all(a != b for a, b in zip(light, dark, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_enough_to_be_read(open_report: Opener, scheme: str) -> None:
    page, _, _ = open_report(render_report(full_report()), color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    faint = page.evaluate(CONTRAST)
    assert faint == []


def test_without_javascript_the_numbers_are_there(open_report: Opener) -> None:
    page, complaints, _ = open_report(java_script_enabled=False)
    assert complaints == []
    assert page.locator("#chart-hits table").is_visible()
    assert not page.locator("#chart-hits .chart").is_visible()
    assert page.locator("#chart-dev table").is_visible()


def test_hostile_documents_run_nothing(open_report: Opener) -> None:
    dialogs: list[str] = []
    page, complaints, requests = open_report(render_report(attacked()))
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.wait_for_timeout(200)
    assert (dialogs, complaints, len(requests)) == ([], [], 1)


def test_paper_is_white_even_from_a_dark_screen(open_report: Opener) -> None:
    page, _, _ = open_report(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("dark", 390)])
def test_axe_finds_nothing_serious(open_report: Opener, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.base")
    size = {"width": width, "height": 900}
    page, _, _ = open_report(render_report(full_report()), color_scheme=scheme, viewport=size)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.wait_for_selector("#explored .hit")
    page.evaluate(axe.AXE_SCRIPT)
    found = page.evaluate("axe.run().then(result => result.violations)")
    serious = [
        (violation["id"], violation["nodes"][0]["html"][:200])
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_the_policy_refuses_every_way_out(open_report: Opener, listener: HTTPServer) -> None:
    page, _, _ = open_report()
    away = f"http://127.0.0.1:{listener.server_port}/"
    refused = page.evaluate(REFUSALS, away)
    assert set(refused) >= {"connect-src", "img-src", "script-src-elem", "frame-src"}
    assert Heard.paths == []
    urlopen(away, timeout=10).read()
    assert Heard.paths == ["/"], "it would have heard"


def test_the_leaderboard_is_sorted_by_keyboard_and_says_so(open_report: Opener) -> None:
    page, _, _ = open_report(render_report(full_report()))
    head = page.locator("#leaderboard thead th", has_text="Index")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert page.locator("#leaderboard .name").all_inner_texts()[0] == "BM25"
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert page.locator("#leaderboard [aria-sort]").count() == 1
    page.get_by_role("button", name="Contender").click()
    names = page.locator("#leaderboard .name").all_inner_texts()
    assert names == ["Base model", "BM25", "BM25 + base", "BM25 + tuned", "Tuned model"]


def test_what_was_not_measured_sorts_below_whichever_way(open_report: Opener) -> None:
    page, _, _ = open_report(render_report(full_report()))
    price = page.get_by_role("button", name="$ a million", exact=True)
    for _ in range(2):
        price.click()
        assert page.locator("#leaderboard .name").first.inner_text() == "BM25 + tuned"


def test_the_leaderboard_is_saved_as_csv_without_a_request(open_report: Opener) -> None:
    data = full_report()
    page, complaints, requests = open_report(render_report(data), accept_downloads=True)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    saved = download.value
    assert saved.suggested_filename == "leaderboard.csv"
    assert saved.path().read_bytes().decode("utf-8-sig") == leaderboard_csv(data)
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "blob:"))] == []


def test_the_skip_link_comes_first_and_focus_is_seen(open_report: Opener) -> None:
    page, _, _ = open_report()
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.className")
    assert focused == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "2px"


@pytest.mark.parametrize(("motion", "behaviour"), [("reduce", "auto"), ("no-preference", "smooth")])
def test_nothing_moves_for_who_wants_no_motion(
    open_report: Opener, motion: str, behaviour: str
) -> None:
    page, _, _ = open_report(reduced_motion=motion)
    found = page.evaluate("getComputedStyle(document.documentElement).scrollBehavior")
    assert found == behaviour


REFUSALS = """async (away) => {
  const refused = [];
  document.addEventListener("securitypolicyviolation", e => refused.push(e.effectiveDirective));
  const add = (tag, set) => document.body.append(Object.assign(document.createElement(tag), set));
  await fetch(away).catch(() => null);
  add("img", { src: away });
  add("script", { src: away });
  add("script", { textContent: "window.ran = true" });
  add("iframe", { src: away });
  await new Promise(resolve => setTimeout(resolve, 300));
  if (window.ran) refused.length = 0;
  return refused;
}"""
