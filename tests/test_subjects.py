"""What crops show: its defaults, which flags overrule, and its words."""

from __future__ import annotations

import pytest

from iics.cli.train import _of_subject, main
from iics.cli.train_arguments import defaults_of, given_settings
from iics.errors import SettingsError
from iics.model_settings import ModelSettings
from iics.presets import MARKET1501, SAMPLE, for_subject
from iics.subjects import SUBJECTS


def train_settings(*arguments):
    """Return the model's settings of `iics train` before data is read, as far as flags do not overrule them."""
    given = list(arguments)
    return _of_subject(defaults_of(given).settings, given_settings(given)).model


def test_a_text_of_people_becomes_one_of_the_subject_and_names_stay():
    text = "A person, a person's crop and two people of people-dev and cameras/person; personal."
    assert SUBJECTS["person"].told(text) == text
    expected = "An animal, an animal's crop and two animals of people-dev and cameras/person; personal."
    assert SUBJECTS["animal"].told(text) == expected
    assert SUBJECTS["vehicle"].told("a person") == "a vehicle"


def test_people_are_what_every_preset_was_made_for():
    assert for_subject(MARKET1501, "person") == MARKET1501
    assert for_subject(SAMPLE, "person") == SAMPLE


@pytest.mark.parametrize(
    ("subject", "mirror", "fit"),
    [("vehicle", True, "letterbox"), ("animal", False, "letterbox"), ("other", False, "letterbox")],
)
def test_others_get_a_square_of_about_as_many_pixels(subject, mirror, fit):
    model = for_subject(MARKET1501, subject).model
    assert (model.subject, model.mirror, model.fit, model.height, model.width) == (subject, mirror, fit, 192, 192)
    small = for_subject(SAMPLE, subject).model
    assert (small.height, small.width) == (96, 96)
    assert for_subject(for_subject(SAMPLE, subject), subject).model == small


def test_what_is_kept_is_not_changed_and_one_side_makes_a_square():
    kept = for_subject(SAMPLE, "animal", keeping={"model.mirror", "model.fit", "model.height"}).model
    assert (kept.mirror, kept.fit, kept.height, kept.width) == (True, "stretch", 128, 128)
    both = for_subject(SAMPLE, "animal", keeping={"model.height", "model.width"}).model
    assert (both.height, both.width) == (128, 64)


def test_the_flag_changes_the_defaults_of_train():
    model = train_settings("sample", "--subject", "animal")
    assert (model.mirror, model.fit, model.height, model.width) == (False, "letterbox", 96, 96)
    assert train_settings("sample") == SAMPLE.model


def test_mirroring_in_training_contradicts_mirror_images_that_are_others():
    with pytest.raises(SettingsError, match=r"--augment\.mirror-probability 0\.3 mirrors crops in training.*--mirror"):
        main(["sample", "--subject", "animal", "--augment.mirror-probability", "0.3"])


@pytest.mark.parametrize("colour", ["", "00000", "#000000", "black", "gg0000"])
def test_a_letterbox_colour_is_six_hexadecimal_digits(colour):
    with pytest.raises(SettingsError, match="six hexadecimal digits"):
        ModelSettings(fit="letterbox", letterbox_colour=colour)


def test_a_colour_without_a_letterbox_is_refused():
    with pytest.raises(SettingsError, match="--letterbox-colour 000000 fills what --fit letterbox leaves free"):
        ModelSettings(letterbox_colour="000000")


def test_the_colour_of_a_letterbox_is_red_green_blue():
    assert ModelSettings(fit="letterbox", letterbox_colour="ff8000").letterbox == (255, 128, 0)
    assert ModelSettings().letterbox is None
