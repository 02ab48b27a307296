"""The tab "People" as people use it: in a browser, by key at a desk and by tap on a phone."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager

import pytest

pytest.importorskip("gradio", reason="the extra app is not installed")

pytestmark = pytest.mark.slow
PATIENCE = 60_000  # milliseconds; machines that test are busy


@contextmanager
def people_tab(chromium, address, **context):
    """A window with the tab open; ends by undoing what it did not."""
    opened = chromium.new_context(**context)
    opened.set_default_timeout(PATIENCE)
    window, failed = opened.new_page(), []
    window.on("pageerror", lambda error: failed.append(str(error)))
    window.goto(address)
    window.wait_for_selector("#iics-upload input[type=file]", state="attached")
    window.get_by_role("tab", name="People").click()
    window.wait_for_selector(".iics-person[data-here]")
    try:
        yield window
        undo = window.locator(".iics-bar [data-do=undo]:not(:disabled)")
        while undo.count():
            before = answered(window)
            undo.click()
            wait_for_answer(window, before)
    finally:
        opened.close()
    assert failed == []


def answered(window):
    return window.get_attribute(".iics-people", "data-answer")


def wait_for_answer(window, before):
    window.wait_for_function("n => document.querySelector('.iics-people').dataset.answer !== n", arg=before)


def press(window, key):
    """Press a key that asks the server, and wait for its answer."""
    before = answered(window)
    window.keyboard.press(key)
    wait_for_answer(window, before)


def choose(window, field, name):
    before = answered(window)
    window.click(f"{field} input")
    window.get_by_role("option", name=name).click()
    wait_for_answer(window, before)


def here(window):
    """The person that is marked, and its marked question."""
    question = window.locator(".iics-ask-one[data-here]")
    name = question.get_attribute("data-question") if question.count() else ""
    return window.get_attribute(".iics-person[data-here]", "data-person"), name


def said(window):
    return window.inner_text("#iics-people-status").strip()


def sightings(window, person):
    tiles = window.locator(f".iics-person[data-person='{person}'] .iics-sight")
    return sorted(tiles.evaluate_all("all => all.map(each => each.dataset.key)"))


def test_people_are_corrected_by_keyboard(chromium, pages):
    with people_tab(chromium, pages.people, viewport={"width": 1280, "height": 900}) as window:
        assert here(window) == ("3", "t20|")
        press(window, "n")
        assert said(window) == "Split: 1 sighting of person 3 is now person 8."
        assert sightings(window, 8) == ["t20"]
        assert "similarity" in window.inner_text(".iics-ask-one[data-here]")  # who it is, then
        while here(window)[0] == "8":
            window.keyboard.press("c")
        assert here(window) == ("1", "t00|t02")
        press(window, "y")
        assert said(window) == "Joined: person 2 is now person 1."
        assert here(window) == ("5", "t30|t40")
        assert sightings(window, 1) == ["t00", "t01", "t02"]
        window.keyboard.press("c")
        assert here(window)[0] not in ("5", "")
        window.keyboard.press("k")
        assert here(window) == ("5", "t30|t40")
        press(window, "u")
        assert said(window) == "Correction 2 is undone."
        assert here(window) == ("2", "")
        choose(window, "#iics-people-shown", "by number")
        assert here(window)[0] == "1"
        for _ in range(3):
            window.keyboard.press("j")
        assert here(window)[0] == "4"
        window.keyboard.press("m")
        window.keyboard.type("8")
        press(window, "Enter")
        assert sightings(window, 4) == ["t20", "t21", "t22"]
        assert here(window)[0] == "4"
        window.keyboard.press("j")
        window.keyboard.press("ArrowRight")
        window.keyboard.press(" ")
        window.keyboard.press("ArrowRight")
        window.keyboard.press(" ")
        assert "Split off 2" in window.inner_text(".iics-person[data-here]")
        press(window, "s")
        assert said(window).startswith("Split: 2 sightings of person 5 are now person 9.")
        press(window, "w")
        assert "similarity" in window.inner_text(".iics-person[data-here] .iics-ask-one >> nth=0")
        press(window, "o")
        assert window.locator(".iics-person").count() == 1
        press(window, "b")
        assert window.locator(".iics-person").count() > 5
        choose(window, "#iics-people-shown", "corrections")
        with pages.corrections.open(newline="") as file:
            lines = [line for line in csv.DictReader(file) if not line["undone"]]
        assert [line["kind"] for line in lines] == ["different", "same", "different"]
        rows = window.locator(".iics-correction:not(.iics-undone)")
        assert rows.evaluate_all("all => all.map(each => each.dataset.correction)") == ["4", "3", "1"]
        before = answered(window)
        window.get_by_role("button", name="Undo correction 4").click()
        wait_for_answer(window, before)
        assert "Correction 4 is undone." in said(window)
    events = [json.loads(line)["event"] for line in pages.audit.read_text().splitlines()]
    wanted = ["people-split", "people-same", "people-undo", "people-same", "people-split", "people-alike"]
    assert [event for event in events if event.startswith("people-")][:6] == wanted


def test_people_are_corrected_by_tap_on_a_phone(chromium, pages):
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    with people_tab(chromium, pages.people, **phone) as window:
        assert window.evaluate("document.documentElement.scrollWidth") <= 390
        first = here(window)
        before = answered(window)
        window.locator(".iics-ask-one [data-do=no]").first.tap()
        wait_for_answer(window, before)
        assert here(window) != first
        tiles = window.locator(".iics-person[data-person='7'] .iics-sight")
        tiles.first.tap()
        before = answered(window)
        window.locator(".iics-person[data-here] [data-do=split]").tap()
        wait_for_answer(window, before)
        assert said(window).startswith("Split: 1 sighting of person 7")
        assert window.evaluate("document.documentElement.scrollWidth") <= 390
        shown = window.locator("#iics-people-number input, #iics-people-number textarea")
        before = answered(window)
        shown.fill("3")
        shown.press("Enter")
        wait_for_answer(window, before)
        assert window.locator(".iics-person").count() == 1
        assert here(window)[0] == "3"


def test_an_error_is_said_and_the_page_goes_on(chromium, pages):
    with (
        people_tab(chromium, pages.people, viewport={"width": 1280, "height": 900}) as window,
        people_tab(chromium, pages.people, viewport={"width": 1280, "height": 900}) as other,
    ):
        mine = here(window)
        press(other, "n")
        press(window, "n")
        assert "Not done: What is shown of person" in said(window)
        assert here(window) != mine
        press(window, "w")


def test_a_gallery_without_people_says_how_to_find_them(chromium, pages):
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE)
    window = context.new_page()
    window.goto(pages.empty)
    window.wait_for_selector("#iics-upload input[type=file]", state="attached")
    window.get_by_role("tab", name="People").click()
    window.wait_for_selector("text=/iics people .*empty.db finds who is the same as who/")
    context.close()
