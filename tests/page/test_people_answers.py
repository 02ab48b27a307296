"""What visitors tell of people is done, noted and undone; what is not about what they saw is refused."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import pytest

from iics.errors import PeopleError, SettingsError, WriteError

pytest.importorskip("gradio", reason="the extra app is not installed")

from iics.page.audit_log import AuditLog
from iics.page.lookalikes import Lookalikes
from iics.page.people_answers import PeopleAnswers
from iics.page.people_browser import PeopleBrowser
from iics.page.visitors import Visitor

ADA = Visitor("7f", "10.0.0.1", user="ada")


class Window:
    """A window of the tab: keeps what it has open, as gradio does."""

    def __init__(self, gallery, audit_file=None):
        self.browser = PeopleBrowser.of(gallery)
        self.audit_file = audit_file
        self.answers = PeopleAnswers(self.browser, Lookalikes(gallery, None), AuditLog(audit_file))
        self.browsing = self.browser.list("doubtful first", "")

    def tell(self, do, **told):
        done = self.answers.tell(ADA, self.browsing, {"do": do, **told})
        self.browsing = done.browsing
        return done

    def persons(self):
        """Return the sightings of each identity, by number."""
        people = self.browser.store.read()
        return {number: {seen.key for seen in sightings} for number, sightings in people.by_person().items()}

    def about(self, number, other=None):
        """Return what the page sends of one identity, or of two."""
        identities = self.browser.now()[1]
        told = {"person": str(number), "version": identities[number].version}
        return told if other is None else {**told, "other": str(other), "otherVersion": identities[other].version}


@pytest.fixture
def window(people_gallery):
    return Window(people_gallery)


def test_yes_makes_two_identities_one_and_undo_makes_them_two_again(window):
    before = window.persons()
    done = window.tell("yes", **window.about(1, 2), own="t00", theirs="t02")
    assert done.text == "Joined: person 2 is now person 1."
    assert window.persons() == {**{n: keys for n, keys in before.items() if n != 2}, 1: {"t00", "t01", "t02"}}
    (correction,) = window.browser.store.read().corrections
    assert (correction.kind, set(correction.first), correction.second) == ("same", {"t00", "t01"}, ("t02",))
    assert correction.by == "ada"
    assert window.browsing.made == (1,)
    done = window.tell("undo", number="1")
    assert (done.text, done.focus) == ("Correction 1 is undone.", 2)
    assert window.persons() == before
    assert window.browsing.made == ()


def test_no_says_two_people_and_the_question_is_not_asked_again(window):
    before = window.persons()
    done = window.tell("no", **window.about(1, 2), own="t00", theirs="t02")
    assert done.text == "Told apart: person 1 and person 2 are two people."
    assert window.persons() == before
    assert window.browser.now()[1][1].questions == ()
    with pytest.raises(PeopleError, match="contradicts correction 1"):
        window.tell("join", **window.about(1), number="2")
    assert window.persons() == before


NONSENSE = [None, "", "-1", "1e3", "²", "9" * 30, 7, 1.5, True, [], ["t00"], [[]], {"a": 1}, "t00\x00", "999999999"]


@pytest.mark.parametrize(
    "do",
    ["yes", "no", "join", "split", "undo", pytest.param("alike", marks=pytest.mark.slow), "page", "open", "nothing"],
)
def test_what_no_browser_sends_is_done_or_refused_in_a_sentence(window, do):
    fields = ("do", "person", "version", "other", "otherVersion", "own", "theirs", "number", "keys")
    whole = {**window.about(1, 2), "do": do, "own": "t00", "theirs": "t02", "number": "1", "keys": ["t00"]}
    wrong = [{**whole, name: value} for name in fields for value in NONSENSE]
    for told in [None, "yes", [], 7, *wrong]:
        with contextlib.suppress(SettingsError, PeopleError):
            window.browser.html(window.answers.tell(ADA, window.browsing, told).browsing)


@pytest.mark.parametrize("told", [None, "yes", [], 7, {}, {"do": None}, {"do": ["yes"]}])
def test_what_is_nothing_that_can_be_done_is_refused(window, told):
    with pytest.raises(SettingsError, match="is nothing that can be done here"):
        window.answers.tell(ADA, window.browsing, told)


def test_no_to_a_sighting_splits_it_off_beside_where_it_was(window):
    at = window.browsing.numbers.index(3)
    done = window.tell("no", **window.about(3), own="t20", theirs="t10", other="")
    assert done.text == "Split: 1 sighting of person 3 is now person 8."
    assert window.persons()[3] == {"t10", "t11", "t12"}
    assert window.persons()[8] == {"t20"}
    assert window.browsing.numbers[at : at + 2] == (3, 8)
    asked = [(question.person, question.own) for question in window.browsing.alike]
    assert (asked, done.focus) == ([(8, "t20")] * len(asked), 8)  # who it is, then
    assert 0 < len(asked) <= 3
    assert 3 not in {question.other for question in window.browsing.alike}
    window.tell("join", **window.about(8), number="4")
    assert window.persons()[4] == {"t20", "t21", "t22"}
    assert window.browsing.made == (1, 2)


def test_yes_to_a_sighting_keeps_it_and_answers_the_question(window):
    before = window.persons()
    window.tell("yes", **window.about(3), own="t20", theirs="t10", other="")
    assert window.persons() == before
    assert window.browser.now()[1][3].questions == ()


def test_who_was_joined_wrongly_is_split_off_and_the_others_stay_joined(window):
    window.tell("join", **window.about(5), number="6")
    done = window.tell("split", **window.about(5), keys=["t40", "t41"])
    assert done.text == "Split: 2 sightings of person 5 are now person 8. What correction 1 said holds for the others."
    assert (window.persons()[5], window.persons()[8]) == ({"t30", "t31", "t32", "t42"}, {"t40", "t41"})
    says = [
        (each.kind, {*each.first, *each.second})
        for each in window.browser.store.read().corrections
        if not each.is_undone
    ]
    assert says[:2] == [("same", {"t40", "t41"}), ("same", {"t30", "t31", "t32", "t42"})]
    assert window.browsing.made == (2, 3, 4)
    for _ in range(3):
        window.tell("undo", number=str(window.browsing.made[-1]))
    assert window.browsing.made == ()


def test_one_of_those_told_apart_is_joined_and_the_others_stay_apart(window):
    window.tell("no", **window.about(5, 6), own="t30", theirs="t40")
    window.tell("split", **window.about(5), keys=["t30"])
    done = window.tell("join", **window.about(8), number="6")
    assert done.text == "Joined: person 8 is now person 6. What correction 1 said holds for the others."
    assert window.persons()[6] == {"t30", "t40", "t41", "t42"}
    with pytest.raises(PeopleError, match="contradicts correction"):
        window.tell("join", **window.about(5), number="6")


def test_an_old_number_leads_to_the_one_it_has_now(window):
    window.tell("join", **window.about(5), number="6")
    assert window.tell("open", number="6").browsing.alone == 5
    assert window.tell("back").focus == 5
    with pytest.raises(SettingsError, match="That is person 6 already"):
        window.tell("join", **window.about(5), number="6")
    with pytest.raises(SettingsError, match="There is no person 99"):
        window.tell("join", **window.about(5), number="99")


def test_chosen_sightings_become_one_new_identity(window):
    done = window.tell("split", **window.about(5), keys=["t30", "t32"])
    assert done.text == "Split: 2 sightings of person 5 are now person 8."
    assert window.persons()[8] == {"t30", "t32"}


@pytest.mark.parametrize("keys", [[], ["t30", "t31", "t32"], ["t40"], "t30", [["t30"]], None])
def test_a_split_needs_some_sightings_of_the_identity_and_leaves_some(window, keys):
    with pytest.raises(SettingsError, match="Choose some sightings of person 5"):
        window.tell("split", **window.about(5), keys=keys)
    assert window.browser.store.read().corrections == ()


def test_what_changed_since_it_was_shown_is_not_corrected(window, people_gallery):
    seen = window.about(1, 2)
    Window(people_gallery).tell("join", **Window(people_gallery).about(2), number="4")
    for do in ("yes", "no"):
        with pytest.raises(SettingsError, match="person 2 has changed meanwhile; look again"):
            window.tell(do, **seen, own="t00", theirs="t02")
    with pytest.raises(SettingsError, match="has changed meanwhile"):
        window.tell("split", person="1", version="", keys=["t00"])
    assert len(window.browser.store.read().corrections) == 1


@pytest.mark.parametrize(
    "told",
    [
        {"do": "forget"},
        {},
        {"do": "open", "number": "-1"},
        {"do": "open", "number": "9" * 5000},
        {"do": "open", "number": "²"},
        {"do": "undo", "number": None},
        {"do": "page", "number": {"a": 1}},
    ],
)
def test_what_no_page_sends_is_refused(window, told):
    with pytest.raises(SettingsError):
        window.answers.tell(ADA, window.browsing, told)


def test_a_sighting_of_another_identity_is_refused(window):
    with pytest.raises(SettingsError, match="There is no sighting 't50' of person 1"):
        window.tell("yes", **window.about(1, 2), own="t50", theirs="t02")


def test_who_corrected_what_is_noted(people_gallery, tmp_path):
    window = Window(people_gallery, tmp_path / "audit.jsonl")
    window.tell("yes", **window.about(1, 2), own="t00", theirs="t02")
    window.tell("split", **window.about(5), keys=["t30"])
    window.tell("undo", number="2")
    lines = [json.loads(line) for line in window.audit_file.read_text().splitlines()][1:]
    assert [(line["event"], line["user"]) for line in lines] == [
        ("people-same", "ada"),
        ("people-split", "ada"),
        ("people-undo", "ada"),
    ]
    assert (sorted(lines[0]["first"]), lines[0]["second"], lines[0]["persons"]) == (["t00", "t01"], ["t02"], ["1", "2"])
    assert (lines[1]["first"], lines[1]["persons"], lines[2]["correction"]) == (["t30"], ["5"], 2)


def test_what_cannot_be_noted_is_not_done(people_gallery, tmp_path):
    window = Window(people_gallery, tmp_path / "audit.jsonl")
    window.audit_file.unlink()
    window.audit_file.mkdir()
    with pytest.raises(WriteError):
        window.tell("yes", **window.about(1, 2), own="t00", theirs="t02")
    assert window.browser.store.read().corrections == ()


def test_who_else_looks_alike_leaves_out_those_said_to_be_others(window):
    found = window.tell("alike", **window.about(1)).browsing.alike
    assert {question.person for question in found} == {1}
    assert 0 < len(found) <= 5
    first = found[0]
    window.tell("no", **window.about(1, first.other), own=first.own, theirs=first.theirs)
    assert window.browsing.alike == found[1:]
    again = window.tell("alike", **window.about(1)).browsing.alike
    assert first.other not in {question.other for question in again}


def test_a_list_keeps_its_order_while_it_is_corrected(window):
    before = window.browsing.numbers
    window.tell("no", **window.about(1, 2), own="t00", theirs="t02")
    assert window.browsing.numbers == before
    anew = window.browser.list("doubtful first", "", window.browsing.made)
    assert anew.numbers != before
    assert replace(anew, numbers=()).made == (1,)
