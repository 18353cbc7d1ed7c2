"""The server example, asked over HTTP."""

from __future__ import annotations

import importlib.util
import io
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import uvicorn
from PIL import Image

from clearer.export.image_io import with_image_io
from tests.bench import tiny_onnx
from tests.examples.conftest import Denoiser, Pair
from tests.patience import PATIENCE_S

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "server" / "server.py"


class Served(NamedTuple):
    module: ModuleType
    port: int

    def post(self, body: Any) -> tuple[int, bytes]:
        """Status and body of the answer; a body that is an iterator is sent in chunks."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            connection.request("POST", "/restore", body)
            answer = connection.getresponse()
            return answer.status, answer.read()


def load(model: Path) -> ModuleType:
    """The example as uvicorn would import it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODEL", str(model))
        spec = importlib.util.spec_from_file_location("example_server", EXAMPLE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Served]]:
    """Run the example with a network, on a free port."""
    with ExitStack() as servers:

        def serve(model: Path) -> Served:
            module = load(model)
            server = uvicorn.Server(uvicorn.Config(module.app, port=0, log_level="warning"))
            thread = threading.Thread(target=server.run)
            servers.callback(thread.join)
            servers.callback(lambda: setattr(server, "should_exit", True))
            thread.start()
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            return Served(module, server.servers[0].sockets[0].getsockname()[1])

        yield serve


@pytest.fixture
def served(serve: Callable[[Path], Served], tmp_path: Path) -> Served:
    """The server with a network that blurs."""
    path = tiny_onnx.blur(tmp_path / "blur.onnx", 1.0, 3)
    path.write_bytes(with_image_io(path.read_bytes()))
    return serve(path)


def png(mode: str = "RGB", size: tuple[int, int] = (8, 8)) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 50).convert(mode).save(file, "PNG")
    return file.getvalue()


def header_of_png(width: int, height: int) -> bytes:
    """The header of a PNG that claims that size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [head, b"IDAT" + bytes(10)]
    made = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


def test_a_picture_is_restored(
    serve: Callable[[Path], Served], denoiser: Denoiser, pair: Pair
) -> None:
    status, body = serve(denoiser.of_pictures).post(pair.path.read_bytes())
    assert status == 200
    pair.check(np.asarray(Image.open(io.BytesIO(body))), denoiser, is_clipped=True)


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "whole PNG, JPEG or WebP"),
        (b"no picture", 400, "whole PNG, JPEG or WebP"),
        (png(size=(64, 64))[:2000], 400, "whole PNG, JPEG or WebP"),
        (png(size=(1500, 1500)), 413, "at most 2,000,000 pixels"),
        (header_of_png(5000, 5000), 413, "at most 2,000,000 pixels"),
        (header_of_png(2**30, 2**30), 400, "whole PNG, JPEG or WebP"),
        (png("I;16"), 415, "8 bits, not I;16"),
    ],
    ids=["empty", "text", "cut", "large", "claims to be large", "claims to be huge", "16 bits"],
)
def test_what_cannot_be_restored_is_named(
    served: Served, body: bytes, status: int, reason: str
) -> None:
    answered, text = served.post(body)
    assert answered == status
    assert reason in text.decode()
    assert served.post(png())[0] == 200  # it keeps serving


@pytest.mark.parametrize("is_counted", [True, False])
def test_an_upload_is_cut_off(served: Served, is_counted: bool) -> None:
    """Whether or not its length is announced."""
    vars(served.module)["MAX_BYTES"] = 1000
    body = bytes(2000)
    status, text = served.post(body if is_counted else iter([body[:1000], body[1000:]]))
    assert status == 413
    assert "at most 1,000 bytes" in text.decode()


def test_another_kind_of_file_is_refused_at_the_start(tmp_path: Path, levelled: Denoiser) -> None:
    for model in (tiny_onnx.blur(tmp_path / "blur.onnx", 1.0, 3), levelled.of_pictures):
        with pytest.raises(SystemExit, match="export --io image"):
            load(model)
