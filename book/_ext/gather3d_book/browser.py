"""The machine's Chromium or Chrome: posters are drawn in it, and the tests visit pages in it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-compositing",  # WebGL in software, the page around it without
)


def find_browser() -> str | None:
    """The path of a Chromium or Chrome that answers, or None.

    One that does not answer is no browser: Ubuntu has a `chromium-browser` that only says how to
    install one.
    """
    for path in filter(None, map(shutil.which, NAMES)):
        answer = subprocess.run([path, "--version"], capture_output=True, check=False)
        if answer.returncode == 0:
            return path
    return None


@contextmanager
def started(executable: str) -> Iterator[Browser]:
    """The browser, closed at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
