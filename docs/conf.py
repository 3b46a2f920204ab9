"""The documentation site: Markdown pages, docstrings as the reference; built without a network."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent / "src")]

import jaxtyping  # noqa: E402, F401  loaded first, so that the reference shows the shapes of arrays

from gapless import __doc__ as about  # noqa: E402

project = "gapless"
author = copyright = "the gapless authors"
html_title = "gapless"
html_short_title = about.split(":")[0]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "as_mathml",
    "plain_docstrings",
    "crosslinks",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
# a field named like a type (`bytes`) gives two targets to the type's name in a signature
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"

# the reference: one name a line, arrays with their shapes
default_role = "code"
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
add_module_names = False
toc_object_entries = False
