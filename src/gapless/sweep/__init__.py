"""Run what is missing: planned points minus what the store holds, on an engine."""

from gapless.sweep.engine import run_in_process, run_on_workers
from gapless.sweep.plan import Plan, Task, plan
from gapless.sweep.work import provenance

__all__ = ["Plan", "Task", "plan", "provenance", "run_in_process", "run_on_workers"]
