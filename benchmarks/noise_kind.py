"""How reliably photographs of cameras are told apart from pictures with white noise.

    python benchmarks/noise_kind.py polyu/noisy bsds500/train [--first 50] [--color gray]

Two folders: real photographs, and clean pictures that get white Gaussian noise of sigma 5 to 50,
each picture one level, rounded to 8 bits. Prints the share of fine detail
(clearer/restoring/noise_kind.py) of both, and how many are taken for the other kind.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearer.pictures.images import list_images, read_image
from clearer.restoring.noise_kind import fine_share, is_noise_of_camera


def main() -> None:
    """Print a line for each kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", type=Path)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--first", type=int, help="photographs, by name; default: all")
    parser.add_argument("--color", choices=("gray", "rgb"), default="rgb")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    photographs = [
        read_image(path, arguments.color)
        for path in list_images(arguments.photographs)[: arguments.first]
    ]
    report("photographs", photographs, is_of_camera=True)
    noisy = []
    for path in list_images(arguments.clean):
        clean = read_image(path, arguments.color)
        pixels = clean + rng.normal(0, rng.uniform(5, 50), clean.shape)
        noisy.append(np.rint(pixels.clip(0, 255)).astype(np.uint8))
    report("white noise", noisy, is_of_camera=False)


def report(name: str, pictures: list[NDArray[Any]], *, is_of_camera: bool) -> None:
    """A line for pictures of one kind."""
    shares = np.array([fine_share(picture) for picture in pictures])
    wrong = sum(is_noise_of_camera(picture) != is_of_camera for picture in pictures)
    low, middle, high = np.quantile(shares, (0, 0.5, 1))
    print(
        f"{name}: {len(pictures)} pictures, share {low:.3f} to {high:.3f}, median {middle:.3f}; "
        f"{wrong} taken for the other kind"
    )


if __name__ == "__main__":
    main()
