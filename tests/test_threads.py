"""One thread a process."""

import os

from gapless.cli import main
from gapless.threads import THREADS, pin_threads
from places import OLD_STORE


def test_threads_are_the_user_s_only_by_our_own_variable(monkeypatch, capsys):
    for name in THREADS:
        monkeypatch.setenv(name, "7")
    pin_threads()
    assert {os.environ[name] for name in THREADS} == {"1"}
    for wrong in ("0", "-1", "two", ""):
        monkeypatch.setenv("GAPLESS_THREADS", wrong)
        assert main(["status", str(OLD_STORE)]) == 2
        assert "GAPLESS_THREADS must be a positive integer" in capsys.readouterr().err
