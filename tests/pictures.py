"""Pictures of all kinds, for properties that hold of any."""

import numpy as np
from hypothesis import strategies as st

from gapless.page.panels import Axis, Mark, Panel, Picture, Series

NUMBER = st.floats(0.01, 100) | st.just(np.nan)


@st.composite
def curves(draw_one: st.DrawFn) -> Series:
    size = draw_one(st.integers(1, 6))
    column = st.lists(NUMBER, min_size=size, max_size=size).map(np.array)
    y = draw_one(column)
    ends = draw_one(st.booleans())
    return Series(
        draw_one(st.sampled_from(["a", "b, c", "λ₁", "⟨v, W*⟩"])),
        np.arange(1.0, size + 1),
        y,
        y - draw_one(column) if ends else None,
        y + draw_one(column) if ends else None,
        style=draw_one(st.sampled_from(["lines", "markers", "lines+markers"])),
        dash=draw_one(st.sampled_from(["solid", "dot", "dash", "dashdot"])),
        colour=draw_one(st.integers(0, 20)),
        legend=draw_one(st.sampled_from([None, "", "all"])),
        marker=draw_one(st.sampled_from(["circle", "circle-open", "x-thin-open"])),
        band=draw_one(st.booleans()),
        steps=draw_one(st.booleans()),
        fill=draw_one(st.booleans()),
    )


axes_of = st.builds(
    Axis,
    st.sampled_from(["time t", "α = M/N"]),
    st.sampled_from(["linear", "log", "symlog"]),
    st.sampled_from([(None, None), (0.5, None), (None, 50.0), (0.5, 50.0)]),
)

panels = st.builds(
    Panel,
    st.sampled_from(["one", "E|ŷ|³ = ½"]),
    axes_of,
    axes_of,
    st.lists(curves(), max_size=3),
    st.lists(
        st.builds(
            Mark,
            st.sampled_from(["x", "y"]),
            NUMBER,
            st.sampled_from(["", "BBP"]),
            until=st.sampled_from([None, 7.0]),
        ),
        max_size=2,
    ),
)

pictures = st.builds(
    Picture, st.just("N = ∞"), st.lists(st.lists(panels, min_size=1, max_size=2), max_size=2)
)
