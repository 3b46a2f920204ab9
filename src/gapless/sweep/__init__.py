"""Sweeps: the planned points that a store lacks, run on an engine.

The engine for Dask is `gapless.sweep.cluster`, which needs the extra ``[cluster]``.
"""

from gapless.interrupts import orderly_interrupt
from gapless.sweep.engine import WorkerLostError, run_in_process
from gapless.sweep.estimate import Calibration, calibrate
from gapless.sweep.plan import Plan, Task, plan, shard
from gapless.sweep.pool import run_on_workers
from gapless.sweep.work import Receipt, provenance

__all__ = [
    "Calibration",
    "Plan",
    "Receipt",
    "Task",
    "WorkerLostError",
    "calibrate",
    "orderly_interrupt",
    "plan",
    "provenance",
    "run_in_process",
    "run_on_workers",
    "shard",
]
