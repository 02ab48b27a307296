"""A gallery's limit of days: kept in it, and acted on by whoever adds to it."""

import logging
import time
from pathlib import Path

import numpy as np
import pytest

from iics.cli import keep_days
from iics.cli.keep_days import HourlyLimit, young
from iics.crops import CropSet
from iics.errors import GalleryError
from iics.gallery.gallery import Gallery
from iics.gallery.kept_days import keep_for, kept_days
from iics.gallery.schema import KEEP_DAYS_PROPERTY
from iics.people import keeping
from iics.people.keeping import forget_aged
from iics.people.update import update_people
from tests.people.conftest import PEOPLE, write

NOW = 1_760_000_000.0
DAY = 86400.0


@pytest.fixture
def aged(store, gallery, model):
    """The gallery with an old crop and a newer one, and a limit between."""
    write(gallery, [("old", 8, "door", NOW - 31 * DAY, None), ("new", 9, "door", NOW - 29 * DAY, None)])
    update_people(gallery, model)
    keep_for(gallery, 30)
    return gallery


def test_a_limit_stays_with_the_gallery_until_it_is_ended(gallery, folder):
    assert kept_days(gallery) is None
    keep_for(gallery, 2.5)
    gallery.close()
    with Gallery.open(str(folder)) as again:
        assert kept_days(again) == 2.5
        again.delete(["a1"])  # the collection is written anew
        assert kept_days(again) == 2.5
        keep_for(again, 0)
        assert kept_days(again) is None


@pytest.mark.parametrize("stored", ["soon", "nan", "-1"])
def test_a_limit_that_cannot_be_read_is_no_reason_to_keep_or_to_delete(gallery, stored):
    gallery.opened.client.alter_collection_properties(gallery.collection, {KEEP_DAYS_PROPERTY: stored})
    with pytest.raises(GalleryError, match=r"does not say readably how many days it keeps crops .*; set it anew"):
        forget_aged(gallery, now=NOW)
    keep_for(gallery, 30)
    assert kept_days(gallery) == 30


def test_without_a_limit_nothing_is_deleted(gallery):
    assert forget_aged(gallery, now=NOW) is None


def test_what_is_older_than_the_limit_goes_with_its_people(aged, store, numbers):
    done = forget_aged(aged, now=NOW)
    assert (done.days, done.forgotten.num_crops, done.forgotten.persons) == (30, 1, (4,))
    assert done.forgotten.num_undated == 6
    assert numbers(store) == {**PEOPLE, 5: ["new"]}


def test_people_that_a_kill_left_behind_go_with_the_next_call(aged, store, numbers):
    aged.delete(["old"])  # then it was killed
    assert 4 in numbers(store)
    done = forget_aged(aged, now=NOW)
    assert (done.forgotten.num_crops, done.forgotten.persons, done.forgotten.num_undated) == (0, (4,), 6)
    assert numbers(store) == {**PEOPLE, 5: ["new"]}


def test_nothing_is_written_where_nothing_is_old(aged, monkeypatch):
    forget_aged(aged, now=NOW)
    monkeypatch.setattr(keeping, "forget_crops", lambda *_: pytest.fail("written anew"))
    assert forget_aged(aged, now=NOW).forgotten.num_crops == 0


def test_a_gallery_whose_people_nobody_looked_for_has_a_limit_too(model, tmp_path):
    with Gallery.open_or_create(str(tmp_path / "new.db"), model=model) as gallery:
        write(gallery, [("old", 8, "door", NOW - 31 * DAY, None), ("new", 9, "door", NOW - 29 * DAY, None)])
        keep_for(gallery, 30)
        assert forget_aged(gallery, now=NOW).forgotten.num_crops == 1
        assert set(gallery.rows_by_id(["old", "new"])) == {"new"}


@pytest.fixture
def clock(monkeypatch):
    """The clock that tells when an hour is over; a test sets it."""
    shown = [0.0]
    monkeypatch.setattr(keep_days.time, "monotonic", lambda: shown[0])
    return shown


def test_a_watch_acts_at_the_start_and_once_an_hour(aged, clock):
    limit = HourlyLimit(aged)
    assert list(limit.act()) == [  # by today's clock all are old
        "Older than 30 days: 2 crops forgotten, 2 people with them.",
        "6 crops without a date stay: nothing says how old they are.",
    ]
    write(aged, [("older", 8, "door", NOW, None)])
    clock[0] = 3599
    assert list(limit.act()) == []
    clock[0] = 3600
    assert next(limit.act()) == "Older than 30 days: 1 crop forgotten, 0 people with them."
    clock[0] = 7200
    assert list(limit.act()) == []


def test_a_watch_goes_on_where_nothing_can_be_deleted_now(aged, clock, caplog, monkeypatch):
    limit = HourlyLimit(aged)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(type(aged), "delete", lambda *_: (_ for _ in ()).throw(GalleryError("Others index.")))
        assert list(limit.act()) == []
    assert "What is too old was not deleted, and will be in an hour: Others index." in caplog.text
    clock[0] = 3600
    assert next(limit.act()).startswith("Older than 30 days: 2 crops forgotten")


def test_a_watch_of_a_gallery_without_a_limit_says_nothing(gallery, clock):
    assert list(HourlyLimit(gallery).act()) == []


def test_crops_that_are_too_old_when_they_come_are_told_and_not_indexed(gallery, capsys):
    crops = CropSet(
        tuple(Path(f"{name}.jpg") for name in "abc"),
        np.zeros(3, np.int64),
        ("door",),
        times=np.array([time.time() - 3 * DAY, time.time() - DAY, 200.0]),  # the last has no date
    )
    assert young(gallery, crops) is crops
    keep_for(gallery, 2)
    assert [path.stem for path in young(gallery, crops).paths] == ["b", "c"]
    assert capsys.readouterr().err == "1 crop taken 2 days ago or longer: not indexed\n"
    assert young(gallery, crops.subset(np.array([0]))) is None
    assert young(gallery, None) is None
