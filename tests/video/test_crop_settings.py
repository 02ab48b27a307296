"""Settings that cannot work are refused by name."""

import re

import pytest

from iics.errors import SettingsError


@pytest.mark.parametrize(
    "camera", ["", "a/b", "a\\b", "..", ".hidden", " lobby", "lobby ", "a\nb", "@eaDir", "lost+found"]
)
def test_a_camera_that_cannot_be_a_folder_is_refused(hog, camera):
    with pytest.raises(SettingsError, match=rf"^camera names a folder .*got {re.escape(repr(camera))}\.$"):
        hog(camera=camera)


@pytest.mark.parametrize("camera", ["lobby", "Größe 2", "南口", "c.1", "1"])
def test_other_names_are_cameras(hog, camera):
    assert hog(camera=camera).camera == camera


@pytest.mark.parametrize(
    ("name", "value"), [("min_height", 15), ("min_tracklet", 0), ("every", -0.1), ("every", 1e9), ("stride", 0)]
)
def test_numbers_beyond_sense_are_refused(hog, name, value):
    with pytest.raises(SettingsError, match=rf"^{name} must be a .*number from .*; got {value}\.$"):
        hog(**{name: value})


def test_numbers_that_are_none_are_refused(hog):
    with pytest.raises(SettingsError, match=r"^every must be a number from 0 to 86,400; got nan\.$"):
        hog(every=float("nan"))
    with pytest.raises(SettingsError, match=r"^min_confidence must be a number, got inf\.$"):
        hog(min_confidence=float("inf"))


def test_the_start_is_utc_unless_it_says_otherwise(hog):
    assert hog().start_seconds() == 0
    assert hog(start="1970-01-02T00:00:01.5").start_seconds() == 86401.5
    assert hog(start="1970-01-01T02:00:00+02:00").start_seconds() == 0


def test_a_start_that_is_no_time_is_refused(hog):
    with pytest.raises(SettingsError, match=r"^start must be a date and time, e\.g\. .*, got noon\.$"):
        hog(start="noon")


def test_the_confidence_is_the_detectors_unless_given(hog):
    assert hog().confidence_needed() == 0.5
    assert hog(min_confidence=0.0).confidence_needed() == 0


@pytest.mark.parametrize(
    ("detector", "value", "what"),
    [
        ("hog", -0.1, "a margin of 0 or more"),  # it gives none below
        ("fcos_resnet50_fpn", -0.1, "a probability of 0 to 1"),
        ("fasterrcnn_mobilenet_v3_large_fpn", 50.0, "a probability of 0 to 1"),
    ],
)
def test_a_confidence_that_the_detector_cannot_have_is_refused(hog, detector, value, what):
    with pytest.raises(SettingsError, match=rf"^min_confidence of {detector} is {what}, got {value}\.$"):
        hog(detector=detector, min_confidence=value)


def test_a_margin_may_be_larger_than_any_probability(hog):
    assert hog(min_confidence=2.5).confidence_needed() == 2.5
