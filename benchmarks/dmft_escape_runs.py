"""When the runs of Figure 5 first come to e = 1e-4: what benchmarks/dmft_escape.py predicts.

    python benchmarks/dmft_escape_runs.py results/desk/fig5 SHARES.csv CROSSINGS.csv

Shares of runs within parts of the budget 0.3 log₂ N, and α at 50 %, from a store of Figure 5.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from gapless.analyse.transition import BUDGETS, crossing_table
from gapless.store import Store

COLUMNS = ["n", "alpha", "seed", "design", "t_max", "outcome", "t_1e-4"]
table = Store.at(Path(sys.argv[1])).read(COLUMNS).to_pandas()
shares = []
for part in BUDGETS:
    reached = table["t_1e-4"].fillna(np.inf) <= part * table.t_max
    here = table.assign(reached=reached).groupby(["n", "alpha"]).reached.agg(["mean", "size"])
    shares.append(here.reset_index().assign(budget=part))
names = {"mean": "fraction", "size": "runs"}
pd.concat(shares).rename(columns=names).to_csv(sys.argv[2], index=False, float_format="%.6g")
crossing_table(table, "t_1e-4").to_csv(sys.argv[3], index=False, float_format="%.6g")
