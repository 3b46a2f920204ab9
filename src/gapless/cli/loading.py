"""Modules that load while a verb computes."""

from contextlib import suppress
from importlib import import_module
from threading import Thread


def load_meanwhile(*modules: str) -> None:
    """Import modules in a thread, while this process waits or is in a product of matrices."""

    def load() -> None:
        # what cannot be imported is reported where it is used
        with suppress(ImportError):
            for module in modules:
                import_module(module)

    Thread(target=load, daemon=True).start()
