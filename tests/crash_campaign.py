"""Crash campaign: kill -9 workers, drivers and writers mid-write, and look what became of records.

    python tests/crash_campaign.py --kills 200 --points 5000
    python tests/crash_campaign.py --kills 40 --points 400 --planted in-place

Two drivers (shards 1/2 and 2/2 of one plan, in one directory) have two workers each; a third
process compacts the directory again and again. A tenth of the kills goes to drivers, which are
started again, as many to the compaction, four tenths to workers, the rest are writers that die in
the middle of a write. Meanwhile an auditor reads what was acknowledged before it began to read.
At the end the table must be that of an undisturbed run, timing columns aside. Exits 1 otherwise.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from campaign_experiment import EXPERIMENT, RUNS, Square
from gapless.store import Store, compact
from gapless.store.records import PROVENANCE
from gapless.sweep import Task, plan, run_in_process, run_on_workers, shard

SEED = 6
SHARDS = 2
WORKERS = 2
SPEC = {"experiment": EXPERIMENT.name}


@dataclass
class Findings:
    """What a campaign did and found; all of `defects` are 0 for a good store."""

    kills: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    seconds: float = 0.0
    audits: int = 0
    twice: int = 0
    """Records stored twice, which is legal."""
    failed: int = 0
    """Records given up after three deaths."""
    lost: int = 0
    wrong: int = 0
    unreadable: int = 0
    duplicates: int = 0
    identical: bool = False

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return self.identical and not (
            self.failed or self.lost or self.wrong or self.unreadable or self.duplicates
        )


def drive(folder: Path, points: int, part: int) -> None:
    """Be a driver: one shard of the plan on two workers."""
    store = Store.open(folder, SPEC, {})
    squares = [Square(number=i) for i in range(points)]
    store.note_plan([EXPERIMENT.address(square) for square in squares])
    mine = shard(squares, part, SHARDS)
    todo = plan(EXPERIMENT, mine, store)
    run_on_workers(todo.tasks(), folder, WORKERS, lambda receipt: None)


def keep_compacting(folder: Path) -> None:
    """Be the process that compacts, every other second."""
    while True:
        time.sleep(2.0)
        compact(Store(folder))


def children(pid: int) -> list[int]:
    """Return the workers of a driver."""
    try:
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(p) for p in pids if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]
    except (FileNotFoundError, ProcessLookupError):
        return []


class Auditor(threading.Thread):
    """Reads the store again and again: what was acknowledged before must be there."""

    def __init__(self, store: Store, acknowledged: Path) -> None:
        super().__init__(daemon=True)
        self.store, self.log = store, acknowledged
        self.lost: set[str] = set()
        self.unreadable: set[Path] = set()
        self.audits = 0
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.wait(0.2):
            self.audit()

    def audit(self) -> None:
        acknowledged = set(self.log.read_text().split()) if self.log.exists() else set()
        present = set()
        for path, table, _ in self.store.scan(["address"]):
            if table is None:
                self.unreadable.add(path)
            else:
                present.update(table["address"].unique().to_pylist())
        self.lost |= acknowledged - present
        self.audits += 1


class Campaign:
    """The processes of one campaign, and their killing."""

    def __init__(self, folder: Path, kills: int, points: int, planted: str) -> None:
        self.folder, self.points = folder, points
        self.store = folder / "store"
        self.random = random.Random(SEED)
        targets = {"driver": kills // 10, "compaction": kills // 10, "worker": kills * 4 // 10}
        if planted:
            targets["compaction"] = 0
        self.targets = [name for name, number in targets.items() for _ in range(number)]
        self.random.shuffle(self.targets)
        self.midwrite = kills - len(self.targets)
        self.killed = dict.fromkeys(targets, 0)
        self.environment = os.environ | {
            "CAMPAIGN": str(folder),
            "CAMPAIGN_STORE": planted,
            "CAMPAIGN_SLEEP": "0.04",
            # three dangerous moments a task
            "CAMPAIGN_SHARE": str(self.midwrite / points),
            "CAMPAIGN_QUOTA": str(self.midwrite),
        }
        self.running: dict[str, subprocess.Popen] = {}
        self.compacts = not planted

    def start(self, name: str) -> None:
        """Start a driver by its part, or the compaction."""
        here = [sys.executable, __file__, "--be", name, str(self.store)]
        with (self.folder / "stderr.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [*here, "--points", str(self.points)], env=self.environment, stderr=log
            )

    def kill(self, target: str) -> bool:
        """Kill a process of the kind; return whether there was one."""
        drivers = [p for name, p in self.running.items() if name != "compaction"]
        alive = [p.pid for p in drivers if p.poll() is None]
        if target == "compaction":
            alive = [self.running[target].pid]
        elif target == "worker":
            alive = [worker for driver in alive for worker in children(driver)]
        if not alive:
            return False
        try:
            os.kill(self.random.choice(alive), signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.killed[target] += 1
        return True

    def restart_the_dead(self) -> bool:
        """Start again what died; return whether every driver has come to its end."""
        over = True
        for name, process in list(self.running.items()):
            code = process.poll()
            if name == "compaction":
                if code is not None:
                    self.start(name)
            elif code is None:
                over = False
            elif code != 0:
                over = False
                self.start(name)
        return over

    def run(self) -> None:
        """Kill until the quota is spent, then let the drivers come to their end."""
        for part in range(1, SHARDS + 1):
            self.start(str(part))
        if self.compacts:
            self.start("compaction")
        try:
            pause = 0.0
            while not self.restart_the_dead() or self.targets:
                if all(p.poll() == 0 for n, p in self.running.items() if n != "compaction"):
                    break
                time.sleep(0.02)
                pause -= 0.02
                if self.targets and pause <= 0 and self.kill(self.targets[-1]):
                    self.targets.pop()
                    pause = self.random.uniform(0.1, 0.9)
        finally:
            for process in self.running.values():
                process.kill()
                process.wait()


def undisturbed(folder: Path, points: int):
    """Return the table of a run in one process that nobody disturbs."""
    store = Store.open(folder, SPEC, {})
    squares = tuple(Square(number=i) for i in range(points))
    addresses = tuple(EXPERIMENT.address(square) for square in squares)
    task = Task(EXPERIMENT.name, squares, addresses, 1.0)
    run_in_process([task], folder, lambda receipt: None)
    return store.read().drop_columns(list(PROVENANCE))


def run_campaign(kills: int, points: int, planted: str = "") -> Findings:
    """Run a campaign in a temporary folder."""
    begun = time.monotonic()
    # a kill loses no page cache, so memory serves as well as a disk, and flushes cost nothing
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="campaign-", dir=memory) as scratch:
        folder = Path(scratch)
        store = Store.open(folder / "store", SPEC, {})
        campaign = Campaign(folder, kills, points, planted)
        auditor = Auditor(store, folder / "acknowledged.log")
        auditor.start()
        campaign.run()
        auditor.ending.set()
        auditor.join()
        auditor.audit()
        deaths = folder / "midwrite.log"
        midwrite = len(deaths.read_text().split()) if deaths.exists() else 0
        expected = undisturbed(folder / "undisturbed", points)
        table = store.read().drop_columns(list(PROVENANCE))
        stored = sum(t.num_rows for _, t, _ in store.scan() if t is not None)
        rows, truth = table.to_pylist(), {(r["address"], r["run"]): r for r in expected.to_pylist()}
        return Findings(
            kills=campaign.killed | {"mid-write": midwrite},
            rows=table.num_rows,
            seconds=round(time.monotonic() - begun, 1),
            audits=auditor.audits,
            failed=sum(row["reason"] is not None for row in rows),
            twice=stored - table.num_rows,
            lost=RUNS * len(auditor.lost | set(expected["address"].to_pylist()) - store.present()),
            wrong=sum(row != truth.get((row["address"], row["run"])) for row in rows),
            unreadable=len(auditor.unreadable | set(store.damaged())),
            duplicates=len(rows) - len({(row["address"], row["run"]) for row in rows}),
            identical=table.equals(expected),
        )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--points", type=int, default=5000)
    parser.add_argument("--planted", choices=["in-place", "too-early"], default="")
    parser.add_argument("--be", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.be:
        name, folder = options.be
        if name == "compaction":
            keep_compacting(Path(folder))
        else:
            drive(Path(folder), options.points, int(name))
        return 0
    findings = run_campaign(options.kills, options.points, options.planted)
    sys.stdout.write(json.dumps(asdict(findings), indent=1) + "\n")
    return 0 if findings.good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
