"""Steps and features beside peers."""

from __future__ import annotations

import pytest
import torch

from benchmarks import peers

SMALL = [
    "--backbone=resnet18",
    "--height=32",
    "--width=32",
    "--extracted=3",
    "--repeats=1",
    "--threads=1",
    "--device=cpu",
]


@pytest.fixture(autouse=True)
def malloc_as_it_comes(monkeypatch):
    """Keeping freed memory would last for the whole test session."""
    monkeypatch.setattr("iics.training.engine.keep_freed_memory", lambda: True)


def rows(capsys):
    return [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[3:]]


@pytest.mark.slow
def test_every_form_of_features_stands_beside_the_plain_one(capsys, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda network: compiled.append(network) or network)
    monkeypatch.setenv("CXX", "a compiler")
    peers.main([*SMALL, "--only", "features"])
    found = rows(capsys)
    assert [row[1] for row in found] == [
        "plain PyTorch, aibn",
        "plain PyTorch, bn",
        "plain PyTorch, aibn, torch.compile",
        "plain PyTorch, bn, torch.compile",
        "ours, float32",
        "ours, auto",
        "ONNX Runtime, exported",
    ]
    assert len(compiled) == 2
    assert found[0][4] == "1.00"


def test_what_is_not_at_hand_is_left_out_and_said(capsys, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    monkeypatch.setattr(peers, "PACKAGES", ("no_such_package",))
    peers.main([*SMALL, "--only", "features"])
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3 + 4
    assert "there is no C++ compiler" in said.err
    assert "no_such_package is not installed" in said.err
