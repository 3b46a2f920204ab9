"""Durations and memory as people read them; how much memory there is."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.amounts import duration, memory
from gapless.machine import memory_limit

SECONDS = {"d": 86400, "h": 3600, "min": 60, "s": 1}
BYTES = {"bytes": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4, "PiB": 5}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(0.42, "0.4 s"), (4.0, "4 s"), (45.2, "45 s"), (59.7, "1 min"), (365, "6 min 5 s")],
        *[(3599.9, "1 h"), (6.5 * 3600, "6 h 30 min"), (86399, "1 d"), (2.25 * 86400, "2 d 6 h")],
        (math.inf, "unknown"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        *[(0, "0 bytes"), (1023, "1,023 bytes"), (1536, "1.5 KiB"), (640 * 2**20, "640 MiB")],
        *[(12.7 * 2**30, "12.7 GiB"), (1023.97 * 2**20, "1.0 GiB"), (math.nan, "unknown")],
    ],
)
def test_memory_is_in_the_largest_unit_that_it_has_one_of(size, text):
    assert memory(size) == text


@given(st.floats(0, 1e9))
def test_a_duration_is_the_time_to_half_of_its_smaller_unit(seconds):
    parts = re.findall(r"([\d.]+) (d|h|min|s)", duration(seconds))
    read = sum(float(value) * SECONDS[unit] for value, unit in parts)
    names = list(SECONDS)
    smaller = SECONDS[names[min(names.index(parts[0][1]) + 1, 3)]]
    # tenths below ten seconds
    assert abs(read - seconds) <= (0.05 if seconds < 9.95 else smaller / 2) * (1 + 1e-9) + 1e-9


@given(st.floats(0, 2.0**55))
def test_memory_is_the_size_to_a_twentieth(size):
    value, unit = memory(size).replace(",", "").split()
    assert float(value) * 1024 ** BYTES[unit] == pytest.approx(size, rel=0.05, abs=0.5)
    assert float(value) < 1024


def test_the_memory_is_what_the_tightest_group_around_a_process_leaves(tmp_path):
    present = memory_limit(tmp_path)  # there are no groups
    (tmp_path / "proc/self").mkdir(parents=True)
    own = "12:pids:/\n4:cpu,memory:/batch/job7\n0::/batch/job7\n"
    (tmp_path / "proc/self/cgroup").write_text(own)
    assert memory_limit(tmp_path) == present
    groups = tmp_path / "sys/fs/cgroup"
    limits = {
        groups / "batch/memory.max": 4 * 2**20,  # of the group around
        groups / "batch/job7/memory.max": 8 * 2**20,
        groups / "memory/memory.limit_in_bytes": 2 * 2**20,  # version 1, seen from inside
    }
    for file, limit in limits.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("max\n")
        assert memory_limit(tmp_path) == present
        file.write_text(f"{limit}\n")
        assert memory_limit(tmp_path) == limit
        file.write_text("max\n")
    for file, limit in limits.items():
        file.write_text(f"{limit}\n")
    assert memory_limit(tmp_path) == min(limits.values())
