"""The snippets of the page on embedding, run in each language with one network."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from clearer.export.image_io import with_image_io
from clearer.export.metadata import model_metadata
from clearer.export.to_onnx import to_onnx
from clearer.networks.network import RestorationNet
from clearer.space.space import Architecture, SearchSpace
from tests.docs.pages import ROOT, fences

PAGE = ROOT / "docs" / "embed.md"
HEIGHT, WIDTH = 13, 17
Pixels = NDArray[np.uint8]
JS = """
import {{ readFileSync, writeFileSync }} from "node:fs";
const [height, width, pixels] = [{height}, {width}, new Uint8Array(readFileSync("pixels"))];
{snippet}
writeFileSync("restored", restored);
"""
CPP = """
#include <fstream>
#include <iterator>
{snippet}
int main() {{
  std::ifstream file("pixels", std::ios::binary);
  std::vector<uint8_t> pixels(std::istreambuf_iterator<char>(file), {{}});
  Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "page");
  Ort::Session session(env, "model.image.onnx", Ort::SessionOptions{{}});
  const auto restored = restore(session, pixels, {height}, {width});
  std::ofstream("restored", std::ios::binary)
      .write(reinterpret_cast<const char*>(restored.data()), restored.size());
}}
"""


def write_image_model(path: Path) -> None:
    """Write a network as clearer exports it: for colour, 8-bit pixels in and out, untrained."""
    torch.manual_seed(0)
    space = SearchSpace(channels=3, width=4, columns=(1,), residual=True)
    network = RestorationNet(Architecture.from_text("F", space)).eval()
    for weights in network.parameters():  # otherwise it leaves pictures unchanged
        weights.data += 0.2 * torch.randn_like(weights)
    info = {"task": {"name": "denoise", "sigma": "25"}, "data": "none"}
    path.write_bytes(with_image_io(to_onnx(network, model_metadata(network.architecture, info))))


@pytest.fixture
def expected(tmp_path: Path) -> Pixels:
    """Write pixels and a network into the folder; return the expected result."""
    pixels = np.random.default_rng(0).integers(256, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)
    (tmp_path / "pixels").write_bytes(pixels.tobytes())
    write_image_model(tmp_path / "model.image.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.image.onnx")
    restored: Pixels = session.run(None, {"input": pixels[None]})[0][0]
    assert np.abs(restored.astype(int) - pixels).max() > 50
    return restored


def check(words: list[str | Path], folder: Path, expected: Pixels) -> None:
    """Run a program, and check the pixels that it writes."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    restored = np.frombuffer((folder / "restored").read_bytes(), np.uint8)
    assert np.abs(restored.astype(int) - expected.ravel()).max() <= 1


def snippet(language: str) -> str:
    (code,) = fences(PAGE, language)
    return code


def test_node(node_example: Path, tmp_path: Path, expected: Pixels) -> None:
    (tmp_path / "node_modules").symlink_to(node_example / "node_modules")
    code = JS.format(height=HEIGHT, width=WIDTH, snippet=snippet("js"))
    (tmp_path / "page.mjs").write_text(code)
    check(["node", "page.mjs"], tmp_path, expected)


def test_cpp(ort_root: Path, tmp_path: Path, expected: Pixels) -> None:
    code = CPP.format(height=HEIGHT, width=WIDTH, snippet=snippet("cpp"))
    (tmp_path / "page.cpp").write_text(code)
    words: list[str | Path] = ["c++", "-std=c++17", "-Wall", "page.cpp", "-o", "page"]
    words += [f"-I{ort_root / 'include'}", f"-L{ort_root / 'lib'}", "-lonnxruntime"]
    words += [f"-Wl,-rpath,{ort_root / 'lib'}"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    check([tmp_path / "page"], tmp_path, expected)


def test_python(tmp_path: Path, expected: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.frombuffer((tmp_path / "pixels").read_bytes(), np.uint8)
    names = {"picture": pixels.reshape(HEIGHT, WIDTH, 3)}
    exec(snippet("python"), names)  # the page's own lines
    assert np.array_equal(names["restored"], expected)


@pytest.mark.parametrize("language", ["kotlin", "swift"])
def test_what_was_not_run_says_so(language: str) -> None:
    before = PAGE.read_text().partition(f"```{language}")[0]
    assert "*Not run.*" in before.rpartition("## ")[2]
