"""Many visitors of whom one is greedy: the others are answered, memory and disk stay bounded. A real server."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="the extra app is not installed")

from iics.page.uploads import BYTES_OF_ONE

pytestmark = pytest.mark.usefixtures("own_loop")
MEMORY_ABOVE_REST = 1_000_000_000
PATIENCE = 240  # seconds, on a machine that tests other things as well; 49 visitors wait for some 50 searches each


@pytest.fixture(scope="module")
def benchmark():
    """The module benchmarks/page.py."""
    file = Path(__file__).parents[2] / "benchmarks" / "page.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_the_page", file)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the database's own packages
@pytest.mark.parametrize(("num_visitors", "searches"), [(49, 1)])
def test_beside_a_greedy_visitor_all_others_are_answered(benchmark, tmp_path, num_visitors, searches):
    figures = benchmark.measure(tmp_path, num_visitors=num_visitors, searches=searches)
    assert len(figures.seconds) == num_visitors * searches
    assert max(figures.seconds) < PATIENCE
    assert max(figures.memory) - figures.memory[0] < MEMORY_ABOVE_REST
    # One visitor's uploads, those of the others, and what is just being received.
    assert max(figures.disk) < BYTES_OF_ONE + num_visitors * 1_000_000 + 8 * 10_000_000
    assert figures.greedy["search 429"] > figures.greedy["search 200"] > 0
    searched = [line for line in (tmp_path / "audit.jsonl").read_text().splitlines() if '"search"' in line]
    assert len(searched) >= num_visitors * searches


@pytest.mark.slow
def test_a_few_visitors_are_answered_beside_a_greedy_one(benchmark, pages, serve_pages, timed_crops):
    figures = benchmark.Figures()
    pictures = [file.read_bytes() for file in timed_crops.paths[:3]]
    asyncio.run(benchmark.visit(pages.locked, pictures, figures, num_visitors=4, searches=1))
    assert len(figures.seconds) == 4
    assert figures.greedy["search 429"] > 0
    assert benchmark.bytes_in(pages.temporary) < 2 * BYTES_OF_ONE
