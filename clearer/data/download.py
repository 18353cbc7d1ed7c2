"""Downloads data sets file by file, each checked by its SHA-256."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clearer.data.datasets import DataSet
from clearer.data.scenes import SCENES_FILE
from clearer.errors import ClearerError, require
from clearer.support.files import write_atomic

__all__ = ["Check", "check_files", "download"]

_CONNECTIONS: Final = 4
_RETRIES: Final = 3
_TIMEOUT_S: Final = 30
_LEAST_BYTES_PER_S: Final = 1000
_CHUNK: Final = 1 << 16
Listener = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Check:
    """Files of a set by the result of the check."""

    good: list[str]
    wrong: list[str]
    missing: list[str]


def check_files(made: DataSet, folder: Path, listener: Listener) -> Check:
    """Compare all files of a set with their SHA-256.

    Args:
        made: The set.
        folder: Where it is stored.
        listener: Called with (done, total).
    """
    check = Check([], [], [])
    hashes = made.hashes()
    for done, (path, expected) in enumerate(hashes.items(), start=1):
        file = folder / path
        if not file.is_file():
            check.missing.append(path)
        elif _sha256(file) == expected:
            check.good.append(path)
        else:
            check.wrong.append(path)
        listener(done, len(hashes))
    return check


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(made: DataSet, folder: Path, source: str | None, listener: Listener) -> int:
    """Fetch the files of a set that are missing or wrong.

    A file is written under a temporary name, and renamed once its SHA-256 is right: finished files
    stay, whatever happens, and the next call continues from there.

    Args:
        made: The set.
        folder: Where to put it.
        source: URL of a mirror with the same paths; None: where the set is published.
        listener: Called with (done, total).

    Returns:
        Number of files fetched.

    Raises:
        ClearerError: If a file cannot be fetched or written (finished ones stay), or if pooch or
            requests is not installed.
    """
    pooch, _ = require("pooch", extra="data"), require("requests", extra="data")
    files = made.files()
    base = (source or made.url).rstrip("/") + "/"
    pooch.get_logger().setLevel("ERROR")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for parent in {(folder / path).parent for path in files}:
            parent.mkdir(exist_ok=True)
    except OSError as error:
        raise ClearerError(
            f"{folder} cannot be written ({error.strerror}): choose another with --to"
        ) from error
    check = check_files(made, folder, lambda done, total: None)
    todo = check.missing + check.wrong
    registry = pooch.create(
        path=folder,
        base_url=base,
        registry={path: f"sha256:{files[path][0]}" for path in todo},
        urls={path: base + made.remote_path(path) for path in todo},
        retry_if_failed=_RETRIES,
    )
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        futures = {}
        for path in todo:
            fetch = _Fetch(files[path][1])
            futures[pool.submit(registry.fetch, path, downloader=fetch)] = path
        done = len(check.good)
        listener(done, len(files))
        try:
            for future in as_completed(futures):
                failure = future.exception()
                if failure is not None:
                    raise failure
                done += 1
                listener(done, len(files))
        except Exception as error:
            pool.shutdown(wait=True, cancel_futures=True)
            here = len(check_files(made, folder, lambda done, total: None).good)
            raise ClearerError(
                f"{_reason(error, base + made.remote_path(futures[future]))}; {here} of "
                f"{len(files)} files are here, run again to resume"
            ) from error
        finally:  # after an interrupt, too: what has not begun is cancelled
            pool.shutdown(wait=False, cancel_futures=True)
    scenes = made.scenes()
    if scenes is not None:
        write_atomic(folder / SCENES_FILE, scenes.encode())
    return len(todo)


class _TooMuch(Exception):  # noqa: N818 - it says what came
    """The server sent more bytes than the file has, or sent them too slowly."""


@dataclass(frozen=True, slots=True)
class _Fetch:
    """Downloads one file for pooch, with limits on size and time."""

    num_bytes: int
    """Size of the file."""

    def __call__(self, url: str, output_file: str, registry: object) -> None:
        """Write the content of ``url`` to a file.

        Raises:
            _TooMuch: If it is larger than the file, or comes too slowly.
            requests.RequestException: If the server fails, or the content is too short.
        """
        import requests
        import urllib3

        # Half a minute without a byte ends it; a server that trickles bytes runs into this limit.
        end = time.monotonic() + _TIMEOUT_S + self.num_bytes / _LEAST_BYTES_PER_S
        count = 0
        headers = {"Accept-Encoding": "identity"}
        with (
            requests.get(url, stream=True, timeout=_TIMEOUT_S, headers=headers) as response,
            open(output_file, "wb") as file,
        ):
            response.raise_for_status()
            try:
                while chunk := response.raw.read1(_CHUNK):
                    count += len(chunk)
                    if count > self.num_bytes:
                        raise _TooMuch(f"gives more than the {self.num_bytes} bytes of the file")
                    if time.monotonic() > end:
                        raise _TooMuch(f"is too slow: {count} of {self.num_bytes} bytes came")
                    file.write(chunk)
            except urllib3.exceptions.HTTPError as error:  # requests wraps only its own reads
                raise requests.ConnectionError(error) from error
        if count < self.num_bytes:
            raise requests.ConnectionError(f"{count} of {self.num_bytes} bytes came")


def _reason(error: BaseException, url: str) -> str:
    import requests

    if isinstance(error, _TooMuch):
        return f"{url} {error}"
    if isinstance(error, requests.HTTPError):
        return f"{url} answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.RequestException):
        return f"{url} cannot be reached ({type(error).__name__})"
    if isinstance(error, ValueError):
        return f"{url} gives a file with a wrong SHA-256: it was discarded"
    if isinstance(error, OSError):
        return f"a file cannot be written ({error.strerror}): free some space, or use --to"
    return f"{url} failed: {error}"
