"""Batches of stage 1 (a camera's crops side by side) and of stage 2 (P clusters, K crops each)."""

import pytest
import torch

from iics.training.batches import stage1_batches, stage1_steps, stage2_batches

RULES = ("shortest", "mean", "longest")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def cameras_of(*sizes):
    """Each camera's crop indices: camera 0 has 0, 1, ..., camera 1 has 1000, 1001, ..."""
    return [1000 * number + torch.arange(size) for number, size in enumerate(sizes)]


def stage1(*sizes, crops_per_camera=8, num_steps=5, seed=0):
    return stage1_batches(
        cameras_of(*sizes), crops_per_camera=crops_per_camera, num_steps=num_steps, generator=generator(seed)
    )


def stage2(labels, *, p=4, k=3, num_steps=20, seed=0):
    return stage2_batches(
        torch.tensor(labels), clusters_per_batch=p, crops_per_cluster=k, num_steps=num_steps, generator=generator(seed)
    )


# --- stage 1


@pytest.mark.parametrize(("rule", "steps"), [("shortest", 2), ("mean", 5), ("longest", 10)])
def test_the_steps_are_those_of_the_smallest_mean_or_largest_camera(rule, steps):
    assert stage1_steps([80, 23, 17], crops_per_camera=8, rule=rule) == steps  # mean 40


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("sizes", [[3], [3, 5], [2, 8, 3]])
def test_a_camera_below_its_share_never_gives_zero_steps(rule, sizes):
    steps = stage1_steps(sizes, crops_per_camera=8, rule=rule)
    assert steps >= 1
    assert stage1(*sizes, num_steps=steps).shape == (steps, 8 * len(sizes))


@pytest.mark.parametrize("rule", ["mean", "longest"])
def test_one_small_camera_does_not_cut_the_epoch_short(rule):
    assert stage1_steps([800, 800, 3], crops_per_camera=8, rule=rule) >= 66


def test_a_batch_is_ordered_by_camera_with_the_same_number_from_each():
    batches = stage1(100, 7, 40)
    assert batches.shape == (5, 24)
    assert torch.equal(batches // 1000, torch.arange(3).repeat_interleave(8).expand(5, -1))


def test_cameras_come_in_the_order_they_were_given():
    batches = stage1_batches(
        [torch.tensor([9, 8]), torch.tensor([1, 2])], crops_per_camera=2, num_steps=1, generator=generator()
    )
    assert set(batches[0, :2].tolist()) == {8, 9}
    assert set(batches[0, 2:].tolist()) == {1, 2}


def test_each_crop_comes_once_in_a_pass():
    batches = stage1(40, 20, num_steps=10)  # 80 draws: two passes of the first camera, four of the second
    for column, size in ((batches[:, :8], 40), (batches[:, 8:] - 1000, 20)):
        for dealt in column.flatten().split(size):
            assert sorted(dealt.tolist()) == list(range(size))


def test_a_pass_differs_from_the_one_before():
    first, second = stage1(40, num_steps=10).flatten().split(40)
    assert not torch.equal(first, second)
    assert not torch.equal(first, first.sort().values)


def test_a_small_camera_is_repeated_and_all_its_crops_are_seen():
    own = stage1(100, 3, crops_per_camera=8, num_steps=2)[:, 8:] - 1000
    assert own.shape == (2, 8)
    counts = torch.bincount(own.flatten(), minlength=3)
    assert counts.tolist() in ([6, 5, 5], [5, 6, 5], [5, 5, 6])  # evenly


def test_the_same_generator_state_gives_the_same_batches_of_stage_1():
    assert torch.equal(stage1(50, 9, seed=3), stage1(50, 9, seed=3))
    assert not torch.equal(stage1(50, 9, seed=3), stage1(50, 9, seed=4))


# --- stage 2

LABELS = [number % 10 for number in range(57)]  # ten clusters of five or six


def labels_of(batches, labels):
    return torch.tensor(labels)[batches]


def test_a_batch_has_p_clusters_with_k_crops_side_by_side():
    batches = stage2(LABELS)
    assert batches.shape == (20, 12)
    by_cluster = labels_of(batches, LABELS).view(20, 4, 3)
    assert (by_cluster == by_cluster[:, :, :1]).all()


def test_no_cluster_comes_twice_in_a_batch():
    for row in labels_of(stage2(LABELS, num_steps=50), LABELS)[:, ::3]:
        assert len(set(row.tolist())) == 4


def test_a_cluster_that_is_large_enough_repeats_no_crop_in_a_batch():
    for row in stage2(LABELS):
        assert len(set(row.tolist())) == 12


def test_clusters_are_dealt_in_passes():
    rows = labels_of(stage2(LABELS, p=5, num_steps=10), LABELS)[:, ::3]
    for both in rows.view(5, 10):  # two batches of five are one pass over the ten clusters
        assert sorted(both.tolist()) == list(range(10))


@pytest.mark.parametrize("num_clusters", [1, 2, 3])
def test_fewer_clusters_than_p_give_batches_of_all_clusters(num_clusters):
    labels = [number % num_clusters for number in range(12)]
    batches = stage2(labels, p=16, k=4, num_steps=7)
    assert batches.shape == (7, num_clusters * 4)
    for row in labels_of(batches, labels)[:, ::4]:
        assert sorted(row.tolist()) == list(range(num_clusters))


def test_a_cluster_smaller_than_k_repeats_its_crops_evenly():
    batches = stage2([0, 0, 1, 2], p=3, k=4)
    for row in batches:
        assert torch.bincount(row, minlength=4).tolist() == [2, 2, 4, 4]


def test_crops_in_no_cluster_are_never_drawn():
    labels = [-1 if number % 3 == 0 else number % 4 for number in range(60)]
    batches = stage2(labels, num_steps=60)
    assert (labels_of(batches, labels) >= 0).all()
    assert set(batches.flatten().tolist()) == {number for number, label in enumerate(labels) if label >= 0}


def test_a_gap_in_the_cluster_numbers_is_no_cluster():
    batches = stage2([0, 0, 5, 5, 9, 9], p=16, k=2)
    assert batches.shape == (20, 6)
    assert set(batches.flatten().tolist()) == set(range(6))


def test_over_many_batches_every_crop_is_drawn_about_equally():
    counts = torch.bincount(stage2([number % 10 for number in range(60)], num_steps=600).flatten(), minlength=60)
    assert counts.min() > 0.7 * counts.float().mean()
    assert counts.max() < 1.3 * counts.float().mean()


def test_the_same_generator_state_gives_the_same_batches_of_stage_2():
    assert torch.equal(stage2(LABELS, seed=3), stage2(LABELS, seed=3))
    assert not torch.equal(stage2(LABELS, seed=3), stage2(LABELS, seed=4))


def of_cameras(labels, cameras, *, k, num_steps=30, seed=0):
    return stage2_batches(
        torch.tensor(labels),
        clusters_per_batch=2,
        crops_per_cluster=k,
        num_steps=num_steps,
        generator=generator(seed),
        camera_ids=torch.tensor(cameras),
    ).view(num_steps, -1, k)


def test_diverse_crops_of_a_cluster_come_from_as_many_cameras_as_it_has():
    # Cluster 0 has 9 crops of camera 0 and one of each of three others; cluster 1 has two cameras.
    cameras = [0] * 9 + [1, 2, 3] + [0] * 5 + [4] * 5
    labels = [0] * 12 + [1] * 10
    for batch in of_cameras(labels, cameras, k=4):
        for crops in batch:
            seen = [cameras[crop] for crop in crops.tolist()]
            assert len(set(seen)) == (4 if labels[crops[0]] == 0 else 2)
            assert labels[crops[0]] == 0 or sorted(seen) == [0, 0, 4, 4]
            assert len(set(crops.tolist())) == 4


def test_diverse_crops_of_more_cameras_than_k_are_of_all_of_them_in_the_end():
    cameras = [0, 1, 2, 3, 4, 5] * 2
    drawn = of_cameras([0] * 6 + [1] * 6, cameras, k=2)
    assert {cameras[crop] for crop in drawn.flatten().tolist()} == set(range(6))


def test_a_small_cluster_repeats_its_crops_evenly_with_diverse_cameras_too():
    for batch in of_cameras([0, 0, 1, 1, 1], [0, 1, 0, 0, 2], k=4):
        for crops in batch:
            counts = torch.bincount(crops)
            assert counts[counts > 0].max() - counts[counts > 0].min() <= 1
