"""Downloads from a real, misbehaving server on this machine."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from clearer.data import datasets, download
from clearer.data.datasets import (
    DATA_SETS,
    DataSet,
    cache_folder,
    data_collection,
    data_terms,
    find_data_set,
    resolve_data,
)
from clearer.data.download import check_files
from clearer.errors import InputError
from tests.command import clearer

CONTENT = {
    f"{split}/{i}.png": np.random.default_rng(i).bytes(3000 + i)
    for split in ("train", "test")
    for i in range(6)
}


@dataclass
class Server:
    """The requests, and which paths misbehave."""

    url: str = ""
    requests: Counter[str] = field(default_factory=Counter)
    drop_once: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    endless: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    dripping: set[str] = field(default_factory=set)
    sent: int = 0
    """Bytes sent of endless files."""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/pictures/")
            state.requests[path] += 1
            if path in state.absent:
                self.send_error(404)
                return
            body = CONTENT[path]
            if path in state.endless:
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError):  # until the other side has enough
                    while state.sent < 100_000_000:
                        state.sent += self.wfile.write(bytes(10_000))
                return
            if path in state.silent | state.dripping:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    for byte in body[:100]:
                        self.wfile.write(bytes([byte]))
                        threading.Event().wait(1.5 if path in state.silent else 0.05)
                return
            if path in state.wrong:
                body = bytes([body[0] ^ 1]) + body[1:]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            is_dropped = path in state.drop_once and state.requests[path] == 1
            self.wfile.write(body[:1000] if is_dropped else body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_address[1]}"
    yield state
    gc.collect()  # a connection left open is found here, not in some later test
    http.shutdown()
    http.server_close()
    thread.join()


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiny(DataSet):
    def files(self) -> dict[str, tuple[str, int]]:
        return {
            path: (hashlib.sha256(data).hexdigest(), len(data)) for path, data in CONTENT.items()
        }


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DataSet:
    made = Tiny(
        name="tiny",
        what="a dozen files",
        mb=0.1,
        terms="free for tests",
        repository="none/none",
        commit="0",
        folders={split: f"pictures/{split}" for split in ("train", "test")},
    )
    monkeypatch.setitem(datasets.DATA_SETS, "tiny", made)
    monkeypatch.setenv("CLEARER_DATA", str(tmp_path / "collection"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    return made


def get(server: Server, *words: object) -> Result:
    return clearer("data", "get", "tiny", "--source", server.url, *words)


def test_get_shows_the_terms_and_then_all_is_here(server: Server, tiny: DataSet) -> None:
    result = get(server)
    assert result.exit_code == 0, result.stderr
    assert "terms: free for tests" in result.stderr
    folder = find_data_set("tiny")
    assert folder is not None
    assert {p: (folder / p).read_bytes() for p in CONTENT} == CONTENT
    assert sum(1 for p in folder.rglob("*") if p.is_file()) == len(CONTENT)
    assert clearer("data", "verify", "tiny").exit_code == 0
    assert resolve_data(Path("tiny")) == folder
    server.requests.clear()
    assert "is here" in get(server).stdout
    assert not server.requests


def test_a_dropped_connection_is_tried_again(server: Server) -> None:
    server.drop_once = {"train/1.png", "test/4.png"}
    result = get(server)
    assert result.exit_code == 0, result.stderr
    assert server.requests["train/1.png"] == 2
    assert server.requests["train/2.png"] == 1


def test_a_wrong_byte_is_refused_and_the_rest_stays(server: Server, tmp_path: Path) -> None:
    server.wrong = {"test/5.png"}
    result = get(server, "--to", tmp_path / "here")
    assert result.exit_code == 1
    assert "test/5.png gives a file with a wrong SHA-256" in result.stderr
    folder = tmp_path / "here" / "tiny"
    assert not (folder / "test" / "5.png").exists()
    finished = {p for p in CONTENT if (folder / p).exists()}
    assert all((folder / p).read_bytes() == CONTENT[p] for p in finished)
    assert sum(1 for p in folder.rglob("*") if p.is_file()) == len(finished)
    server.wrong, server.requests = set(), Counter()
    assert get(server, "--to", tmp_path / "here").exit_code == 0
    assert set(server.requests) == set(CONTENT) - finished


def test_a_file_without_end_is_cut_off(server: Server) -> None:
    server.endless = {"train/2.png"}
    result = get(server)
    assert result.exit_code == 1
    assert "train/2.png gives more than the 3002 bytes of the file" in result.stderr
    assert server.sent < 50_000_000


@pytest.mark.parametrize("kind", ["silent", "dripping"])
def test_a_server_that_makes_no_progress_is_given_up(
    server: Server, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.4)
    monkeypatch.setattr(download, "_LEAST_BYTES_PER_S", 1e6)
    setattr(server, kind, {"test/0.png"})
    start = time.monotonic()
    result = get(server)
    assert result.exit_code == 1
    message = {"silent": "cannot be reached", "dripping": "is too slow: "}[kind]
    assert message in result.stderr.replace("\n", " ")
    assert "test/0.png" in result.stderr
    assert time.monotonic() - start < 20


def test_a_missing_file_is_named_with_the_answer(server: Server) -> None:
    server.absent = {"train/0.png"}
    result = get(server)
    assert result.exit_code == 1
    assert "train/0.png answers 404" in result.stderr
    assert "run again to resume" in result.stderr


def test_an_absent_server_is_one_line(tmp_path: Path) -> None:
    result = clearer("data", "get", "tiny", "--source", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "cannot be reached (ConnectionError); 0 of 12 files are here" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = get(server, "--to", tmp_path / "file")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert not server.requests


def test_verify_names_what_is_wrong_and_missing(server: Server, tmp_path: Path) -> None:
    assert get(server, "--to", tmp_path).exit_code == 0
    (tmp_path / "tiny" / "train" / "3.png").write_bytes(b"rot")
    (tmp_path / "tiny" / "test" / "2.png").unlink()
    result = clearer("data", "verify", "tiny", "--in", tmp_path)
    assert result.exit_code == 1
    assert "wrong: train/3.png" in result.stdout
    assert "missing: test/2.png" in result.stdout
    assert f"clearer data get tiny --to {tmp_path}" in result.stderr
    server.requests.clear()
    assert get(server, "--to", tmp_path).exit_code == 0
    assert set(server.requests) == {"train/3.png", "test/2.png"}


def test_a_collection_comes_before_the_cache(tmp_path: Path) -> None:
    for path, data in CONTENT.items():
        file = tmp_path / "collection" / "tiny" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    assert find_data_set("tiny") == tmp_path / "collection" / "tiny"


def test_names_that_are_not_here_or_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="clearer data get tiny"):
        resolve_data(Path("tiny"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    assert resolve_data(Path("tiny")) == Path("tiny")
    result = clearer("data", "get", "imagenet")
    assert result.exit_code == 2
    assert "unknown data set 'imagenet': use one of bsds500" in result.stderr
    assert clearer("data", "verify").exit_code == 2
    assert "tiny" in clearer("data", "list").stdout


def test_sets_lie_where_the_user_says_or_in_the_cache(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for unset in (True, False):
        monkeypatch.delenv("CLEARER_DATA") if unset else monkeypatch.setenv("CLEARER_DATA", "")
        assert data_collection() is None
        assert find_data_set("tiny") is None
    get(server)
    assert find_data_set("tiny") == cache_folder() / "tiny"
    get(server, "--to", tmp_path / "mine")
    monkeypatch.setenv("CLEARER_DATA", str(tmp_path / "mine"))
    assert find_data_set("tiny") == tmp_path / "mine" / "tiny"


def test_every_set_has_hashes_and_an_address_for_each_file() -> None:
    for name, made in DATA_SETS.items():
        paths = made.hashes()
        assert paths
        assert all(len(digest) == 64 for digest in paths.values()), name
        if made.changed is None:
            addresses = {made.remote_path(path) for path in paths}
            assert len(addresses) == len(paths)
            assert all(Path(path).stem in made.remote_path(path) for path in paths)
    noisy = "noisy/Canon5D2_5_160_3200_chair_11.jpg"
    assert noisy in DATA_SETS["polyu"].hashes()
    there = "CroppedImages/Canon5D2_5_160_3200_chair_11_real.JPG"
    assert DATA_SETS["polyu"].remote_path(noisy) == there


def test_what_lies_nowhere_is_not_fetched_and_says_so(tmp_path: Path) -> None:
    result = clearer("data", "get", "photos149", "--to", tmp_path)
    assert result.exit_code == 2
    line = " ".join(result.stderr.split())
    assert "photos149 cannot be fetched: its files were reduced from bdaehlie/" in line
    assert "CLEARER_DATA" in line
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="the set photos149 is not here: its files were reduced"):
        resolve_data(Path("photos149"))
    (tmp_path / "photos149").mkdir()
    result = clearer("data", "verify", "photos149", "--in", tmp_path)
    assert result.exit_code == 1
    assert "0 good, 0 wrong, 149 missing" in result.stdout
    assert "data get" not in result.stderr


def test_terms_are_those_of_each_set() -> None:
    terms = data_terms("photos-fair")
    for name in ("bsds500", "photos149"):
        assert f"{name}, {DATA_SETS[name].terms}" in terms
    assert data_terms("bsds500") == f"bsds500, {DATA_SETS['bsds500'].terms}"
    assert data_terms("holiday") == "holiday"


def test_the_hashes_are_those_of_the_real_pictures(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("set12", "bsd68", "kodak24", "polyu", "photos149"):
        check = check_files(DATA_SETS[name], real_data / name, lambda done, total: None)
        assert not check.wrong
        assert not check.missing
    colour = DATA_SETS["cbsd68"].hashes()
    assert colour.items() <= DATA_SETS["bsds500"].hashes().items()
    assert len(colour) == 68
