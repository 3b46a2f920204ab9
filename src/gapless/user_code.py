"""Import of a user's module from the source text that its hash identifies.

A record's address identifies the text that computed it. The text is therefore read first, together
with that of every user's module that it imports, and hashed; the program is compiled from the text
that was read, never from modules imported earlier or from a cache of byte code. Edited text is
loaded again, under another hash. The hash does not include data files that a module reads, or
modules that it imports by a computed name.
"""

import ast
import importlib.machinery
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

DIGITS = 12
_LIBRARIES = sys.stdlib_module_names | {"gapless"}


@dataclass(frozen=True)
class ModuleText:
    """Source text of one module.

    Parameters
    ----------
    path
        File of the module.
    text
        Content of the file, as bytes.
    package
        Whether the module is a package's ``__init__``.
    """

    path: Path
    text: bytes
    package: bool

    @property
    def digest(self) -> str:
        """Return the hash of the text with normalised line ends."""
        text = importlib.util.decode_source(self.text)
        return sha256((text if text.endswith("\n") else text + "\n").encode()).hexdigest()


@dataclass(frozen=True)
class Program:
    """A user's module and all of the user's modules that it imports, by name.

    Parameters
    ----------
    module
        Name of the requested module.
    sources
        Source texts by name; the module's own is among them.
    """

    module: str
    sources: dict[str, ModuleText]

    @property
    def digest(self) -> str:
        """Return the hash of all texts, or that of the module's own text if it is the only one."""
        if len(self.sources) == 1:
            return self.sources[self.module].digest[:DIGITS]
        lines = [f"{name} {source.digest}\n" for name, source in sorted(self.sources.items())]
        return sha256("".join(lines).encode()).hexdigest()[:DIGITS]


_loaded: dict[tuple[str, str], ModuleType] = {}
_ours: dict[str, ModuleType] = {}
_read: dict[tuple[str, str], Program] = {}
_lock = RLock()


def read_program(module: str) -> Program:
    """Return the texts of a module and of the user's modules that it imports; no code is run.

    A file in the current folder takes precedence over any module of the same name elsewhere, those
    of Python's library included.

    Raises ``ValueError`` if the module does not exist or has no source text.
    """
    key = module, os.getcwd()
    with _lock:
        if (known := _read.get(key)) is not None and all(map(_stands, known.sources.values())):
            return known
        importlib.invalidate_caches()
        source = _found(module)
        sources = {module: source}
        # a package's __init__ runs before the module inside it
        todo = [*_parents(module), *_imports(module, source)]
        seen = {module}
        while todo:
            name = todo.pop()
            if name not in seen and (other := _own(name, module)) is not None:
                sources[name] = other
                todo += [*_parents(name), *_imports(name, other)]
            seen.add(name)
        _read[key] = Program(module, sources)
        return _read[key]


def load(program: Program) -> ModuleType:
    """Return the module of a program, executed from its texts once for each digest.

    Exceptions of the module are passed on.
    """
    key = program.module, program.digest
    with _lock:
        if key not in _loaded:
            with _served(program.sources):
                _loaded[key] = import_module(program.module)
        return _loaded[key]


def loaded(module: str, digest: str) -> ModuleType | None:
    """Return the module loaded from text of a digest, None without one."""
    return _loaded.get((module, digest))


def _stands(source: ModuleText) -> bool:
    try:
        return source.path.read_bytes() == source.text
    except OSError:
        return False


def _found(module: str) -> ModuleText:
    """Return the text of the requested module, from the current folder or Python's search path."""
    if module == "__main__":
        raise ValueError("loss: __main__ is no module that can be read again; put it in a file")
    here = Path(os.getcwd(), *module.split("."))
    for path, package in ((here / "__init__.py", True), (here.with_name(f"{here.name}.py"), False)):
        if path.is_file():
            return ModuleText(path, path.read_bytes(), package)
    spec = _spec(module)
    if spec is None:
        raise ValueError(f"loss: cannot import {module}: no such module here or installed")
    if (source := _text_of(spec)) is None:
        raise ValueError(f"loss: {module} has no source text, which records must name")
    return source


def _own(name: str, module: str) -> ModuleText | None:
    """Return the text of an imported module of the user's; None for a library's module."""
    top = name.partition(".")[0]
    if top != module.partition(".")[0]:
        spec = None if top in _LIBRARIES else _spec(top)
        places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
        # a folder here named like a library that runs already does not stand in for it
        places.append(getattr(sys.modules.get(top), "__file__", None))
        if spec is None or any(_is_library(Path(place)) for place in places if place):
            return None
    spec = _spec(name)
    return None if spec is None else _text_of(spec)


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """Return the import specification of a module without running its parent packages."""
    top, *rest = name.split(".")
    spec = importlib.machinery.PathFinder.find_spec(top, [os.getcwd()])
    if spec is None or spec.origin is None:  # nothing, or a folder that happens to be here
        found = (finder.find_spec(top, None) for finder in sys.meta_path)
        spec = next((one for one in found if one is not None), spec)
    for depth in range(len(rest)):
        if spec is None:
            return None
        partial = ".".join([top, *rest[: depth + 1]])
        search = [*(spec.submodule_search_locations or ())]
        spec = importlib.machinery.PathFinder.find_spec(partial, search)
    return spec


def _text_of(spec: importlib.machinery.ModuleSpec) -> ModuleText | None:
    if not spec.origin or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    package = spec.submodule_search_locations is not None
    return ModuleText(path, path.read_bytes(), package) if path.is_file() else None


def _is_library(path: Path) -> bool:
    """Return whether a file lies in Python's own library or among installed packages."""
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    homes = {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib")}
    return any(path.is_relative_to(home) for home in homes)


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


def _imports(module: str, source: ModuleText) -> list[str]:
    """Return the names of all modules that a text imports, at its top or inside functions."""
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"loss: cannot import {module}: {error}") from None
    package = module if source.package else module.rpartition(".")[0]
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return [name for name in {*found, *(up for name in found for up in _parents(name))} if name]


class _Text(importlib.machinery.SourceFileLoader):
    """Loader of a module from text in memory, without a cache of byte code."""

    def __init__(self, name: str, source: ModuleText) -> None:
        super().__init__(name, str(source.path))
        self._text = source.text

    def get_code(self, fullname: str) -> Any:
        """Return the compiled text."""
        del fullname
        return compile(self._text, self.path, "exec", dont_inherit=True)


class _Texts:
    """Finder of the modules of a program in its texts."""

    def __init__(self, sources: dict[str, ModuleText]) -> None:
        self._sources = sources

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        del path, target
        source = self._sources.get(name)
        if source is None:
            return None
        return importlib.util.spec_from_file_location(
            name,
            source.path,
            loader=_Text(name, source),
            submodule_search_locations=[str(source.path.parent)] if source.package else None,
        )


@contextmanager
def _served(sources: dict[str, ModuleText]) -> Iterator[None]:
    """Import the modules of a program from its texts.

    Modules that were imported before are restored afterwards. The others stay, for imports inside
    functions.
    """
    before = {name: sys.modules.pop(name) for name in sources if name in sys.modules}
    finder: Any = _Texts(sources)
    sys.meta_path.insert(0, finder)
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # console scripts do not look where the user is
    try:
        yield
    except BaseException:
        for name in sources:
            sys.modules.pop(name, None)
        sys.modules.update(before)
        raise
    else:
        for name in sources:
            ours, theirs = sys.modules.get(name), before.get(name)
            if theirs is not None and theirs is not _ours.get(name):
                sys.modules[name] = theirs
            elif ours is not None:
                _ours[name] = ours
    finally:
        sys.meta_path.remove(finder)
