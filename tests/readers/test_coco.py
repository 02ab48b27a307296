"""Boxes of a COCO file are crops of its images; what cannot be meant is refused by the entry's id."""

import json

import numpy as np
import pytest

from iics.errors import DataError
from iics.pixels.images import load_pixels
from iics.readers.coco import load_coco

PERSON, CAR = {"id": 1, "name": "person"}, {"id": 3, "name": "car"}


@pytest.fixture
def write(tmp_path, make_image):
    """Write a COCO file beside frames of two cameras; keys of `changes` replace its lists."""
    for name in ("lobby/1", "lobby/2", "yard/1"):
        make_image(tmp_path / f"{name}.png", size=(160, 120))

    def call(**changes):
        content = {
            "images": [
                {"id": 11, "file_name": "lobby/1.png", "width": 160, "height": 120},
                {"id": 12, "file_name": "lobby/2.png", "width": 160, "height": 120},
                {"id": 13, "file_name": "yard/1.png", "width": 160, "height": 120},
            ],
            "annotations": [
                {"id": 1, "image_id": 11, "category_id": 1, "bbox": [10, 10, 20.4, 40], "track_id": 5},
                {"id": 2, "image_id": 11, "category_id": 3, "bbox": [60, 10, 50, 40]},
                {"id": 3, "image_id": 12, "category_id": 1, "bbox": [12, 10, 20, 40], "attributes": {"track_id": 5}},
                {"id": 4, "image_id": 13, "category_id": 1, "bbox": [30, 10, 20, 40], "track_id": 5},
                {"id": 5, "image_id": 13, "category_id": 1, "bbox": [0, 0, 160, 60], "iscrowd": 1},
            ],
            "categories": [PERSON, CAR],
            **changes,
        }
        file = tmp_path / "boxes.json"
        file.write_text(json.dumps(content))
        return file

    return call


def test_boxes_of_people_are_crops_with_camera_and_tracklet(write, caplog):
    train = load_coco(write()).train
    assert train.boxes.tolist() == [[10, 10, 20, 40], [12, 10, 20, 40], [30, 10, 20, 40]]
    assert (train.camera_names, train.camera_ids.tolist()) == (("lobby", "yard"), [0, 0, 1])
    assert (train.tracklet_ids.tolist(), train.identity_ids, train.times) == ([0, 0, 1], None, None)
    assert caplog.messages == [
        "boxes: 3 boxes are read; left out are 1 around a crowd (iscrowd); 1 of class car.",
    ]


def test_other_classes_are_read_when_asked_for_and_must_be_if_none_is_person(write):
    assert load_coco(write(), classes=("car",)).train.boxes.tolist() == [[60, 10, 50, 40]]
    with pytest.raises(
        DataError, match=r"has no class horse; it has car, person\. Say which are to be read: --classes"
    ):
        load_coco(write(), classes=("horse",))
    with pytest.raises(DataError, match="has boxes of several classes and none is person; it has car, truck"):
        load_coco(write(categories=[{"id": 1, "name": "truck"}, CAR]))


def test_identities_cameras_times_and_splits_are_read_where_they_are(write):
    images = [
        {"id": number, "file_name": name, "camera": f"c{number}", "time": 10 * number}
        for number, name in ((1, "lobby/1.png"), (2, "yard/1.png"))
    ]
    boxes = [
        {"image_id": 1, "bbox": [10, 10, 20, 40], "identity": 7, "split": "query"},
        {"image_id": 2, "bbox": [10, 10, 20, 40], "identity": 7, "split": "gallery"},
    ]
    found = load_coco(write(images=images, annotations=boxes, categories=[]))
    assert (found.query.identity_ids.tolist(), found.gallery.camera_names) == ([7], ("c1", "c2"))
    assert (found.query.times.tolist(), found.train) == ([10.0], None)


@pytest.mark.parametrize("first", [0, 1])
def test_frames_of_a_video_are_read_whether_they_count_from_0_or_1(tmp_path, walk, drawn_people, first):
    (tmp_path / "street.mp4").symlink_to(walk)
    content = {
        "videos": [{"id": 1, "name": "street.mp4", "fps": 25}],
        "images": [{"id": 100 + at, "video_id": 1, "frame_id": first + at} for at in range(40)],
        "annotations": [{"image_id": 130, "bbox": [70, 70, 40, 100], "category_id": 1, "track_id": 1}],
    }
    (tmp_path / "street.json").write_text(json.dumps(content))
    train = load_coco(tmp_path / "street.json").train
    assert (train.label(0), train.camera_names) == (f"{tmp_path}/street.mp4/000031[40x100+70+70]", ("street",))
    assert train.times.tolist() == [1.2]
    drawn = drawn_people.picture([drawn_people.RED, drawn_people.GREEN], 30)[70:170, 70:110].astype(float)
    assert np.abs(load_pixels(train, height=100, width=40)[0] - drawn).mean() < 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": []},
            "boxes.json has no images. A COCO file is an object with images (id, file_name) and annotations",
        ),
        ({"annotations": "x"}, "boxes.json has no list of objects under annotations."),
        ({"images": [{"file_name": "lobby/1.png"}]}, "images need an id each, of their own; one has none."),
        (
            {"annotations": [{"id": 9, "image_id": 99, "bbox": [1, 1, 9, 9]}]},
            "boxes.json, annotation 9: there is no image 99 among the images.",
        ),
        (
            {"annotations": [{"id": 9, "image_id": 11, "category_id": 1, "bbox": [1, 1, 9]}]},
            "boxes.json, annotation 9: bbox [1, 1, 9] is not four numbers; COCO's are left, top, width and height.",
        ),
        (
            {"annotations": [{"id": 9, "image_id": 11, "category_id": 1, "bbox": [300, 1, 9, 9]}]},
            "boxes.json, annotation 9: 0% of the box at left 300, top 1 of 9 x 9 pixels lie within its frame of 160",
        ),
        ({"images": [{"id": 11, "file_name": "gone.png"}, {"id": 12}, {"id": 13}]}, "image 12: file_name is missing"),
        (
            {"images": [{"id": number, "file_name": f"gone/{number}.png"} for number in (11, 12, 13)]},
            "boxes.json, annotation 1: there is no file gone/11.png (3 of 3 files are missing).",
        ),
        (
            {
                "annotations": [
                    {"image_id": 11, "bbox": [at, 1, 9, 9], "category_id": 1, "track_id": 4} for at in (1, 20)
                ]
            },
            "annotation 2: track 4 has two boxes in one image (the other is boxes.json, annotation 1)",
        ),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused(write, tmp_path, changes, message):
    with pytest.raises(DataError) as caught:
        load_coco(write(**changes))
    assert message in str(caught.value).replace(f"{tmp_path}/", "")


def test_a_track_of_one_video_in_two_cameras_is_refused(write):
    images = [
        {"id": number, "file_name": f"{camera}/1.png", "camera": camera, "video_id": 1}
        for number, camera in ((11, "lobby"), (12, "yard"))
    ]
    boxes = [{"image_id": number, "bbox": [10, 10, 20, 40], "track_id": 5} for number in (11, 12)]
    with pytest.raises(DataError, match=r"annotation 2: track 5 is in two cameras, lobby .* and yard; a tracklet"):
        load_coco(write(images=images, annotations=boxes, videos=[{"id": 1, "name": "v"}]))


def test_a_list_of_results_is_refused_for_it_has_no_images(tmp_path):
    (tmp_path / "results.json").write_text('[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]')
    with pytest.raises(DataError, match="is a list, as of results: it does not say which picture an image_id is"):
        load_coco(tmp_path / "results.json")
    (tmp_path / "torn.json").write_text('{"images": [')
    with pytest.raises(DataError, match=r"torn\.json is no JSON"):
        load_coco(tmp_path / "torn.json")
