"""Which sightings of an identity are shown, and where they lie along time."""

from __future__ import annotations

import pytest

from iics.page.people_lanes import SIGHTINGS_IN_A_LANE, Axis, bars, face, faces, facts_of, lanes_of
from iics.page.people_questions import identities_of
from iics.people.book import People, SeenPerson

MARCH = 1772352000.0


def seen(at, camera="hall", certainty=1.0, *, time=None, seconds=30.0, crops=1):
    first = None if time is None else MARCH + time
    last = None if first is None else first + seconds
    return SeenPerson(f"t{at:03d}", 1, certainty, camera, first, last, tuple(f"{at}-{crop}" for crop in range(crops)))


def identity(*sightings):
    return identities_of(People(sightings))[1]


def test_a_lane_shows_sightings_in_doubt_and_others_spread_over_its_time():
    sightings = [seen(at, certainty=0.5 if at in (37, 38) else 1.0) for at in range(100)]
    ((camera, kept, num_hidden),) = lanes_of(identity(*sightings), is_alone=False)
    at = [sightings.index(each) for each in kept]
    assert (camera, len(at), num_hidden) == ("hall", SIGHTINGS_IN_A_LANE, 100 - SIGHTINGS_IN_A_LANE)
    assert at == sorted(at)
    assert {37, 38} <= set(at)
    assert max(after - before for before, after in zip([0, *at], [*at, 99], strict=True)) <= 36
    ((_, kept, num_hidden),) = lanes_of(identity(*sightings), is_alone=True)
    assert (len(kept), num_hidden) == (100, 0)


def test_lanes_come_in_the_order_in_which_cameras_saw_the_person():
    lanes = lanes_of(identity(seen(0, "yard"), seen(1, "hall"), seen(2, "yard")), is_alone=False)
    assert [(camera, [each.key for each in kept]) for camera, kept, _ in lanes] == [
        ("yard", ["t000", "t002"]),
        ("hall", ["t001"]),
    ]


def test_faces_begin_with_the_one_asked_about_and_show_other_cameras_first():
    sightings = [seen(0), seen(1, certainty=0.7), seen(2, "yard", 0.6), seen(3), seen(4, "door", 0.9), seen(5)]
    assert [each.key for each in faces(sightings, "t001")] == ["t001", "t004", "t002", "t000"]


def test_the_crop_in_the_middle_stands_for_a_sighting():
    assert face(seen(3, crops=5)) == "3-2"
    assert face(seen(3)) == "3-0"


@pytest.mark.parametrize(
    ("sightings", "text"),
    [
        ([seen(0)], "1 sighting (1 crop), 1 camera"),
        ([seen(0, time=0, seconds=0)], "1 sighting (1 crop), 1 camera, 2026-03-01 08:00:00"),
        (
            [seen(0, time=0, crops=3), seen(1, "yard", time=3600)],
            "2 sightings (4 crops), 2 cameras, 2026-03-01 08:00:00 to 09:00:30",
        ),
        (
            [seen(0, time=0), seen(1, time=86400), seen(2)],
            "3 sightings (3 crops), 1 camera, 2026-03-01 08:00:00 to 2026-03-02 08:00:30",
        ),
    ],
)
def test_facts_say_how_often_where_and_when(sightings, text):
    assert facts_of(identity(*sightings)) == text


def test_bars_lie_along_the_time_of_all_cameras():
    sightings = [seen(0, time=0, seconds=0), seen(1, time=50, seconds=50), seen(2)]
    axis = Axis.of(sightings)
    assert bars(axis, sightings) == ((1.92, 1.0), (50.0, 48.08))  # 2 of 104 seconds are free at either end
    assert Axis.of(sightings[:1]) is None
    assert bars(None, sightings) == ()
