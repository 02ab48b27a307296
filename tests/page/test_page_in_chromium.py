"""The page as people use it: in a browser, which may reach nothing but the page."""

from __future__ import annotations

import re

import pytest
from PIL import Image

from iics.evaluation.marks import read_marks

pytestmark = pytest.mark.slow
PATIENCE = 60_000  # milliseconds; machines that test are busy


@pytest.fixture
def visit(chromium):
    """A function that opens a page in a window of its own; nothing it asks for may lie elsewhere."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    asked, failed = [], []

    def open_page(address):
        window = context.new_page()
        window.on("request", lambda request: asked.append(request.url))
        window.on("pageerror", lambda error: failed.append(str(error)))
        window.goto(address)
        window.wait_for_selector("#iics-upload input[type=file]", state="attached")
        return window

    yield open_page
    context.close()
    assert asked
    assert [url for url in asked if not re.match(r"http://127\.0\.0\.1:\d+/|data:|blob:", url)] == []
    assert failed == []


def drop(window, file):
    window.set_input_files("#iics-upload input[type=file]", str(file))


def shown(window, selector="#iics-found"):
    return window.inner_text(selector)


def wait_for(window, text, selector="#iics-found"):
    window.wait_for_selector(f"{selector} >> text={text}")


def ranks(window):
    return window.locator(".iics-rank").all_inner_texts()


def test_an_upload_shows_matches_by_camera_and_along_time(visit, pages, timed_crops, serve_pages):
    window = visit(pages.people)
    wait_for(window, "54 crops are in the gallery")
    drop(window, timed_crops.paths[0])
    wait_for(window, "24 matches")
    assert window.locator(".iics-group h3").count() == window.locator(".iics-track .iics-dot").locator("..").count()
    assert window.locator(".iics-card").first.locator("img").get_attribute("alt").startswith("Match ")
    assert serve_pages.EVIL_CAMERA in shown(window)  # as text
    assert window.title() == "IICS"
    assert window.locator(".iics-query img").count() == 1
    assert "person 1" in window.locator(".iics-card").first.inner_text()  # who it is, as linked
    times = window.locator(".iics-group").first.locator(".iics-facts span:first-child").all_inner_texts()
    assert times == sorted(times)


def test_filters_narrow_the_matches(visit, pages, timed_crops):
    window = visit(pages.people)
    drop(window, timed_crops.paths[0])
    wait_for(window, "24 matches")
    window.get_by_text("Filters").click()
    window.fill("#iics-until textarea, #iics-until input", "2026-03-01 08:10")
    window.press("#iics-until textarea, #iics-until input", "Enter")
    wait_for(window, "10 matches")
    window.click("#iics-only input")
    window.get_by_role("option", name="door").click()
    window.wait_for_function("document.querySelectorAll('.iics-group').length === 1")
    window.get_by_label("by similarity").check()
    window.wait_for_function("document.querySelectorAll('.iics-group h3').length === 0")
    assert ranks(window) == [str(rank) for rank in range(1, len(ranks(window)) + 1)]


def test_marks_are_kept_replaced_and_taken_back(visit, pages, timed_crops):
    pages.marks.unlink(missing_ok=True)
    window = visit(pages.people)
    drop(window, timed_crops.paths[3])
    wait_for(window, "24 matches")
    window.get_by_role("button", name="Match 1 is the same person").click()
    wait_for(window, "Match 1 is marked right.", "#iics-status")
    window.get_by_role("button", name="Match 2 is another person").click()
    wait_for(window, "Match 2 is marked wrong.", "#iics-status")
    window.get_by_role("button", name="Match 2 is the same person").press("Enter")  # by keyboard
    wait_for(window, "Match 2 is marked right.", "#iics-status")
    marks = {mark.rank: mark for mark in read_marks(pages.marks)}
    assert {rank: mark.verdict for rank, mark in marks.items()} == {1: "right", 2: "right"}
    assert (marks[1].path, marks[1].similarity) == (str(timed_crops.paths[3]), pytest.approx(1, abs=1e-4))
    window.get_by_role("button", name="Match 1 is the same person").click()
    wait_for(window, "Match 1 is no longer marked.", "#iics-status")
    assert [mark.rank for mark in read_marks(pages.marks)] == [2]
    again = visit(pages.people)
    drop(again, timed_crops.paths[3])
    wait_for(again, "24 matches")
    pressed = again.locator('[aria-pressed="true"]')
    assert pressed.evaluate_all("all => all.map(each => each.ariaLabel)") == ["Match 2 is the same person"]


def test_a_dot_leads_to_its_match(visit, pages, timed_crops):
    window = visit(pages.people)
    drop(window, timed_crops.paths[0])
    wait_for(window, "24 matches")
    window.get_by_role("button", name="Go to match 9,").click()
    assert window.evaluate("document.activeElement.querySelector('.iics-rank').innerText") == "9"


def test_an_empty_gallery_says_how_to_fill_it(visit, pages, timed_crops):
    window = visit(pages.empty)
    wait_for(window, "The gallery is empty")
    assert "iics index" in shown(window)
    window.get_by_text("Filters").click()
    window.wait_for_selector("#iics-since")
    assert window.locator("#iics-only, #iics-not, #iics-by-camera").count() == 0  # there are no two cameras
    drop(window, timed_crops.paths[0])
    window.wait_for_selector(".iics-query img")
    assert "The gallery is empty" in shown(window)
    window.get_by_role("tab", name="Clusters").click()
    window.wait_for_selector("text=Start the page with --run RUN")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("torn.jpg", b"\xff\xd8\xff\xe0 torn"),
        ("notes.txt", b"not a picture"),
        ("empty.png", b""),
    ],
)
def test_a_broken_file_is_refused_with_its_reason(visit, pages, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    window = visit(pages.people)
    drop(window, tmp_path / name)
    wait_for(window, f"{name} cannot be searched for: ")
    assert window.locator(".iics-card").count() == 0


def test_a_picture_of_too_many_pixels_is_refused_and_the_next_is_not(visit, pages, tmp_path, timed_crops):
    Image.new("1", (6000, 5000)).save(tmp_path / "large.png")
    window = visit(pages.people)
    drop(window, tmp_path / "large.png")
    wait_for(window, "6,000 x 5,000 pixels; at most 25 million are taken")
    drop(window, timed_crops.paths[0])
    wait_for(window, "24 matches")


def test_a_file_of_too_many_bytes_is_refused_and_the_next_is_not(visit, pages, tmp_path, timed_crops):
    (tmp_path / "large.png").write_bytes(bytes(12_000_000))
    window = visit(pages.people)
    drop(window, tmp_path / "large.png")
    window.wait_for_selector("text=/maximum allowed size|too large/i")
    drop(window, timed_crops.paths[0])
    wait_for(window, "24 matches")


def test_clusters_of_a_run_are_browsed(visit, pages):
    window = visit(pages.people)
    window.get_by_role("tab", name="Clusters").click()
    window.wait_for_selector("text=Clusters 1 to 3 of 3")
    first = window.locator(".iics-cluster").first
    assert "18 crops" in first.locator("h3").inner_text()
    assert first.locator("h4").all_inner_texts() == ["Most typical", "Most doubtful"]
    assert first.locator("img").count() == 16
    window.get_by_label("most doubtful first").check()
    window.click("#iics-round input")
    window.get_by_role("option", name="1").click()
    window.wait_for_selector("text=Clusters 1 to 6 of 6")


def test_a_browser_logs_in_and_searches_and_logs_out(chromium, pages, timed_crops, serve_pages):
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE)
    window = context.new_page()
    window.goto(pages.locked)
    window.fill("[name=username]", serve_pages.USER)
    window.fill("[name=password]", serve_pages.PASSWORD)
    window.click("text=Log in")
    window.wait_for_selector("#iics-upload input[type=file]", state="attached")
    wait_for(window, "54 crops are in the gallery")
    drop(window, timed_crops.paths[0])
    wait_for(window, "24 matches")
    window.goto(f"{pages.locked}/logout")
    window.fill("[name=username]", "another")
    window.fill("[name=password]", "wrong")
    window.click("text=Log in")
    window.wait_for_selector("text=Incorrect credentials.")
    context.close()
