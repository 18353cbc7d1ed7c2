"""The content of a ``bench.json``, and a run, invented for tests of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clearer.costs.budget import Budget
from clearer.runs.settings import RunSettings
from clearer.space.space import Architecture, SearchSpace
from tests.run_settings import quick_run

HOSTILE = "<script>document.title='broken'</script></script><img src=x onerror=alert(1)>"

SPACE = SearchSpace(width=8, columns=(2, 3), residual=True)
FROZEN = Architecture.from_text("PF-FPF", SPACE)

# name, kind, backend, provider, precision, dB, median ms, predicted ms, on the front
_ROWS = (
    ("clearer PPPF-FFFF-FFFP", "ours", "torch", "cpu", "fp32", 26.04, 151.0, None, False),
    ("clearer PPPF-FFFF-FFFP", "ours", "ONNX Runtime", "CPU", "fp32", 26.04, 88.0, 85.3, False),
    ("clearer PPPF-FFFF-FFFP", "ours", "OpenVINO", "CPU", "fp32", 26.04, 41.0, 42.2, True),
    ("clearer PPPF-FFFF-FFFP", "ours", "OpenVINO", "CPU", "int8", 25.82, 24.5, None, True),
    ("FFDNet", "other", "ONNX Runtime", "CPU", "fp32", 26.30, 77.0, None, False),
    ("FFDNet", "other", "OpenVINO", "CPU", "fp32", 26.30, 52.0, None, True),
    ("DnCNN-S", "other", "OpenVINO", "CPU", "fp32", 26.24, 260.0, None, False),
    ("non-local means", "classical", "scikit-image", None, "fp32", 24.58, 142.0, None, False),
)


def _times(rng: np.random.Generator, median_ms: float) -> dict[str, Any]:
    times = np.sort(median_ms * (0.96 + rng.gamma(1.5, 0.03, size=60)))
    times *= median_ms / np.median(times)
    return {
        "median_ms": float(np.median(times)),
        "p5_ms": float(np.quantile(times, 0.05)),
        "p95_ms": float(np.quantile(times, 0.95)),
        "p99_ms": float(np.quantile(times, 0.99)),
        "min_ms": float(times.min()),
        "n": len(times),
        "spread": 0.02,
        "times_ms": [round(float(value), 3) for value in times],
    }


def bench_report(folder: Path) -> Any:
    """Rows of every kind, a skipped one, and two strips, which are written into ``folder``."""
    rng = np.random.default_rng(0)
    hardness = rng.normal(0, 2, size=12)
    rows = []
    for name, kind, backend, provider, precision, psnr_db, ms, predicted_ms, on_front in _ROWS:
        images = psnr_db + hardness - hardness.mean() + rng.normal(0, 0.05, size=12)
        rows.append(
            {
                "name": name,
                "kind": kind,
                "source": "model.onnx",
                "backend": backend,
                "provider": provider,
                "version": "1.2.3",
                "precision": precision,
                "threads": 1 if kind == "classical" else 2,
                "file_bytes": None if kind == "classical" else 4_165_000,
                "num_params": None if kind == "classical" else 1_030_000,
                "load_ms": ms / 2,
                "peak_memory_mb": None if backend == "torch" else ms + 60,
                "psnr_db": float(images.mean()),
                "ssim": 0.716,
                "psnr_db_interval_95": [psnr_db - 0.6, psnr_db + 0.7],
                "images": [
                    {"image": f"{index + 1:02}.png", "psnr_db": float(value), "ssim": 0.7}
                    for index, value in enumerate(images)
                ],
                "latency": _times(rng, ms),
                "end_to_end": _times(rng, ms * 1.08),
                "throughput": {"batch": 4, "images_per_s": 1100 / ms},
                "predicted_ms": predicted_ms,
                "on_front": on_front,
            }
        )
    return {
        "schema_version": 2,
        "clearer": "0.1.0",
        "measured": "2026-11-25T01:30:00+0000",
        "command": ["clearer", "bench", "runs/my run", "--against", "ffdnet_s50.onnx"],
        "environment": {
            "device": "AMD EPYC 7763",
            "os": "Linux 6.1",
            "python": "3.11.7",
            "packages": {"torch": "2.13.0", "onnxruntime": "1.32.0", "tensorrt": None},
            "threads": 2,
            "pinned_cores": [0, 1],
        },
        "task": "denoise, sigma 50, protocol awgn",
        "protocol": "awgn",
        "data": "set12",
        "data_use": "test",
        "num_images": 12,
        "noise_seed": 0,
        "timed_shape": [1, 1, 256, 256],
        "num_rounds": 60,
        "warm_up": {"seconds": 0.2, "runs": 10},
        "input": {"psnr_db": 14.15, "ssim": 0.185, "psnr_db_interval_95": [14.1, 14.2]},
        "noise": {
            "is_quiet": True,
            "reference_spread": 0.018,
            "text": "The machine was quiet: the reference moved by 1.8 % between rounds.",
        },
        "rows": rows,
        "skipped": [
            {"name": "model.fp16.onnx", "backend": "TensorRT", "reason": "there is no GPU here"}
        ],
        "strips": [_strip(folder, rng, name) for name in ("01.png", "02.png")],
    }


def hostile_report(folder: Path) -> Any:
    """A report in which every text from elsewhere tries to break out."""

    def poison(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: poison(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [poison(item, key) for item in value]
        kept = ("kind", "file", "measured", "image")
        return f"{value}{HOSTILE}" if isinstance(value, str) and key not in kept else value

    poisoned: Any = poison(bench_report(folder))
    return poisoned


def _strip(folder: Path, rng: np.random.Generator, name: str) -> dict[str, Any]:
    y, x = np.mgrid[:160, :160]
    clean = 127 + 80 * np.sin(x / 9) * np.cos(y / 14)
    panels = [np.clip(clean + rng.normal(0, s, clean.shape), 0, 255) for s in (50, 9, 7, 0)]
    (folder / "strips").mkdir(exist_ok=True)
    pixels = np.concatenate(panels, axis=1).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "strips" / name)
    return {
        "image": name,
        "file": f"strips/{name}",
        "panels": ["degraded", "clearer PPPF-FFFF-FFFP", "FFDNet", "clean"],
    }


def settings() -> RunSettings:
    return quick_run(SPACE, budgets=(Budget(metric="mb", limit=5),), image_size=(256, 256))


def search_line(iteration: int, fusion: float) -> dict[str, Any]:
    return {
        "iteration": iteration,
        "loss_res": 1 / iteration,
        "op_weights": [[1 - fusion, fusion]] * SPACE.num_columns,
        "expected_cost": [6 - iteration / 440],
        "lambda_comp": [iteration * 1e-5],
    }
