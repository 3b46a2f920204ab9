"""The experiment of the crash campaign: squares of numbers, by writers that die mid-write.

Loaded in a process whose `CAMPAIGN` names a folder, it turns that process into a victim: it kills
itself (SIGKILL) now and then in the middle of a write, before a flush or before a rename, and
notes every write that its store has acknowledged. `CAMPAIGN_STORE` plants a bad store.
"""

import os
import random
import signal
import time
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gapless import files
from gapless.figures import Experiment
from gapless.measure import Cost, Point
from gapless.store import Store, parts

RUNS = 4


class Square(Point):
    """Squares a number, four times."""

    SCHEMA = pa.schema({"number": pa.int64(), "run": pa.int64(), "square": pa.int64()})
    number: int

    @property
    def rows(self) -> int:
        return RUNS

    def measure(self) -> pa.Table:
        time.sleep(float(os.environ.get("CAMPAIGN_SLEEP", "0")))
        return self.table(square=self.number**2)

    def cost(self) -> Cost:
        return Cost(flops=1e11, bytes=1e3)  # a task each


def nothing(*arguments):
    raise NotImplementedError


EXPERIMENT = Experiment(
    name="campaign_experiment:EXPERIMENT",
    title="Squares",
    version=1,
    points=nothing,
    reduce=nothing,
    picture=nothing,
)


def note(file: Path, line: str) -> None:
    """Append a line whole: it is there whatever happens to this process afterwards."""
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, line.encode() + b"\n")
    os.close(handle)


def become_a_victim(folder: Path, share: float, quota: int) -> None:
    """Die with probability `share` at each dangerous moment, until `quota` deaths are noted."""
    chance = random.Random(os.getpid())
    deaths = folder / "midwrite.log"

    def maybe_die() -> None:
        spent = deaths.stat().st_size // 2 if deaths.exists() else 0
        if spent < quota and chance.random() < share:
            note(deaths, "x")
            os.kill(os.getpid(), signal.SIGKILL)

    def dying_first(call):
        def wrapped(*arguments, **options):
            maybe_die()
            return call(*arguments, **options)

        return wrapped

    os.fsync, os.replace = dying_first(os.fsync), dying_first(os.replace)
    make_file = os.fdopen

    def fdopen(*arguments, **options):
        file = make_file(*arguments, **options)
        file.write = halves(file.write)
        return file

    def halves(write):
        def wrapped(content):
            half = memoryview(content)[: len(content) // 2]
            write(half)
            maybe_die()
            write(memoryview(content)[len(half) :])

        return wrapped

    # the writes of parts alone: the pool's pipes are opened by the same function
    own = type("os", (), {**vars(os), "fdopen": staticmethod(fdopen)})
    setattr(files, "os", own)  # noqa: B010 — a name that the module does not export

    good_append = Store.append

    def acknowledged(table: pa.Table) -> None:
        for address in table["address"].unique().to_pylist():
            note(folder / "acknowledged.log", address)

    def append(store: Store, table: pa.Table) -> Path:
        path = good_append(store, table)
        acknowledged(table)
        return path

    def in_place(store: Store, table: pa.Table) -> Path:
        origin = store.origin()
        assert origin is not None
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata({parts.MARK: origin.mark}), sink)
        path = store.parts / f"{sha256(sink.getvalue()).hexdigest()}.parquet"
        with path.open("wb", buffering=0) as file:
            halves(file.write)(sink.getvalue())
        acknowledged(table)
        return path

    def too_early(store: Store, table: pa.Table) -> Path:
        acknowledged(table)
        return good_append(store, table)

    planted = {"": append, "in-place": in_place, "too-early": too_early}
    fault = planted[os.environ.get("CAMPAIGN_STORE", "")]
    Store.append = fault  # pyright: ignore[reportAttributeAccessIssue]  planted on purpose


if "CAMPAIGN" in os.environ:
    become_a_victim(
        Path(os.environ["CAMPAIGN"]),
        float(os.environ["CAMPAIGN_SHARE"]),
        int(os.environ["CAMPAIGN_QUOTA"]),
    )
