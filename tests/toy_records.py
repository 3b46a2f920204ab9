"""Records of a toy, as a table."""

import pyarrow as pa

SPEC = {"experiment": "toy", "seed": 1}


def table(address: str, runs: int = 2, value: float = 1.0, wall: float = 0.1) -> pa.Table:
    return pa.table(
        {
            "address": [address] * runs,
            "run": list(range(runs)),
            "value": [value] * runs,
            "wall_s": [wall] * runs,
        }
    )
