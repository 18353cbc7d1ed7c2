"""A server for the files of one page, for this machine only."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from clearer import __version__
from clearer.demo.site import SiteFile
from clearer.errors import InputError

__all__ = ["HEADERS", "make_server"]

_HOST: Final = "127.0.0.1"
_NAMES: Final = (_HOST, "localhost")
_IDLE_SECONDS: Final = 30
"""An idle connection is closed after this time, and its thread ends."""
HEADERS: Final = {
    # Browsers share memory between threads only on pages that these two isolate.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def make_server(site: Mapping[str, SiteFile], port: int) -> ThreadingHTTPServer:
    """A bound server, which answers once ``serve_forever`` is called.

    It serves only the paths of ``site``: nothing is looked up on the disk. It answers only requests
    for localhost, so that no web page can read the model through a name that resolves to this
    machine (DNS rebinding).

    Args:
        site: Files by relative path, with ``index.html``.
        port: 0 takes a free one.

    Raises:
        InputError: If the port cannot be used.
    """
    paths = {f"/{path}": file for path, file in site.items()}
    paths["/"] = paths["/index.html"]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = f"clearer/{__version__}"
        sys_version = ""
        timeout = _IDLE_SECONDS

        def do_GET(self) -> None:
            self._answer(has_body=True)

        def do_HEAD(self) -> None:
            self._answer(has_body=False)

        def _answer(self, *, has_body: bool) -> None:
            if self.headers.get("Host", "").partition(":")[0] not in _NAMES:
                self.send_error(HTTPStatus.FORBIDDEN, "unknown host")
                return
            file = paths.get(self.path.partition("?")[0])
            if file is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", file.media_type)
            self.send_header("Content-Length", str(len(file.data)))
            self.end_headers()
            if has_body:
                self.wfile.write(file.data)

        def end_headers(self) -> None:
            for name, value in HEADERS.items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Ignore browsers that close a connection in the middle of an answer."""

    try:
        return Server((_HOST, port), Handler)
    except OSError as error:
        raise InputError(
            f"port {port} cannot be used ({error.strerror}): give another --port, or none"
        ) from error
