"""Pages for everybody, and pages that ask nobody: axe without serious findings, no request but to this machine."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

from tests.browser.conftest import Watched, opened, settled
from tests.viewer.conftest import UNEXPLAINED

pytestmark = pytest.mark.browser


def findings(page) -> list[str]:
    """What axe calls serious or critical."""
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [
        f"{each['id']}: {each['help']} {[node['html'][:200] for node in each['nodes'][:4]]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_viewer_is_accessible(page, viewer, scheme):
    page.emulate_media(color_scheme=scheme)
    opened(page, f"{viewer}?patient=SIM-0001&split=1")
    box = page.locator(".map").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#patch table")).to_be_visible()
    page.locator(".legend summary").first.click()
    assert findings(page) == []
    page.get_by_role("button", name="Keys").click()
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.goto(f"{viewer}?patient={UNEXPLAINED}")
    settled(page)
    assert findings(page) == []


def test_the_viewer_works_on_a_narrow_screen(browser, viewer):
    watched = Watched(browser, 420, 860)
    try:
        opened(watched.page, f"{viewer}?patient=SIM-0001")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= 420
        assert watched.page.locator("img.heat").count() == 1 and findings(watched.page) == []
    finally:
        watched.page.close()
    watched.check()


def test_all_can_be_reached_by_keys(page, viewer):
    opened(page, viewer)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("n")
    expect(page.locator("#note-text")).to_be_focused()
    reached = set()
    page.locator("#help-open").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"filter-text", "risk-method", "people-scroll", "scale", "opacity", "split", "export-png"} <= reached


def test_the_report_asks_nobody_for_anything(page, watched, painted):
    page.goto((painted / "run" / "report.html").as_uri())
    page.wait_for_load_state("networkidle")
    assert watched.requests == [page.url] or all(url.startswith(("file:", "data:")) for url in watched.requests)


def test_the_report_in_the_viewer_is_shown_whole(page, viewer):
    page.goto(f"{viewer}report.html")
    page.wait_for_load_state("networkidle")
    assert page.locator("svg").count() > 0
