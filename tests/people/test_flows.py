"""Sightings by hour and transitions: worked by hand."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from iics.people.book import SeenPerson
from iics.people.flows import hourly_sightings, transitions

EIGHT = datetime(2026, 3, 1, 8, tzinfo=UTC).timestamp()
HOUR, DAY = 3600, 86400


def seen(person, camera, first, last=None):
    last = first if last is None else last
    return SeenPerson(f"{person}{camera}{first}", person, 1.0, camera, first, last, ("x",))


def test_every_hour_from_the_first_to_the_last_is_told_and_people_are_counted_once_an_hour():
    found = hourly_sightings(
        [seen(1, "a", EIGHT), seen(1, "b", EIGHT + 600), seen(2, "a", EIGHT + 4 * HOUR), seen(3, "a", None)]
    )
    assert found.periods == ("03-01 08:00", "03-01 09:00", "03-01 10:00", "03-01 11:00", "03-01 12:00")
    assert found.cameras == ("a", "b")
    assert found.counts == ((1, 0, 0, 0, 1), (1, 0, 0, 0, 0))
    assert found.people == (1, 0, 0, 0, 1)
    assert found.num_untimed == 1
    assert not found.is_by_day


def test_more_than_two_days_are_told_by_the_hour_of_the_day():
    found = hourly_sightings([seen(1, "a", EIGHT), seen(1, "a", EIGHT + 7 * DAY), seen(2, "a", EIGHT + 3 * DAY + HOUR)])
    assert found.is_by_day
    assert found.periods == ("08:00", "09:00")
    assert found.counts == ((2, 1),)
    assert found.people == (1, 1)


def test_a_few_hours_are_told_by_ten_minutes():
    found = hourly_sightings([seen(1, "a", EIGHT + 599), seen(2, "a", EIGHT + 1200)])
    assert found.periods == ("03-01 08:00", "03-01 08:10", "03-01 08:20")
    assert found.counts == ((1, 0, 1),)


def test_hours_of_a_recording_without_a_date_count_from_its_start():
    assert hourly_sightings([seen(1, "a", 30.0), seen(1, "a", 4 * HOUR + 45.0)]).periods == (
        "0:00",
        "1:00",
        "2:00",
        "3:00",
        "4:00",
    )


def test_hours_are_those_of_a_zone_though_it_is_half_an_hour_off():
    found = hourly_sightings([seen(1, "a", EIGHT + 1200), seen(1, "a", EIGHT + 5 * HOUR)], ZoneInfo("Asia/Kolkata"))
    assert found.periods[0] == "03-01 13:00"  # 13:50
    assert found.periods[-1] == "03-01 18:00"  # 18:30
    assert len(found.periods) == 6


def test_the_hour_that_clocks_go_through_twice_is_one():
    back = datetime(2026, 10, 25, 0, tzinfo=UTC).timestamp()  # two o'clock in Berlin, and an hour later again
    found = hourly_sightings([seen(1, "a", back + HOUR * at) for at in range(6)], ZoneInfo("Europe/Berlin"))
    assert found.periods == ("10-25 02:00", "10-25 03:00", "10-25 04:00", "10-25 05:00", "10-25 06:00")
    assert found.counts == ((2, 1, 1, 1, 1),)


def test_a_zone_does_not_move_times_of_a_recording():
    assert hourly_sightings([seen(1, "a", 30.0)], ZoneInfo("Asia/Kolkata")).periods == ("0:00",)


def test_no_times_are_no_hours():
    found = hourly_sightings([seen(1, "a", None)])
    assert found.periods == ()
    assert found.num_untimed == 1


def test_a_transition_takes_from_the_end_of_a_sighting_to_the_beginning_of_the_next():
    found = transitions(
        [
            seen(1, "b", EIGHT + 70, EIGHT + 80),
            seen(1, "a", EIGHT, EIGHT + 10),  # in any order
            seen(2, "a", EIGHT, EIGHT + 10),
            seen(2, "b", EIGHT + 110),
            seen(3, "a", EIGHT, EIGHT + 10),
            seen(3, "b", EIGHT + 210),
            seen(3, "b", EIGHT + 300),  # seen again by the same camera: no transition
            seen(3, "a", EIGHT + 295),  # while b still sees the person
        ]
    )
    assert found["a", "b"].count == 4
    assert found["a", "b"].median_seconds == (60 + 100) / 2  # of 5, 60, 100, 200
    assert (found["b", "a"].count, found["b", "a"].median_seconds) == (1, 85)
    assert list(found) == [("a", "b"), ("b", "a")]


def test_both_cameras_at_once_is_a_negative_time():
    found = transitions([seen(1, "a", EIGHT, EIGHT + 10), seen(1, "b", EIGHT + 4, EIGHT + 20)])
    assert found["a", "b"].median_seconds == -6


def test_sightings_without_a_time_go_nowhere():
    assert transitions([seen(1, "a", EIGHT), SeenPerson("k", 1, 1.0, "b", None, None, ("x",))]) == {}
