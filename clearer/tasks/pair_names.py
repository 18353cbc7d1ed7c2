"""Pairs pictures of a folder by name: patterns for clean and degraded ones."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["PairNames"]


@dataclass(frozen=True, slots=True)
class PairNames:
    """Two patterns with one ``*`` each, which matches the same text in both."""

    clean: str
    degraded: str

    @classmethod
    def parse(cls, text: str) -> PairNames:
        """Parse ``"norain-*.png rain-*.png"``: clean first; names may have folders before them.

        Raises:
            ValueError: If the text does not have this form.
        """
        words = text.split()
        if len(words) != 2 or any(word.count("*") != 1 for word in words) or words[0] == words[1]:
            raise ValueError(
                "give two patterns with a * each, clean first: 'norain-*.png rain-*.png'"
            )
        if any(word.startswith("/") or ".." in word.split("/") for word in words):
            raise ValueError("patterns are for names in the folder of the pictures")
        return cls(*words)

    def __str__(self) -> str:
        return f"{self.clean} {self.degraded}"

    def place(self, path: str) -> tuple[str, bool] | None:
        """The text that the ``*`` matches in a relative path, and whether the picture is clean.

        A name that fits both patterns belongs to the longer one: ``*.png`` and ``*-rain.png``.

        Returns:
            None if neither pattern fits.
        """
        found = []
        for pattern, is_clean in ((self.clean, True), (self.degraded, False)):
            before, after = pattern.split("*")
            match = re.fullmatch(f"{re.escape(before)}([^/]+){re.escape(after)}", path)
            if match:
                found.append((len(pattern), match[1], is_clean))
        if not found:
            return None
        _, text, is_clean = max(found)
        return text, is_clean
