"""A CSV file becomes CropSets; what cannot be meant is refused with its line."""

import logging

import numpy as np
import pytest

from iics.data_check.check import check_data
from iics.errors import DataError
from iics.pixels.images import load_pixels
from iics.readers.csv_table import load_csv


@pytest.fixture
def table(tmp_path, make_image):
    """Write a table beside six images, a.jpg to f.jpg."""
    for name in "abcdef":
        make_image(tmp_path / f"{name}.png", size=(20, 40))

    def write(*lines, encoding="utf-8", name="crops.csv"):
        (tmp_path / name).write_bytes("\n".join(lines).encode(encoding))
        return tmp_path / name

    return write


@pytest.fixture
def refusal(table, tmp_path):
    """What `load_csv` says to a table, without the folder."""

    def call(*lines, **options):
        with pytest.raises(DataError) as caught:
            load_csv(table(*lines, **options))
        return str(caught.value).replace(f"{tmp_path}/", "")

    return call


def test_path_and_camera_are_enough(table, tmp_path, caplog):
    splits = load_csv(str(table("path,camera", "b.png,yard", "a.png,lobby", f"{tmp_path}/c.png,lobby")))
    assert (splits.name, splits.query, splits.gallery) == ("crops", None, None)
    train = splits.train
    assert train.name == "crops train"
    assert [path.name for path in train.paths] == ["a.png", "b.png", "c.png"]
    assert [train.camera_names[camera] for camera in train.camera_ids] == ["lobby", "yard", "lobby"]
    assert (train.identity_ids, train.times, train.tracklet_ids, train.boxes) == (None, None, None, None)
    assert caplog.records == []


def test_all_columns_are_read_in_any_order_and_cameras_are_named_over_all_splits(table):
    splits = load_csv(
        table(
            "split,time,identity,tracklet,camera,path",
            ",2024-05-31T14:30:00,7,t2,c10,a.png",
            "train,2024-05-31T16:30:01+02:00,-1,,c2,b.png",
            "train,,7,t1,c10,c.png",
            "query,,0009,,c2,d.png",
            "gallery,,9,t1,lobby,e.png",
            "gallery,,0,,lobby,f.png",
        )
    )
    assert {crops.camera_names for crops in (splits.train, splits.query, splits.gallery)} == {("c2", "c10", "lobby")}
    assert splits.train.identity_ids.tolist() == [7, -1, 7]
    assert (splits.query.identity_ids.tolist(), splits.gallery.identity_ids.tolist()) == ([9], [9, 0])
    np.testing.assert_array_equal(splits.train.times, [1717165800, 1717165801, np.nan])
    assert (splits.train.tracklet_ids.tolist(), splits.gallery.tracklet_ids.tolist()) == ([1, -1, 0], [2, -1])


def test_the_order_of_rows_changes_nothing(table):
    rows = ["a.png,yard,bob,3", "b.png,lobby,al,2", "c.png,yard,al,1"]
    one, other = (load_csv(table("path,camera,identity,tracklet", *some)).train for some in (rows, rows[::-1]))
    assert one.fingerprint() == other.fingerprint()
    np.testing.assert_array_equal(one.identity_ids, other.identity_ids)
    np.testing.assert_array_equal(one.tracklet_ids, other.tracklet_ids)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_and_byte_order_marks_of_other_programs_are_understood(table, separator, encoding):
    lines = ("path,camera", "a.png,Straße", '"b.png", Café ', "", "c.png,Straße\r")
    train = load_csv(table(*(line.replace(",", separator) for line in lines), encoding=encoding)).train
    assert train.camera_names == ("Café", "Straße")
    assert len(train) == 3


def test_a_quoted_name_may_hold_the_separator_and_a_line_break_counts(table, refusal, tmp_path):
    (tmp_path / "a.png").rename(tmp_path / "x, y.png")
    assert load_csv(table("path,camera", '"x, y.png",c')).train.paths[0].name == "x, y.png"
    assert refusal("path,camera", '"b.png","two', 'lines"', "c.png,").startswith("crops.csv, line 4: camera is empty.")


def test_crops_without_identity_among_others_count_as_junk_with_a_warning(table, caplog):
    splits = load_csv(
        table(
            "path,camera,identity,split",
            "a.png,1,,train",
            "b.png,1,,train",
            "c.png,2,al,query",
            "d.png,1,al,gallery",
            "e.png,1,,gallery",
        )
    )
    assert splits.train.identity_ids is None
    assert splits.gallery.identity_ids.tolist() == [1, -1]
    assert [record.getMessage() for record in caplog.records] == [
        "crops gallery: 1 of 2 crops have no identity; where identities are used, they count as junk (-1)."
    ]


def test_people_numbered_from_0_are_pointed_out(table, caplog):
    load_csv(table("path,camera,identity", "a.png,1,0", "b.png,2,0", "c.png,2,1"))
    assert "crops train: 2 crops have identity 0, which stands for people who are nobody's match." in caplog.text


def test_columns_without_effect_are_named_once(table, caplog):
    load_csv(table("path,camera,frame,score,class", "a.png,1,2,.9,person", "b.png,2,2,.9,person"))
    assert [record.getMessage() for record in caplog.records] == [
        "crops.csv: columns that are not used: 'score', 'class'."
    ]


def test_a_crop_that_is_query_and_gallery_is_no_copy(table):
    rows = ["a.png,1,1,query", "a.png,1,1,gallery", "b.png,2,1,gallery", "c.png,1,2,train", "d.png,2,2,train"]
    report = check_data(load_csv(table("path,camera,identity,split", *rows)))
    assert not any("gallery: 1 in 2 crops" in text for text in (*report.errors, *report.warnings))


def test_a_crop_may_be_a_query_and_in_the_gallery(table):
    rows = ("a.png,1,1,train", "b.png,1,2,query", "b.png,1,2,gallery", "c.png,2,2,gallery")
    splits = load_csv(table("path,camera,identity,split", *rows))
    assert splits.query.paths[0] == splits.gallery.paths[0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "crops.csv is empty; a line of column names (path, camera, ...) and rows below it are needed."),
        (("path,camera",), "crops.csv has no row below its column names;"),
        (("path,kamera", "a.png,1"), "crops.csv has the column 'kamera', which has no meaning. Did you mean 'camera'?"),
        (("Path,camera", "a.png,1"), "crops.csv has the column 'Path', which has no meaning. Did you mean 'path'?"),
        (
            ("path,cam", "a.png,1"),
            "crops.csv has no column camera. Found: 'path', 'cam'. Is it 'cam'? Rename that, or say --camera-by cam;",
        ),
        (("a.png,1", "b.png,2"), "crops.csv has no column path; it is needed. Found: 'a.png', '1'."),
        (
            ("path,camera,identiy", "a.png,1,al"),
            "crops.csv has the column 'identiy', which has no meaning. Did you mean",
        ),
        (("path,camera,camera", "a.png,1,1"), "crops.csv has the column camera twice; keep one of them."),
        (("path,camera,left", "a.png,1,1"), "crops.csv has a part of a box but no column top; it takes left, top,"),
        (("path,camera", "a.png,1", "b.png"), "crops.csv, line 3: 1 values, but there are 2 columns."),
        (("path,camera", "a.png,1,2"), "crops.csv, line 2: 3 values, but there are 2 columns."),
        (("path,camera", 'a.png,"1'), "crops.csv, line 2: this is no CSV: "),
        (("path,camera", "a.png,1", ",1", ",2"), "crops.csv, line 3: path is empty (2 rows like this)."),
        (("path,camera", "a.png, "), "crops.csv, line 2: camera is empty."),
        (
            ("path,camera", "a.png,1", "x.png,1", "y.png,1"),
            "crops.csv, line 3: there is no file x.png (2 of 3 files are missing). Relative paths start from ",
        ),
        (("path,camera", "x\\a.png,1"), "crops.csv, line 2: there is no file x\\a.png (1 of 1 files are missing)."),
        (
            ("path,camera", "a.png,1", "b.png,1", "./a.png,1"),
            "crops.csv, line 4: a.png is listed twice, here and before (crops.csv, line 2). List each crop once.",
        ),
        (
            ("path,camera,split", "a.png,1,train", "b.png,1,gallery", "a.png,1,query"),
            "crops.csv, line 4: a.png is listed twice, here and before (crops.csv, line 2).",
        ),
        (
            ("path,camera,split", "a.png,1,train", "b.png,1,test"),
            "crops.csv, line 3: split 'test' is none of train, query, gallery (empty is train).",
        ),
        (("path,camera,split", "a.png,1,", "b.png,1,query"), "crops has a query but no gallery; crops are searched"),
        (
            ("path,camera,time", "a.png,1,", "b.png,1,12.5", "c.png,1,2024-05-31"),
            "crops.csv, line 4: time '2024-05-31' is not a number of seconds, as the first one is (crops.csv, line 3:",
        ),
        (
            ("path,camera,time", "a.png,1,noon"),
            "crops.csv, line 2: time 'noon' is not a date with a time (ISO 8601, 2024-05-31T14:30:00).",
        ),
        (("path,camera,time", "a.png,1,1e999"), "crops.csv, line 2: time '1e999' is not a number of seconds."),
        (("path,camera,identity", "a.png,1,1", "b.png,1,-2"), "crops.csv, line 3: identity -2 is below -1; people are"),
        (
            ("path,camera,identity,split", "a.png,1,al,", "b.png,1,al,query", "c.png,2,bo,gallery"),
            "crops: identities both in train and in query or gallery: 1, e.g. al (crops.csv, line 2; crops",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(refusal, lines, message):
    assert refusal(*lines).startswith(message)


def test_a_path_of_windows_gets_a_hint(refusal):
    assert refusal("path,camera", "x\\a.png,1").endswith(" Write / between folders, not \\.")


def test_text_that_is_not_utf_8_is_refused_with_its_line(refusal):
    message = refusal("path,camera", "a.png,1", "b.png,Café", encoding="latin-1")
    assert message == "crops.csv, line 3: this is no UTF-8 text. Save the table as CSV in UTF-8."


@pytest.mark.parametrize("name", ["gone.csv", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name):
    with pytest.raises(DataError, match=r"^Cannot read .*: .* Give a CSV file\.$"):
        load_csv(tmp_path / name)


def test_a_table_is_found_from_the_folder_one_is_in(table, tmp_path, monkeypatch):
    table("path,camera", "a.png,1", f"{tmp_path}/b.png,2")
    monkeypatch.chdir(tmp_path)
    assert load_pixels(load_csv("crops.csv").train, height=4, width=4).shape == (2, 4, 4, 3)


def test_boxes_are_cut_from_the_frame(table, caplog):
    caplog.set_level(logging.WARNING)
    train = load_csv(
        table("path,camera,left,top,width,height", "a.png,1,10,20,5,8", "a.png,1,-2,0,12.4,10", "b.png,2,0,0,20,43")
    ).train
    assert [path.name for path in train.paths] == ["a.png", "a.png", "b.png"]
    assert train.boxes.tolist() == [[0, 0, 10, 10], [10, 20, 5, 8], [0, 0, 20, 40]]
    assert [record.getMessage() for record in caplog.records] == [
        "crops: 2 of 3 boxes reach over the border of their frame, by up to 3 pixels; that part is cut off."
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a.png,1,0,0,5,"], "crops.csv, line 2: height is empty. Mend or remove it."),
        (["a.png,1,0,0,5,5", "a.png,1,0,0,x,5"], "crops.csv, line 3: width 'x' is no number of pixels."),
        (["a.png,1,0,nan,5,5"], "crops.csv, line 2: top 'nan' is no number of pixels."),
        (["a.png,1,0,0,1e300,5"], "crops.csv, line 2: width '1e300' is no number of pixels."),
        (["a.png,1,0,0,0.2,5", "a.png,1,0,0,5,-5"], "crops.csv, line 2: a box of 0.2 x 5 pixels is empty (2 rows like"),
        (
            ["a.png,1,0,0,5,5", "a.png,1,16,0,10,40"],
            "crops.csv, line 3: 40% of the box at left 16, top 0 of 10 x 40 pixels lie within its frame of 20 x 40; at",
        ),
        (["a.png,1,90,90,5,5"], "crops.csv, line 2: 0% of the box"),
        (
            ["a.png,1,0,0,5,5", "a.png,1,0,0,5,6", "a.png,1,0.1,0,5,5"],
            "crops.csv, line 4: a.png is listed twice, here and before (crops.csv, line 2), with the same box. List",
        ),
    ],
)
def test_boxes_that_cannot_be_meant_are_refused(refusal, rows, message):
    assert refusal("path,camera,left,top,width,height", *rows).startswith(message)


def test_a_frame_that_is_no_picture_is_named(refusal, tmp_path):
    (tmp_path / "a.png").write_text("text")
    message = refusal("path,camera,left,top,width,height", "a.png,1,0,0,5,5", "b.png,1,0,0,5,5")
    assert message.startswith("1 of 2 frames cannot be read: a.png (no JPEG, PNG, BMP, WEBP image).")


def test_whole_numbers_with_a_point_are_whole_numbers(table):
    """As programs write a column of whole numbers that has a gap."""
    rows = ["a.png,1.0,5.0,3.0", "b.png,1,5,3.00", "c.png,2.0,-1.0,-1.0", "d.png,2,0.0,"]
    train = load_csv(table("path,camera,identity,tracklet", *rows)).train
    assert train.camera_names == ("1", "2")
    assert train.identity_ids.tolist() == [5, 5, -1, 0]
    assert train.tracklet_ids.tolist() == [0, 0, -1, -1]


@pytest.mark.parametrize(
    ("row", "column"), [("a.png,1,nan,", "identity"), ("a.png,NA,5,", "camera"), ("a.png,1,5,None", "tracklet")]
)
def test_words_for_missing_values_are_no_names(refusal, row, column):
    message = refusal("path,camera,identity,tracklet", "b.png,1,5,", row)
    assert message.startswith(f"crops.csv, line 3: {column} is '")
    assert message.endswith("a word for a missing value; leave the cell empty.")


def test_one_picture_of_two_cameras_is_refused(refusal):
    message = refusal("path,camera,left,top,width,height", "a.png,lobby,0,0,9,9", "./a.png,yard,5,5,9,9")
    assert "is of camera yard here and of camera lobby before (crops.csv, line 2)" in message


def test_a_detour_in_a_path_does_not_make_another_crop(refusal, tmp_path):
    (tmp_path / "b").mkdir()
    assert "is listed twice" in refusal("path,camera", "a.png,lobby", "b/../a.png,lobby")
