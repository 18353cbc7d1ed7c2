"""How much restoring in tiles differs from restoring the whole picture, by overlap.

    python benchmarks/seams.py picture.png runs/<name> [--overlaps 0 16 32 48 64]

Noise is added to a gray picture (its centre crop of 768x768), which is rounded to 8 bits; tiles
keep about 160 pixels. Prints a line for each noise level and overlap, the default first: the
largest and the root mean square difference, in levels of 255, and the share of 8-bit pixels that
differ.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from clearer.bench.restorers import find_restorer
from clearer.networks.level_map import at_level
from clearer.pictures.images import read_image
from clearer.restoring.restore import default_plan
from clearer.restoring.restorer import Restorer
from clearer.restoring.tiling import TilePlan, restore_tiles
from clearer.space.receptive_field import Reach, receptive_field

SIDE, KEPT = 768, 160


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--overlaps", type=int, nargs="+", default=[0, 16, 32, 48, 64, 80, 96, 128])
    arguments = parser.parse_args()
    found = find_restorer(arguments.model, None)
    if found.architecture is None or found.channels != 1:
        raise SystemExit("give a gray network whose architecture is known")
    field, multiple = receptive_field(found.architecture), found.architecture.space.multiple
    default = default_plan(found.architecture).overlap
    print(f"{found.architecture.text}: sees {field.before} and {field.after} pixels")
    picture = read_image(arguments.picture, "gray")
    top, left = (max(0, (side - SIDE) // 2) for side in picture.shape[:2])
    clean = picture[top : top + SIDE, left : left + SIDE].astype(np.float32)
    for sigma in (5, 25, 50):
        noise = np.random.default_rng(0).normal(0, sigma, clean.shape)
        # 16 bits, to show differences far below one level of 255.
        noisy = (np.rint(clean + noise).clip(0, 255) * 257).astype(np.uint16)
        restore: Restorer = found.runner
        if found.has_level:
            restore = at_level(restore, sigma / 255)
        whole = restore_tiles(restore, noisy, TilePlan(side=SIDE, overlap=field))
        for overlap in [default, *(Reach(one, one) for one in arguments.overlaps)]:
            least = TilePlan(side=2 * SIDE, overlap=overlap, multiple=multiple).least_side
            plan = TilePlan(side=KEPT + least, overlap=overlap, multiple=multiple)
            tiled = restore_tiles(restore, noisy, plan)
            apart = np.abs(tiled.astype(float) - whole) / 257
            levels = np.rint(tiled / 257) != np.rint(whole / 257)
            print(
                f"sigma {sigma}, overlap {overlap.before} and {overlap.after}: "
                f"largest {apart.max():.4f}, root mean square {np.sqrt((apart**2).mean()):.5f}, "
                f"8-bit pixels that differ {levels.mean():.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
