"""The page of people, from made-up people."""

import re
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from iics.errors import WriteError
from iics.page.thumbnails import match_thumbnails
from iics.people.book import People, PossibleLink, SeenPerson
from iics.people.corrections import Correction
from iics.people.doubtful_links import MOST_LINKS, drawn_crops
from iics.people.report import check_report_path, people_html, write_people_report
from iics.subjects import SUBJECTS

EIGHT = 1772352000.0  # 2026-03-01 08:00:00
PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
SEEN = (
    SeenPerson("t1", 1, 0.9, "lobby", EIGHT, EIGHT + 10, ("a", "b", "c", "d", "e")),
    SeenPerson("t2", 1, 0.4, "yard", EIGHT + 130, EIGHT + 140, ("f",)),
    SeenPerson("t3", 2, 1.0, "lobby", EIGHT + 18000, EIGHT + 18010, ("g", "h")),
    SeenPerson("i", 3, 1.0, "yard", None, None, ("i",)),
)
PEOPLE = People(
    SEEN,
    doubts=(PossibleLink("t2", "t3", 0.45),),
    corrections=(
        Correction(1, "different", ("t1",), ("t3",), EIGHT),
        Correction(2, "same", ("t1",), ("i",), EIGHT, is_undone=True),
    ),
    dropped=("Correction 4 counts no more: its crop /crops/z.png was deleted.",),
)


def page(people=PEOPLE, **pictures):
    return people_html(people, name="people.db", pictures=pictures)


def section(html, heading):
    return html.partition(f"<h2>{heading}</h2>")[2].partition("<h2>")[0]


def tiles(html):
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html))


def test_the_first_numbers_are_people_sightings_cameras_doubts_and_corrections_that_count():
    assert tiles(page()) == {
        "people": "3",
        "of them seen by several cameras": "1",
        "sightings": "4",
        "cameras": "2",
        "links in doubt, not made": "1",
        "corrections that count": "1",
    }


def test_sightings_stand_by_camera_and_hour():
    found = section(page(), "Sightings by camera and hour")
    assert re.findall(r'<th scope="col">(.*?)</th>', found) == [
        "camera",
        *(f"03-01 {hour:02d}:00" for hour in range(8, 14)),
    ]
    rows = [re.findall(r">([^<>]*)</t[dh]>", row) for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", found)]
    assert rows == [
        ["lobby", "1", "", "", "", "", "1"],
        ["yard", "1", "", "", "", "", ""],
        ["different people", "1", "", "", "", "", "1"],
    ]
    assert "Without a time: 1 of 4 sightings." in page()


def test_transitions_have_count_and_median_time():
    found = section(page(), "From camera to camera")
    assert re.findall(r"<td>(.*?)</td>", found) == ["", "1 · 2 min 0 s", "", ""]


def test_links_in_doubt_are_shown_with_first_middle_and_last_crop():
    assert drawn_crops(PEOPLE) == ["a", "c", "e", "f", "g", "h"]
    html = page(f=PICTURE, g=PICTURE, h=None)
    found = section(html, "Likely links that were not made")
    assert "45 % sure that 1 and 2 are one person" in found
    assert found.count(PICTURE) == 2
    assert found.count("file gone") == 1


def test_the_least_sure_of_each_person_seen_twice_stands_beside_the_surest():
    found = section(page(), "Least sure links that were made")
    titles = re.findall(r"<h3>(.*?)</h3>", found)
    assert titles == ["40 % sure that this is person 1"]
    assert found.index("camera yard") < found.index("camera lobby")


def test_no_more_links_than_a_reader_looks_at_are_shown():
    seen = tuple(SeenPerson(f"t{n}", n // 2, n / 200, "a", EIGHT + n, EIGHT + n, (f"c{n}",)) for n in range(200))
    doubts = tuple(PossibleLink(f"t{n}", f"t{n + 2}", 0.5) for n in range(0, 190, 2))
    html = page(People(seen, doubts))
    assert section(html, "Likely links that were not made").count("<h3>") == MOST_LINKS
    assert section(html, "Least sure links that were made").count("<h3>") == MOST_LINKS


def test_dropped_corrections_are_told():
    assert "Correction 4 counts no more" in page()


def test_times_are_those_of_a_zone_and_the_page_says_which():
    html = people_html(PEOPLE, name="people.db", pictures={}, zone=ZoneInfo("Europe/Berlin"))
    assert "2026-03-01 09:00:00 to 2026-03-01 14:00:10 (Europe/Berlin)" in html
    assert '<th scope="col">03-01 09:00</th>' in html
    assert "2026-03-01 09:02:10" in section(html, "Likely links that were not made")
    assert "UTC" not in html


def test_a_page_of_vehicles_speaks_of_vehicles():
    html = people_html(PEOPLE, name="cars.db", pictures={}, told=SUBJECTS["vehicle"].told)
    assert tiles(html)["vehicles"] == "3"
    words = set(re.findall(r"[A-Za-z]+", html.replace("docs/people.md", "").lower()))
    assert words & {"person", "people", "persons", "nobody", "somebody", "who"} == set()


def test_names_are_text_and_no_markup():
    seen = (SeenPerson("t1", 1, 1.0, "<script>alert(1)</script>\n", EIGHT, EIGHT, ("a",)),)
    html = page(People(seen))
    assert "<script" not in html
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\n" in html


@pytest.mark.parametrize("people", [People(()), People(SEEN[3:])], ids=["nobody", "no times"])
def test_what_is_not_known_is_said(people):
    html = page(people)
    assert "No sighting has a time." in html
    assert "No person was seen by two cameras at known times." in html
    assert "None: no person was seen twice, or all are sure." in html


def test_a_report_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    with pytest.raises(WriteError, match=r"A report is written as \.html; .*people\.pdf ends in \.pdf\."):
        check_report_path(tmp_path / "people.pdf")
    with pytest.raises(WriteError, match="There is no folder"):
        check_report_path(tmp_path / "missing" / "people.html")


def test_pictures_of_the_crops_are_read_from_their_files(tmp_path):
    Image.new("RGB", (32, 64), "red").save(tmp_path / "f.png")
    rows = {
        "f": {"crop_id": "f", "path": str(tmp_path / "f.png")},
        "g": {"crop_id": "g", "path": str(tmp_path / "gone.png")},
    }
    others = {"archive": "", "camera": "yard", "time": None, "tracklet": None, "identity": None}
    others |= dict.fromkeys(("left", "top", "width", "height"))
    asked = []

    def rows_by_id(ids):
        asked.extend(ids)
        return {crop_id: row | others for crop_id, row in rows.items()}

    gallery = SimpleNamespace(uri=str(tmp_path / "people.db"), rows_by_id=rows_by_id)
    write_people_report(PEOPLE, gallery, tmp_path / "people.html", thumbnails=match_thumbnails)
    html = (tmp_path / "people.html").read_text()
    assert asked == drawn_crops(PEOPLE)
    assert "<h1>people.db</h1>" in html
    assert html.count('src="data:image/jpeg;base64,') == 2  # f stands in both lists, g is gone


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_the_page_without_a_complaint_and_without_scrolling_sideways(tmp_path, chromium, width):
    (tmp_path / "people.html").write_text(page(f=PICTURE, g=PICTURE))
    opened = chromium.new_page(viewport={"width": width, "height": 800})
    said = []
    opened.on("console", lambda message: said.append(message.text))
    opened.goto((tmp_path / "people.html").as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    assert opened.locator("section.link").count() == 2
    assert said == []
    opened.close()
