"""Records on disk: a directory of immutable Parquet parts, readable without this package."""

from gapless.store.store import Conflict, Store, StoreError

__all__ = ["Conflict", "Store", "StoreError"]
