"""Training beside its plain forms: the tables of docs/performance.md."""

from __future__ import annotations

import pytest
import torch

from benchmarks import training

SMALL = ["--backbone=resnet18", "--height=32", "--width=32", "--extracted=3", "--loaded=64", "--repeats=1"]


@pytest.fixture(autouse=True)
def malloc_as_it_comes(monkeypatch):
    """Keeping freed memory would last for the whole test session."""
    threads, told = torch.get_num_threads(), []
    monkeypatch.setattr("iics.training.engine.keep_freed_memory", lambda: told.append(1))
    yield told
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_every_form_stands_beside_the_plain_one_with_the_same_norm(capsys, malloc_as_it_comes):
    training.main([*SMALL, "--only", "loading", "features", "--threads=1", "--device=cpu"])
    (
        machine,
        *_,
    ) = printed = capsys.readouterr().out.splitlines()
    assert "freed memory is kept" in machine
    assert malloc_as_it_comes == [1]
    rows = [line.strip("| ").split(" | ") for line in printed[3:]]
    assert [row[:2] for row in rows] == [
        ["loading", "plain, 1 thread"],
        ["loading", "ours, 1 thread"],
        ["features", "plain, aibn"],
        ["features", "ours, aibn"],
        ["features", "plain, bn"],
        ["features", "ours, bn"],
        ["features", "ours, aibn, contiguous"],
    ]
    assert [float(row[4]) for row in rows if row[1].startswith("plain")] == [1, 1, 1]


def test_malloc_is_left_alone_where_it_is_timed_as_it_comes(capsys, malloc_as_it_comes):
    training.main([*SMALL, "--only", "features", "--options", "--threads=1", "--device=cpu", "--malloc=as-it-comes"])
    assert "malloc as it comes" in capsys.readouterr().out
    assert malloc_as_it_comes == []
