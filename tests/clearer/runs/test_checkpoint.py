from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from clearer.errors import InputError
from clearer.runs.checkpoint import (
    checkpoint_errors,
    load_checkpoint,
    load_optimizer,
    optimizer_state,
    save_checkpoint,
)
from clearer.training.muon import Muon

STATE: dict[str, Any] = {
    "iteration": 7,
    "best": {"val_psnr_db": 28.5},
    "network": {"weight": torch.randn(3, 4), "count": torch.tensor(5)},
    "optimizers": [{"0": {"step": torch.tensor(2.0)}}, {}],
    "sums": {"loss": 0.1 + 0.2},
}


def test_all_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    save_checkpoint(path, STATE)
    again = load_checkpoint(path)
    assert again["best"] == STATE["best"]
    assert again["sums"] == STATE["sums"]
    for name, tensor in STATE["network"].items():
        assert torch.equal(again["network"][name], tensor)
        assert again["network"][name].dtype == tensor.dtype
    assert again["optimizers"][0]["0"]["step"] == 2
    assert again["optimizers"][1] == {}


def test_the_old_checkpoint_goes_when_the_new_one_is_there(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    other = tmp_path / "search.json"
    save_checkpoint(other, STATE)
    for iteration in range(3):
        save_checkpoint(path, {"iteration": iteration, "x": torch.full((4,), float(iteration))})
    assert load_checkpoint(path)["x"].tolist() == [2.0] * 4
    assert load_checkpoint(other)["iteration"] == 7
    assert len(list(tmp_path.iterdir())) == 4


def test_no_file_is_larger_than_what_carries_small_files_only(tmp_path: Path) -> None:
    tensors = {str(i): torch.full((1_000_000,), float(i)) for i in range(9)}  # 4 MB each
    save_checkpoint(tmp_path / "train.json", tensors)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert max(sizes) < 16e6
    assert sum(sizes) > 36e6
    assert all(v[0] == float(k) for k, v in load_checkpoint(tmp_path / "train.json").items())


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_any_changed_byte_is_found(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "train.json"
    save_checkpoint(path, STATE)
    (file,) = tmp_path.glob(f"*{suffix}")
    whole = file.read_bytes()
    step = max(1, len(whole) // 60)
    for place in range(0, len(whole), step):
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 7)
        file.write_bytes(changed)
        with pytest.raises(InputError, match="damaged"), checkpoint_errors(path, "begin again"):
            load_checkpoint(path)
    for length in range(0, len(whole), step):
        file.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged"), checkpoint_errors(path, "begin again"):
            load_checkpoint(path)
    file.unlink()
    with pytest.raises((InputError, OSError)), checkpoint_errors(path, "begin again"):
        load_checkpoint(path)


@pytest.mark.parametrize("text", ["[]", "{}", "null", "[" * 50_000, '{"schema_version": 1}', "é"])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "train.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="begin again"), checkpoint_errors(path, "begin again"):
        load_checkpoint(path)


def test_what_is_no_fault_of_the_file_is_not_blamed_on_it(tmp_path: Path) -> None:
    with pytest.raises(torch.OutOfMemoryError), checkpoint_errors(tmp_path, "delete it"):
        raise torch.OutOfMemoryError
    with pytest.raises(InputError, match="of another run"), checkpoint_errors(tmp_path, ""):
        nn.Linear(2, 2).load_state_dict({})


def steps(optimizer: torch.optim.Optimizer, weight: nn.Parameter, places: range) -> None:
    for place in places:
        generator = torch.Generator().manual_seed(place)
        gradient = torch.randn(weight.shape, generator=generator)
        weight.grad = gradient.contiguous(memory_format=torch.channels_last)
        optimizer.step()


@pytest.mark.parametrize("kind", ["adam", "muon", "sgd"])
def test_an_optimizer_goes_on_bit_by_bit(tmp_path: Path, kind: str) -> None:
    def make(weight: nn.Parameter) -> torch.optim.Optimizer:
        if kind == "muon":
            return Muon([weight], 0.1)
        if kind == "sgd":
            return torch.optim.SGD([weight], lr=0.1, momentum=0.9)
        return torch.optim.Adam([weight], lr=0.1, fused=True)

    start = torch.randn(6, 5, 3, 3).contiguous(memory_format=torch.channels_last)
    whole, broken = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    steps(make(whole), whole, range(5))
    first = make(broken)
    steps(first, broken, range(3))
    save_checkpoint(tmp_path / "x.json", {"optimizer": optimizer_state(first)})
    second = make(broken)
    load_optimizer(second, load_checkpoint(tmp_path / "x.json")["optimizer"])
    steps(second, broken, range(3, 5))
    assert torch.equal(whole, broken)
    with pytest.raises(ValueError, match="other parameters"):
        load_optimizer(make(nn.Parameter(torch.zeros(2, 2, 1, 1))), optimizer_state(first))
