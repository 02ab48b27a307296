"""Matches as HTML: grouped, along time, escaped, with pictures from wherever crops lie."""

import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from iics.gallery.matches import Match
from iics.page.match_view import grouped, matches_html, message_html
from iics.page.thumbnails import match_thumbnails
from iics.page.timeline import timeline_of

EIGHT = 1772352000.0  # 2026-03-01 08:00 UTC


def match(rank, camera="hall", time=None, **values):
    return Match(
        rank, 1 - rank / 10, f"c{rank}", Path(f"{rank}.png"), camera, time, None, None, **{"box": None, **values}
    )


FIVE = [match(1, "yard", 30.0), match(2, "hall", 20.0), match(3, "yard", 10.0), match(4, "yard"), match(5, "hall", 5.0)]


def html(matches, verdicts=None, order="by camera, along time", can_mark=True, thresholds=None):
    return matches_html(matches, verdicts or {}, order=order, can_mark=can_mark, thresholds=thresholds)


def test_the_page_says_what_similarities_mean(thresholds):
    page = html(FIVE, thresholds=thresholds)
    assert "Of pairs of two different people, 1 % exceed 0.680." in page
    assert "true rate 0.4 % to 1.9 %" in page
    assert "Other cameras differ." in page
    assert page.count("On crops of other cameras or people than those, the rates do not hold") == 2
    assert 'title="0.90: above the 1 % threshold (0.68)' in page
    assert 'title="0.50: not above the 1 % threshold (0.68)' in page
    assert "This model is not calibrated" in html(FIVE)


def test_a_centred_page_judges_by_no_threshold(thresholds):
    page = matches_html(FIVE, {}, order="by similarity", can_mark=True, thresholds=thresholds, is_centred=True)
    assert "thresholds are measured on plain ones" in page
    assert 'title="0.90: of centred features"' in page
    assert "exceed 0.680" not in page
    assert "not calibrated" not in page


def test_cameras_come_by_their_best_match_and_their_matches_along_time():
    groups = [
        (group.heading, [each.rank for each in group.matches]) for group in grouped(FIVE, "by camera, along time")
    ]
    assert groups == [("yard", [3, 1, 4]), ("hall", [5, 2])]  # without a time: last


def test_all_matches_can_be_shown_by_similarity():
    (group,) = grouped(FIVE[::-1], "by similarity")
    assert [each.rank for each in group.matches] == [1, 2, 3, 4, 5]


def test_the_time_axis_has_a_row_for_each_camera():
    timeline = timeline_of(FIVE)
    assert [(camera, [dot.match.rank for dot in dots]) for camera, dots in timeline.rows] == [
        ("hall", [5, 2]),
        ("yard", [3, 1]),
    ]
    assert timeline.num_untimed == 1
    percents = {dot.match.rank: dot.percent for _, dots in timeline.rows for dot in dots}
    assert 0 < percents[5] < percents[3] < percents[2] < percents[1] < 100
    assert percents[2] - percents[3] == pytest.approx(2 * (percents[3] - percents[5]), abs=0.05)


def test_matches_of_one_moment_lie_in_the_middle():
    timeline = timeline_of([match(1, time=EIGHT), match(2, time=EIGHT)])
    assert [dot.percent for _, dots in timeline.rows for dot in dots] == [50, 50]


def test_a_single_time_makes_no_axis():
    assert timeline_of([match(1, time=EIGHT), match(2)]) is None


def test_every_text_is_escaped():
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    page = html([match(1, evil, EIGHT, archive=Path(evil)), match(2, evil, EIGHT + 9)])
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "<script" not in message_html(evil, evil, is_error=True)


def test_verdicts_are_shown_and_can_be_left_out():
    page = html(FIVE, {"c2": "wrong"})
    pressed = re.findall(r'data-mark="(\w+)" aria-pressed="true" aria-label="([^"]*)"', page)
    assert pressed == [("wrong", "Match 2 is another person")]
    assert "data-mark" not in html(FIVE, can_mark=False)


def test_numbers_of_cameras_are_called_cameras():
    assert "<h3>camera 3 " in html([match(1, "3")])


def test_a_crop_whose_file_is_gone_is_said_to_be():
    assert html(FIVE).count("The file of this crop is gone or damaged.") == 5


def test_pictures_come_from_files_archives_and_boxes(tmp_path):
    Image.new("RGB", (32, 64), (200, 0, 0)).save(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "in/a.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    whole = replace(match(1), path=tmp_path / "a.png")
    found = match_thumbnails(
        [
            whole,
            replace(whole, crop_id="zipped", path=Path("in/a.png"), archive=tmp_path / "all.zip"),
            replace(whole, crop_id="boxed", box=(4, 4, 10, 20)),
            replace(whole, crop_id="outside", box=(4, 4, 100, 20)),
            replace(whole, crop_id="torn", path=tmp_path / "torn.png"),
            replace(whole, crop_id="gone", path=tmp_path / "gone.png"),
            replace(whole, crop_id="no archive", archive=tmp_path / "gone.zip"),
        ]
    )
    assert {name for name, uri in found.items() if uri is None} == {"outside", "torn", "gone", "no archive"}
    assert found["c1"] == found["zipped"] != found["boxed"]
    assert all(uri.startswith("data:image/jpeg;base64,") for uri in found.values() if uri)
