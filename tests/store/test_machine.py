"""Any sequence of writes, kills, compactions and resumes, by two writers, keeps every record."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gapless.files import TEMPORARY
from gapless.store import Store, compact, status

SPEC = {"experiment": "machine"}
RUNS = 2
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
ADDRESSES = st.integers(0, 11).map("{:02}".format)
WRITERS = st.integers(0, 1)


def square(address: str, run: int) -> int:
    return (RUNS * int(address) + run) ** 2


def table(addresses: list[str], at: float) -> pa.Table:
    rows = [(address, run) for address in addresses for run in range(RUNS)]
    return pa.table(
        {
            "address": [address for address, _ in rows],
            "run": [run for _, run in rows],
            "square": [square(*key) for key in rows],
            "written_at": [at] * len(rows),
        }
    )


class Killed(BaseException):
    """What stands for a kill: nothing after it is executed."""


class Machine(RuleBasedStateMachine):
    """The store against a set of addresses: acknowledged, or written by a writer that died."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-", dir=MEMORY))
        self.acknowledged: set[str] = set()
        self.unacknowledged: set[str] = set()
        self.clock = 0.0

    @initialize()
    def open(self):
        self.writers = [Store.open(self.folder, SPEC, {}) for _ in range(2)]

    def time(self) -> float:
        self.clock += 1.0
        return self.clock

    @rule(writer=WRITERS, addresses=st.lists(ADDRESSES, min_size=1, max_size=3, unique=True))
    def append(self, writer, addresses):
        self.writers[writer].append(table(addresses, self.time()))
        self.acknowledged |= set(addresses)

    @rule(writer=WRITERS, address=ADDRESSES, share=st.floats(0, 1))
    def kill_before_the_rename(self, writer, address, share):
        whole = self.writers[writer].append(table([address], self.time()))
        content = whole.read_bytes()
        whole.unlink()
        half = whole.with_name(f"{TEMPORARY}{self.clock}")
        half.write_bytes(content[: int(share * len(content))])

    @rule(writer=WRITERS, address=ADDRESSES)
    def kill_before_the_receipt(self, writer, address):
        self.writers[writer].append(table([address], self.time()))
        self.unacknowledged.add(address)

    @rule(writer=WRITERS)
    def compact(self, writer):
        compact(self.writers[writer])
        assert len(self.writers[writer].part_files()) <= 1

    @precondition(lambda self: len(self.writers[0].part_files()) > 1)
    @rule(writer=WRITERS, removed=st.integers(0, 3))
    def kill_a_compaction(self, writer, removed):
        left, unlink = removed, Path.unlink

        def die_later(path, **options):
            nonlocal left
            if path.suffix == ".parquet":
                if left == 0:
                    raise Killed
                left -= 1
            unlink(path, **options)

        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            patch.setattr(Path, "unlink", die_later)
            compact(self.writers[writer])

    @rule(writer=WRITERS)
    def resume(self, writer):
        store = Store.open(self.folder, SPEC, {})
        self.writers[writer] = store
        missing = sorted({f"{i:02}" for i in range(12)} - store.present())[:2]
        if missing:
            self.append(writer, missing)

    @invariant()
    def every_acknowledged_record_is_read_once_and_is_right(self):
        rows = self.writers[0].read().to_pylist()
        keys = [(row["address"], row["run"]) for row in rows]
        assert keys == sorted(set(keys))
        assert {(a, r) for a in self.acknowledged for r in range(RUNS)} <= set(keys)
        assert {address for address, _ in keys} <= self.acknowledged | self.unacknowledged
        assert all(row["square"] == square(row["address"], row["run"]) for row in rows)

    def teardown(self):
        found = status(self.writers[0])
        assert (found.conflicts, found.damaged) == (0, ())
        assert found.points == len(self.writers[0].present())
        shutil.rmtree(self.folder)


@pytest.mark.slow
def test_no_sequence_of_writes_kills_and_compactions_loses_a_record(monkeypatch):
    monkeypatch.setattr("gapless.store.upkeep.PAUSE_S", 0.0)
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=200, stateful_step_count=75, deadline=None)
    )
