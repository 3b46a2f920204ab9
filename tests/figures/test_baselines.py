"""The figure of the algorithms beside the flow."""

import pyarrow as pa
import pytest

from gapless.figures import baselines
from gapless.measure.baselines import BaselinePoint
from gapless.page.image import render


@pytest.mark.slow
def test_baselines_are_measured_drawn_and_judged():
    points = [point for point in baselines.points("smoke", 0) if point.alpha == 2.5]
    table = pa.concat_tables([point.measure() for point in points]).to_pandas()
    reduced = baselines.reduce(table)
    assert set(table.outcome) == {"finished"}
    assert table.overlap.between(0, 1 + 1e-6).all()
    means = reduced.means.set_index("method").overlap
    # message passing beats the spectral estimator, which beats every flow from a random start
    assert means["amp"] > means["spectral"] > means["flow"]
    assert means["flow_spectral"] > means["flow"]
    # the spectral estimator's limit is no statement about N = 96
    verdicts = [claim.verdict for claim in baselines.claims(reduced)]
    assert verdicts == ["agrees", "cannot tell at this size"]
    titles = {name for name, _ in baselines.tables(reduced)}
    assert {"Mean overlaps and their standard errors"} < titles
    assert render(baselines.picture(reduced)).axes
    reason = points[0].failed("why")
    assert reason["outcome"].to_pylist() == 16 * ["failed"]
    with pytest.raises(ValueError, match="method"):
        BaselinePoint(n=8, alpha=2, seed=0, method="magic")
