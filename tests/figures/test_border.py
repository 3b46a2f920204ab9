"""The figure of the planted border: lines of theory only for losses whose code may run."""

import sys
from hashlib import sha256

import numpy as np

from gapless.figures import bbp, border


def test_no_line_is_drawn_by_code_that_a_record_names(tmp_path, monkeypatch):
    module = tmp_path / "sent_with_border.py"
    module.write_text("from gapless.losses import normalised\nloss = normalised(2.0)\n")
    digest = sha256(module.read_bytes()).hexdigest()[:12]
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"sent_with_border:loss@{digest}"
    assert np.isnan(border.marginal_transition(name))
    assert np.isnan(bbp.transitions(name)).all()
    assert "sent_with_border" not in sys.modules
