"""Memory and time that ``clearer restore`` takes for one large noisy picture, in its own process.

    python benchmarks/restore_memory.py kodak24/kodim03.png runs/<name> runs/<name>/model.onnx

The picture is enlarged to 4000x3000, Gaussian noise of sigma 25 is added and it is rounded to 8
bits; once in gray and once in colour. Prints a JSON object per line: the peak resident memory of
the process and its wall time, with the load of the machine before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from clearer.support.device import device_name

SIZE = (4000, 3000)
SIGMA = 25


def make_picture(source: Path, mode: str, path: Path) -> None:
    """Write the noisy picture."""
    with Image.open(source) as file:
        clean = np.asarray(file.convert(mode).resize(SIZE, Image.Resampling.BICUBIC), np.float32)
    noise = np.random.default_rng(0).normal(0, SIGMA, clean.shape)
    Image.fromarray(np.rint(clean + noise).clip(0, 255).astype(np.uint8)).save(
        path, compress_level=1
    )


def measure(picture: Path, model: Path, out: Path, threads: int) -> dict[str, object]:
    """Run the command, and ask the system for its memory and time."""
    words = ["restore", picture, "--model", model, "--out", out, "--overwrite", "--json"]
    command = [sys.executable, "-m", "clearer.cli", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    before, start = os.getloadavg()[0], time.perf_counter()
    with (out / "record.json").open("wb") as output:
        process = os.posix_spawn(
            sys.executable,
            command,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1)],
        )
        ended, peak_mb = 0, 0.0
        while not ended:
            peak_mb = max(peak_mb, _peak_mb(process))
            time.sleep(0.1)
            ended, status, usage = os.wait4(process, os.WNOHANG)
    if status:
        raise SystemExit(f"{command} failed")
    (record,) = json.loads((out / "record.json").read_text())
    return {
        "model": str(model),
        "picture": picture.stem,
        "threads": threads,
        "device": device_name("cpu"),
        "peak_mb": round(peak_mb),
        "wall_s": round(time.perf_counter() - start, 1),
        "processor_s": round(usage.ru_utime + usage.ru_stime, 1),
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
        **{key: record[key] for key in ("width", "height", "bits", "tiles")},
    }


def _peak_mb(process: int) -> float:
    """Peak memory of the process so far. ``ru_maxrss`` would include its parent's at the start."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return sum(kilobytes) * 1024 / 1e6


def main() -> None:
    """Measure every model on both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for the pictures; default: none stay")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        out = folder / "restored"
        out.mkdir(parents=True, exist_ok=True)
        for name, mode in (("gray", "L"), ("colour", "RGB")):
            picture = folder / f"{name}.png"
            make_picture(arguments.source, mode, picture)
            for model in arguments.models:
                print(json.dumps(measure(picture, model, out, arguments.threads)), flush=True)


if __name__ == "__main__":
    main()
