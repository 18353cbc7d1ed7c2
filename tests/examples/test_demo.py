"""``clearer demo`` without a browser: what is served, to whom, and what is refused."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import NamedTuple

import pytest
from onnx import TensorProto, helper

from clearer.demo import runtime
from clearer.demo.runtime import given_runtime
from clearer.demo.server import make_server
from clearer.demo.site import SiteFile
from clearer.errors import ClearerError, InputError
from clearer.export.metadata import model_metadata, read_model_info
from clearer.export.page_model import PageModel, read_page_model
from clearer.export.to_onnx import to_onnx
from clearer.networks.network import RestorationNet
from clearer.space.space import Architecture, SearchSpace
from clearer.zoo import catalogue
from clearer.zoo.catalogue import zoo_network
from tests.bench import tiny_onnx
from tests.command import clearer
from tests.patience import PATIENCE_S
from tests.tiny_zoo import add_deblocker, add_derainer, add_network, add_photo_network


class Answer(NamedTuple):
    status: int
    headers: HTTPMessage
    body: bytes


Get = Callable[..., Answer]
SITE = {
    "index.html": SiteFile(b"<!doctype html>", "text/html; charset=utf-8"),
    "ort/code.mjs": SiteFile(b"export {}", "text/javascript; charset=utf-8"),
}


def model(
    shape: Sequence[int | str] = ("n", 1, "h", "w"),
    says: dict[str, str] | None = None,
    kind: int = TensorProto.FLOAT,
) -> bytes:
    """A network that changes nothing."""
    ends = [helper.make_tensor_value_info(name, kind, shape) for name in ("input", "output")]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["input"], ["output"])], "g", ends[:1], ends[1:]
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(made, says or {})
    data: bytes = made.SerializeToString()
    return data


@pytest.fixture
def get() -> Iterator[Get]:
    """Ask the server for a path, which is sent verbatim."""
    with make_server(SITE, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = int(server.server_address[1])

        def ask(path: str, host: str = "localhost", method: str = "GET") -> Answer:
            with contextlib.closing(
                HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
            ) as connection:
                connection.putrequest(method, path, skip_host=True)
                connection.putheader("Host", host)
                connection.endheaders()
                answer = connection.getresponse()
                return Answer(answer.status, answer.headers, answer.read())

        yield ask
        server.shutdown()


@pytest.mark.parametrize("path", ["/", "/index.html", "/?x=1"])
def test_the_page_is_served_isolated(get: Get, path: str) -> None:
    answer = get(path)
    assert answer.status == 200
    assert answer.body == SITE["index.html"].data
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/ort/../../etc/passwd",
        "/%2e%2e/pyproject.toml",
        "//etc/passwd",
        "/ort/",
        "/site.py",
        "index.html",
        "/index.html/",
        "/INDEX.HTML",
    ],
)
def test_no_other_path_is_known(get: Get, path: str) -> None:
    assert get(path).status == 404


@pytest.mark.parametrize("host", ["example.com", "example.com:80", "127.0.0.1.example.com", ""])
def test_no_other_name_is_answered(get: Get, host: str) -> None:
    assert get("/", host=host).status == 403


def test_only_reading_is_possible(get: Get) -> None:
    head = get("/", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(SITE["index.html"].data)
    assert get("/", method="POST").status == 501


def test_a_port_that_is_taken_is_named() -> None:
    with make_server(SITE, 0) as server, pytest.raises(InputError, match="port .* --port"):
        make_server(SITE, int(server.server_address[1]))


@pytest.mark.parametrize(
    ("metadata", "task", "noise"),
    [
        ({}, "", 25),
        ({"task": "denoise", "task_options": '{"sigma": "50"}'}, "sigma 50", 50),
        ({"task": "denoise", "task_options": '{"sigma": "5:50"}'}, "sigma 5:50", 28),
        ({"task": "denoise", "task_options": '{"sigma": "255"}'}, "sigma 255", 75),
        ({"task": "dejpeg", "task_options": "{}"}, "dejpeg", 0),
        ({"task": "denoise", "task_options": "[" * 5000}, "", 25),
        ({"task": "denoise", "task_options": "[1]"}, "", 25),
        ({"task": "denoise", "task_options": '{"sigma": "nan"}'}, "", 25),
        ({"task": "<script>", "task_options": "{}"}, "", 25),
    ],
)
def test_what_a_file_says_about_itself(
    tmp_path: Path, metadata: dict[str, str], task: str, noise: int
) -> None:
    if task:
        metadata = {**metadata, "generator": "clearer 0.1.0"}
    about = page_model(tmp_path, model(says=metadata)).about
    assert task in about.pop("task")
    assert (about["channels"], about["noise"], about["scale"]) == (1, noise, 1.0)


def page_model(folder: Path, data: bytes) -> PageModel:
    path = folder / "other.onnx"
    path.write_bytes(data)
    return read_page_model(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no model", "not an ONNX file"),
        (model(("n", 4, "h", "w")), "takes 4 channels"),
        (model(("n", 1, 64, 64)), "one size only"),
        (model((8, 1, "h", "w")), "batches of 8 only"),
        (model(("n", 1, "h", "w"), kind=TensorProto.FLOAT16), "float16"),
        (model(("n", 1)), "not image to image"),
    ],
)
def test_a_model_that_the_page_cannot_run(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=f"other.onnx .*{reason}"):
        page_model(tmp_path, data)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    path = tiny_onnx.with_data_beside(tmp_path / "other.onnx")
    with pytest.raises(InputError, match="in another file"):
        read_page_model(path)


def test_a_page_knows_how_pictures_go_into_a_network(tmp_path: Path) -> None:
    told = {"range": "0..255", "color_order": "BGR"}
    network = read_page_model(tiny_onnx.blur(tmp_path / "b.onnx", 255.0, 3, told))
    assert (network.about["scale"], network.about["isBgr"]) == (255.0, True)
    assert network.notes == ()
    silent = read_page_model(tiny_onnx.blur(tmp_path / "s.onnx", 255.0, 3))
    assert silent.about["scale"] == 255.0
    assert "does not say its range (taken: 0..255" in silent.notes[0]


def test_tiles_overlap_by_what_the_network_sees_in_effect(tmp_path: Path) -> None:
    """By at least 64 pixels, and by 64 if the file does not say its architecture."""
    assert page_model(tmp_path, model()).about["margin"] == 64
    space = SearchSpace(
        width=8, columns=(2, 2, 1, 11), unshuffle=2, stem="conv", first_scales=1, gates=True
    )
    far = "PP-[.P][.P]-[..P]-[...P][...P][..F.][..P.][..P.][.F..][.P..][.P..][F...][P...][P...]"
    near = zoo_network("gray-small").load()[0].architecture
    for architecture, margin in ((near, 64), (Architecture.from_text(far, space), 100)):
        network = RestorationNet(architecture).eval()
        file = to_onnx(network, model_metadata(architecture, {}))
        assert page_model(tmp_path, file).about["margin"] == margin


def test_an_idle_connection_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.demo.server._IDLE_SECONDS", 0.2)
    with make_server(SITE, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = ("127.0.0.1", int(server.server_address[1]))
        for begun in (b"", b"GET / HTTP/1.1\r\nHost: local"):
            with socket.create_connection(address, timeout=PATIENCE_S) as connection:
                connection.sendall(begun)
                assert connection.recv(1) == b""
        server.shutdown()


def test_saved_as_a_site_of_its_own(ort_web: dict[str, Path], tmp_path: Path) -> None:
    path, folder = tmp_path / "model.onnx", tmp_path / "site"
    path.write_bytes(model())
    words = ["demo", path, "--ort-web", next(iter(ort_web.values())).parent, "--save", folder]
    result = clearer(*words, "--json")
    assert result.exit_code == 0, result.output
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert files == set(json.loads(result.stdout)["files"])
    assert {"index.html", "worker.js", "sample.png", "ort/ort.wasm.min.mjs"} <= files
    assert (folder / "networks" / "1.onnx").read_bytes() == model()
    again = clearer(*words)
    assert again.exit_code == 2
    assert "give --save a new folder" in again.stderr


def test_a_page_with_several_networks(
    ort_web: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, under a unique name."""
    monkeypatch.chdir(tmp_path)
    for folder in ("one", "two"):
        Path(folder).mkdir()
        Path(folder, "model.onnx").write_bytes(model(("n", 3 if folder == "two" else 1, "h", "w")))
    models = ["one/model.onnx", "gray-small", "two/model.onnx", "one/model.onnx"]
    runtime = ["--ort-web", next(iter(ort_web.values())).parent]
    result = clearer("demo", *models, *runtime, "--save", "site")
    assert result.exit_code == 0, result.output
    listed = json.loads(Path("site/networks.json").read_text())
    assert [network["name"] for network in listed] == models[:3]
    assert [network["channels"] for network in listed] == [1, 1, 3]
    info = read_model_info(Path("site", listed[1]["file"]))
    assert info.task is not None
    assert info.task.text.startswith("denoise, sigma 0:75")


def test_in_an_empty_folder_the_page_has_what_restores_colour(
    ort_web: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    monkeypatch.setattr(catalogue, "FOLDER", zoo)
    for name, channels, gain_db in (("gray", 1, 2), ("colour", 3, 0), ("better", 3, 1)):
        add_network(zoo, name, channels, gain_db=gain_db)
    add_deblocker(zoo, "jpeg")
    add_derainer(zoo, "rain")
    add_photo_network(zoo, "photo")
    monkeypatch.chdir(tmp_path)
    runtime = ["--ort-web", next(iter(ort_web.values())).parent]
    result = clearer("demo", *runtime, "--save", "site")
    assert result.exit_code == 0, result.output
    networks = json.loads(Path("site/networks.json").read_text())
    assert [network["name"] for network in networks] == ["photo", "better", "jpeg"]
    assert {network["channels"] for network in networks} == {3}


def test_the_runtime_is_checked_wherever_it_comes_from(
    ort_web: dict[str, Path], tmp_path: Path
) -> None:
    dist = tmp_path / "node_modules" / "onnxruntime-web" / "dist"
    dist.mkdir(parents=True)
    for name, path in ort_web.items():
        (dist / name).write_bytes(path.read_bytes())
    assert given_runtime(tmp_path) == {name: dist / name for name in ort_web}
    (dist / "ort.wasm.min.mjs").write_text("something else")
    with pytest.raises(InputError, match=r"SHA-256 differs"):
        given_runtime(dist)
    with pytest.raises(InputError, match=r"has no ort\.wasm"):
        given_runtime(tmp_path / "elsewhere")


def test_a_damaged_cache_is_not_used(
    ort_web: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runtime.find_runtime() == ort_web
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert runtime.find_runtime() is None


def test_without_npm_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    result = clearer("demo", path)
    assert result.exit_code == 1
    assert "no npm: install it, or give --ort-web" in result.stderr


def test_npm_that_gives_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nprintf x > file; tar czf it.tgz file\n")
    npm.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ClearerError, match="wrong SHA-256"):
        runtime.fetch_runtime()
    npm.write_text("#!/bin/sh\necho no such package >&2; exit 1\n")
    with pytest.raises(ClearerError, match="no such package"):
        runtime.fetch_runtime()
    assert not list((tmp_path / "cache").rglob("*.mjs"))


def test_a_run_without_an_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "config.json").write_text("{}")
    unfinished = clearer("demo")
    assert unfinished.exit_code == 2
    assert "clearer export runs/one" in unfinished.stderr
