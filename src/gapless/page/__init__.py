"""Pictures and pages from plain numbers: `panels` holds their contents, two renderers draw them.

`image` draws PNG, SVG and PDF files; charts.js, which `html` embeds in self-contained pages, draws
in the browser. This package imports nothing, so that panels are filled without loading matplotlib
or pandas.
"""
