import math

import numpy as np
import pytest

from iics.people import likeness as measured
from iics.people.likeness import likeness_of
from tests.people.made_sightings import seen_people, sightings_of


@pytest.fixture(scope="module")
def seen():
    return seen_people(35)


@pytest.fixture(scope="module")
def likeness(seen):
    return likeness_of(seen, seen, is_plain=False)


def by_the_equation(seen, one, other):
    """Return the likeness of two sightings, written plainly."""
    cosines = seen.features @ seen.features.T
    found = []
    for i, j in ((one, other), (other, one)):
        background = np.delete(cosines[i], i)
        cameras = np.delete(seen.camera_ids, i)
        own = cosines[i][seen.camera_ids == seen.camera_ids[j]].copy()
        if seen.camera_ids[i] == seen.camera_ids[j]:
            own = background[cameras == seen.camera_ids[j]]
        num, of_camera = len(seen), int((seen.camera_ids == seen.camera_ids[j]).sum())
        level = np.sort(own)[::-1][round(0.07 * of_camera) - 1]
        near, nearest = (np.sort(background)[::-1][max(round(share * num), 2) - 1] for share in (0.07, 0.01))
        found.append((cosines[i, j] - level) / ((nearest - near) / math.log(7)))
    return sum(found) / 2


@pytest.mark.parametrize(("one", "other"), [(0, 1), (0, 3), (5, 100)])
def test_likeness_is_the_cosine_above_each_ones_level_in_units_of_its_tail(seen, likeness, one, other):
    assert likeness.block(slice(one, one + 1))[0, other] == pytest.approx(by_the_equation(seen, one, other), rel=1e-4)


def test_likeness_is_symmetric(likeness):
    block = likeness.block(slice(0, len(likeness)))
    np.testing.assert_allclose(block, block.T, atol=1e-4)


def test_mean_likeness_of_groups_is_the_mean_over_their_pairs(likeness):
    groups = np.arange(len(likeness)) % 7
    block = likeness.block(slice(0, len(likeness)))
    found = likeness.sums(groups, 7).mean(np.array([0, 2]), np.array([1, 6]))
    expected = [block[np.ix_(groups == a, groups == b)].mean() for a, b in ((0, 1), (2, 6))]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_likeness_to_the_others_of_its_group_leaves_itself_out(likeness):
    groups = np.arange(len(likeness)) % 7
    block = likeness.block(slice(0, len(likeness)))
    np.fill_diagonal(block, np.nan)
    expected = [np.nanmean(block[at][groups == groups[at]]) for at in range(len(groups))]
    np.testing.assert_allclose(likeness.to_others(groups, likeness.sums(groups, 7)), expected, rtol=1e-3, atol=1e-3)


def test_blocks_of_rows_change_nothing(seen, likeness, monkeypatch):
    monkeypatch.setattr(measured, "_ROWS", 17)
    found = likeness_of(seen, seen, is_plain=False)
    np.testing.assert_allclose(found.levels, likeness.levels, rtol=1e-5)
    np.testing.assert_allclose(found.weights, likeness.weights, rtol=1e-5)


def test_plain_likeness_is_the_cosine():
    seen = sightings_of(np.array([[1.0, 0.0], [0.6, 0.8]]))
    assert likeness_of(seen, seen, is_plain=True).block(slice(0, 1))[0, 1] == pytest.approx(0.6)


def test_camera_with_few_sightings_has_the_level_of_all(seen):
    cameras = np.where(np.arange(len(seen)) < measured.LEAST_OF_CAMERA - 1, 2, np.arange(len(seen)) % 2)
    few = sightings_of(seen.features, cameras=cameras)
    cosines = few.features @ few.features.T
    np.fill_diagonal(cosines, -np.inf)
    level = -np.sort(-cosines, axis=1)[:, round(0.07 * len(few)) - 1]
    found = likeness_of(few, few, is_plain=False)
    np.testing.assert_allclose(found.levels[:, 2] / found.weights, level, rtol=1e-4)
