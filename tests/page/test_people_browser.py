"""The people of a gallery as HTML: pages of identities and corrections, names as text, pictures of crops there are."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import resources

import pytest

from iics.errors import SettingsError

pytest.importorskip("gradio", reason="the extra app is not installed")

from iics.page import people_browser
from iics.page.people_browser import Browsing, PeopleBrowser
from iics.page.people_cards import CardMaker
from iics.page.people_corrections import corrections_html
from iics.page.people_questions import identities_of
from iics.people import correcting
from iics.people.book import People, SeenPerson
from iics.people.corrections import Correction

TURNED = "south\n\u202eentrance"


@pytest.fixture
def browser(people_gallery):
    return PeopleBrowser.of(people_gallery)


def shown(page):
    return [int(number) for number in re.findall(r'data-person="(\d+)"', page)]


def test_the_doubtful_come_first_with_their_questions(browser):
    page = browser.html(browser.list("doubtful first", ""))
    assert shown(page)[:3] == [3, 1, 5]
    questions = re.findall(r'data-question="([^"]+)"', page)
    assert questions == ["t20|", "t00|t02", "t30|t40"]
    assert "Are person 1 and person 2 the same person?" in page
    assert "Whether this is person 1 is asked there." in page
    assert "7 people; 3 in doubt" in page


def test_a_gallery_without_people_has_no_browser(tiny_model, tmp_path):
    from iics.gallery.gallery import Gallery

    with Gallery.open_or_create(str(tmp_path / "empty.db"), model=tiny_model) as gallery:
        assert PeopleBrowser.of(gallery) is None


def test_names_of_cameras_are_text(browser, serve_pages):
    page = browser.html(browser.list("by number", ""))
    assert serve_pages.EVIL_CAMERA not in page
    assert "&lt;script&gt;document" in page


def test_marks_in_names_are_shown_escaped(browser):
    assert "seen by south\\n\\u202eentrance" in browser.html(browser.list("by number", TURNED))
    people = People(
        (SeenPerson("a", 1, 1.0, TURNED, None, None, ("crop",)),),
        corrections=(Correction(1, "same", ("a",), ("b",), 0.0, by="a\u202eda"),),
    )
    maker = CardMaker(identities_of(people), lambda _: {}, told=str)
    (card,) = maker.cards([1], history=lambda _: (), is_alone=False, more={})
    assert card.lanes[0].sightings[0].label == "south\\n\\u202eentrance, 1 crop, 100 % certain"
    said = corrections_html(people, lambda _: {}, told=str, page=1, undoes=0, answer=0)
    assert ", a\\u202eda</small>" in said


def test_one_identity_is_not_counted_as_what_its_camera_saw(browser, people_gallery):
    listed = browser.list("by number", people_gallery.camera_names()[0])
    assert "7 people, 5 of them seen by" in browser.html(listed)
    assert "of them seen by" not in browser.html(replace(listed, alone=7))


def test_a_camera_narrows_the_list(browser, people_gallery):
    cameras = people_gallery.camera_names()
    assert [browser.list("by number", camera).numbers for camera in cameras] == [
        (1, 3, 5, 6, 7),
        (1, 3, 4, 5, 6, 7),
        (2, 3, 4, 5, 6, 7),
    ]


def test_pages_are_cut_and_the_last_one_ends_the_list(browser, monkeypatch):
    monkeypatch.setattr(people_browser, "IDENTITIES_AT_ONCE", 3)
    numbers = browser.list("by number", "").numbers
    pages = [shown(browser.html(Browsing("by number", page=page, numbers=numbers))) for page in (0, 1, 2, 3, 9)]
    assert pages == [[1, 2, 3], [1, 2, 3], [4, 5, 6], [7], [7]]


def test_a_merged_identity_is_shown_once_where_the_first_was(browser):
    browsing = browser.list("by number", "")
    correcting.join(browser.store, ["t30"], ["t00"])
    page = browser.html(browsing)
    assert shown(page) == [1, 2, 3, 4, 6, 7]
    assert "Joined: person 5 into person 1" in page
    assert shown(browser.html(Browsing(alone=5))) == [1]


def test_corrections_are_listed_with_what_undoes_them(browser):
    assert "Nothing was corrected yet." in browser.html(Browsing("corrections"))
    correcting.join(browser.store, ["t30"], ["t00"], by="ada")
    correcting.split(browser.store, ["t50"])
    correcting.undo(browser.store, 1)
    page = browser.html(Browsing("corrections"))
    assert re.findall(r'data-correction="(\d)"', page) == ["2", "1"]
    assert re.findall(r'aria-label="Undo correction (\d)"', page) == ["2"]
    assert "2 corrections, 1 undone" in page
    assert ", ada" in page


def test_sightings_of_a_correction_that_are_gone_are_counted():
    people = People(
        (SeenPerson("a", 1, 1.0, "hall", None, None, ("crop",)),),
        corrections=(Correction(1, "different", ("a", "gone"), ("lost", "away", "past"), 0.0),),
    )
    said = corrections_html(people, lambda _: {}, told=str, page=1, undoes=0, answer=0)
    assert re.findall(r"<span>\+(\d)</span>", said) == ["1", "3"]


def test_every_class_that_is_styled_is_on_a_page():
    folder = resources.files("iics.page")
    names = set(re.findall(r"\.(iics-[\w-]+)", folder.joinpath("people.css").read_text()))
    pages = "".join(folder.joinpath(f"people{name}.html").read_text() for name in ("", "_bar", "_corrections"))
    assert names - set(re.findall(r"iics-[\w-]+", pages)) == set()


def test_the_picture_of_a_deleted_crop_is_not_shown_again(browser, people_gallery):
    browsing = Browsing(alone=7)
    before = browser.html(browsing)
    assert "is gone or damaged" not in before
    crops = [crop for seen in browser.store.read().by_person()[7] for crop in seen.crop_ids]
    people_gallery.delete(crops)
    after = browser.html(browsing)
    assert after.count("is gone or damaged") == before.count("<img")
    assert "<img" not in after


def test_other_subjects_are_called_by_their_name(people_gallery):
    page = PeopleBrowser.of(people_gallery, "vehicle").html(Browsing(numbers=(1, 2)))
    assert "Are vehicle 1 and vehicle 2 the same vehicle?" in page
    assert "Two vehicles" in page
    assert re.search(r"(?<![-\w])[Pp]erson(?![-\w=])", re.sub(r"<[^>]*>", "", page)) is None


def test_an_unknown_order_is_refused(browser):
    with pytest.raises(SettingsError, match="sorted doubtful first or"):
        browser.list("oldest first", "")


def test_crops_are_told_of_which_identity_they_are(browser):
    seen = {each.key: each for each in browser.store.read().seen}
    crops = [seen["t02"].crop_ids[1], seen["t20"].crop_ids[0]]
    assert browser.persons_of([*crops, "unknown"]) == dict(zip(crops, (2, 3), strict=True))
