"""A headless Chromium, and what tests and pictures do in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
INSTALL = "no chromium on PATH; install it: apt-get update && apt-get install -y chromium"
WIDTHS = (390, 1280)
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
_QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
_HEIGHT_MAX = 6000


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a headless Chromium."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS + _QUIET)
        yield started
        started.close()


def settle(page: Page) -> None:
    """Wait until the page's script has run and nothing is drawn any more."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_timeout(200)
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
    page.wait_for_timeout(200)


_OVERFLOW = "(e => e.scrollWidth - e.clientWidth)(document.querySelector('[data-testid=stMain]'))"


def overflow(page: Page) -> int:
    """Return how many pixels of the page lie beyond its right edge."""
    found: int = page.evaluate(_OVERFLOW)
    return found


def fits_soon(page: Page) -> None:
    """Wait until nothing lies beyond the right edge, as when the window was made narrower and the page follows."""
    page.wait_for_function(f"{_OVERFLOW} <= 0", timeout=10_000)


def grow(page: Page, width: int) -> None:
    """Make the window as wide as is asked for, and as high as the page, within reason."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(300)
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(int(height) + 80, _HEIGHT_MAX)})
    page.wait_for_timeout(400)
