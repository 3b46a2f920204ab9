"""The explorer is served to this machine alone."""

import urllib.error
import urllib.request
from threading import Thread

import pytest

from gapless.explore import explorer_page, server


def test_the_page_is_served_here_alone():
    with server(explorer_page([], []), 0) as served:
        assert served.server_address[0] == "127.0.0.1"
        thread = Thread(target=served.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{served.server_address[1]}"
        with urllib.request.urlopen(f"{address}/") as answer:
            assert b"gapless explorer" in answer.read()
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{address}/../etc/passwd")
        caught.value.close()
        with pytest.raises(ValueError, match="port: "):
            server("", served.server_address[1])
        served.shutdown()
        thread.join()
