"""Pictures and pages from plain numbers: `panels` says what is shown, two renderers draw it.

`image` draws to PNG, SVG and PDF; charts.js, which `html` puts into self-contained pages, in the
browser. Nothing is imported here: who fills panels loads neither matplotlib nor pandas.
"""
