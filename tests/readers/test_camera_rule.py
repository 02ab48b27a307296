"""Where no camera is told, crops are of one, with a warning, or of what is named in its place."""

import pytest

from iics.crops import CropSet
from iics.errors import DataError
from iics.readers.csv_table import load_csv
from iics.readers.folders import load_folder
from iics.readers.patterns import load_pattern

ROWS = (
    "path,session,flank,time,tracklet",
    "a.png,am,left,2024-05-31T23:30:00-05:00,t1",
    "b.png,am,right,2024-05-31T10:00:00,t1",
    "c.png,pm,left,2024-06-01T10:00:00,t1",
)


@pytest.fixture
def table(tmp_path, make_image):
    for name in "abc":
        make_image(tmp_path / f"{name}.png", size=(20, 40))

    def write(*lines):
        (tmp_path / "crops.csv").write_text("\n".join(lines))
        return tmp_path / "crops.csv"

    return write


def cameras_of(crops: CropSet):
    return [crops.camera_names[camera] for camera in crops.camera_ids]


@pytest.mark.parametrize(
    ("rule", "cameras"),
    [
        ("session", ["am", "am", "pm"]),
        ("day", ["2024-06-01", "2024-05-31", "2024-06-01"]),  # in UTC
        ("session, flank", ["am + left", "am + right", "pm + left"]),
        ("none", ["all", "all", "all"]),
    ],
)
def test_a_column_or_the_day_or_nothing_stands_for_the_camera(table, rule, cameras):
    assert cameras_of(load_csv(table(*ROWS), camera_by=rule).train) == cameras


def test_a_table_without_cameras_is_one_camera_with_a_warning_that_names_what_may_stand_for_it(table, caplog):
    assert cameras_of(load_csv(table(*ROWS)).train) == ["all"] * 3
    assert "crops.csv has no column camera: all 3 crops count as one camera, 'all'." in caplog.text
    assert "--camera-by session|flank|day|none" in caplog.text


def test_what_is_named_takes_the_place_of_the_camera(table, caplog):
    rows = ("path,camera,session", "a.png,x,am", "b.png,x,pm")
    assert cameras_of(load_csv(table(*rows), camera_by="session").train) == ["am", "pm"]
    assert "columns that are not used: 'camera'." in caplog.text
    assert cameras_of(load_csv(table(*rows), camera_by="camera").train) == ["x", "x"]


def test_tracklets_are_numbered_within_what_stands_for_the_camera(table):
    assert load_csv(table(*ROWS), camera_by="session").train.tracklet_ids.tolist() == [0, 0, 1]
    assert load_csv(table(*ROWS), camera_by="none").train.tracklet_ids.tolist() == [0, 0, 0]


def test_tracklets_of_one_name_in_two_cameras_stay_two_whatever_stands_for_the_camera(table, caplog):
    rows = ("path,camera,site,tracklet", "a.png,x,s,7", "b.png,y,s,7", "c.png,x,s,7")
    for rule in ("site", "none"):
        assert load_csv(table(*rows), camera_by=rule).train.tracklet_ids.tolist() == [0, 1, 0]
    assert "columns that are not used: 'camera'" not in caplog.text


def test_boxes_of_one_frame_may_show_two_flanks(table):
    rows = ("path,flank,left,top,width,height", "a.png,left,0,0,5,9", "a.png,right,6,0,5,9")
    assert cameras_of(load_csv(table(*rows), camera_by="flank").train) == ["left", "right"]


@pytest.mark.parametrize(
    ("rows", "rule", "message"),
    [
        (ROWS, "sesion", "crops.csv has no 'sesion' to tell cameras by .* Did you mean 'session'"),
        (ROWS, "session,session", "names 'session' twice"),
        (("path", "a.png"), "day", "crops.csv has no time; --camera-by day takes the date"),
        (("path,time", "a.png,12.5"), "day", "line 2: time 12.5 is no date but seconds since the start of a recording"),
        (
            ("path,site", "a.png,x", "b.png,", "c.png,"),
            "site",
            r"line 3: site is empty \(2 rows like this\); it stands",
        ),
        (("path,site", "a.png,x", "b.png,NaN"), "site", "line 3: site is 'NaN', a word for a missing value"),
    ],
)
def test_what_cannot_stand_for_the_camera_is_refused(table, rows, rule, message):
    with pytest.raises(DataError, match=message):
        load_csv(table(*rows), camera_by=rule)


def test_fields_of_a_pattern_stand_for_the_camera(tmp_path, make_image, caplog):
    for name in ("north/1_a.png", "north/2_b.png", "south/1_c.png"):
        make_image(tmp_path / name)
    named = load_pattern(tmp_path, "{site}/{session:d}_{}.png", camera_by="site,session")
    assert cameras_of(named.train) == ["north + 1", "north + 2", "south + 1"]
    assert caplog.text == ""
    assert cameras_of(load_pattern(tmp_path, "{site}/{}.png").train) == ["all"] * 3
    assert "The pattern {site}/{}.png has no {camera}: all 3 crops count as one camera" in caplog.text


def test_folders_are_one_camera_if_that_is_said(tmp_path, make_image, caplog):
    for name in ("a.png", "x/b.png", "y/z/c.png"):
        make_image(tmp_path / name)
    assert cameras_of(load_folder(tmp_path, camera_by="none").train) == ["all"] * 3
    assert caplog.text == ""
    with pytest.raises(DataError, match=r"Folders name their cameras and nothing else; --camera-by day is for tables"):
        load_folder(tmp_path, camera_by="day")
    with pytest.raises(DataError, match=r"a\.png is an image outside of any .* With --camera-by none, all images"):
        load_folder(tmp_path)
