import numpy as np
import pytest
import torch

from iics.similarity.pair_histograms import MAX_SAMPLED, PairHistogram, bin_edges, counts_of_all_bins, pair_histograms

# Cosines by hand: 0-1 0.8, 0-2 0.6, 0-3 0, 1-2 0.96, 1-3 0.6, 2-3 0.8.
FEATURES = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, 1.0]])
CAMERAS = np.array([0, 0, 1, 1])


def counted(histogram):
    return {centre(place): pairs for place, pairs in histogram.counts}


def centre(place):
    return (place + 0.5) / 100


def pairs_near(histogram, cosine):
    """Pairs within a bin of a cosine: 0.6 and 0.8 are not exact in float32 and may fall on either side."""
    return sum(pairs for place, pairs in counted(histogram).items() if abs(place - cosine) <= 0.011)


def test_pairs_are_told_apart_by_camera():
    found = pair_histograms(FEATURES, CAMERAS)
    assert list(found.pairs) == ["same_camera", "other_camera"]
    same, other = found.pairs["same_camera"], found.pairs["other_camera"]
    # 0-1 and 2-3, each from both ends.
    assert (same.num_pairs, pairs_near(same, 0.8)) == (4, 4)
    assert (other.num_pairs, pairs_near(other, 0.6), pairs_near(other, 0.96), pairs_near(other, 0)) == (8, 4, 2, 2)
    assert same.mean == pytest.approx(0.8)
    assert other.mean == pytest.approx((0.6 + 0.6 + 0.96 + 0) / 4)


def test_identities_split_each_kind_in_two():
    found = pair_histograms(FEATURES, CAMERAS, np.array([7, 8, 7, 9])).pairs
    assert {name: histogram.num_pairs for name, histogram in found.items()} == {
        "same_camera": 4,
        "other_camera": 8,
        "same_identity_same_camera": 0,
        "same_identity_other_camera": 2,
        "other_identity_same_camera": 4,
        "other_identity_other_camera": 6,
    }
    assert pairs_near(found["same_identity_other_camera"], 0.6) == 2
    assert found["same_identity_same_camera"] == PairHistogram(0, None, ())


def test_junk_and_distractors_are_of_no_identity_but_of_a_camera():
    found = pair_histograms(FEATURES, CAMERAS, np.array([-1, 0, -1, 5])).pairs
    assert (found["same_camera"].num_pairs, found["other_camera"].num_pairs) == (4, 8)
    assert all(histogram.num_pairs == 0 for name, histogram in found.items() if "identity" in name)


def test_ends_of_the_range_fall_into_the_first_and_the_last_bin():
    ends = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    assert pair_histograms(ends, np.zeros(3, dtype=np.int64)).pairs["same_camera"].counts == ((-100, 4), (99, 2))


def test_counts_of_filled_bins_become_counts_of_all_bins():
    whole = counts_of_all_bins(((-100, 4), (0, 1), (99, 2)))
    assert {place: whole[place] for place in np.flatnonzero(whole)} == {0: 4, 100: 1, 199: 2}
    assert len(whole) == len(bin_edges()) - 1
    assert bin_edges()[[0, 100, 200]].tolist() == [-1, 0, 1]
    assert counts_of_all_bins(()).sum() == 0


def test_many_crops_are_sampled_and_each_is_compared_with_all_others():
    rng = np.random.default_rng(1)
    features = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(1200, 8))), dim=1).float()
    cameras = rng.integers(0, 3, 1200)
    found = pair_histograms(features, cameras)
    assert found.num_sampled == MAX_SAMPLED
    assert sum(histogram.num_pairs for histogram in found.pairs.values()) == MAX_SAMPLED * 1199
    assert sum(pairs for _, pairs in found.pairs["same_camera"].counts) == found.pairs["same_camera"].num_pairs
    assert pair_histograms(features, cameras) == found


def test_blocks_do_not_change_the_counts(monkeypatch):
    whole = pair_histograms(FEATURES, CAMERAS, np.array([7, 8, 7, 9]))
    monkeypatch.setattr("iics.similarity.pair_histograms._BLOCK_FLOATS", 1)
    assert pair_histograms(FEATURES, CAMERAS, np.array([7, 8, 7, 9])) == whole


def test_torchs_own_draws_are_left_alone():
    before = torch.get_rng_state()
    pair_histograms(FEATURES, CAMERAS)
    assert torch.equal(torch.get_rng_state(), before)
