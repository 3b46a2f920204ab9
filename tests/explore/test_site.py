"""The explorer is served to this machine alone."""

import socket
import struct
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.client import HTTPConnection
from threading import Thread

import pytest

from gapless.explore import explorer_page, server
from gapless.explore.site import HOST, _Page


@contextmanager
def serving(page):
    """Serve a page for the length of the block."""
    with server(page, 0) as served:
        thread = Thread(target=served.serve_forever)
        thread.start()
        try:
            yield served
        finally:
            served.shutdown()
            thread.join()


def test_the_page_is_served_here_alone():
    with serving(explorer_page([], [])) as served:
        assert served.server_address[0] == "127.0.0.1"
        address = f"http://127.0.0.1:{served.server_address[1]}"
        with urllib.request.urlopen(f"{address}/") as answer:
            assert b"gapless explorer" in answer.read()
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{address}/../etc/passwd")
        caught.value.close()
        with pytest.raises(ValueError, match="port: "):
            server("", served.server_address[1])


def test_the_head_of_the_page_has_its_length():
    with serving("αβγ") as served:
        connection = HTTPConnection(HOST, served.server_address[1], timeout=10)
        connection.request("HEAD", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.headers["Content-Length"]) == (200, b"", "6")
        connection.close()


def test_clients_that_reset_or_say_nothing_are_let_go_in_silence(capfd, monkeypatch):
    monkeypatch.setattr(_Page, "timeout", 0.1)
    with serving("page") as served:
        address = HOST, served.server_address[1]
        with socket.create_connection(address, timeout=10) as silent:
            assert silent.recv(1) == b""
        for sent in (b"", b"GET / HT"):
            resetting = socket.create_connection(address, timeout=10)
            resetting.sendall(sent)
            # closed without the time to send what is left: a reset
            resetting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            resetting.close()
        time.sleep(0.3)
    assert capfd.readouterr() == ("", "")
