"""The page in a real browser: drawn, silent, narrow, dark, and still whole without JavaScript."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from handbook_funnel import filtered_report
from handbook_report import handbook_report
from test_report_page import attacked

from homing.reporting.render import render_report

pytestmark = pytest.mark.browser

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CHARTS = ("#chart-hits", "#chart-loss", "#chart-dev")
Opened = tuple[Any, list[str], list[str]]
Opener = Callable[..., Opened]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium of the system, without a window."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium on this machine: install the package chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture
def open_report(browser: Any, tmp_path: Path) -> Iterator[Opener]:
    """Return a function that opens a report; it gives the page, its complaints, its requests."""
    contexts = []

    def opened(html: str | None = None, **options: Any) -> Opened:
        path = tmp_path / "report.html"
        path.write_text(html or render_report(handbook_report()), encoding="utf-8")
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        complaints: list[str] = []
        requests: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            page.wait_for_selector("#chart-hits.drawn")
        return page, complaints, requests

    yield opened
    for context in contexts:
        context.close()


def test_every_chart_is_drawn_without_a_complaint_or_a_request(open_report: Opener) -> None:
    page, complaints, requests = open_report()
    for chart in CHARTS:
        page.wait_for_selector(f"{chart} .chart svg .mark-line path")
    assert page.locator("#chart-hits .mark-line path").count() >= 5
    assert complaints == []
    assert [url for url in requests if not url.startswith("file:")] == []
    assert len(requests) == 1


def test_a_closed_question_opens_by_keyboard(open_report: Opener) -> None:
    page, _, _ = open_report()
    first = page.locator(".ranked details").first
    assert not first.locator(".hit").first.is_visible()
    first.locator("summary").focus()
    page.keyboard.press("Enter")
    assert first.locator(".hit.right").first.is_visible()
    assert first.locator(".sides > div").count() == 2


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_width_scrolls_sideways(open_report: Opener, width: int) -> None:
    html = render_report(filtered_report())
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
    page, _, _ = open_report(render_report(filtered_report()), color_scheme=scheme)
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


# WCAG 2.2: 4.5 to 1 for text, 3 to 1 from 24 px on (or 18.66 px in bold).
CONTRAST = """() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const lum = c => {
    const f = c.slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2];
  };
  const behind = el => {
    for (let e = el; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const el = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !el.checkVisibility()) continue;
    if (el.closest("script, style, noscript, .chart")) continue;
    const style = getComputedStyle(el);
    const ink = el instanceof SVGElement ? style.fill : style.color;
    const a = lum(parse(ink)), b = lum(behind(el));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) {
      found.add(`${el.tagName}.${el.getAttribute("class")} ${ratio.toFixed(2)}`);
    }
  }
  return [...found];
}"""
