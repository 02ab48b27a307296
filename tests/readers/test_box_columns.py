"""Boxes under other tools' names are cut or refused; a whole frame is never taken for a crop."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import supervision

from iics.errors import DataError
from iics.readers.box_columns import find_box_columns
from iics.readers.csv_table import load_csv
from iics.readers.parquet_table import load_parquet

BOXES = [[100, 50, 64, 128], [10.5, 20, 40, 90]]
CUT = [[100, 50, 64, 128], [10, 20, 40, 90]]


@pytest.fixture
def frames(tmp_path, make_image):
    for name in "ab":
        make_image(tmp_path / f"{name}.png", size=(320, 240))
    return tmp_path


def written(folder, names, rows):
    """A table of the two frames with other columns of these names and rows."""
    lines = [
        f"{name}.png,{camera}," + ",".join(map(str, row)) for name, camera, row in zip("ab", "xy", rows, strict=True)
    ]
    (folder / "t.csv").write_text("\n".join([f"path,camera,{names}", *lines]) + "\n")
    return folder / "t.csv"


def corners(box):
    left, top, width, height = box
    return [left, top, left + width, top + height]


def centre(box):
    left, top, width, height = box
    return [left + width / 2, top + height / 2, width, height]


def shares(box):
    return [value / side for value, side in zip(box, [320, 240, 320, 240], strict=True)]


NAMES = {
    corners: """
        x1,y1,x2,y2 X1,Y1,X2,Y2 x0,y0,x1,y1 xmin,ymin,xmax,ymax x_min,y_min,x_max,y_max XMin,YMin,XMax,YMax
        bbox_x1,bbox_y1,bbox_x2,bbox_y2 left,top,right,bottom Left,Top,Right,Bottom startX,startY,endX,endY
        xtl,ytl,xbr,ybr x1_px,y1_px,x2_px,y2_px upper_left_x,upper_left_y,lower_right_x,lower_right_y ulx,uly,lrx,lry
    """,
    list: """
        left,top,width,height LEFT,TOP,WIDTH,HEIGHT bb_left,bb_top,bb_width,bb_height bbox_left,bbox_top,bbox_w,bbox_h
        box_left,box_top,box_width,box_height xmin,ymin,width,height x1,y1,w,h left,top,w,h
    """,
    centre: """
        x_center,y_center,width,height xcenter,ycenter,w,h cx,cy,w,h CenterX,CenterY,Width,Height xc,yc,w,h
    """,
}
UNCLEAR = """
    x,y,w,h x,y,width,height X,Y,W,H bbox bounding_box box boxes BBox xywh bbox_xywh tlbr bndbox roi rect object_bbox
    bbox_0,bbox_1,bbox_2,bbox_3 left,top left,top,right x1,y1,x2 xmin x_center,y_center cx,cy width,height x,y bb_left
    l,t,r person_x1,person_y1 x1,y1,x2,y2,x3,y3,x4,y4 x0,y0,x1,y1,x2,y2 x1,y1,x2,y2,left,top,right,bottom
    left,top,width,height,bb_left,bb_top,bb_width,bb_height face_left,face_top,face_width,face_height polygon
    region_x,region_y,region_width,region_height cropX,cropY,cropW,cropH x1_pred,y1_pred,x2_pred,y2_pred box_2d
    xyxy_0,xyxy_1,xyxy_2,xyxy_3 bbox_json person_box bbox_pixels region_shape_attributes
"""


@pytest.mark.parametrize(("form", "names"), [(form, names) for form, some in NAMES.items() for names in some.split()])
def test_names_of_other_tools_are_understood_in_any_case(frames, form, names, caplog):
    train = load_csv(written(frames, names, map(form, BOXES))).train
    assert train.boxes.tolist() == CUT
    assert caplog.records == []


@pytest.mark.parametrize("form", [corners, centre, list])
def test_shares_of_the_picture_are_cut_as_shares_and_never_as_pixels(frames, form, caplog):
    names = {corners: "x1,y1,x2,y2", centre: "x_center,y_center,width,height", list: "left,top,width,height"}[form]
    rows = [shares(form(box)) for box in [[100, 50, 64, 128], [10, 20, 40, 90]]]
    assert load_csv(written(frames, names, rows)).train.boxes.tolist() == CUT
    assert "no number of a box is above 1; they are taken as shares of the picture, not pixels." in caplog.text


def test_one_box_in_shares_among_pixels_is_refused(frames):
    with pytest.raises(
        DataError, match=r"^t\.csv, line 3: a box of 0\.8 x 0\.9 pixels holds nothing\. If these are shares"
    ):
        load_csv(written(frames, "left,top,width,height", [BOXES[0], [0.2, 0.1, 0.8, 0.9]]))


@pytest.mark.parametrize(
    "mark", [json.dumps, lambda box: " ".join(map(str, box)), lambda box: f"({box[0]}; {box[1]}; {box[2]}; {box[3]})"]
)
@pytest.mark.parametrize(
    ("name", "form"),
    [("bbox_xyxy", corners), ("xyxy", corners), ("ltrb", corners), ("bbox_ltwh", list), ("cxcywh", centre)],
)
def test_one_column_of_four_numbers_is_understood_where_its_name_says_the_order(frames, name, form, mark):
    rows = [[f'"{mark(form(box))}"'] for box in BOXES]
    assert load_csv(written(frames, name, rows)).train.boxes.tolist() == CUT


def test_lists_of_parquet_are_understood(frames):
    columns = {"path": ["a.png", "b.png"], "camera": ["x", "y"], "bbox_xyxy": [corners(box) for box in BOXES]}
    parquet.write_table(arrow.table(columns), frames / "t.parquet")
    assert load_parquet(frames / "t.parquet").train.boxes.tolist() == CUT
    parquet.write_table(arrow.table(columns | {"bbox": columns.pop("bbox_xyxy")}), frames / "t.parquet")
    with pytest.raises(DataError, match=r"^t\.parquet has columns that look like a box: 'bbox'; "):
        load_parquet(frames / "t.parquet")


@pytest.mark.parametrize("names", UNCLEAR.split())
def test_what_looks_like_a_box_and_is_not_understood_is_refused(frames, names):
    with pytest.raises(
        DataError, match=r"^t\.csv has (columns that look like a box|a part of a box|more than one box)"
    ):
        load_csv(written(frames, names, [["1"] * len(names.split(","))] * 2))


@pytest.mark.parametrize(
    "names",
    [
        "score",
        "x",
        "t",
        "image_width,image_height",
        "bbox_area",
        "num_boxes",
        "box_score",
        "frame_id",
        "index2",
        "boxer",
    ],
)
def test_other_columns_are_no_boxes(names):
    assert find_box_columns(names.split(","), table="t") is None


def test_the_size_of_the_picture_beside_two_corners_is_not_taken_for_the_box(frames, caplog):
    rows = [[320, 240, *corners(box)] for box in BOXES]
    assert load_csv(written(frames, "width,height,xmin,ymin,xmax,ymax", rows)).train.boxes.tolist() == CUT
    assert "columns that are not used: 'width', 'height'." in caplog.text


def test_a_box_whose_right_is_left_of_its_left_is_refused(frames):
    with pytest.raises(
        DataError, match=r"^t\.csv, line 2: a box of -64 x 128 pixels is empty \(right must be beyond left"
    ):
        load_csv(written(frames, "x1,y1,x2,y2", [[164, 50, 100, 178], corners(BOXES[1])]))


@pytest.mark.parametrize("cell", ["[1, 2, 3]", "[1, 2, 3, 4, 5]", '{""x"": 1}', "a b c d", ""])
def test_a_cell_that_is_not_four_numbers_is_named(frames, cell):
    with pytest.raises(DataError, match=r"^t\.csv, line 2: xyxy "):
        load_csv(written(frames, "xyxy", [[f'"{cell}"'], ['"1 2 30 40"']]))


def test_the_boxes_that_iics_crop_writes_beside_its_video_say_nothing_of_the_crops_file(frames):
    names = "video,frame,box_left,box_top,box_width,box_height,confidence"
    assert load_csv(written(frames, names, [["v.mp4", 3, *box, 0.9] for box in BOXES])).train.boxes is None


def test_what_supervision_writes_is_read_once_it_has_path_and_camera(frames, caplog):
    found = supervision.Detections(
        xyxy=np.array([[100.0, 50.0, 164.0, 178.0]]),
        confidence=np.array([0.9]),
        class_id=np.array([0]),
        tracker_id=np.array([7]),
    )
    with supervision.CSVSink(str(frames / "t.csv")) as sink:
        for name, camera in zip("ab", "xy", strict=True):
            sink.append(found, {"path": f"{name}.png", "camera": camera})
    assert load_csv(frames / "t.csv").train.boxes.tolist() == [CUT[0], CUT[0]]
    assert [record.getMessage() for record in caplog.records] == [
        "t.csv: columns that are not used: 'class_id', 'tracker_id'. If 'tracker_id' is the tracklet, rename it to "
        "tracklet."
    ]


@pytest.mark.parametrize(
    ("column", "known"),
    [
        ("pid", "identity"),
        ("person_id", "identity"),
        ("track_id", "tracklet"),
        ("TrackerID", "tracklet"),
        ("timestamp", "time"),
        ("subset", "split"),
    ],
)
def test_columns_of_other_tools_are_named_beside_what_they_may_be(frames, caplog, column, known):
    load_csv(written(frames, column, [[1], [2]]))
    assert f"columns that are not used: '{column}'. If '{column}' is the {known}, rename it to {known}." in caplog.text


@pytest.mark.parametrize("column", ["camera_id", "cam", "camid", "CamID", "cam_id", "device_id"])
def test_a_camera_under_another_name_is_asked_for(frames, column):
    (frames / "t.csv").write_text(f"path,{column}\na.png,1\nb.png,2\n")
    with pytest.raises(DataError, match=rf"{re.escape(column)}.*(Did you mean 'camera'|Rename that)"):
        load_csv(frames / "t.csv")


def test_boxes_in_shares_are_refused_in_python_too(frames):
    from iics import CropSet, embed_detections

    paths = (frames / "a.png", frames / "b.png")
    for boxes in ([[0.1, 0.2, 0.3, 0.4]] * 2, [[0.0, 0.0, 1.0, 1.0]] * 2, [[0.0, 0.0, 64.5, 128.0]] * 2):
        with pytest.raises(DataError, match=r"boxes are whole numbers, got .*multiply shares by the picture's size"):
            CropSet(paths, [0, 1], ("x", "y"), boxes=boxes)
    assert (
        CropSet(paths, [0, 1], ("x", "y"), boxes=[[0.0, 0.0, 64.0, 128.0]] * 2).boxes.tolist() == [[0, 0, 64, 128]] * 2
    )
    detections = SimpleNamespace(xyxy=np.array([[0.1, 0.2, 0.6, 0.9]]))
    model = SimpleNamespace(embed=None)  # which is not asked
    with pytest.raises(DataError, match="these are shares of the frame, and pixels are needed"):
        embed_detections(model, np.zeros((240, 320, 3), np.uint8), detections, channels="rgb")
