"""Networks that truly denoise, trained for a second; pictures; pages with them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from clearer.data.splits import PHOTOGRAPHS
from clearer.demo.server import make_server
from clearer.demo.site import PageNetwork, make_site
from clearer.export.image_io import with_image_io
from clearer.export.metadata import model_metadata
from clearer.export.page_model import read_page_model
from clearer.export.to_onnx import to_onnx
from clearer.networks.network import RestorationNet
from clearer.pictures.images import Color, read_image
from clearer.space.space import Architecture, SearchSpace

if TYPE_CHECKING:
    from tests.visitor import Visitor

Pixels = NDArray[np.uint8]

SIGMA_255 = 40
_ITERATIONS, _BATCH, _PATCH = 100, 4, 48
_LEARNING_RATE = 1e-2
_INFO = {"task": {"name": "denoise", "sigma": f"{SIGMA_255}"}, "data": "built in"}


def train(color: Color, *, level_map: bool) -> RestorationNet:
    """A network that gains several dB; about a second of one core."""
    torch.manual_seed(0)
    channels = 1 if color == "gray" else 3
    space = SearchSpace(
        channels=channels, width=8, columns=(1,), residual=True, level_map=level_map
    )
    network = RestorationNet(Architecture.from_text("F", space))
    names = ("astronaut.png", "motorcycle_left.png")
    clean = [
        torch.from_numpy(read_image(PHOTOGRAPHS / n, color) / np.float32(255)).permute(2, 0, 1)
        for n in names
    ]
    optimizer = torch.optim.Adam(network.parameters(), _LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _LEARNING_RATE, total_steps=_ITERATIONS
    )
    rng = np.random.default_rng(0)
    for iteration in range(_ITERATIONS):
        photo = clean[iteration % len(clean)]
        corners = rng.integers(np.array(photo.shape[1:]) - _PATCH, size=(_BATCH, 2))
        batch = torch.stack([photo[:, y : y + _PATCH, x : x + _PATCH] for y, x in corners])
        noisy = batch + torch.randn_like(batch) * SIGMA_255 / 255
        optimizer.zero_grad()
        given = noisy.clip(0, 1)
        if level_map:
            given = F.pad(given, (0, 0, 0, 0, 0, 1), value=SIGMA_255 / 255)
        F.mse_loss(network(given), batch).backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def psnr(pixels: Pixels, clean: Pixels) -> float:
    return float(-10 * np.log10(np.mean((pixels / 255.0 - clean / 255.0) ** 2)))


def read(path: Path) -> Pixels:
    with Image.open(path) as file:
        return np.asarray(file)


@dataclass(frozen=True)
class Denoiser:
    """An ONNX file, and what it should do."""

    path: Path
    channels: int
    has_level: bool = False

    @property
    def words(self) -> list[str]:
        """Arguments of an example after the pictures."""
        return [f"{SIGMA_255}"] if self.has_level else []

    @property
    def of_pictures(self) -> Path:
        """The same network, for 8-bit pictures."""
        path = self.path.with_suffix(".image.onnx")
        path.write_bytes(with_image_io(self.path.read_bytes()))
        return path

    def restore(self, noisy: Pixels, *, is_clipped: bool) -> Pixels:
        """Restore the whole picture in ONNX Runtime, without any example.

        The file for 8-bit pictures clips each of three equal channels, before their mean is taken.
        """
        session = onnxruntime.InferenceSession(self.path, providers=["CPUExecutionProvider"])
        level = {"sigma": np.array([SIGMA_255], np.float32)} if self.has_level else {}
        stack = np.atleast_3d(noisy).transpose(2, 0, 1).astype(np.float32) / 255
        if self.channels == 1:
            planes = [
                session.run(None, {"input": plane[None, None], **level})[0][0, 0] for plane in stack
            ]
            restored = np.stack(planes)
        else:
            copies = np.resize(stack, (1, 3, *stack.shape[1:]))
            restored = session.run(None, {"input": copies, **level})[0][0]
            restored = restored.clip(0, 1) if is_clipped else restored
            if len(stack) == 1:
                restored = restored.mean(0, keepdims=True)
        pixels: Pixels = np.rint(restored.clip(0, 1) * 255).astype(np.uint8)
        return pixels[0] if noisy.ndim == 2 else pixels.transpose(1, 2, 0)


@pytest.fixture(scope="session")
def denoisers(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Denoiser]:
    """Make a network for gray or colour pictures; each is made once."""
    folder = tmp_path_factory.mktemp("models")

    @functools.cache
    def make(color: Color, has_level: bool = False) -> Denoiser:
        network = train(color, level_map=has_level)
        path = folder / f"{color}{'-level' * has_level}.onnx"
        path.write_bytes(to_onnx(network, model_metadata(network.architecture, _INFO)))
        return Denoiser(path, network.architecture.space.channels, has_level)

    return make


@pytest.fixture(params=["gray", "rgb"])
def denoiser(request: pytest.FixtureRequest, denoisers: Callable[..., Denoiser]) -> Denoiser:
    return denoisers(request.param)


@pytest.fixture
def levelled(denoisers: Callable[..., Denoiser]) -> Denoiser:
    """A colour network that is given the noise level."""
    return denoisers("rgb", has_level=True)


@dataclass(frozen=True)
class Pair:
    """A clean picture, and the file of the noisy one."""

    clean: Pixels
    noisy: Pixels
    path: Path

    def check(self, restored: Pixels, denoiser: Denoiser, *, is_clipped: bool = False) -> None:
        """Check that a restored picture is what the network gives, and much better than before."""
        assert restored.shape == self.clean.shape
        expected = denoiser.restore(self.noisy, is_clipped=is_clipped)
        # Another runtime may round a value in the middle to the other side.
        assert np.abs(restored.astype(int) - expected).max() <= 1
        assert psnr(restored, self.clean) > psnr(self.noisy, self.clean) + 5


@pytest.fixture(params=["gray", "colour"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    return make_pair(tmp_path, is_gray=request.param == "gray", size=(151, 203))


def make_pair(folder: Path, *, is_gray: bool, size: tuple[int, int]) -> Pair:
    """A photograph with odd sides, and the same with Gaussian noise, in 8 bits."""
    with Image.open(PHOTOGRAPHS / "coffee.png") as file:
        clean = np.asarray(file.convert("L" if is_gray else "RGB"))[: size[0], : size[1]]
    noise = np.random.default_rng(0).normal(scale=SIGMA_255, size=clean.shape)
    noisy = np.rint((clean + noise).clip(0, 255)).astype(np.uint8)
    path = folder / "noisy.png"
    Image.fromarray(noisy).save(path)
    return Pair(clean, noisy, path)


@pytest.fixture
def serve(ort_web: dict[str, Path]) -> Iterator[Callable[..., str]]:
    """Serve a page with networks; yield its address."""
    with ExitStack() as servers:

        def serve(*networks: PageNetwork) -> str:
            server = servers.enter_context(make_server(make_site(networks, ort_web), 0))
            servers.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            return f"http://127.0.0.1:{server.server_address[1]}/"

        yield serve


@pytest.fixture
def open_page(
    visit: Callable[[str], Visitor],
    denoisers: Callable[[Color], Denoiser],
    serve: Callable[..., str],
) -> Callable[..., Visitor]:
    """Visit a page with networks for gray or colour pictures; the first is chosen."""

    def open_page(*colors: Color) -> Visitor:
        networks = []
        for path in (denoisers(color).path for color in colors):
            network = read_page_model(path)
            networks.append(PageNetwork(path.name, network.data, network.about))
        return visit(serve(*networks))

    return open_page
