"""The text of `--help` where Python leaves docstrings out (-OO, PYTHONOPTIMIZE=2)."""

import ast
import inspect
from types import ModuleType


def restore(module: ModuleType) -> None:
    """Give the functions and classes of a module the docstrings that stand in its source."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            vars(module)[node.name].__doc__ = ast.get_docstring(node, clean=False)
