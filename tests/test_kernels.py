"""Compiled loops, and numba and torch on the same cores."""

from __future__ import annotations

import os
import subprocess
import sys

import numba
import numpy as np
import pytest
import torch

from iics.kernels import REORDERED, kernel, on_each_thread, torch_threads

# Every kernel that spreads over threads, on few crops; numba's first kernel is the one that used to set the number.
PROGRAM = """
import numpy as np, torch
from iics.clustering.average_linkage import linkage_in_place
from iics.config import AugmentSettings, ClusterSettings, DistanceSettings
from iics.pixels.augment import augment, normalise_pixels
from iics.pixels.augment_draws import draw_augmentation
from iics.labelling.labeller import labeller_of
from iics.similarity.inter_camera import InterCameraSimilarity
from iics.similarity.overlap_similarity import OverlapSimilarity
from iics.similarity.reranking import k_reciprocal_distance
from iics.similarity.score_overlap import score_overlap

before = torch.get_num_threads()
features = torch.nn.functional.normalize(torch.ones(4, 3) + torch.eye(4, 3), dim=1)
scores = torch.eye(4, 200)
similarity = InterCameraSimilarity(
    features, OverlapSimilarity(scores, num_heads=1), torch.tensor([0, 1, 0, 1]), mu=0.1
)
first, second = np.divmod(np.arange(16), 4)
pixels, colours = torch.zeros(2, 8, 4, 3, dtype=torch.uint8), {"mean": (0, 0, 0), "std": (1, 1, 1)}
draws = draw_augmentation(2, 8, 4, settings=AugmentSettings(), generator=torch.Generator())
calls = {
    "augment": lambda: augment(pixels, draws, **colours),
    "normalise": lambda: normalise_pixels(pixels, **colours),
    "linkage": lambda: linkage_in_place(1 - np.eye(4, dtype=np.float32)),
    "peaked overlap": lambda: score_overlap(scores, num_cameras=1),
    "diffuse overlap": lambda: score_overlap(torch.full((4, 5), 0.2), num_cameras=1),
    "reranking": lambda: k_reciprocal_distance(1 - np.eye(4, dtype=np.float32)),
    "block": lambda: similarity.block(first, second),
    "pairs": lambda: similarity.pairs(first, second),
    "graph": lambda: labeller_of(
        DistanceSettings(max_dense_crops=1, k1=2, k2=1, graph_neighbours=4), ClusterSettings(number=2)
    ).label(similarity),
}
for name, call in calls.items():
    call()
    assert torch.get_num_threads() == before, name
print(before)
"""

# The same calls in a process forked after them, and in one forked from that; on two threads, to have some to lose.
FORKED_PROGRAM = (
    PROGRAM
    + """
import os, sys
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.ranking import rank
labels = EvaluationLabels([1, 2], [1, 2, 1], [0, 0], [1, 1, 1])
calls["ranking"] = lambda: rank(lambda block: np.eye(2, 3, dtype=np.float32)[block], labels).mean_ap
calls["product"] = lambda: (torch.ones(600, 700) @ torch.ones(700, 800)).numpy()


def of(result):
    result = getattr(result, "labels", result)
    return np.array(result.numpy() if isinstance(result, torch.Tensor) else result)


expected = {name: of(call()) for name, call in calls.items()}
for generation in ("child", "grandchild"):
    process = os.fork()
    if process:
        _, status = os.waitpid(process, 0)
        os._exit(os.waitstatus_to_exitcode(status))
    assert torch.get_num_threads() == 1
    for name, call in calls.items():
        np.testing.assert_allclose(of(call()), expected[name], rtol=1e-5, err_msg=name)
    print(generation, flush=True)
os._exit(0)
"""
)


def add_one_to_each(values):
    result = np.empty_like(values)
    for i in numba.prange(len(values)):
        result[i] = values[i] + 1
    return result


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


# --- compiling


def add_two_to_each(values):  # numba's cache does not know options apart: what is compiled twice needs two functions
    result = np.empty_like(values)
    for i in numba.prange(len(values)):
        result[i] = values[i] + 2
    return result


def test_a_kernel_returns_what_its_function_returns():
    values = np.arange(5.0)
    assert kernel()(add_one_to_each)(values).tolist() == [1, 2, 3, 4, 5]
    with torch_threads():
        assert kernel(parallel=True)(add_two_to_each)(values).tolist() == [2, 3, 4, 5, 6]
    assert values.tolist() == [0, 1, 2, 3, 4]


def test_a_kernel_runs_without_the_interpreters_lock_and_with_the_liberties_it_was_given():
    strict, loose = kernel()(add_one_to_each), kernel(parallel=True, fastmath=REORDERED)(add_one_to_each)
    assert strict.targetoptions["nogil"] is True
    assert not strict.targetoptions["fastmath"]
    assert not strict.targetoptions["parallel"]
    assert loose.__wrapped__.targetoptions["fastmath"] == {"reassoc", "nsz", "nnan"}
    assert loose.__wrapped__.targetoptions["parallel"] is True


def test_compiled_code_is_kept_for_the_next_process(monkeypatch):
    asked = []
    njit = numba.njit
    monkeypatch.setattr(numba, "njit", lambda **options: asked.append(options) or njit(**options))
    kernel(fastmath=REORDERED)(add_one_to_each)
    assert asked == [{"cache": True, "parallel": False, "fastmath": set(REORDERED), "nogil": True}]


def test_without_a_writable_folder_a_kernel_is_compiled_uncached_with_the_same_options(monkeypatch):
    asked = []
    njit = numba.njit

    def refuse_to_cache(*, cache=False, **options):
        asked.append((cache, options))
        if cache:
            raise RuntimeError("cannot cache function 'add_one_to_each': no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", refuse_to_cache)
    compiled = kernel(parallel=True, fastmath=REORDERED)(add_two_to_each)
    with torch_threads():
        assert compiled(np.zeros(3)).tolist() == [2, 2, 2]
    (first, options), (second, same_options) = asked
    assert (first, second) == (True, False)
    assert options == same_options == {"parallel": True, "fastmath": set(REORDERED), "nogil": True}


def test_a_function_without_a_source_file_is_compiled_uncached():
    namespace = {}
    exec("def double(value):\n    return 2 * value", namespace)  # numba itself finds no folder for it
    with pytest.raises(RuntimeError, match="cannot cache function"):
        numba.njit(cache=True)(namespace["double"])
    assert kernel()(namespace["double"])(21) == 42


# --- threads


def test_kernels_run_on_torchs_number_of_threads(two_threads):
    with torch_threads() as num_threads:
        assert num_threads == numba.get_num_threads() == min(2, numba.config.NUMBA_NUM_THREADS)
    torch.set_num_threads(1)
    with torch_threads() as num_threads:
        assert num_threads == numba.get_num_threads() == 1


def test_kernels_run_on_no_more_threads_than_numba_has(two_threads, monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 1)
    with torch_threads() as num_threads:
        assert num_threads == numba.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_torchs_number_of_threads_is_restored_also_after_an_error(two_threads):
    with torch_threads():
        torch.set_num_threads(1)
    assert torch.get_num_threads() == 2

    def fail():
        with torch_threads():
            torch.set_num_threads(1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == 2


@pytest.mark.slow
def test_no_kernel_changes_torchs_number_of_threads():
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["1"], "")


# --- forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.slow
def test_a_process_forked_after_every_kernel_has_run_computes_the_same():
    environment = os.environ | {"OMP_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", FORKED_PROGRAM], env=environment, capture_output=True, text=True, timeout=300
    )
    assert (done.stdout.split(), done.stderr, done.returncode) == (["2", "child", "grandchild"], "", 0)


# --- plain loops on threads


@kernel()
def write_own_number(values, thread, num_threads):
    for i in range(thread, len(values), num_threads):
        values[i] = 10 * num_threads + thread


def test_each_thread_does_its_share(two_threads):
    values = np.zeros(5, np.int64)
    on_each_thread(write_own_number, values)
    assert values.tolist() == [20, 21, 20, 21, 20]


def test_one_thread_does_all():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    values = np.zeros(3, np.int64)
    on_each_thread(write_own_number, values)
    torch.set_num_threads(before)
    assert values.tolist() == [10, 10, 10]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_fault_on_any_thread_is_raised_when_all_are_done(two_threads, failing):
    done = []

    def work(thread, num_threads):
        done.append(thread)
        if thread == failing:
            raise ValueError(f"thread {thread} of {num_threads}")

    with pytest.raises(ValueError, match=f"thread {failing} of 2"):
        on_each_thread(work)
    assert sorted(done) == [0, 1]
