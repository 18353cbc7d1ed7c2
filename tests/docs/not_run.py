"""What is not run of the pages' commands, and why; it is parsed all the same."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["NOT_RUN", "NotRun", "Why"]


class Why(Enum):
    """What a machine of the tests does not have."""

    GPU = "needs a GPU"
    MACHINES = "needs several machines, or their scheduler"
    NETWORK = "downloads"
    INSTALLS = "changes what is installed, or the shell"
    WHOLE = "is a whole round of the tests, of the site or of the networks"
    ELSEWHERE = "runs in another test, which gives it a folder and tiny networks of its own"


@dataclass(frozen=True)
class NotRun:
    """A command of a page."""

    why: Why
    says: str = ""
    """What it answers where the reason holds, if it can be asked quickly."""
    where: str = ""
    """The test that runs it, or what it does: where that takes long, it is not done twice."""


_NO_GPU: Final = NotRun(Why.GPU, says="torch finds no CUDA device here")
_NO_ENGINE: Final = NotRun(Why.GPU, says="no tensorrt engine")
_CUT: Final = NotRun(Why.ELSEWHERE, where="tests/e2e/test_pruning.py")
_GPU_SCRIPTS: Final = NotRun(Why.ELSEWHERE, where="tests/e2e/test_gpu_scripts.py")
_CPP: Final = NotRun(Why.ELSEWHERE, where="tests/examples/test_cpp.py")
_INSTALLS: Final = NotRun(Why.INSTALLS)
_WHEEL: Final = NotRun(Why.INSTALLS, where="tests/test_wheel.py")
_WHOLE: Final = NotRun(Why.WHOLE)

NOT_RUN: Final[dict[str, NotRun]] = {
    "clearer search --budget-mb 5 --device cuda --devices 4": _NO_GPU,
    "clearer search --preset paper --data bsds500 --protocol paper --sigma 50 --device cuda": (
        _NO_GPU
    ),
    "clearer export --trt": _NO_ENGINE,
    "clearer export --trt --trt-profile 1x64x64,1x512x512,4x1088x1920": _NO_ENGINE,
    "clearer export --torch": NotRun(Why.ELSEWHERE, where="tests/e2e/test_export.py"),
    "clearer search --budget-mb 1.5 --budget-ms 10 --budget-precision int8": NotRun(
        Why.ELSEWHERE, where="tests/e2e/test_budget_precision.py"
    ),
    "clearer export --trt-rtx": NotRun(Why.ELSEWHERE, where="tests/e2e/test_engines.py"),
    "clearer data get bsds500 bsd68": NotRun(
        Why.NETWORK, where="tests/clearer/data/test_download.py"
    ),
    "clearer data get bsds500 set12 --to sets": NotRun(
        Why.NETWORK, where="tests/clearer/data/test_download.py"
    ),
    "clearer data verify": NotRun(Why.NETWORK, says="no data set is here"),
    "torchrun --nproc-per-node 4 --nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:29500 "
    "--no-python clearer search --budget-mb 5 --out shared/run": NotRun(
        Why.MACHINES, where="tests/e2e/test_processes.py"
    ),
    "srun --nodes 2 --ntasks-per-node 4 --gres gpu:4 clearer search --budget-mb 5 "
    "--out shared/run": NotRun(Why.MACHINES, where="tests/docs/test_slurm.py"),
    "sbatch examples/slurm/search.sbatch shared/run --budget-mb 5 --sigma 25": NotRun(
        Why.MACHINES, where="tests/docs/test_slurm.py"
    ),
    "make demo": _WHOLE,
    "make test": _WHOLE,
    "make lint": _WHOLE,
    "make docs": NotRun(Why.WHOLE, where="tests/docs/test_site.py"),
    "make figures": NotRun(Why.WHOLE, where="tests/docs/test_figures.py"),
    "make zoo": NotRun(Why.WHOLE, where="tests/e2e/test_train_queue.py"),
    "make zoo-status": NotRun(Why.WHOLE, where="tests/e2e/test_train_queue.py"),
    ".ci/run": _WHOLE,
    "python benchmarks/zoo/recipes.py bsds500-fair .": NotRun(
        Why.ELSEWHERE, where="tests/e2e/test_train_queue.py"
    ),
    "clearer search --data bsds500-fair --sigma 50 --budget-mb 2 --budget-gmacs 2.1 "
    "--size 256x256 --seed 0 --no-train": _WHOLE,
    'pip install ".[cpu,bench]"': _INSTALLS,
    'pip install ".[gpu,trt]"': _INSTALLS,
    'pip install ".[gpu,distributed]"': _INSTALLS,
    'pip install --constraint constraints.txt ".[cpu,bench]"': _INSTALLS,
    "pip wheel --no-deps --wheel-dir dist .": _WHEEL,
    'pipx install "dist/clearer-0.1.0-py3-none-any.whl[cpu]"': _WHEEL,
    "pip install --no-deps dist/clearer-0.1.0-py3-none-any.whl": _WHEEL,
    "pip install filelock imagecodecs msgspec numpy onnx onnxruntime pillow platformdirs rich "
    "safetensors scipy simplejpeg tifffile typer": _INSTALLS,
    "pip install onnxruntime numpy pillow": _INSTALLS,
    "pip install fastapi uvicorn onnxruntime numpy pillow": _INSTALLS,
    "python -m pip download --no-deps --only-binary=:all: --python-version 3.12 --platform "
    "manylinux2014_x86_64 --dest wheels msgspec filelock platformdirs simplejpeg": NotRun(
        Why.NETWORK
    ),
    "python -m pip install --no-index --no-deps --target site wheels/*.whl": _INSTALLS,
    "export PYTHONPATH=$PWD/site": _INSTALLS,
    "npm ci": NotRun(Why.NETWORK, where="tests/npm.py"),
    "cmake -S . -B build -DORT_ROOT=path/to/onnxruntime-linux-x64-1.30.0": _CPP,
    "cmake --build build": _CPP,
    "build/restore model.onnx noisy.ppm restored.ppm": _CPP,
    "python benchmarks/gpu/run.py check": _GPU_SCRIPTS,
    "python benchmarks/gpu/run.py check --seconds 80": _GPU_SCRIPTS,
    "python benchmarks/gpu/run.py --queue benchmarks/gpu/queue.toml try rgb-wider gray-swish "
    "rgb-derain": _GPU_SCRIPTS,
    "python benchmarks/gpu/run.py --queue benchmarks/gpu/queue.toml chain rgb-wider gray-swish "
    "rgb-derain --minutes 9": _GPU_SCRIPTS,
    "python benchmarks/gpu/run.py unpack one": _GPU_SCRIPTS,
    "python benchmarks/gpu/run.py unpack two": _GPU_SCRIPTS,
    "python benchmarks/gpu/run.py unpack three": _GPU_SCRIPTS,
    "python benchmarks/gpu/run.py unpack four": _GPU_SCRIPTS,
    "python benchmarks/gpu/run.py train gray 8 --from zoo-runs/carried": _GPU_SCRIPTS,
    "python benchmarks/gpu/run.py search paper-50 8 --from zoo-runs/carried": _GPU_SCRIPTS,
    "python benchmarks/gpu/run.py bench gray-50 rgb other.onnx": _GPU_SCRIPTS,
    "python benchmarks/gpu/run.py unpack zoo-runs/carried": _GPU_SCRIPTS,
    "python benchmarks/gpu/pack.py pictures photos-small zoo-runs/carried": _GPU_SCRIPTS,
    "python benchmarks/gpu/pack.py unpack FOLDER": _GPU_SCRIPTS,
    "python benchmarks/gpu/pack.py run gray zoo-runs/carried": _GPU_SCRIPTS,
    "python benchmarks/zoo/make.py zoo-runs/NAME NAME --peers FOLDER": NotRun(
        Why.ELSEWHERE, where="tests/e2e/test_make_zoo.py"
    ),
    "python benchmarks/zoo/cut.py rgb rgb-cut zoo-runs/data/photos-fair 16 32 64 112": _CUT,
    "clearer train rgb-cut --fine-tune --teacher rgb --out small-rgb": _CUT,
}
