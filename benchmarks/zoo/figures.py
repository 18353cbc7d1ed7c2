"""Write the tables of docs/figures/ that change with the networks: from cards and results.

    python benchmarks/zoo/figures.py    # as `make figures`; after a network was made

Nothing is measured here. The cards hold what ``make.py`` measured, and each file in
``benchmarks/results/`` what the script did that its page names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pages import read_part, rewrite_page

from clearer.support.files import read_json
from clearer.zoo import catalogue
from clearer.zoo.card_record import CardRecord, TimeRecord
from clearer.zoo.card_times import ratio_to_ffdnet, time_in
from clearer.zoo.markdown import table_lines

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = ROOT / "benchmarks" / "results"
PAGES: Final = ROOT / "docs" / "figures"
RIVALS: Final = {"ffdnet": "FFDNet", "dncnn": "DnCNN-S", "adnet": "ADNet"}
SETS: Final = {"bsd68": "BSD68", "set12": "Set12", "cbsd68": "CBSD68", "kodak24": "Kodak24"}
DERAINERS: Final = {
    "prenet_rain100l": "PReNet, trained on Rain100L",
    "prenet_rain100h": "PReNet, trained on Rain100H",
}
BACKENDS: Final = ("ONNX Runtime", "OpenVINO")
LEVELS: Final = ("15", "25", "50")
NONE: Final = "–"
SIGMA: Final = "\N{GREEK SMALL LETTER SIGMA}"


def write_figures() -> None:
    """Write the tables whose page says something else."""
    for name in stale_figures():
        page, make = FIGURES[name]
        rewrite_page(PAGES / page, f"figures.py: {name}", make())


def stale_figures() -> list[str]:
    """Names of the tables that differ from what their page says."""
    return [
        name
        for name, (page, make) in FIGURES.items()
        if read_part(PAGES / page, f"figures.py: {name}") != make()
    ]


def lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as text."""
    return "\n".join(table_lines(header, rows))


def cards(channels: int, task: str) -> list[CardRecord]:
    """The cards of a kind, those for the widest range of levels first."""
    known = [catalogue.zoo_network(name).card for name in catalogue.zoo_names()]
    kept = [c for c in known if c["channels"] == channels and c["task"]["name"] == task]
    return sorted(kept, key=lambda card: (":" not in card["task"].get("sigma", ""), card["name"]))


def beside_rivals(channels: int, sets: tuple[str, str]) -> str:
    """The networks for white noise beside others: PSNR by set and level, size, and time."""
    rows = []
    for card in cards(channels, "denoise"):
        found = {
            (row["data"], f"{row['sigma_255']:g}"): row["psnr_db"]
            for row in card["figures"]["rows"]
        }
        first = [f"**`{card['name']}`**", f"{card['onnx_bytes'] / 1e6:.2f}"]
        ratios = [ratio_to_ffdnet(card, backend) for backend in BACKENDS]
        times = [NONE if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        rows.append([*first, *levels(found, sets), *times])
    color = "gray" if channels == 1 else "rgb"
    for key, sizes in read_json(RESULTS / f"rivals_{color}.json")["networks"].items():
        by_level = {(data, s): db for data in sets for s, db in sizes[data].items()}
        is_yardstick = key.startswith("ffdnet")
        rows.append(
            [
                RIVALS[key.removesuffix("_color")],
                NONE,
                *levels(by_level, sets),
                *(["1" if is_yardstick else NONE] * 2),
            ]
        )
    names = [f"{SETS[name]}, {SIGMA} {' / '.join(LEVELS)}, dB" for name in sets]
    return lines(["network", "MB", *names, *BACKENDS], rows)


def levels(found: dict[tuple[str, str], float], sets: tuple[str, str]) -> list[str]:
    """A cell per set, with PSNR at the usual levels."""
    return [
        " / ".join(f"{found[key, s]:.2f}" if (key, s) in found else NONE for s in LEVELS)
        for key in sets
    ]


def fine_photos() -> str:
    """Ours and FFDNet on validation photographs that are no JPEG at their size."""
    networks = read_json(RESULTS / "fine_photos.json")["networks"]
    rows = []
    for name, found in networks.items():
        is_rgb = "rgb" in name or "color" in name
        shown = RIVALS.get(name.removesuffix("_color"), f"**`{name}`**")
        cells = [f"{found['photos149'][level]:.2f}" for level in ("25", "50")]
        rows.append([shown, "RGB" if is_rgb else "gray", *cells])
    header = ["network", "pictures", f"{SIGMA} 25, dB", f"{SIGMA} 50, dB"]
    return lines(header, sorted(rows, key=lambda row: row[1]))


def told(path: str) -> str:
    """PSNR over levels, told and estimated; networks that no longer come with it are left out."""
    study = read_json(RESULTS / path)
    noisy = study["about"]["noisy"]
    known = catalogue.zoo_names()
    rows = [["the noisy picture", *(f"{noisy[level]:.2f}" for level in noisy)]]
    for name, ways in study["networks"].items():
        for way, found in ways.items():
            label = {"": "", "told": ", told the level", "estimated": ", level estimated"}[way]
            if name in known:
                rows.append([f"`{name}`{label}", *(f"{found[level]:.2f}" for level in noisy)])
    return lines(["network", *(f"{SIGMA} {level}" for level in noisy)], rows)


def is_earlier(training: Mapping[str, Any]) -> bool:
    """Whether a training began with a network of which a newer version has come since."""
    start = training.get("fine_tuned_from")
    if start not in catalogue.zoo_names():
        return False
    now = catalogue.zoo_network(start).card["weights_sha256"]
    return bool(training["fine_tuned_from_sha256"] != now)


def trained(names: Sequence[str]) -> str:
    """How PSNR grew in the last training of networks, from their cards."""
    parts = []
    for name in names:
        card = catalogue.zoo_network(name).card
        training, made = card["training"], card["run"]["config"]
        settings = made["settings"]["train"]
        if "curve" not in training:
            continue
        start, teacher = training.get("fine_tuned_from"), training.get("teacher")
        origin = f"an earlier `{start}`" if is_earlier(training) else f"`{start}`"
        how = f"fine-tuned from {origin}" if start else "from scratch"
        how += f", taught by `{teacher}`" if teacher else ""
        steps, values = zip(*training["curve"], strict=True)
        parts.append(
            f"`{name}`, {how}: {training['iteration']:,} of {training['iterations']:,} iterations "
            f"of {training['batch_size']} patches of {training['patch_size']}×"
            f"{training['patch_size']}, learning rate {settings['learning_rate']:g}, "
            f"{training['hours']:.1f} hours of {made['environment']['threads']} thread(s):\n\n"
            + lines(
                ["iteration", *(f"{step:,}" for step in steps)],
                [["dB", *(f"{value:.2f}" for value in values)]],
            )
        )
    return "\n\n".join(parts)


def self_ensembles() -> str:
    """What averaging over rotations and flips gains."""
    networks = read_json(RESULTS / "self_ensemble.json")["networks"]
    views = list(next(iter(networks.values())))
    rows = [[f"`{name}`", *(f"{found[n]:.2f}" for n in views)] for name, found in networks.items()]
    return lines(["network", "once", *views[1:]], rows)


def photographs() -> str:
    """Photographs restored, and clean ones left as they are."""
    rows: list[list[str]] = []
    for card in cards(3, "photo"):
        figures = card["figures"]
        row, clean = figures["rows"][0], figures["clean"]
        if not rows:
            rows.append(
                ["the photograph", "", f"{row['input_psnr_db']:.2f}", f"{row['input_ssim']:.3f}"]
                + [""] * 3
            )
        rows.append(
            [
                f"**`{card['name']}`**",
                f"{card['onnx_bytes'] / 1e6:.2f}",
                f"**{row['psnr_db']:.2f}**",
                f"{row['ssim']:.3f}",
                f"{figures['num_ssim_lost']} of {row['num_images']}",
                f"{clean['psnr_db']:.2f}",
                f"{clean['least_psnr_db']:.2f}",
            ]
        )
    header = ["", "MB", "PSNR, dB", "SSIM", "lose SSIM", "clean ones, dB", "at least"]
    return lines(header, rows)


def deblocked() -> str:
    """`rgb-dejpeg` by set and quality."""
    rows, before = [], ""
    for row in catalogue.zoo_network("rgb-dejpeg").card["figures"]["rows"]:
        rows.append(
            [
                SETS[row["data"]] if row["data"] != before else "",
                str(row["quality"]),
                f"{row['input_psnr_db']:.2f}",
                f"**{row['psnr_db']:.2f}**",
                f"{row['input_ssim']:.3f} to {row['ssim']:.3f}",
                f"{row['input_psnr_b_db']:.2f}",
                f"**{row['psnr_b_db']:.2f}**",
            ]
        )
        before = row["data"]
    header = ["set", "quality", "JPEG", "restored", "SSIM", "PSNR-B of the JPEG", "restored"]
    return lines(header, rows)


def derained() -> str:
    """`rgb-derain` beside others: PSNR and SSIM, size, and milliseconds in one run."""
    card = catalogue.zoo_network("rgb-derain").card
    (row,) = card["figures"]["rows"]

    def described(
        name: str, quality: Any, num_bytes: float, is_it: Callable[[TimeRecord], bool]
    ) -> list[str]:
        times = [time_in(card, backend, is_it) for backend in BACKENDS]
        measured = [NONE if time is None else f"{time['median_ms']:.0f}" for time in times]
        shown = f"{quality['psnr_db']:.2f} / {quality['ssim']:.3f}"
        return [name, shown, f"{num_bytes / 1e6:.2f}", *measured]

    rainy = f"{row['input_psnr_db']:.2f} / {row['input_ssim']:.3f}"
    rows = [
        ["rainy", rainy, "", "", ""],
        described("**`rgb-derain`**", row, card["onnx_bytes"], lambda time: time["is_this"]),
    ]
    for path in sorted((RESULTS / "bench").glob("derain-*.json")):
        for other in read_json(path)["rows"]:
            if other["backend"] == BACKENDS[0] and other["name"] in DERAINERS:
                name = other["name"]
                rows.append(
                    described(
                        DERAINERS[name],
                        other,
                        other["file_bytes"],
                        lambda time, name=name: time["name"] == name,  # type: ignore[misc]
                    )
                )
    header = ["network", "dB / SSIM", "MB", *(f"{backend}, ms" for backend in BACKENDS)]
    return lines(header, rows)


def seen_pictures() -> str:
    """Networks on pictures that trained those of clearer, and on others."""
    found: dict[str, dict[str, float]] = read_json(RESULTS / "seen_pictures.json")["networks"]
    groups = list(next(iter(found.values())))
    ours = catalogue.zoo_names()
    rows = [
        [
            f"**`{name}`**" if name in ours else RIVALS[name.split("_")[0]],
            *(f"{row[group]:.2f}" for group in groups),
        ]
        for name, row in found.items()
    ]
    return lines(["network", *groups], rows)


def in_eight_bits() -> str:
    """Files of networks in fp32 and in int8: size, PSNR, and milliseconds in one run."""
    rows = []
    for path in sorted((RESULTS / "bench").glob("int8-*.json")):
        for row in read_json(path)["rows"]:
            is_ours = row["kind"] == "ours"
            network = path.stem.removeprefix("int8-")
            rows.append(
                [
                    f"`{network}`" if is_ours else RIVALS[row["name"].split("_")[0]],
                    f"`{row['source']}`" if is_ours else NONE,
                    row["backend"],
                    f"{row['file_bytes'] / 1e6:.2f}",
                    f"{row['psnr_db']:.2f}",
                    f"{row['latency']['median_ms']:.0f}",
                ]
            )
    return lines(["network", "file", "runtime", "MB", "dB", "ms"], rows)


def jpeg_or_noise() -> str:
    """Which of two networks is better for a JPEG file, by noise and quality."""
    rows: list[list[str]] = []
    found: list[dict[str, Any]] = read_json(RESULTS / "jpeg_or_noise.json")["rows"]
    names = list(found[0]["psnr_db"])
    for row in found:
        best = max(row["psnr_db"].values())
        cells = [f"**{db:.2f}**" if db == best else f"{db:.2f}" for db in row["psnr_db"].values()]
        rows.append([f"{row['shot']:g}", str(row["quality"]), *cells])
    shown = [f"`{name}`" if name in catalogue.zoo_names() else name for name in names]
    return lines(["noise (shot)", "quality", *shown], rows)


def gray_pictures() -> str:
    """What restores gray pictures, by what is wrong with them."""
    found: dict[str, dict[str, Any]] = read_json(RESULTS / "gray_pictures.json")["rows"]
    _, *names, last, _ = next(iter(found.values()))
    header = ["", "as it is", *(f"`{name}`" for name in names), f"`clearer {last}`", "takes"]
    rows = []
    for name, row in found.items():
        counts: dict[str, int] = row["by"]
        takes = ", ".join(f"`{network}`" for network in sorted(counts, key=lambda n: -counts[n]))
        decibels = [f"{row[column]:.2f}" for column in ("as it is", *names)]
        rows.append([name.replace("sigma", SIGMA), *decibels, f"**{row[last]:.2f}**", takes])
    return lines(header, rows)


FIGURES: Final[dict[str, tuple[str, Callable[[], str]]]] = {
    "gray": ("denoising.md", lambda: beside_rivals(1, ("bsd68", "set12"))),
    "rgb": ("denoising.md", lambda: beside_rivals(3, ("cbsd68", "kodak24"))),
    "fine photos": ("denoising.md", fine_photos),
    "seen pictures": ("denoising.md", seen_pictures),
    "told": ("denoising.md", lambda: told("told_level.json")),
    "told in colour": ("denoising.md", lambda: told("told_level_rgb.json")),
    "trained": (
        "denoising.md",
        lambda: trained(("gray", "gray-small", "gray-tiny", "rgb", "rgb-small", "rgb-tiny")),
    ),
    "self-ensembles": ("denoising.md", self_ensembles),
    "photographs": ("photographs.md", photographs),
    "trained for photographs": ("photographs.md", lambda: trained(("rgb-photo",))),
    "deblocked": ("deblocking.md", deblocked),
    "in eight bits": ("speed.md", in_eight_bits),
    "derained": ("deraining.md", derained),
    "trained for rain": ("deraining.md", lambda: trained(("rgb-derain",))),
    "trained for deblocking": ("deblocking.md", lambda: trained(("rgb-dejpeg",))),
    "jpeg or noise": ("deblocking.md", jpeg_or_noise),
    "gray pictures": ("photographs.md", gray_pictures),
}
"""Page and maker of each table, by the name in its marks."""

if __name__ == "__main__":
    write_figures()
