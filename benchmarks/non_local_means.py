"""Finds the best settings of non-local means, which ``clearer bench`` compares with.

    python benchmarks/non_local_means.py

A rival deserves its best settings. They are chosen on the built-in *training* photographs (the
middle 256 x 256 of each), gray, protocol awgn. Prints one JSON object.
"""

from __future__ import annotations

import itertools
import json
from importlib import metadata

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means

from clearer.data.splits import BUILTIN_TRAIN, load_splits
from clearer.restoring.evaluate import evaluate
from clearer.tasks.base import Span
from clearer.tasks.denoise import Denoise


def main() -> None:
    """Try all settings at three noise levels and print the mean PSNR of each."""
    train = load_splits(None, "gray", 0, Denoise()).train
    photographs = train.select(range(len(BUILTIN_TRAIN)))
    images = photographs.middles(256)
    rows = []
    for strength, patch, distance in itertools.product((0.4, 0.5, 0.6, 0.8), (5, 7), (6, 11)):
        row: dict[str, float] = {"h_over_sigma": strength, "patch": patch, "distance": distance}
        for sigma_255 in (15, 25, 50):
            sigma = sigma_255 / 255

            def restore(
                degraded: NDArray[np.float32],
                h: float = strength * sigma,
                sigma: float = sigma,
                patch: int = patch,
                distance: int = distance,
            ) -> NDArray[np.float32]:
                restored = denoise_nl_means(
                    degraded[0, 0], patch, distance, h, sigma=sigma, fast_mode=True
                )
                return np.asarray(restored, dtype=np.float32)[None, None]

            quality = evaluate(restore, images, Denoise(sigma=Span(sigma_255, sigma_255)), seed=0)
            row[f"psnr_db_sigma_{sigma_255}"] = quality.psnr_db
        row["mean_psnr_db"] = float(np.mean([v for k, v in row.items() if k.startswith("psnr")]))
        rows.append(row)
    rows.sort(key=lambda row: -row["mean_psnr_db"])
    print(json.dumps({"scikit-image": metadata.version("scikit-image"), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
