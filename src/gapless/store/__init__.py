"""Records on disk: a directory of immutable Parquet parts, readable without this package."""

from gapless.store.store import Conflict, Fault, Store, StoreError, stores_in
from gapless.store.upkeep import Status, compact, export, status

__all__ = [
    "Conflict",
    "Fault",
    "Status",
    "Store",
    "StoreError",
    "compact",
    "export",
    "status",
    "stores_in",
]
