"""The card of a network as text: its model card, and the table of all of them in the README."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

__all__ = ["card_markdown", "comparison_table", "main_time", "measured_where"]

_SHOWN: Final = ("ONNX Runtime", "fp32")
"""Backend and precision of the milliseconds that stand for a network in a table."""


def main_time(card: dict[str, Any]) -> dict[str, Any] | None:
    """The row of times that stands for a network; None where it has not been timed."""
    times = card["times"]
    rows = [] if times is None else [row for row in times["rows"] if row["is_this"]]
    return next((r for r in rows if (r["backend"], r["precision"]) == _SHOWN), None)


def measured_where(card: dict[str, Any]) -> str:
    """Device, threads, size and date of the times."""
    times = card["times"]
    if times is None:
        return "not timed"
    height, width = times["size"]
    return (
        f"{times['device']}, {times['threads']} thread(s), one image of {height}x{width} "
        f"(height x width), {times['measured'][:10]}"
    )


def card_markdown(card: dict[str, Any]) -> str:
    """The model card."""
    figures, training = card["figures"], card["training"]
    lines = [
        f"# {card['name']}",
        "",
        f"For {card['purpose']}.",
        "",
        *_table(
            ("", ""),
            [
                ("channels", "1, gray" if card["channels"] == 1 else f"{card['channels']}, RGB"),
                ("architecture", f"{card['architecture']}, {card['space']}"),
                ("parameters", f"{card['params']:,}"),
                ("multiply-accumulates", f"{card['macs_per_pixel']:,.0f} per pixel"),
                ("size", f"{card['onnx_bytes'] / 1e6:.2f} MB as ONNX, fp32"),
                ("SHA-256 of the weights", f"`{card['weights_sha256']}`"),
                ("made with", f"clearer {card['clearer']}"),
                ("licence", card["licence"]),
            ],
        ),
        "",
        "## Training",
        "",
        f"Trained on {training['num_train']} pictures ({_origins(training['train'])}): weights of "
        f"iteration {training['iteration']:,} of {training['iterations']:,}, batches of "
        f"{training['batch_size']}, patches of {training['patch_size']}x{training['patch_size']}. "
        f"Selected by the {training['selection']} ({_origins(training['val'])}): "
        f"{training['val_psnr_db']:.2f} dB, SSIM {training['val_ssim']:.4f}. Pictures of BSD68 "
        f"among those that trained or selected: {training['num_in_bsd68']}.",
        "",
        "## PSNR and SSIM",
        "",
        f"Protocol `{figures['protocol']}`, noise seed {figures['noise_seed']}, whole pictures, "
        f"clipped to the range; {figures['backend']} {figures['version']}, "
        f"{figures['precision']}; the 95 % interval is that of the mean over pictures.",
        "",
        *_table(
            ("set", "images", "sigma", "noisy, dB / SSIM", "restored, dB / SSIM", "95 %, dB"),
            [
                (
                    row["data"],
                    str(row["num_images"]),
                    f"{row['sigma_255']:g}",
                    f"{row['input_psnr_db']:.2f} / {row['input_ssim']:.3f}",
                    f"{row['psnr_db']:.2f} / {row['ssim']:.3f}",
                    "{:.2f}-{:.2f}".format(*row["psnr_db_interval_95"]),
                )
                for row in figures["rows"]
            ],
        ),
        "",
        "## Time",
        "",
        *_times(card),
    ]
    return "\n".join(lines) + "\n"


def _times(card: dict[str, Any]) -> list[str]:
    times = card["times"]
    if times is None:
        return ["Not timed."]
    return [
        f"{measured_where(card)}; median of interleaved calls. {times['noise'].capitalize()}.",
        "",
        *_table(
            ("network", "backend", "precision", "ms", "95th percentile", "calls"),
            [
                (
                    f"**{card['name']}**" if row["is_this"] else row["name"],
                    f"{row['backend']} {row['version']}",
                    row["precision"],
                    f"{row['median_ms']:.1f}",
                    f"{row['p95_ms']:.1f}",
                    str(row["n"]),
                )
                for row in times["rows"]
            ],
        ),
    ]


def _origins(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} of {name}" for name, count in counts.items())


def comparison_table(cards: Sequence[dict[str, Any]]) -> str:
    """All networks side by side, a line per network and test set, and how times were measured."""
    levels = sorted({row["sigma_255"] for card in cards for row in card["figures"]["rows"]})
    header = ["network", "MB", "set", *(f"sigma {level:g}" for level in levels), "ms"]
    rows: list[list[str]] = []
    places: dict[str, list[str]] = {}
    for card in cards:
        time = main_time(card)
        color = "gray" if card["channels"] == 1 else "RGB"
        first = [f"`{card['name']}`, {color}", f"{card['onnx_bytes'] / 1e6:.2f}"]
        last = "" if time is None else f"{time['median_ms']:.1f}"
        figures = {(row["data"], row["sigma_255"]): row for row in card["figures"]["rows"]}
        for name in dict.fromkeys(data for data, _ in figures):
            cells = [_figures(figures.get((name, level))) for level in levels]
            rows.append([*first, name, *cells, last])
            first, last = ["", ""], ""
        places.setdefault(measured_where(card), []).append(f"`{card['name']}`")
    how = "; ".join(f"{', '.join(names)}: {place}" for place, names in places.items())
    text = (
        "PSNR in dB / SSIM, in brackets PSNR of the noisy pictures; MB as ONNX, fp32; ms in ONNX "
        f"Runtime, fp32. {how}."
    )
    return "\n".join([*_table(header, rows), "", text])


def _figures(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    return f"{row['psnr_db']:.2f} / {row['ssim']:.3f} ({row['input_psnr_db']:.2f})"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
