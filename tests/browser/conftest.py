"""A browser, and viewers of the painted run as `prognoscope view` serves them."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.viewer.conftest import copied, painted  # noqa: F401 - fixtures

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 30_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"] if os.name == "posix" else [])
        yield started
        started.close()


@contextmanager
def viewing(run: Path, *options: str) -> Iterator[str]:
    """The address of a viewer that runs in a process of its own."""
    command = [sys.executable, "-m", "prognoscope", "view", str(run), "--no-browser", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield next(word for word in line.split() if word.startswith("http"))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


@pytest.fixture(scope="session")
def viewer(painted) -> Iterator[str]:  # noqa: F811
    with viewing(painted / "run") as url:
        yield url


class Watched:
    """A page whose every request is to this machine, without a failure or a word of complaint in its console."""

    def __init__(self, browser: Browser, width: int, height: int):
        self.page: Page = browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(WAIT_MS)
        self.requests: list[str] = []
        self.faults: list[str] = []
        self.page.on("request", lambda each: self.requests.append(each.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda each: each.type in ("error", "warning") and self.faults.append(each.text))
        self.page.on("response", lambda each: each.status >= 400 and self.faults.append(f"{each.status} {each.url}"))

    def check(self) -> None:
        schemes = {"http", "data", "blob", "file"}
        strange = [
            url
            for url in self.requests
            if (at := urlsplit(url)).scheme not in schemes
            or at.hostname not in (None, "127.0.0.1", "0.0.0.0", "localhost")
        ]
        assert not strange, f"requests that leave this machine: {strange}"
        assert not self.faults


@pytest.fixture
def watched(browser) -> Iterator[Watched]:
    page = Watched(browser, 1400, 860)
    yield page
    page.page.close()
    page.check()


@pytest.fixture
def page(watched) -> Page:
    return watched.page


def opened(page: Page, url: str) -> Page:
    """The page when all of its first patient is there."""
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    settled(page)
    return page


def settled(page: Page) -> None:
    """When the tiles and maps that are asked for are drawn."""
    page.wait_for_load_state("networkidle")
    for _ in range(100):
        if page.evaluate("[...document.images].every((each) => each.complete || each.loading === 'lazy')"):
            break
        page.wait_for_timeout(50)
    page.wait_for_timeout(350)  # Leaflet fades tiles in
