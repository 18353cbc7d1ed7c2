"""The pages that people read, and the contents of their fences."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(path for path in ROOT.glob("examples/**/*.md") if "node_modules" not in path.parts),
    *sorted(ROOT.glob("benchmarks/**/*.md")),
]
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT: Final = re.compile(r"(^|\s)#\s.*$")


def name(page: Path) -> str:
    """Path within the source tree."""
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, *languages: str) -> list[str]:
    """Contents of the fences in these languages."""
    return [text for language, text in _FENCE.findall(page.read_text()) if language in languages]


def commands(page: Path) -> list[str]:
    """Commands in its shell blocks, without comments; continued lines are joined."""
    text = "".join(fences(page, "sh")).replace("\\\n", " ")
    lines = [" ".join(_COMMENT.sub("", line).split()) for line in text.splitlines()]
    return [command for line in lines if line for command in line.split(" && ")]


def loose_commands(page: Path) -> list[str]:
    """Lines that begin as commands do, outside every fence: no test would find them."""
    text = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^ {4,}(?:(?:clearer|python|pip|make|npm) .*)$", text, re.MULTILINE)
