"""Arrays of files: one content, whatever the kind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io

from gapless.measure.reading import read_arrays

# more rows than a batch has
M, N = 5000, 3
RNG = np.random.default_rng(2)
X, Y2 = RNG.standard_normal((M, N)).astype("float32"), RNG.random(M)


def npy(path: Path) -> None:
    np.save(path.with_name("X.npy"), X)
    np.save(path.with_name("y2.npy"), Y2)


def parquet(path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"y2": Y2, "other": Y2, "X": column}), path, row_group_size=999)


WRITERS: dict[str, Callable[[Path], None]] = {
    "d.npz": lambda path: np.savez(path, X=X, y2=Y2, other=Y2),
    "packed.npz": lambda path: np.savez_compressed(path, X=X, y2=Y2),
    "X.npy": npy,
    "d.mat": lambda path: scipy.io.savemat(path, {"X": X, "y2": Y2, "other": "text"}),
    "fixed.parquet": lambda path: parquet(
        path, pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), N)
    ),
    "list.parquet": lambda path: parquet(path, pa.array(list(X), pa.list_(pa.float32()))),
}


@pytest.mark.parametrize("name", WRITERS)
def test_arrays_of_a_file_are_those_that_were_written(name, tmp_path):
    WRITERS[name](tmp_path / name)
    found = read_arrays(tmp_path / name)
    assert list(found) == ["X", "y2"]
    for array, expected in ((found["X"], X), (found["y2"], Y2)):
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)
    assert isinstance(found["X"], np.memmap) == (name == "X.npy")


def test_a_fifo_blocks_no_reader(tmp_path):
    import os

    os.mkfifo(tmp_path / "d.npz")
    with pytest.raises(ValueError, match="no regular file"):
        read_arrays(tmp_path / "d.npz")


def test_a_pickle_is_not_opened(tmp_path):
    """A file of this content would make a folder if it were unpickled."""
    made = tmp_path / "made"
    content = b"cos\nmkdir\n(S'" + str(made).encode() + b"'\ntR."
    (tmp_path / "X.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"is no \.npy file"):
        read_arrays(tmp_path / "X.npy")
    assert not made.exists()
