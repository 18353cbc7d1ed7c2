"""Links of the pages in the source tree; building the site checks those of docs/."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pymdownx.slugs import slugify

from tests.docs.pages import PAGES, ROOT, name

READ = [
    *PAGES,
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
]
SLUG = slugify(case="lower")


def links(page: Path) -> list[str]:
    """Targets of its links and pictures, except those on the web."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", lambda code: "x" * len(code[0]), text)
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """Anchors of its headings."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(), re.MULTILINE)
    return {SLUG(heading.replace("`", ""), "-") for heading in headings}


@pytest.mark.parametrize("page", READ, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_links_are_found() -> None:
    found = links(ROOT / "README.md")
    assert {"docs/restored.png", "docs/tutorial.md", "LICENSE"} & set(found)
    assert "#" in "".join(found)


def test_the_readme_is_read_in_a_minute() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
