"""Columns of text become numbers that do not depend on the order of rows."""

import numpy as np
import pytest

from iics.readers.table_values import identity_numbers, times_in_seconds, tracklet_numbers


def numbers(*values):
    return identity_numbers(values, [f"row {at}" for at in range(len(values))]).tolist()


def test_whole_numbers_stay_identities():
    assert numbers("7", "-1", "0", "", "0012") == [7, -1, 0, -1, 12]


def test_names_are_numbered_from_1_in_natural_order():
    assert numbers("p10", "p2", "alice", "p2") == [3, 2, 1, 2]


def test_a_single_name_makes_names_of_the_numbers_but_not_of_junk_and_distractors():
    assert numbers("bob", "7", "-1", "0", "", "12") == [3, 1, -1, 0, -1, 2]


def test_a_number_that_no_integer_holds_is_a_name():
    assert numbers("9" * 30, "5") == [2, 1]


def test_a_tracklet_is_numbered_with_its_camera():
    found = tracklet_numbers(["1", "1", "2", "", "-1", "10"], ["b", "a", "a", "a", "b", "a"])
    assert found.tolist() == [3, 0, 1, -1, -1, 2]


def test_no_tracklet_is_none():
    assert tracklet_numbers(["", "-1"], ["a", "a"]) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("-1.5", -1.5),
        ("1.7e9", 1.7e9),
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01.25Z", 1.25),
        ("1970-01-01 02:00:00+02:00", 0),
        ("19700101T000003", 3),
    ],
)
def test_times_are_seconds(value, seconds):
    np.testing.assert_array_equal(times_in_seconds(["", value], ["a", "b"]), [np.nan, seconds])


def test_times_without_a_zone_among_others_with_one_are_told(caplog):
    found = times_in_seconds(["1970-01-01T01:00+01:00", "1970-01-01T01:00", "", "1970-01-01"], ["a", "b", "c", "d"])
    assert found.tolist()[:2] == [0, 3600]
    assert (
        "2 of 3 times name no zone and are taken for UTC, e.g. b: 1970-01-01T01:00, though others name one (a: "
        in caplog.text
    )


def test_times_that_all_name_a_zone_or_all_none_are_not_told_of(caplog):
    times_in_seconds(["1970-01-01T01:00Z", "1970-01-01T01:00+02:00"], ["a", "b"])
    times_in_seconds(["1970-01-01T01:00", "1970-01-01"], ["a", "b"])
    assert caplog.text == ""


def test_no_time_is_none():
    assert times_in_seconds(["", ""], ["a", "b"]) is None
