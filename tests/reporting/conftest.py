"""The system's browser, for tests that open the page as a reader would."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import BROWSERS, FLAGS, Opened, Opener
from handbook_report import handbook_report

from homing.reporting.render import render_report


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium of the system, without a window."""
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
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
            for chart in page.query_selector_all(".plot"):
                page.wait_for_selector(f"#{chart.get_attribute('id')}.drawn", state="attached")
        return page, complaints, requests

    yield opened
    for context in contexts:
        context.close()
