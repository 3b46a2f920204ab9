"""Records of a state and its Hessian along a run."""

import numpy as np
import pandas as pd


def with_joint(table: pd.DataFrame) -> pd.DataFrame:
    """Return records along runs with the joint outlier, NaN where version 1 has measured none."""
    missing = [name for name in ("joint_outlier_t", "joint_overlap_t") if name not in table]
    unknown = pd.Series([[np.nan] * len(t) for t in table.t], table.index, dtype=object)
    return table.assign(**{name: unknown for name in missing})
