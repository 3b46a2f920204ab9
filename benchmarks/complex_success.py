"""Success of complex signals: solved and recovered fractions at N = 64, 128 and 256.

`python benchmarks/complex_success.py` adds the rows that docs/results/complex_success.csv lacks,
one for each N, budget and α, with the CPU seconds of its command (all α of an N and a budget).
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
from math import log2
from pathlib import Path

BUDGETS = {0.3: "7,8,9,10,11,12,14", 1.2: "4,5,6,7,8,9"}
"""α by the time budget, in units of log2 N; 0.3 is the paper's."""
RUNS = {64: 512, 128: 512, 256: 256}
TAKEN = ("runs", "designs", "fraction", "low", "high")
RECOVERED = ("recovered_fraction", "recovered_low", "recovered_high")
COLUMNS = ("n", "budget", "t_max", "alpha", *TAKEN, *RECOVERED, "cpu_seconds")


def rows_of(n: int, budget: float) -> list[dict[str, float]]:
    """Return the fractions at one N and budget, by `gapless success`."""
    options = {"--n": n, "--alpha": BUDGETS[budget], "--field": "complex", "--runs": RUNS[n]}
    options |= {"--seed": 0, "--t-max": budget * log2(n)}
    words = [str(word) for pair in options.items() for word in pair]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "gapless", "success", *words, "--json"]
    answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    known = {"n": n, "budget": budget, "t_max": budget * log2(n), "cpu_seconds": round(seconds, 1)}
    return [known | {k: row[k] for k in ("alpha", *TAKEN, *RECOVERED)} for row in answer["rows"]]


def main() -> None:
    """Measure what is lacking, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results/complex_success.csv"))
    out = parser.parse_args().out
    rows = list(csv.DictReader(out.open())) if out.exists() else []
    for n in RUNS:
        for budget in BUDGETS:
            if any((int(r["n"]), float(r["budget"])) == (n, budget) for r in rows):
                continue
            rows += rows_of(n, budget)
            with out.open("w", newline="") as file:
                writer = csv.DictWriter(file, list[str](COLUMNS))
                writer.writeheader()
                writer.writerows(rows)
    sys.stdout.write(out.read_text())


if __name__ == "__main__":
    main()
