"""Timing networks: here, with the script for other devices, and on a GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch

from clearer.bench.cost_fit import collect
from clearer.bench.device_timer import processor_name
from clearer.bench.measured_costs import MeasuredCosts
from clearer.bench.plan import check_architectures
from clearer.bench.profile import ProfileSettings, emit_plan, profile_space
from clearer.errors import ClearerError, InputError
from clearer.space.space import Architecture
from clearer.support.device import device_name
from tests.bench.fake_timing import TINY, ignore, measure_quickly


@pytest.fixture(autouse=True)
def own_cache_and_no_warm_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return measure_quickly(tmp_path, monkeypatch)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "torch"])
def test_profile_measures_once_and_remembers(backend: str) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino", reason="the extra openvino is not installed")
    wanted = ProfileSettings(space=TINY, height=24, width=17, backend=backend, threads=2)
    check = check_architectures(TINY, 2)
    before = torch.get_num_threads()
    first = profile_space(wanted, ignore, check=check, max_seconds=0.1)
    assert torch.get_num_threads() == before
    assert not first.is_cached
    m = first.table.measurement
    assert m is not None
    assert m.device == device_name("cpu")
    assert m.version.split("+")[0] == metadata.version(backend).split("+")[0]
    assert 0 < first.table.cheapest <= first.table.most_expensive
    assert first.check is not None
    again = profile_space(wanted, ignore, check=check, max_seconds=0.1)
    assert again.is_cached
    assert again.table == first.table
    forced = profile_space(wanted, ignore, check=check, force=True, max_seconds=0.1)
    assert not forced.is_cached


def test_a_missing_backend_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    wanted = ProfileSettings(space=TINY, backend="tensorrt")
    with pytest.raises(ClearerError, match=r'pip install .*\[trt\]"'):
        profile_space(wanted, ignore, max_seconds=1)


def test_a_precision_that_a_backend_lacks_is_an_error() -> None:
    wanted = ProfileSettings(space=TINY, height=16, width=16, precision="bf16")
    with pytest.raises(ClearerError, match="onnxruntime runs these networks only in fp32"):
        profile_space(wanted, ignore, max_seconds=1)


def test_this_machine_measures_what_it_chooses() -> None:
    costs = MeasuredCosts((24, 24), None, lambda _: None)
    cheapest, most_expensive = costs.span(TINY, "ms")
    assert 0 < cheapest <= most_expensive
    assert costs.table(TINY, "ms").cheapest > 0
    value = costs.measure(Architecture.from_text("P-PF", TINY), "ms")
    assert value is not None
    assert value > 0


def test_both_names_of_the_processor_agree() -> None:
    """The script that is copied to other devices cannot import the package's."""
    assert processor_name() == device_name("cpu")


def test_the_script_runs_where_there_is_only_numpy_and_onnxruntime(tmp_path: Path) -> None:
    board, packages = tmp_path / "board", tmp_path / "packages"
    emit_plan(board, TINY, 24, 32, check_architectures(TINY, 2))
    packages.mkdir()
    for name in ("numpy", "numpy.libs", "onnxruntime"):
        module = Path(np.__file__).parents[1] / name
        if module.exists():
            (packages / name).symlink_to(module)
    # -S: no site-packages; -E would drop PYTHONPATH as well.
    command = [sys.executable, "-S", "device_timer.py", "--backend", "onnxruntime"]
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    blocked = subprocess.run(
        [sys.executable, "-S", "-c", "import torch"], env=environment, capture_output=True
    )
    assert blocked.returncode != 0, "torch can be imported: the environment is not clean"
    done = subprocess.run(
        [*command, "--seconds", "0.2", "--threads", "1"],
        cwd=board,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    table, check = collect(board)
    assert table.measurement is not None
    assert table.measurement.threads == 1
    assert check is not None
    missing = subprocess.run(
        [*command[:-1], "tensorrt"], cwd=board, env=environment, capture_output=True, text=True
    )
    assert missing.returncode == 1
    assert missing.stderr.strip() == "error: tensorrt is not installed here: pip install tensorrt"


def test_emit_refuses_a_folder_that_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(InputError, match="give --emit a new folder"):
        emit_plan(tmp_path, TINY, 24, 24, [])
    assert {p.name for p in tmp_path.iterdir()} - {"cache"} == {"mine.txt"}


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["torch-cuda", "onnxruntime-cuda", "tensorrt"])
def test_profile_on_a_gpu(backend: str) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    if backend != "torch-cuda":
        package = backend.split("-")[0]
        pytest.importorskip(package, reason=f"{package} is not installed")
    wanted = ProfileSettings(space=TINY, height=64, width=64, backend=backend)
    result = profile_space(wanted, ignore, check=check_architectures(TINY, 3), max_seconds=5)
    m = result.table.measurement
    assert m is not None
    assert m.device == torch.cuda.get_device_name()
    assert result.table.cheapest > 0
    shutil.rmtree(result.folder)
