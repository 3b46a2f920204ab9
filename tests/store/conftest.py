"""An empty store."""

import pytest

from gapless.store import Store
from toy_records import SPEC


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "s", SPEC, {"version": "0"})
