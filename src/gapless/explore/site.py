"""The explorer's page, and the server that shows it on this machine alone."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from importlib.resources import files
from typing import Any

HOST = "127.0.0.1"
PATIENCE = 30.0
"""Seconds for which a client may say nothing, before its connection is closed."""


def explorer_page(grids: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]]) -> str:
    """Return the self-contained page of grids by `theory_grid` and of runs.

    Parameters
    ----------
    runs
        Runs by `runs_along_alpha` or `replay`, of any loss, α and N.
    """
    # it loads pandas, of which the processes that compute the page need nothing
    from gapless.page.html import as_json, assemble

    template = files("gapless.explore").joinpath("page.html").read_text("utf-8")
    return assemble(
        template,
        data=as_json({"grids": list(grids), "runs": list(runs)}),
        explorer=files("gapless.explore").joinpath("explorer.js").read_text("utf-8"),
        version=version("gapless"),
    )


class _Page(BaseHTTPRequestHandler):
    """Handler of requests that serves the page."""

    timeout = PATIENCE

    def __init__(self, content: bytes, *arguments: Any) -> None:
        self.content = content
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Send the page at /, and 404 elsewhere."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Send the head of the answer to GET."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        found = self.path.partition("?")[0] in ("/", "/index.html")
        content = self.content if found else b"not found"
        # a client may go away at any moment
        with suppress(ConnectionError):
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8" if found else "text/plain")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    """Server that says nothing of clients that go away."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report the error of a request, unless the connection is lost."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def server(page: str, port: int) -> ThreadingHTTPServer:
    """Return a server of the page on 127.0.0.1; port 0 selects a free one.

    Raises ``ValueError`` if the port is not available.
    """
    try:
        return _Server((HOST, port), partial(_Page, page.encode()))
    except (OSError, OverflowError) as error:
        raise ValueError(f"port: {port} cannot be used ({error}); give another") from None
