"""torchvision is imported whether or not its compiled operators fit torch."""

import importlib
import sys
from types import SimpleNamespace

import pytest

from iics.models import without_compiler
from iics.models.torchvision_import import import_torchvision


def test_torchvision_can_be_imported_again_and_again():
    import_torchvision()
    first = sys.modules["torchvision"]
    import_torchvision()
    assert sys.modules["torchvision"] is first
    assert hasattr(importlib.import_module("torchvision.models"), "resnet18")


def failing_import(monkeypatch, *messages):
    """Make each import of torchvision fail with the next message, the one after the last succeed."""
    left, tried = list(messages), []

    def import_module(name):
        tried.append(name)
        if left:
            raise RuntimeError(left.pop(0))

    monkeypatch.setattr(without_compiler, "importlib", SimpleNamespace(import_module=import_module))
    # What is really imported stays: the cleaning up is done on a stand-in.
    stand_in = SimpleNamespace(modules={"torchvision.half": None, "torchvisionary": None})
    monkeypatch.setattr(without_compiler, "sys", stand_in)
    return tried


def test_another_error_is_passed_on(monkeypatch):
    tried = failing_import(monkeypatch, "CUDA driver is too old")
    with pytest.raises(RuntimeError, match=r"^CUDA driver is too old$"):
        import_torchvision()
    assert tried == ["torchvision"]


def test_every_missing_operator_is_declared_and_half_imported_modules_are_dropped(monkeypatch):
    tried = failing_import(
        monkeypatch,
        "operator torchvision::first_of_a_test does not exist",
        "operator torchvision::second_of_a_test does not exist",
    )
    import_torchvision()
    assert len(tried) == 3
    assert list(without_compiler.sys.modules) == ["torchvisionary"]


def test_an_operator_that_stays_missing_ends_in_the_error(monkeypatch):
    message = "operator torchvision::third_of_a_test does not exist"
    tried = failing_import(monkeypatch, message, message)
    with pytest.raises(RuntimeError, match=message):
        import_torchvision()
    assert len(tried) == 2
