"""Write docs/restored.png, the first picture of the README, and its caption.

    python benchmarks/zoo/picture.py

A photograph that trained no network, with noise, and restored by the network that `clearer restore`
chooses: in colour if an RGB network comes with the package.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from pages import README, rewrite_page

from clearer.bench.accuracy import input_accuracy, measure_accuracy
from clearer.bench.level_runner import at_level
from clearer.bench.plots import save_figure, show, shown
from clearer.bench.runners import TorchRunner
from clearer.data.pairs import PictureFile, read_pictures
from clearer.data.splits import BUILTIN_VAL, PHOTOGRAPHS
from clearer.errors import ClearerError
from clearer.pictures.images import Color
from clearer.restoring.evaluate import VALIDATION_SEED, evaluation_pairs
from clearer.tasks.base import Span
from clearer.tasks.denoise import Denoise
from clearer.zoo.catalogue import default_network

PHOTOGRAPH: Final = BUILTIN_VAL[1]
LEVEL: Final = Denoise(sigma=Span(25, 25))
INCHES: Final = 3.1
"""Width of a panel: about as many dots as the photograph has columns."""


def main(png: Path, readme: Path) -> None:
    """Restore, draw, and write both."""
    caption = draw(png)
    rewrite_page(readme, "picture.py", caption)
    print(caption)


def draw(png: Path) -> str:
    """Write the picture, with its caption in the description too."""
    network = default_network(3)
    color: Color = "rgb" if network.channels == 3 else "gray"
    images = read_pictures([PictureFile(PHOTOGRAPH, PHOTOGRAPHS / PHOTOGRAPH)], color)
    degraded, clean = (pair[0] for pair in next(evaluation_pairs(images, LEVEL, VALIDATION_SEED)))
    runner = TorchRunner(network.name, network.load()[0])
    # The level is estimated, as it is for users.
    restore = at_level(runner, None, has_level=network.architecture.space.level_map)
    found = measure_accuracy(restore, images, LEVEL, keep=[0])
    noisy_db = input_accuracy(images, LEVEL)["psnr_db"]
    panels = {
        f"noise of sigma {LEVEL.sigma} (of 255): {noisy_db:.2f} dB": degraded,
        f"restored by {network.name}: {found.mean_db:.2f} dB": found.restored[0],
        f"the photograph, {PHOTOGRAPH}": clean,
    }
    height, width = clean.shape[1:]
    figure = Figure(figsize=(3.1 * INCHES, INCHES * height / width))
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.05)
    for axes, (text, pixels) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        show(axes, shown(pixels), "")
        axes.text(0.5, -0.03, text, transform=axes.transAxes, ha="center", va="top", fontsize=9)
    megabytes = network.card["onnx_bytes"] / 1e6
    caption = (
        f"{PHOTOGRAPH} of scikit-image, {width}x{height}, {color.replace('rgb', 'RGB')}, which "
        f"trained no network here: white Gaussian noise of sigma {LEVEL.sigma} (of 255), "
        f"{noisy_db:.2f} dB; restored by "
        f"`{network.name}` ({megabytes:.2f} MB), {found.mean_db:.2f} dB, SSIM "
        f"{found.ssim[0]:.3f}; the photograph. PSNR over the whole picture, protocol "
        f"`{LEVEL.protocol}`."
    )
    save_figure(figure, png, caption)
    return caption


if __name__ == "__main__":
    try:
        main(README.parent / "docs" / "restored.png", README)
    except ClearerError as error:
        sys.exit(str(error))
