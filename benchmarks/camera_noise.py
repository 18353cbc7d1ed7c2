"""Compares the noise of the task photo with that of real cameras.

    python benchmarks/camera_noise.py polyu [--first 50] [--shot 0.0003:0.001] [--seed 0]

The folder holds pairs of one name in ``noisy/`` and ``clean/``: one shot, and the mean of many.
The task makes noise on the same clean pictures, at the resolution of the sensor; JPEG of quality 75
with halved chroma follows, which is how the pictures of PolyU were saved. Noise is the difference
from the clean picture, in levels of 255, minus what a shift and a change of sharpness or tone of
that picture explain (by least squares: shots differ from their mean in position and brightness),
minus its mean over 31x31 pixels. Prints a table: the median over the pictures, and in brackets the
10th and 90th percentile.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

from clearer.pictures.images import read_image
from clearer.tasks import sensor_noise
from clearer.tasks.base import Span, to_batch, to_picture
from clearer.tasks.dejpeg import DeJpeg
from clearer.tasks.draws import PictureDraws
from clearer.tasks.photo import Photo

QUALITY: Final = 75
WINDOW: Final = 31
BAND: Final = 32
LEAST_PIXELS: Final = 2000
TEXTURE_BLUR: Final = 3
BLOCK: Final = 16
FREQUENCIES: Final = ((0.015, 0.03), (0.03, 0.06), (0.15, 0.2), (0.25, 0.3), (0.3, 0.4), (0.4, 0.5))
MIDDLE: Final = (0.06, 0.1)
TO_YCC: Final = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)

Pixels = NDArray[np.uint8]
Planes = NDArray[np.float64]


def photograph(clean: Pixels, shot: Span, seed: list[int]) -> Pixels:
    """The clean picture with the task's noise, saved as JPEG."""
    rng = np.random.default_rng(seed)
    batch = to_batch(clean.astype(np.float32) / np.float32(255))
    noisy = sensor_noise.photograph(batch, shot, PictureDraws(rng), most_reduced=1)
    saved = DeJpeg(quality=Span(QUALITY, QUALITY)).degrade_picture(to_picture(noisy), rng)
    return np.rint(255 * saved).astype(np.uint8)


def statistics(noisy: Pixels, clean: Pixels) -> dict[str, float]:
    """The figures of one picture, by row of the table."""
    apart: Planes = noisy.astype(float) - clean
    figures = {"PSNR, dB": 10 * np.log10(255**2 / np.square(apart).mean())}
    left = [unexplained(apart[..., c], clean[..., c].astype(float)) for c in range(3)]
    apart = np.stack(left, axis=2)
    figures["PSNR of what is left, dB"] = 10 * np.log10(255**2 / np.square(apart).mean())
    means: Planes = uniform_filter(apart, (WINDOW, WINDOW, 0), output=np.float64)
    noise: Planes = apart - means
    planes: Planes = noise @ TO_YCC.T
    deviations = [*noise.std((0, 1)), *planes.std((0, 1))]
    for name, deviation in zip(("R", "G", "B", "Y", "Cb", "Cr"), deviations, strict=True):
        figures[f"deviation, {name}"] = float(deviation)
    between: Planes = np.asarray(np.corrcoef(noise.reshape(-1, 3).T))
    figures |= {"correlation, R and G": between[0, 1], "correlation, G and B": between[1, 2]}
    figures |= {"correlation, R and B": between[0, 2]}
    for index, name in enumerate(("Y", "Cb", "Cr")):
        for distance in (1, 2, 4, 8):
            plane = planes[..., index] - planes[..., index].mean()
            along = [self_correlation(turned, distance) for turned in (plane.T, plane)]
            figures[f"{name}, {distance} to the right"], figures[f"{name}, {distance} down"] = along
    brightness = clean @ TO_YCC[0]
    figures |= powers(planes[..., 0])
    figures["deviation of Y, textured over smooth places"] = by_texture(planes[..., 0], brightness)
    for low in range(0, 256, BAND):
        inside = (brightness >= low) & (brightness < low + BAND)
        if inside.sum() >= LEAST_PIXELS:
            luma, *chroma = planes[inside].std(0)
            band = f"{low} to {low + BAND - 1}"
            figures[f"deviation of Y at {band}"] = luma
            figures[f"deviation of Cb, Cr at {band}"] = float(np.sqrt(np.square(chroma).mean()))
    return figures


def unexplained(apart: Planes, clean: Planes) -> Planes:
    """The part of a channel's difference that its clean picture does not explain."""
    shift = [gaussian_filter(clean, 0.7, order=order) for order in ((0, 1), (1, 0))]
    sharpness = [clean - gaussian_filter(clean, blur) for blur in (1, 2)]
    tone = [(clean / 255) ** power for power in range(4)]
    terms = np.stack([*shift, *sharpness, *tone], axis=2).reshape(-1, 8)
    factors = np.linalg.lstsq(terms, apart.ravel(), rcond=None)[0]
    left: Planes = apart - (terms @ factors).reshape(apart.shape)
    return left


def powers(plane: Planes) -> dict[str, float]:
    """Spectral density in bands of cycles per pixel, relative to a middle band."""
    spectrum = np.square(np.abs(np.fft.fft2(plane)))
    along, down = (np.fft.fftfreq(side) for side in plane.shape[::-1])
    frequency = np.hypot(down[:, None], along)

    def density(low: float, high: float) -> float:
        return float(spectrum[(frequency >= low) & (frequency < high)].mean())

    return {
        f"Y, power at {low:g} to {high:g}, dB": 10 * np.log10(density(low, high) / density(*MIDDLE))
        for low, high in FREQUENCIES
    }


def by_texture(noise: Planes, brightness: Planes) -> float:
    """Median deviation in the most textured fifth of the blocks over that in the least textured."""
    texture = blocks(brightness - gaussian_filter(brightness, TEXTURE_BLUR)).std(1)
    deviation = blocks(noise).std(1)
    least, most = np.quantile(texture, (0.2, 0.8))
    return float(np.median(deviation[texture >= most]) / np.median(deviation[texture <= least]))


def blocks(plane: Planes) -> Planes:
    """Whole blocks of 16x16 pixels, ``(N, 256)``."""
    rows, columns = (side // BLOCK for side in plane.shape)
    whole = plane[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return whole.transpose(0, 2, 1, 3).reshape(-1, BLOCK**2)


def self_correlation(plane: Planes, distance: int) -> float:
    """The correlation of rows that are this far apart."""
    return float((plane[distance:] * plane[:-distance]).mean() / np.square(plane).mean())


def summary(figures: list[dict[str, float]], row: str) -> str:
    """Median, 10th and 90th percentile of a row over the pictures that have it."""
    values = [picture[row] for picture in figures if row in picture]
    low, middle, high = np.percentile(values, (10, 50, 90))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, help="of the pictures by name; default: all")
    parser.add_argument("--shot", type=Span.parse, default=Photo().shot)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    paths = sorted((arguments.folder / "noisy").iterdir())[: arguments.first]
    if not paths:
        raise SystemExit(f"{arguments.folder} holds no pictures in noisy/")
    camera, task = [], []
    for index, path in enumerate(paths):
        clean = read_image(arguments.folder / "clean" / path.name, "rgb")
        camera.append(statistics(read_image(path, "rgb"), clean))
        made = photograph(clean, arguments.shot, [arguments.seed, index])
        task.append(statistics(made, clean))
    print(f"| {len(paths)} pictures | cameras | task photo, shot {arguments.shot} |")
    print("| --- | --- | --- |")
    for row in dict.fromkeys(name for figures in camera for name in figures):
        print(f"| {row} | {summary(camera, row)} | {summary(task, row)} |")


if __name__ == "__main__":
    main()
