"""Peers on the same work: diffrax, pymanopt, deepinv, primme, matfree and scipy beside gapless.

    make peers                                   all tables, in an environment of its own: an hour
    python benchmarks/peers.py --parts eigenpairs --n 4096
    python benchmarks/peers.py --parts flow,descent --n 64,256 --runs 64 --repeats 5

One process, one thread, float32, the same X, teachers, labels and starts for all routes of a row.
Flow and optimisers: to e = L/N = 1e-8, quartic loss, labels of a teacher. Eigenpairs: to a residual
|Hv − λv| of 1e-6 spectral widths, measured afterwards in float64 for every route alike. Times are
medians (with ranges) of warm calls; the first call's surplus, compilation, stands apart. A peer
that is not installed is named, and left out.
"""

import argparse
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from gapless.threads import pin_threads

pin_threads()

from peer_eigenpairs import eigenpairs
from peer_flow import descent, flow


def versions() -> Iterator[str]:
    for name in (
        "jax",
        "numpy",
        "scipy",
        "diffrax",
        "pymanopt",
        "torch",
        "deepinv",
        "primme",
        "matfree",
    ):
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} absent"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", default="flow,descent,eigenpairs")
    parser.add_argument("--n", help="default: 64,256,1024; eigenpairs: 4096")
    parser.add_argument("--runs", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5, help="warm calls of each route")
    parser.add_argument("--limit", type=float, default=300, help="seconds that a call may take")
    given = parser.parse_args()
    parts = given.parts.split(",")
    if unknown := set(parts) - {"flow", "descent", "eigenpairs"}:
        parser.error(f"--parts: {', '.join(unknown)} is not one of flow, descent, eigenpairs")
    print(f"Python {platform.python_version()}, {', '.join(versions())}; one thread, float32")
    for part in parts:
        sizes = given.n or ("4096" if part == "eigenpairs" else "64,256,1024")
        for n in map(int, sizes.split(",")):
            if part == "flow":
                flow(n, given.runs, given.repeats, given.limit)
            elif part == "descent":
                descent(n, given.runs, given.repeats)
            else:
                eigenpairs(n, given.repeats)


if __name__ == "__main__":
    main()
