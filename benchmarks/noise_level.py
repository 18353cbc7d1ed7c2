"""How well the noise level of pictures is estimated, compared with other methods.

    python benchmarks/noise_level.py out.json --set kodak24 [--set ...] [--color rgb] [--every 4]
    python benchmarks/noise_level.py out.json --pairs polyu --first 50

White Gaussian noise is added to the pictures of a folder, in floating point (protocol awgn), and,
as ``saved``, clipped and rounded to 8 bits. Methods: ours; ``estimate_sigma`` of scikit-image, the
median of wavelet coefficients; and the eigenvalues of all patches (Chen, Zhu, Heng, "An Efficient
Statistical Method for Image Noise Level Estimation", ICCV 2015). Pairs are in ``noisy/``
and ``clean/``: their level is the standard deviation of the difference of the lumas. Prints a table
of relative errors in percent: mean, mean absolute, and worst. Writes all levels as JSON, after
every picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import estimate_sigma

from clearer.pictures.images import LUMA, Color, list_images, read_image
from clearer.restoring.noise_level import estimate_level
from clearer.support.files import read_json, write_json

SIGMAS: Final = (3, 5, 10, 15, 25, 50, 75)
SIDE: Final = 8
NUM_PATCHES: Final = 30_000
Picture = NDArray[np.float32]


def wavelets(picture: Picture) -> float:
    """The estimate from the median of the finest diagonal wavelet coefficients."""
    return float(estimate_sigma(picture, channel_axis=-1, average_sigmas=True))


def eigenvalues(picture: Picture) -> float:
    """The estimate from the smallest eigenvalues of the patch covariance that agree with noise."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, (SIDE, SIDE), axis=(0, 1))
    rows, columns = windows.shape[:2]
    places = np.random.default_rng(0).integers(rows * columns, size=NUM_PATCHES)
    patches = windows[places // columns, places % columns].reshape(NUM_PATCHES, -1)
    values = np.linalg.eigvalsh(np.cov(patches.T))
    for count in range(len(values), 0, -1):
        mean = values[:count].mean()
        if (values[:count] > mean).sum() == (values[:count] < mean).sum():
            return float(np.sqrt(max(mean, 0)))
    return float(np.sqrt(max(values[0], 0)))


METHODS: Final[dict[str, Callable[[Picture], float]]] = {
    "clearer": estimate_level,
    "wavelets": wavelets,
    "eigenvalues": eigenvalues,
}


def unit(path: Path, color: Color) -> Picture:
    """A picture in [0, 1]."""
    return read_image(path, color).astype(np.float32) / np.float32(255)


def levels_of(path: Path, color: Color, seed: int, sigmas: list[int], methods: list[str]) -> Any:
    """What each method finds in a picture, clean and with noise of each level, on 0 to 255."""
    clean = unit(path, color)
    found: dict[str, dict[str, float]] = {"0": {}}
    found["0"] = {name: METHODS[name](clean) * 255 for name in methods}
    for sigma in sigmas:
        noise = np.random.default_rng([seed, sigma]).normal(0, sigma / 255, clean.shape)
        noisy = clean + noise.astype(np.float32)
        saved = np.rint(noisy.clip(0, 1) * 255).astype(np.float32) / np.float32(255)
        found[str(sigma)] = {name: METHODS[name](noisy) * 255 for name in methods}
        found[str(sigma)]["clearer, saved"] = estimate_level(saved) * 255
    return found


def pair_levels(folder: Path, path: Path) -> dict[str, float]:
    """The deviation of a real picture's luma from its clean one, and what each method finds."""
    noisy = unit(path, "rgb")
    apart = (noisy.astype(np.float64) - unit(folder / "clean" / path.name, "rgb")) @ LUMA
    luma = (noisy @ LUMA).astype(np.float32)[..., None]
    return {
        "true": float(apart.std()) * 255,
        "clearer": estimate_level(noisy) * 255,
        "clearer, luma": estimate_level(luma) * 255,
        "wavelets": wavelets(noisy) * 255,
    }


def print_table(name: str, pictures: dict[str, Any]) -> None:
    """Print the errors by level."""
    sigmas = [sigma for sigma in next(iter(pictures.values())) if sigma != "0"]
    print(f"\n{name}, {len(pictures)} pictures: mean / mean absolute / worst error, %")
    print(f"| method | clean | {' | '.join(sigmas)} |")
    print("| --- " * (len(sigmas) + 2) + "|")
    for method in next(iter(pictures.values()))[sigmas[0]]:
        clean = [levels["0"][method] for levels in pictures.values() if method in levels["0"]]
        cells = [f"{np.mean(clean):.2f}" if clean else ""]
        for sigma in sigmas:
            found = np.array([levels[sigma][method] for levels in pictures.values()])
            errors = 100 * (found / float(sigma) - 1)
            worst = errors[np.abs(errors).argmax()]
            cells.append(f"{errors.mean():+.1f} / {np.abs(errors).mean():.1f} / {worst:+.1f}")
        print(f"| {method} | {' | '.join(cells)} |")


def print_pairs(name: str, pictures: dict[str, Any]) -> None:
    """Print the median and range of the ratio to the true level."""
    true = np.array([levels["true"] for levels in pictures.values()])
    print(f"\n{name}, {len(pictures)} pairs: median of the true level {np.median(true):.2f}")
    for method in [key for key in next(iter(pictures.values())) if key != "true"]:
        ratios = np.array([levels[method] for levels in pictures.values()]) / true
        low, middle, high = np.percentile(ratios, (10, 50, 90))
        print(f"{method}: {middle:.2f} ({low:.2f} to {high:.2f}) of it")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="is added to where it exists")
    parser.add_argument("--set", type=Path, action="append", default=[], help="folder of pictures")
    parser.add_argument("--pairs", type=Path, action="append", default=[])
    parser.add_argument("--color", choices=("gray", "rgb"), default="gray")
    parser.add_argument("--every", type=int, default=1, help="this many pictures, one is taken")
    parser.add_argument("--first", type=int, help="of the pictures by name; default: all")
    parser.add_argument("--sigmas", type=int, nargs="+", default=list(SIGMAS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    arguments = parser.parse_args()
    record = read_json(arguments.out) if arguments.out.exists() else {}
    for folder in arguments.set:
        name = f"{folder.name}, {arguments.color}"
        paths = list_images(folder)[:: arguments.every][: arguments.first]
        record[name] = {}
        for seed, path in enumerate(paths):
            options = (arguments.color, seed, arguments.sigmas, arguments.methods)
            record[name][path.name] = levels_of(path, *options)
            write_json(arguments.out, record)
        print_table(name, record[name])
    for folder in arguments.pairs:
        name = f"{folder.name}, pairs"
        record[name] = {}
        for path in list_images(folder / "noisy")[:: arguments.every][: arguments.first]:
            record[name][path.name] = pair_levels(folder, path)
            write_json(arguments.out, record)
        print_pairs(name, record[name])


if __name__ == "__main__":
    main()
