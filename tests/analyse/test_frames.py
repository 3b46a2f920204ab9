"""Records along runs, of every version."""

import numpy as np
import pandas as pd

from gapless.analyse.frames import with_joint


def test_records_of_an_earlier_version_are_drawn_without_the_outlier():
    old = pd.DataFrame({"t": [[0.0, 1.0], [0.0, 1.0, 2.0]]}, index=[3, 5])
    new = with_joint(old)
    assert [len(row) for row in new.joint_outlier_t] == [2, 3]
    assert np.isnan(new.joint_overlap_t[5]).all()
    pd.testing.assert_frame_equal(with_joint(new), new)
    assert with_joint(old.iloc[:0]).empty
