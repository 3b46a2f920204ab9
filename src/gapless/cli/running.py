"""Run what a store lacks, with progress on stderr: behind `success` and `reproduce`."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gapless.cli._shared import meter
from gapless.experiments import Experiment, Point
from gapless.store import Store
from gapless.sweep import plan, provenance, run_in_process, run_on_workers


def run_plan(
    experiment: Experiment, points: Sequence[Point], folder: Path, spec: dict, workers: int
) -> Store:
    """Measure the points that the store in `folder` lacks; return the store."""
    if workers < 1:
        raise ValueError(f"workers: must be at least 1, not {workers}")
    store = Store.open(folder, spec, {**provenance(), "created_at": time.time()})
    for path in store.damaged():
        sys.stderr.write(f"{path} cannot be read; its points are measured anew\n")
    todo = plan(experiment, points, store)
    if todo.missing and len(todo.missing) < todo.total:
        there = todo.total - len(todo.missing)
        sys.stderr.write(f"{experiment.name}: {there} of {todo.total} points are there already\n")
    failed = 0
    with meter(experiment.name, todo.flops) as progress:

        def on_receipt(receipt) -> None:
            nonlocal failed
            failed += receipt.failed
            progress.advance(receipt.flops)

        if workers == 1:
            run_in_process(todo.tasks(), store.path, on_receipt)
        else:
            run_on_workers(todo.tasks(), store.path, workers, on_receipt)
    if failed:
        sys.stderr.write(f"{experiment.name}: {failed} points failed; their records say why\n")
        if failed == len(todo.missing) == todo.total:
            raise RuntimeError(f"all {failed} points of {experiment.name} failed")
    return store
