"""An overview of the networks that come with the package: the table of the README."""

from __future__ import annotations

from collections.abc import Sequence

from clearer.zoo.card_record import CardRecord
from clearer.zoo.card_times import ratio_to_ffdnet
from clearer.zoo.markdown import table_lines

__all__ = ["overview_table"]


def overview_table(cards: Sequence[CardRecord]) -> str:
    """A row per network: its purpose, and one PSNR, at sigma 25 if it has that."""
    header = ["network", "for", "MB", "PSNR, dB", "time, of FFDNet's"]
    return "\n".join(table_lines(header, map(_line, cards)))


def _line(card: CardRecord) -> list[str]:
    figures, ratio = card["figures"]["rows"], ratio_to_ffdnet(card)
    row = next((row for row in figures if row["sigma_255"] == 25), figures[0])
    where = row["data"]
    if row["sigma_255"] is not None:
        where += f", sigma {row['sigma_255']:g}"
    if "quality" in row:
        where += f", quality {row['quality']}"
    return [
        f"`{card['name']}`",
        card["purpose"],
        f"{card['onnx_bytes'] / 1e6:.2f}",
        f"{where}: {row['input_psnr_db']:.2f} to {row['psnr_db']:.2f}",
        "–" if ratio is None else f"{ratio:.2f}",
    ]
