"""A program that loads with torch alone."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from clearer.export.metadata import model_metadata
from clearer.export.to_torch import PROGRAM_METADATA, to_torch_program
from clearer.networks.network import RestorationNet
from tests.export.test_to_onnx import INFO, network, noisy, restored

SHAPES = [(1, 1, 1), (1, 8, 8), (2, 3, 5), (3, 17, 19), (1, 64, 64)]
# Neither this package nor its command line can be imported, wherever they are.
ALONE = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("clearer", "export", "bench", "cli"):
            raise ModuleNotFoundError(name + " is blocked", name=name)

sys.meta_path.insert(0, Block())
import torch

program = torch.export.load(sys.argv[1]).module()
inputs = torch.load(sys.argv[2], weights_only=True)
torch.save([program(x) for x in inputs], sys.argv[3])
assert not [name for name in sys.modules if name.split(".")[0] == "clearer"]
try:
    import clearer
except ImportError:
    print("alone")
"""

Exported = tuple[RestorationNet, bytes]


@pytest.fixture(scope="module")
def exported() -> Exported:
    net = network(channels=3, unshuffle=2)
    return net, to_torch_program(net, model_metadata(net.architecture, INFO))


def test_runs_at_any_size_without_clearer(exported: Exported, tmp_path: Path) -> None:
    net, program = exported
    batches = [noisy(net, shape) for shape in SHAPES]
    paths = [tmp_path / name for name in ("model.pt2", "inputs.pt", "outputs.pt")]
    paths[0].write_bytes(program)
    torch.save([torch.from_numpy(batch) for batch in batches], paths[1])
    result = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, *map(str, paths)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "alone"
    outputs = torch.load(paths[2], weights_only=True)
    for batch, output in zip(batches, outputs, strict=True):
        np.testing.assert_allclose(output.numpy(), restored(net, batch), atol=1e-5)


def test_says_what_it_is_and_nothing_of_this_machine(exported: Exported) -> None:
    net, program = exported
    with zipfile.ZipFile(io.BytesIO(program)) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    (metadata,) = (data for name, data in content.items() if name.endswith(PROGRAM_METADATA))
    assert json.loads(metadata) == model_metadata(net.architecture, INFO)
    for name, data in content.items():
        assert b".py" not in data, name
        assert str(Path(__file__).parents[2]).encode() not in data, name


def test_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="eval"):
        to_torch_program(network().train(), {})
