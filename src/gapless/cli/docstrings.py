"""Text of `--help` under python -OO or PYTHONOPTIMIZE=2, which drop docstrings."""

import ast
import inspect
from types import ModuleType


def restore(module: ModuleType) -> None:
    """Restore the docstrings of a module's functions and classes from its source."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            vars(module)[node.name].__doc__ = ast.get_docstring(node, clean=False)
