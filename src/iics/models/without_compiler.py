"""Import packages without torch's compiler, which takes as long to import as torch itself and which few runs use.

torchvision asks it for one function when it is imported, timm for a mark on functions of networks that are not ours.
Meanwhile a stand-in takes its place, whose functions import the compiler in the moment that they are called.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"
_ITS_TOOLS = f"{_COMPILER}.utils"


def import_without_compiler(package: str) -> ModuleType:
    """Return a package; it is imported with the compiler where that is there already, or cannot be left out."""
    if package in sys.modules or _COMPILER in sys.modules:
        return importlib.import_module(package)
    try:
        with _stand_ins():
            return importlib.import_module(package)
    except (ImportError, AttributeError):  # another version, which asks the compiler for more
        forget(package)
        return importlib.import_module(package)


def forget(package: str) -> None:
    """Drop a package that was imported in part, so that it can be imported again."""
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]


@contextmanager
def _stand_ins() -> Iterator[None]:
    own = {name: ModuleType(name) for name in (_COMPILER, _ITS_TOOLS)}
    vars(own[_COMPILER])["disable"] = _disable
    vars(own[_ITS_TOOLS])["is_compile_supported"] = _is_compile_supported
    sys.modules |= own
    try:
        yield
    finally:
        for name, module in own.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _disable(function: Callable[..., Any], *arguments: Any, **named: Any) -> Callable[..., Any]:
    """Return a function that the compiler leaves alone; it learns of that on the first call."""

    @functools.cache
    def marked() -> Any:
        return importlib.import_module(_COMPILER).disable(function, *arguments, **named)

    @functools.wraps(function)
    def called(*its_arguments: Any, **its_named: Any) -> Any:
        return marked()(*its_arguments, **its_named)

    return called


def _is_compile_supported(device: Any) -> Any:
    return importlib.import_module(_ITS_TOOLS).is_compile_supported(device)
