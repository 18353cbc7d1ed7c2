"""Pages in headless Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.visitor import Visitor

# Without these it contacts its maker's hosts, and does not start as root.
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine."""
    from playwright.sync_api import (
        sync_playwright,
    )  # otherwise every run of the tests would wait for it

    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium: install it, on Debian with apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[str], Visitor]]:
    """Open pages as a person does; none may report an error or contact another server."""
    from tests.visitor import Visitor  # it imports playwright, which few tests need

    visitors = []
    with ExitStack() as open_pages:

        def visit(url: str) -> Visitor:
            context = open_pages.enter_context(
                browser.new_context(viewport={"width": 1280, "height": 800})
            )
            visitors.append(Visitor(context.new_page(), url))
            return visitors[-1]

        yield visit
        for visitor in visitors:
            visitor.check()
