"""Merges in the order and the numbering that scipy uses."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.cluster.hierarchy

from iics.clustering.merges import in_order_of_height


def ordered(*merges: tuple[int, int, float]) -> np.ndarray:
    first, second, heights = zip(*merges, strict=True)
    return in_order_of_height(np.array(first), np.array(second), np.array(heights))


def test_merges_are_sorted_by_height_and_numbered():
    # 3 crops join at 1 and 2; 2 more at 0.5; both at 3. Clusters are named by any of their crops.
    linkage = ordered((0, 1, 1.0), (2, 1, 2.0), (4, 3, 0.5), (3, 2, 3.0))
    assert linkage.tolist() == [[3, 4, 0.5, 2], [0, 1, 1, 2], [2, 6, 2, 3], [5, 7, 3, 5]]


def test_equal_heights_keep_their_order():
    linkage = ordered((2, 3, 1.0), (0, 1, 1.0), (3, 0, 1.0))
    assert linkage.tolist() == [[2, 3, 1, 2], [0, 1, 1, 2], [4, 5, 1, 4]]


def test_equal_heights_keep_their_order_among_many():
    heights = np.random.default_rng(0).integers(0, 3, 199).astype(np.float64)
    linkage = in_order_of_height(np.zeros(199, np.int64), np.arange(1, 200), heights)  # crop i + 1 joins in merge i
    joined = [int(min(a, b)) if max(a, b) >= 200 else int(max(a, b)) for a, b in linkage[:, :2]]
    assert joined == [crop + 1 for crop in sorted(range(199), key=lambda crop: heights[crop])]


def test_a_merge_that_rounding_put_below_the_one_it_rests_on_still_gives_a_dendrogram():
    # Crops 0 and 1 were joined first, then 2 with 1's cluster, at a height that came out a little lower.
    linkage = ordered((0, 1, 1.0000001), (1, 2, 1.0))
    assert linkage.tolist() == [[1, 2, 1.0, 2], [0, 3, 1.0000001, 3]]


def test_any_order_of_heights_gives_a_valid_dendrogram():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        num_crops = int(rng.integers(2, 40))
        later = np.arange(1, num_crops)
        linkage = in_order_of_height(later, rng.integers(0, later), rng.random(num_crops - 1))
        assert scipy.cluster.hierarchy.is_valid_linkage(linkage)


@pytest.mark.parametrize(("height", "kept"), [(-1e-7, 0.0), (-9e-7, 0.0), (-2e-6, -2e-6), (-0.5, -0.5), (1e-7, 1e-7)])
def test_only_rounding_errors_below_zero_become_zero(height, kept):
    assert ordered((0, 1, height))[0, 2] == kept


def test_no_merges_of_one_crop():
    nothing = np.empty(0, np.int64)
    assert in_order_of_height(nothing, nothing, np.empty(0)).shape == (0, 4)


def test_input_is_unchanged():
    first, second, heights = np.array([1, 0]), np.array([2, 1]), np.array([0.5, -1e-7])
    before = first.copy(), second.copy(), heights.copy()
    in_order_of_height(first, second, heights)
    assert all(np.array_equal(now, then) for now, then in zip((first, second, heights), before, strict=True))
