"""Packages are imported without the compiler where they ask it for little, and work as with it."""

from __future__ import annotations

import importlib
import sys

import pytest

from iics.models import without_compiler
from iics.models.without_compiler import import_without_compiler


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """Put a compiler that tells on which function it was asked in the place of torch's; return its name."""
    name = "slow_compiler"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "asked = []\n\n\ndef disable(function):\n    asked.append(function)\n    return function\n"
    )
    (folder / "utils.py").write_text("def is_compile_supported(device):\n    return device == 'cpu'\n")
    (folder / "config.py").write_text("limit = 8\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(without_compiler, "_COMPILER", name)
    monkeypatch.setattr(without_compiler, "_ITS_TOOLS", f"{name}.utils")
    yield name
    for loaded in [each for each in sys.modules if each.split(".")[0] in (name, "asks_little", "asks_for_more")]:
        del sys.modules[loaded]


def test_a_package_that_asks_little_is_imported_without_it_and_asks_when_it_is_called(compiler, tmp_path):
    (tmp_path / "asks_little.py").write_text(
        f"import {compiler}\nfrom {compiler}.utils import is_compile_supported\n\n\n"
        f"@{compiler}.disable\ndef one_more(x):\n    return x + 1\n"
    )
    package = import_without_compiler("asks_little")
    assert compiler not in sys.modules
    assert [package.one_more(1), package.one_more(2)] == [2, 3]
    assert len(importlib.import_module(compiler).asked) == 1
    assert package.is_compile_supported("cpu")
    assert package.one_more.__name__ == "one_more"


@pytest.mark.parametrize("wish", ["import slow_compiler.config as wish", "from slow_compiler import asked as wish"])
def test_a_package_that_asks_for_more_gets_the_compiler(compiler, tmp_path, wish):
    (tmp_path / "asks_for_more.py").write_text(f"{wish}\n")
    assert import_without_compiler("asks_for_more").wish is not None
    assert importlib.import_module(compiler).asked == []


def test_a_compiler_that_is_there_is_used(compiler, tmp_path):
    there = importlib.import_module(compiler)
    (tmp_path / "asks_little.py").write_text(f"import {compiler}\n")
    assert vars(import_without_compiler("asks_little"))[compiler] is there
