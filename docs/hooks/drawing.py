"""The drawing of the rooms in the page on architecture, as SVG: nothing is loaded to show it.

The page holds it as a flowchart of Mermaid, one line a room: ``name["name: what for"] --> others``.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig

ROOM: Final = re.compile(r'^ *(\w+)\["\w+: (.*?)"\](?: --> (.+))?$', re.MULTILINE)
WIDTH, HEIGHT, ROW, COLUMN = 232, 44, 96, 262


def fence(source: str, *_: Any, **__: Any) -> str:
    """SVG of a flowchart.

    Raises:
        ValueError: If there is a line that is no room.
    """
    rooms = {name: (text, re.findall(r"\w+", to)) for name, text, to in ROOM.findall(source)}
    if len(rooms) != len(source.strip().splitlines()) - 1:
        raise ValueError('a line of the drawing is not of the form name["name: what for"] --> ...')
    depth = {name: 0 for name in rooms}
    for name, (_text, others) in rooms.items():  # a room stands above those that it leads to
        for other in others:
            depth[other] = max(depth[other], depth[name] + 1)
    rows: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in rooms:
        rows[depth[name]].append(name)
    total = max(map(len, rows)) * COLUMN
    places = {
        name: (total / 2 + (index - (len(row) - 1) / 2) * COLUMN, 30 + number * ROW)
        for number, row in enumerate(rows)
        for index, name in enumerate(row)
    }
    arrows = [
        _arrow(places[name], places[other])
        for name, (_text, others) in rooms.items()
        for other in others
    ]
    boxes = [_box(name, rooms[name][0], *places[name]) for name in rooms]
    return (
        f'<svg class="rooms" viewBox="0 0 {total} {len(rows) * ROW - ROW + 60}" role="img" '
        'aria-label="rooms and who imports whom"><defs><marker id="tip" viewBox="0 0 8 8" refX="8" '
        'refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8Z"/></marker>'
        f"</defs>{''.join(arrows)}{''.join(boxes)}</svg>"
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (to_x, to_y) = start, end
    y, to_y = y + HEIGHT / 2, to_y - HEIGHT / 2
    bend = (to_y - y) / 2
    curve = f"M{x:g} {y:g}C{x:g} {y + bend:g} {to_x:g} {to_y - bend:g} {to_x:g} {to_y:g}"
    return f'<path d="{curve}" marker-end="url(#tip)"/>'


def _box(name: str, text: str, x: float, y: float) -> str:
    return (
        f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" '
        f'rx="6"/><text class="name" x="{x:g}" y="{y - 4:g}">{escape(name)}</text>'
        f'<text x="{x:g}" y="{y + 14:g}">{escape(text)}</text>'
    )


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give it the fences of Mermaid."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    fences.setdefault("custom_fences", []).append(
        {"name": "mermaid", "class": "rooms", "format": fence}
    )
    return config
