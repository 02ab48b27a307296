"""The metadata table of wildlife-datasets: identities of any kind, boxes as lists, dates, flanks, and its parts."""

import logging

import numpy as np
import pytest

from iics.errors import DataError
from iics.readers.wildlife import load_wildlife


@pytest.fixture
def table(tmp_path, make_image):
    """Write a metadata table and its pictures, and return its path."""

    def write(text, name="metadata.csv"):
        lines = [line.strip() for line in text.strip().splitlines()]
        at = lines[0].split(";").index("path") if "path" in lines[0] else None
        for line in lines[1:]:
            if at is not None:
                make_image(tmp_path / line.split(";")[at], size=(40, 30))
        (tmp_path / name).write_text("\n".join(line.replace(";", ",") for line in lines))
        return tmp_path / name

    return write


BOXES = """
    ;image_id;identity;path;bbox;date;orientation;species
    0;12;lynx_b;images/a.png;"[1.0, 2.0, 10, 20]";2019-05-03 14:00:01;left;lynx
    1;10;lynx_a;images/b.png;"[0, 0, 40, 30]";2019-05-03;right;lynx
    2;11;unknown;images/c.png;"[5, 5, 8, 8]";;;lynx
"""


def test_rows_become_crops_with_boxes_dates_and_flanks_for_cameras(table, caplog):
    train = load_wildlife(table(BOXES)).train
    assert [path.name for path in train.paths] == ["a.png", "b.png", "c.png"]
    assert train.identity_ids.tolist() == [2, 1, -1]
    assert train.boxes.tolist() == [[1, 2, 10, 20], [0, 0, 40, 30], [5, 5, 8, 8]]
    assert train.times[0] - train.times[1] == 14 * 3600 + 1
    assert np.isnan(train.times[2])
    assert [train.camera_names[camera] for camera in train.camera_ids] == ["left", "right", "not said"]
    assert (
        "metadata.csv has no column camera: orientation stands for it. Measure with --protocol any-camera"
        in caplog.text
    )


def test_a_folder_stands_for_its_metadata_and_a_camera_column_wins(table, caplog):
    path = table(
        """
        image_id;identity;path;camera;orientation
        0;0;a.png;trap 2;left
        1;5;b.png;trap 10;left
        """
    )
    train = load_wildlife(path.parent).train
    assert train.camera_names == ("trap 2", "trap 10")
    assert train.identity_ids.tolist() == [1, 2]  # 0 is an animal there, and would be a distractor here
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_without_any_camera_all_crops_are_of_one_and_that_is_said(table, caplog):
    train = load_wildlife(table("image_id;identity;path\n0;x;a.png\n1;y;b.png")).train
    assert train.camera_names == ("all",)
    assert "all crops count as one camera's" in caplog.text


def test_parts_that_share_individuals_are_a_catalogue_and_queries(table):
    splits = load_wildlife(
        table(
            """
            image_id;identity;path;camera;split
            0;x;a.png;1;train
            1;y;b.png;1;train
            2;x;c.png;1;test
            3;z;d.png;1;test
            """
        )
    )
    assert splits.train is None
    assert [path.name for path in splits.gallery.paths] == ["a.png", "b.png"]
    assert [path.name for path in splits.query.paths] == ["c.png", "d.png"]


def test_parts_that_share_nobody_are_trained_and_searched_in(table):
    splits = load_wildlife(
        table("image_id;identity;path;camera;original_split\n0;x;a.png;1;train\n1;y;b.png;1;test\n2;y;c.png;1;test")
    )
    assert (len(splits.train), len(splits.gallery), splits.query) == (1, 2, None)


def test_a_database_and_queries_are_gallery_and_query(table):
    splits = load_wildlife(table("image_id;identity;path;camera;split\n0;x;a.png;1;database\n1;x;b.png;1;query"))
    assert (len(splits.gallery), len(splits.query), splits.train) == (1, 1, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "identity;path\nx;a.png",
            r"metadata\.csv has the column image_id not at all; a table of wildlife-datasets has",
        ),
        ("image_id;identity;path\n0;x;a.png\n0;x;b.png", r"line 3: image_id '0' is in metadata\.csv, line 2 before"),
        ("image_id;identity;path;date\n0;x;a.png;2012", r"line 2: date '2012' is no day\. Write a date \(2012-05-31"),
        ("image_id;identity;path;date\n0;x;a.png;3rd May", r"line 2: time '3rd May' is not a date with a time"),
        (
            "image_id;identity;path;split\n0;x;a.png;fold1",
            r"split is 'fold1'; known are train, test, database, gallery",
        ),
        ('image_id;identity;path;bbox\n0;x;a.png;"[1, 2, 3]"', r"bbox '\[1, 2, 3\]' is not four numbers"),
    ],
)
def test_what_is_not_understood_is_named_with_its_line(table, text, message):
    with pytest.raises(DataError, match=message):
        load_wildlife(table(text))


def test_a_missing_picture_is_named(tmp_path):
    (tmp_path / "metadata.csv").write_text("image_id,identity,path\n0,x,none.png\n")
    with pytest.raises(DataError, match=r"line 2: there is no file .*none\.png"):
        load_wildlife(tmp_path)
