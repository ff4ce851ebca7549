"""Import modules of packages whose own `__init__` imports much that nobody here uses."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bare(*packages: str) -> Iterator[None]:
    """Import modules of `packages`, given from the outermost in, in this block without their `__init__`.

    A package that was imported before stays. Whoever imports it later gets the whole of it.
    """
    hidden = [name for name in packages if name not in sys.modules]
    for name in hidden:
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
