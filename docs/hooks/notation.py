"""What pages and docstrings write that Markdown does not know.

Formulas become MathML, which browsers show without a script: in pages a fence of the language
``math``, in docstrings ``:math:`x^2``` and ``.. math:: x^2``. Other roles (``:func:`name```) become
code, and so do examples that begin with ``>>>``.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.inlinepatterns import InlineProcessor
from markdown.preprocessors import Preprocessor
from mkdocs.config.defaults import MkDocsConfig


class Roles(InlineProcessor):
    """``:role:`text```."""

    def handleMatch(  # type: ignore[override]  # noqa: N802
        self, m: re.Match[str], data: str
    ) -> tuple[str | Element, int, int]:
        """What stands in place of a role."""
        if m[1] == "math":
            found: str | Element = self.md.htmlStash.store(convert(m[2].replace("\\\\", "\\")))
        else:
            found = Element("code")
            found.text = m[2].rpartition(".")[2]
        return found, m.start(0), m.end(0)


class Blocks(Preprocessor):
    """``.. math::`` with the lines that are indented below it, and examples."""

    def run(self, lines: list[str]) -> list[str]:
        """Put each formula on a line of its own, each example into a fence."""
        text = re.sub(
            r"^\.\. math::((?:.|\n(?=[ ]+\S))+)",
            lambda block: f"\n{self.md.htmlStash.store(fence(block[1]))}\n",
            "\n".join(lines),
            flags=re.MULTILINE,
        )
        example = re.compile(r"^>>> .*\n?(?:\S.*\n?)*", re.MULTILINE)
        text = example.sub(r"```pycon\n\g<0>\n```\n", text)
        return text.split("\n")


class Notation(Extension):
    """Both."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        """Before code in backticks, and before paragraphs."""
        md.inlinePatterns.register(Roles(r":(\w+):`([^`]+)`", md), "roles", 195)
        md.preprocessors.register(Blocks(md), "blocks", 26)


def fence(source: str, *_: Any, **__: Any) -> str:
    """A fence of the language ``math``."""
    return f'<div class="math">{convert(source, display="block")}</div>'


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add both to what reads the pages."""
    config.markdown_extensions.append(Notation())  # type: ignore[arg-type]
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    fences.setdefault("custom_fences", []).append(
        {"name": "math", "class": "math", "format": fence}
    )
    return config
