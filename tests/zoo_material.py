"""Tiny sets of pictures under the names that the recipes of benchmarks/zoo know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

TINY_QUEUE = """
[[training]]
name = "tiny"
why = "to be quick"
architecture = "P-F"
space = {{ width = 2, unshuffle = 2, columns = [1, 1] }}
color = "rgb"
data = "photos-fair"
sigma = "5:50"
iterations = {iterations}
batch-size = 2
patch-size = 16
validate-every = 5
reduce = 2
compile = "off"

[[search]]
name = "tiny-search"
why = "likewise"
data = "bsds500-fair"
width = 2
unshuffle = 2
columns = "1,1"
search-iterations = 4
batch-size = 2
patch-size = 16
"""


def make_sets(folder: Path) -> Path:
    """BSDS500 of 5, 2 and 3 pictures, of which one is in BSD68, and photos149 of 13."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 5), ("test", 2), ("val", 3)):
        (folder / "bsds500" / split).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(256, size=(40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "bsds500" / split / f"{split}{index}.jpg")
    (folder / "bsd68").mkdir()
    names = ["val0", *(f"elsewhere{index}" for index in range(67))]
    lines = [f"test{i:03}.png {name}.jpg\n" for i, name in enumerate(names)]
    (folder / "bsd68" / "bsds500_val.txt").write_text("".join(lines))
    (folder / "photos149").mkdir()
    for index in range(13):
        pixels = rng.integers(256, size=(40, 44, 3), dtype=np.uint8)
        path = folder / "photos149" / f"photo{index:02}.webp"
        Image.fromarray(pixels).save(path, lossless=True)
    return folder
