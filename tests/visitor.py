"""A person at the demonstration page, in headless Chromium."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

from tests.patience import PATIENCE_S

__all__ = ["Visitor"]

_PATIENCE_MS = 1000 * PATIENCE_S

# Drop files as a person does: the page sees their names and bytes.
_DROP = """(files) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
  }
  const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
  document.getElementById("stage").dispatchEvent(new DragEvent("drop", options));
}"""
# Every status of the page, and whether the picture counts as restored at that moment.
_LISTEN = """() => {
  window.said = [];
  const [status, badge] = ["status", "after-name"].map((id) => document.getElementById(id));
  const note = () => window.said.push([status.textContent, !badge.hidden]);
  new MutationObserver(note).observe(status, { childList: true });
}"""
# Moves the slider, and looks at the picture before anything else can happen on the page or, if the
# slider is held, once a frame was drawn.
_BLEND = """async ([percent, isHeld]) => {
  const slider = document.getElementById("strength");
  slider.value = percent;
  slider.dispatchEvent(new Event("input"));
  if (isHeld) await new Promise((drawn) => requestAnimationFrame(drawn));
  else slider.dispatchEvent(new Event("change"));
  const canvas = document.getElementById("after");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return btoa(Array.from(data, (value) => String.fromCharCode(value)).join(""));
}"""


class Visitor:
    """Does something, and waits until the page has done its part.

    Args:
        page: The page to open it in.
        url: Address of the page.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.set_default_timeout(_PATIENCE_MS)
        self._url = url
        self._errors: list[str] = []
        self._requests: list[str] = []
        page.on("console", lambda m: self._errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("request", lambda request: self._requests.append(request.url))
        page.goto(url)
        self.wait()
        page.evaluate(_LISTEN)

    def check(self) -> None:
        """Check that there was no error, and no request except to the page's own server."""
        assert self._errors == []
        asked = {urlsplit(r).netloc for r in self._requests if not r.startswith("blob:")}
        assert asked == {urlsplit(self._url).netloc}

    def wait(self) -> None:
        self.page.wait_for_selector("#stage[aria-busy=false]")

    def drop(self, *paths: Path) -> None:
        files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
        self.page.evaluate(_DROP, files)
        self.wait()

    def choose(self, *paths: Path) -> None:
        self.page.set_input_files("#file", [str(path) for path in paths])
        self.wait()

    def click(self, selector: str) -> None:
        self.page.click(selector)
        self.wait()

    def set(self, selector: str, value: object) -> None:
        self.page.fill(selector, str(value))
        self.wait()

    def select(self, selector: str, value: str) -> None:
        self.page.select_option(selector, value)
        self.wait()

    def text(self, selector: str) -> str:
        return self.page.text_content(selector) or ""

    @property
    def status(self) -> str:
        return self.text("#status")

    @property
    def said(self) -> Sequence[tuple[str, bool]]:
        """Everything the status said, and whether the badge said restored at that moment."""
        said: list[list[Any]] = self.page.evaluate("() => window.said")
        return [(str(text), bool(is_restored)) for text, is_restored in said]

    @property
    def rows(self) -> list[str]:
        """Rows of the list: what became of each picture."""
        return self.page.locator("#pictures small").all_text_contents()

    def blend(self, percent: int) -> NDArray[np.uint8]:
        """The picture at a strength, at once."""
        return self._blend(percent, is_held=False)

    def hold(self, percent: int) -> NDArray[np.uint8]:
        """The same, while the slider is held."""
        return self._blend(percent, is_held=True)

    def _blend(self, percent: int, *, is_held: bool) -> NDArray[np.uint8]:
        width, height = (int(side) for side in self.text("#size").split("\u202f×\u202f"))
        pixels = base64.b64decode(self.page.evaluate(_BLEND, [percent, is_held]))
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 4)

    def save(self, folder: Path, button: str = "#save") -> Path:
        """Save the download, under its own name."""
        with self.page.expect_download() as download:
            self.page.click(button)
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        self.wait()
        return path
