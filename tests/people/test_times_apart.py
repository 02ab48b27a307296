import numpy as np

from iics.people.times_apart import at_one_time, too_far
from iics.people.travel_times import TravelTimes
from tests.people.made_sightings import CAMERAS, sightings_of


def at_times(times, cameras, **others):
    first, last = np.array(times, dtype=np.float64).T
    return sightings_of(np.ones((len(times), 2)), cameras=np.array(cameras), first=first, last=last, **others)


def pairs(apart):
    return list(zip(apart.first.tolist(), apart.second.tolist(), strict=True))


def times_from(seconds):
    shortest = np.full((3, 3), np.nan)
    shortest[0, 1] = seconds
    return TravelTimes(CAMERAS, shortest, shortest, np.zeros((3, 3), np.int64))


def test_tracklets_of_one_camera_that_overlap_are_apart():
    assert pairs(at_one_time(at_times([(0, 10), (5, 15), (12, 20), (100, 110)], [0, 0, 0, 0]))) == [(0, 1), (1, 2)]


def test_tracklet_of_one_instant_within_another_is_apart():
    assert pairs(at_one_time(at_times([(0, 10), (5, 5)], [0, 0]))) == [(0, 1)]


def test_tracklets_that_touch_and_tracklets_of_two_cameras_are_not_apart():
    assert not pairs(at_one_time(at_times([(0, 10), (10, 20), (5, 15)], [0, 0, 1])))


def test_coarse_times_say_nothing():
    assert not pairs(at_one_time(at_times([(60, 60), (60, 60)], [0, 0])))


def test_crops_without_a_tracklet_and_without_times_say_nothing():
    assert not pairs(at_one_time(at_times([(0, 10), (5, 5)], [0, 0], keys=("t0", "0a"))))
    assert not pairs(at_one_time(at_times([(np.nan, np.nan), (np.nan, np.nan)], [0, 0])))


def test_sightings_sooner_than_the_shortest_time_are_apart():
    seen = at_times([(0, 10), (40, 50), (80, 90)], [0, 1, 1])
    assert pairs(too_far(seen, times_from(60))) == [(0, 1)]


def test_sightings_of_far_cameras_at_one_time_are_apart():
    assert pairs(too_far(at_times([(0, 10), (5, 8)], [0, 1]), times_from(60))) == [(0, 1)]


def test_the_way_back_has_its_own_time():
    assert not pairs(too_far(at_times([(40, 50), (0, 10)], [0, 1]), times_from(60)))


def test_unknown_ways_and_ways_of_no_time_say_nothing():
    seen = at_times([(0, 10), (5, 8), (5, 8)], [0, 1, 2])
    assert not pairs(too_far(seen, times_from(0)))
    assert pairs(too_far(seen, times_from(60))) == [(0, 1)]


def test_cameras_that_the_times_do_not_name_say_nothing():
    times = TravelTimes(("gate",), np.array([[5.0]]), np.array([[5.0]]), np.zeros((1, 1), np.int64))
    assert not pairs(too_far(at_times([(0, 10), (5, 8)], [0, 1]), times))
