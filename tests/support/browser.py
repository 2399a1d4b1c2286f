"""A real browser for the tests: Debian's Chromium driven by Playwright, and axe-core, which finds what is not accessible.

`nox -s browser` runs this file first, which installs what is missing: Chromium and npm from the system's packages, axe-core
from npm into AXE. Where they are not there the tests are skipped, but for that session.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROGRAMS = {"chromium": "chromium", "npm": "npm"}  # and the Debian package that each is in
AXE = Path(os.environ.get("BULKETL_AXE", Path(tempfile.gettempdir()) / "bulketl-axe"))
SCRIPT = AXE / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (320, 1440)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give Debian's Chromium; skip the test where it is not there, and fail it where it was to be installed."""
    asked = bool(os.environ.get("BULKETL_BROWSER"))
    program = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        assert not asked, "nox -s browser installs chromium and playwright, and they are not there"
        pytest.skip("chromium or playwright is not on this machine: nox -s browser installs them")
    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield made
        finally:
            made.close()


class Seen:
    """What a page said and asked for while it was looked at."""

    def __init__(self, page: Page, base: str) -> None:
        """Listen to a page that is to ask for nothing but what begins with `base`."""
        self.wrong: list[str] = []
        self.lenient = False  # while the server is away on purpose
        page.on("console", lambda said: self._add(f"console: {said.text}") if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self._add(f"error: {error}"))
        page.on("request", lambda asked: None if asked.url.startswith(base) else self._add(f"outside: {asked.url}"))

    def _add(self, text: str) -> None:
        if not self.lenient:
            self.wrong.append(text)


@contextmanager
def looking(browser: Browser, base: str, width: int = 1440, **more: Any) -> Iterator[tuple[Page, Seen]]:
    """Give a page of that width, and what it says; fail when it said or asked for something wrong."""
    context = browser.new_context(viewport={"width": width, "height": 900}, base_url=base, **more)
    page = context.new_page()
    seen = Seen(page, base)
    try:
        yield page, seen
        assert not seen.wrong
    finally:
        context.close()


def faults(page: Page) -> list[str]:
    """Return what axe-core finds that is serious or worse, with what it is of; skip the rest of the test without it."""
    if not SCRIPT.is_file():
        pytest.skip("axe-core is not on this machine: nox -s browser installs it where npm's registry answers")
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']}: {node['html'][:160]}"
        for one in found["violations"] if one["impact"] in ("serious", "critical") for node in one["nodes"]
    ]  # fmt: skip


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def main() -> None:
    """Install what is missing, or end with what to type."""
    lacks = [package for name, package in PROGRAMS.items() if shutil.which(name) is None]
    lacks += [] if ctypes.util.find_library("atomic") else ["libatomic1"]  # Playwright's own node wants it
    if lacks and (os.geteuid() or shutil.which("apt-get") is None):
        sys.exit(f"not on this machine: apt-get install -y --no-install-recommends {' '.join(lacks)}")
    if lacks:
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        subprocess.run(["apt-get", "update", "-qq"], env=environ, check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *lacks], env=environ, check=True)
    if not SCRIPT.is_file():
        AXE.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(AXE), "axe-core"]
        if subprocess.run(npm, check=False).returncode:
            print("axe-core cannot be had from npm: whether pages are accessible is not checked in this run")
    print(subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=True).stdout.strip())


if __name__ == "__main__":
    main()
