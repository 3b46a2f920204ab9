"""Records on disk: a directory of immutable Parquet parts, readable without this package."""

from gapless.store.failures import Failure, failures, passes, reason_of
from gapless.store.records import Conflict
from gapless.store.store import Fault, Store, StoreError, stores_in
from gapless.store.upkeep import Status, compact, export, status

__all__ = [
    "Conflict",
    "Failure",
    "Fault",
    "Status",
    "Store",
    "StoreError",
    "compact",
    "export",
    "failures",
    "passes",
    "reason_of",
    "status",
    "stores_in",
]
