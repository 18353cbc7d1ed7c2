"""The pages that people read, and the contents of their fences."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    """Path within the source tree."""
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, *languages: str) -> list[str]:
    """Contents of the fences in these languages."""
    return [text for language, text in _FENCE.findall(page.read_text()) if language in languages]


def commands(page: Path) -> list[str]:
    """Lines of shell, with continued lines joined."""
    text = "".join(fences(page, "sh")).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip()]
