"""Cards as text: the model card of a network, and the tables of all networks in the docs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from clearer.zoo.card_record import CardRecord, CleanRecord, FiguresRecord
from clearer.zoo.card_times import main_time, measured_where, ratio_to_ffdnet
from clearer.zoo.card_training import training_curve, training_text
from clearer.zoo.markdown import table_lines

__all__ = [
    "UNCHANGED_DB",
    "card_markdown",
    "comparison_table",
    "shown_sigma",
]

UNCHANGED_DB: Final = 60.0
"""PSNR values of clean pictures are capped at this: above it their 8 bits do not change."""
_NONE: Final = "–"
"""Text of a cell without a measurement."""


def shown_sigma(row: FiguresRecord) -> str:
    """The noise level of a row of figures, or its JPEG quality; a dash for pairs."""
    if "quality" in row:
        return f"JPEG {row['quality']}"
    return _NONE if row["sigma_255"] is None else f"{row['sigma_255']:g}"


def _removes_noise(card: CardRecord) -> bool:
    """Whether figures are by noise level; otherwise they are of pairs."""
    return bool(card["task"]["name"] == "denoise")


def _is_told(card: CardRecord) -> bool:
    """Whether the network is given the noise level."""
    return bool(card["run"]["architecture"]["space"].get("level_map", False))


def _is_for_photos(card: CardRecord) -> bool:
    """Whether the pairs are photographs."""
    return bool(card["task"]["name"] == "photo")


def _removes_jpeg(card: CardRecord) -> bool:
    """Whether figures are by JPEG quality; if none of these holds, they are of rain."""
    return bool(card["task"]["name"] == "dejpeg")


def card_markdown(card: CardRecord) -> str:
    """The model card."""
    lines = [
        f"# {card['name']}",
        "",
        f"For {card['purpose']}.",
        "",
        *table_lines(
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
        training_text(card),
        "",
        *training_curve(card),
        "## PSNR and SSIM",
        "",
        *_quality(card),
        "",
        *([] if _removes_noise(card) else _clean_pictures(card)),
        "## Time",
        "",
        *_times(card),
    ]
    return "\n".join(lines) + "\n"


def _quality(card: CardRecord) -> list[str]:
    figures = card["figures"]
    how = f"{figures['backend']} {figures['version']}, {figures['precision']}"
    interval = "the 95 % interval is that of the mean over"
    if _removes_noise(card):
        told = "told the level, " if _is_told(card) else ""
        return [
            f"Protocol `{figures['protocol']}`, noise seed {figures['noise_seed']}, {told}whole "
            f"pictures, clipped to the range; {how}; {interval} pictures.",
            "",
            *table_lines(
                ("set", "images", "sigma", "noisy, dB / SSIM", "restored, dB / SSIM", "95 %, dB"),
                [
                    (row["data"], str(row["num_images"]), shown_sigma(row), *_cells(row))
                    for row in figures["rows"]
                ],
            ),
        ]
    if _is_for_photos(card):
        return _photographs(card, f"{how}; {interval} pairs")
    if _removes_jpeg(card):
        return _compressed(card, f"{how}; {interval} pictures")
    left_out = ", ".join(f"`{name}`" for name in figures["left_out"])
    return [
        f"Protocol `{figures['protocol']}`: the pairs of the test set as they are, over all pixels "
        f"of the three channels, whole pictures, clipped to the range; {how}; {interval} pairs. "
        "Y is luma in video range, as `clearer eval --channel y` has it. "
        f"Left out, since a picture of theirs has more than {figures['max_megapixels']:g} "
        f"megapixels: {left_out or 'none'}.",
        "",
        *table_lines(
            ("set", "pairs", "rainy, dB / SSIM", "restored, dB / SSIM", "95 %, dB"),
            [
                cells
                for row in figures["rows"]
                for cells in ((row["data"], _pairs(card, row), *_cells(row)), _luma_cells(row))
            ],
        ),
        "",
        _kept(figures["clean"]),
    ]


def _photographs(card: CardRecord, how: str) -> list[str]:
    figures = card["figures"]
    (row,) = figures["rows"]
    return [
        f"Protocol `{figures['protocol']}`: one shot of a camera against the mean of many, over "
        f"all pixels of the three channels, whole pictures, clipped to the range; {how}. The first "
        f"{figures['num_tuned']} pairs by name may have been tuned on: they give no figures here.",
        "",
        *table_lines(
            ("set", "pairs", "input, dB / SSIM", "restored, dB / SSIM", "95 %, dB", "lose SSIM"),
            [(row["data"], _pairs(card, row), *_cells(row), f"{figures['num_ssim_lost']}")],
        ),
        "",
        _kept(figures["clean"]),
    ]


def _kept(clean: CleanRecord) -> str:
    return (
        f"A clean photograph is to stay as it is: PSNR between the {clean['num_images']} pictures "
        f"of {clean['data']} and what the network makes of them, mean {clean['psnr_db']:.2f} dB "
        f"({UNCHANGED_DB:g} at most for a picture: then its 8 bits stay as they were), least "
        f"{clean['least_psnr_db']:.2f} dB; SSIM {clean['ssim']:.4f}."
    )


def _compressed(card: CardRecord, how: str) -> list[str]:
    return [
        f"Protocol `{card['figures']['protocol']}`: pictures after libjpeg (colour at half the "
        "resolution), over all pixels of the three channels, whole pictures, clipped to the range; "
        f"gray pictures as three equal channels; {how}. PSNR-B counts what is left of blocks (Yim "
        "and Bovik, 2011; the factor is the mean over channels).",
        "",
        *table_lines(
            ("set", "quality", "JPEG, dB / SSIM", "restored", "95 %, dB", "PSNR-B, JPEG", "here"),
            [
                (
                    row["data"],
                    str(row["quality"]),
                    *_cells(row),
                    f"{row['input_psnr_b_db']:.2f}",
                    f"{row['psnr_b_db']:.2f}",
                )
                for row in card["figures"]["rows"]
            ],
        ),
    ]


def _cells(row: FiguresRecord) -> tuple[str, str, str]:
    """Cells for degraded, restored, and the confidence interval."""
    return (
        f"{row['input_psnr_db']:.2f} / {row['input_ssim']:.3f}",
        f"{row['psnr_db']:.2f} / {row['ssim']:.3f}",
        "{:.2f}-{:.2f}".format(*row["psnr_db_interval_95"]),
    )


def _luma_cells(row: FiguresRecord) -> tuple[str, ...]:
    """The same for luma, without an interval."""
    return (
        f"{row['data']}, Y",
        "",
        f"{row['y_input_psnr_db']:.2f} / {row['y_input_ssim']:.3f}",
        f"{row['y_psnr_db']:.2f} / {row['y_ssim']:.3f}",
        "",
    )


def _pairs(card: CardRecord, row: FiguresRecord) -> str:
    figures = card["figures"]
    num_others = figures["num_tuned"] if _is_for_photos(card) else len(figures["left_out"])
    return f"{row['num_images']} of {row['num_images'] + num_others}"


def _clean_pictures(card: CardRecord) -> list[str]:
    _, _, height, width = card["probes"]["rows"][0]["box"]
    undone = {"photo": "the noise of cameras", "dejpeg": "JPEG"}.get(card["task"]["name"], "rain")
    return [
        f"## On pictures without {undone}",
        "",
        "What it should leave as it is: PSNR between a clean photograph that scikit-image installs "
        f"(its middle, {height}x{width}) and what the network makes of it. Any machine can check "
        f"this; it is no measure of how well {undone} is removed.",
        "",
        *table_lines(
            ("photograph", "dB / SSIM"),
            [
                (
                    row["image"],
                    ("at least " if row["psnr_db"] >= UNCHANGED_DB else "")
                    + f"{row['psnr_db']:.2f} / {row['ssim']:.3f}",
                )
                for row in card["probes"]["rows"]
            ],
        ),
        "",
    ]


def _times(card: CardRecord) -> list[str]:
    times = card["times"]
    if times is None:
        return ["Not timed."]
    other = times.get("of")
    of_other = f" Measured with `{other}`, which differs in its weights alone." if other else ""
    return [
        f"{measured_where(card)}; median of interleaved calls. {times['noise'].capitalize()}."
        f"{of_other}",
        "",
        *table_lines(
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


def comparison_table(cards: Sequence[CardRecord]) -> str:
    """Tables of all networks, one per kind, and how times were measured."""
    noise = [card for card in cards if _removes_noise(card)]
    photos = [card for card in cards if _is_for_photos(card)]
    jpeg = [card for card in cards if _removes_jpeg(card)]
    rain = [card for card in cards if card not in [*noise, *photos, *jpeg]]
    places: dict[str, list[str]] = {}
    for card in cards:
        places.setdefault(measured_where(card), []).append(f"`{card['name']}`")
    how = "; ".join(f"{', '.join(names)}: {place}" for place, names in places.items())
    lines = _by_level(noise, "sigma_255", "sigma") if noise else []
    if photos:
        lines += ["Pairs of photographs, one shot and the mean of many:", "", *_for_photos(photos)]
    if jpeg:
        lines += ["Pictures saved as JPEG, by quality:", "", *_by_level(jpeg, "quality", "quality")]
    if rain:
        lines += ["Pairs of rainy and clean pictures:", "", *_derainers(rain)]
    text = (
        "PSNR in dB / SSIM, in brackets PSNR of the degraded pictures; MB as ONNX, fp32; ms in "
        "ONNX Runtime, fp32, in brackets the ratio to FFDNet, gray or RGB, timed interleaved "
        f"with the network: between machines, compare that ratio. {how}."
    )
    return "\n".join([*lines, text])


def _by_level(
    cards: Sequence[CardRecord], key: Literal["sigma_255", "quality"], word: str
) -> list[str]:
    """A row per network and test set, a column per level."""
    given = {row[key] for card in cards for row in card["figures"]["rows"]}
    levels = sorted(level for level in given if level is not None)
    rows: list[list[str]] = []
    for card in cards:
        (*first, last), figures = _sides(card), card["figures"]["rows"]
        found = {(row["data"], row[key]): row for row in figures}
        for name in dict.fromkeys(data for data, _ in found):
            cells = [_figures(found.get((name, level))) for level in levels]
            rows.append([*first, name, *cells, last])
            first, last = ["", ""], ""
    header = ["network", "MB", "set", *(f"{word} {level:g}" for level in levels), "ms"]
    return [*table_lines(header, rows), ""]


def _for_photos(cards: Sequence[CardRecord]) -> list[str]:
    rows = []
    for card in cards:
        *first, last = _sides(card)
        (row,), figures = card["figures"]["rows"], card["figures"]
        clean = figures["clean"]
        rows.append(
            [
                *first,
                f"{row['data']}, {_pairs(card, row)}",
                _figures(row),
                f"{figures['num_ssim_lost']}",
                f"{clean['data']}: {clean['psnr_db']:.2f}",
                last,
            ]
        )
    header = ["network", "MB", "set", "restored", "lose SSIM", "clean to itself, dB", "ms"]
    return [*table_lines(header, rows), ""]


def _derainers(cards: Sequence[CardRecord]) -> list[str]:
    rows = []
    for card in cards:
        *first, last = _sides(card)
        rows += [
            [*first, f"{row['data']}, {_pairs(card, row)}", _figures(row), last]
            for row in card["figures"]["rows"]
        ]
    return [*table_lines(["network", "MB", "set", "restored", "ms"], rows), ""]


def _sides(card: CardRecord) -> list[str]:
    """First and last cells of a network: name, MB; ms."""
    color = "gray" if card["channels"] == 1 else "RGB"
    return [f"`{card['name']}`, {color}", f"{card['onnx_bytes'] / 1e6:.2f}", _main_ms(card)]


def _main_ms(card: CardRecord) -> str:
    time, ratio = main_time(card), ratio_to_ffdnet(card)
    if time is None:
        return _NONE
    return f"{time['median_ms']:.1f}" + ("" if ratio is None else f" ({ratio:.2f})")


def _figures(row: FiguresRecord | None) -> str:
    if row is None:
        return _NONE
    return f"{row['psnr_db']:.2f} / {row['ssim']:.3f} ({row['input_psnr_db']:.2f})"
