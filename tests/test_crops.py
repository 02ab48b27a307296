"""CropSet refuses what contradicts itself and keeps cameras in natural order."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.errors import DataError
from iics.natural_order import natural_order
from iics.pixels.crop_reader import read_crop_bytes


def crop_set(num_crops: int = 4, **changes: object) -> CropSet:
    fields: dict[str, object] = {
        "paths": tuple(Path(f"lobby/{i}.jpg") for i in range(num_crops)),
        "camera_ids": np.arange(num_crops) % 2,
        "camera_names": ("lobby", "yard"),
        "identity_ids": np.arange(num_crops) + 5,
        "name": "mine",
    }
    return CropSet(**{**fields, **changes})  # type: ignore[arg-type]


def test_camera_10_comes_after_camera_2():
    assert natural_order(["c10", "c2", "c1", "c2"]) == ["c1", "c2", "c10"]
    assert natural_order(["10", "2", "lobby", "1"]) == ["1", "2", "10", "lobby"]


def test_natural_order_does_not_depend_on_the_order_given():
    names = ["a2b10", "a2b9", "2", "02", "²", "", "yard", "Yard"]  # int() refuses the raised 2
    assert natural_order(names) == natural_order(reversed(names))


def test_an_empty_set_is_refused():
    with pytest.raises(DataError, match="mine holds no crops; at least one is needed"):
        crop_set(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"camera_ids": [0, 1]}, r"mine: 4 paths but camera_ids of shape \(2,\)"),
        ({"identity_ids": [1]}, r"mine: 4 paths but identity_ids of shape \(1,\)"),
        ({"camera_ids": [0, 1, 2, 0]}, "camera_ids reach from 0 to 2, but there are 2 camera names"),
        ({"camera_ids": [0, -1, 1, 0]}, "camera_ids reach from -1 to 1"),
        ({"paths": tuple(map(Path, "abca"))}, "mine lists a twice"),
    ],
)
def test_contradictions_are_refused_by_name(changes, message):
    with pytest.raises(DataError, match=message):
        crop_set(**changes)


def test_ids_are_a_copy_that_cannot_be_written():
    cameras = np.array([0, 1, 0, 1])
    crops = crop_set(camera_ids=cameras)
    cameras[0] = 1
    assert crops.camera_ids.tolist() == [0, 1, 0, 1]
    with pytest.raises(ValueError, match="read-only"):
        crops.camera_ids[0] = 1


def test_a_subset_keeps_camera_numbers_and_the_order_asked_for():
    chosen = crop_set().subset([3, 1], name="half")
    assert [path.name for path in chosen.paths] == ["3.jpg", "1.jpg"]
    assert chosen.camera_names == ("lobby", "yard")
    assert chosen.camera_ids.tolist() == [1, 1]
    assert chosen.identity_ids is not None
    assert chosen.identity_ids.tolist() == [8, 6]
    assert (chosen.name, chosen.num_cameras) == ("half", 1)


def test_a_mask_chooses_the_same_crops_as_its_indices():
    by_mask = crop_set().subset(np.array([False, True, False, True]))
    assert by_mask.paths == crop_set().subset([1, 3]).paths


def test_without_identities_nothing_else_changes():
    bare = crop_set().without_identities()
    assert bare.identity_ids is None
    assert bare.fingerprint() == crop_set().fingerprint()


def test_the_fingerprint_follows_order_and_camera_but_not_the_root():
    crops = crop_set()
    moved = crop_set(paths=tuple(Path("/elsewhere") / path for path in crops.paths))
    assert moved.fingerprint() == crops.fingerprint()
    assert crops.subset([1, 0, 2, 3]).fingerprint() != crops.fingerprint()
    assert crop_set(camera_ids=[1, 1, 0, 1]).fingerprint() != crops.fingerprint()


def test_the_fingerprint_of_identities_follows_them_and_their_order():
    crops = crop_set()
    assert crop_set().identity_fingerprint() == crops.identity_fingerprint() != ""
    assert crops.subset([1, 0, 2, 3]).identity_fingerprint() != crops.identity_fingerprint()
    assert crop_set(identity_ids=[5, 6, 7, 9]).identity_fingerprint() != crops.identity_fingerprint()
    assert crops.without_identities().identity_fingerprint() == ""


def test_a_query_without_gallery_is_refused():
    with pytest.raises(DataError, match="mine has a query but no gallery"):
        DataSplits("mine", train=crop_set(), query=crop_set())


def test_a_gallery_alone_can_be_searched_but_not_trained_on():
    splits = DataSplits("mine", gallery=crop_set())
    assert splits.to_look_at() is splits.gallery
    assert list(splits.sets) == ["gallery"]
    with pytest.raises(
        DataError, match=r"^mine has no crop to train on: it holds \d+ of gallery\. Add crops of split train"
    ):
        splits.to_train_on()
    with pytest.raises(DataError, match="mine holds no crops"):
        DataSplits("mine")


@pytest.mark.parametrize("other", ["b/../a.jpg", "ABSOLUTE"])
def test_one_file_under_two_spellings_is_listed_twice(other):
    path = Path("a.jpg").absolute() if other == "ABSOLUTE" else Path(other)
    with pytest.raises(DataError, match="twice; each crop may occur once"):
        crop_set(2, paths=(Path("a.jpg"), path))


def test_a_missing_file_is_named(tmp_path):
    crops = crop_set(1, paths=(tmp_path / "gone.jpg",))
    with pytest.raises(DataError, match=r"Cannot read .*gone\.jpg: .*No such file"):
        read_crop_bytes(crops, 0)


def test_a_missing_member_is_named_with_its_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("lobby/0.jpg", b"pixels")
    crops = crop_set(2, archive=tmp_path / "a.zip")
    assert read_crop_bytes(crops, 0) == b"pixels"
    with pytest.raises(DataError, match=r"Cannot read .*a\.zip:lobby/1\.jpg"):
        read_crop_bytes(crops, 1)


def test_boxes_tell_crops_of_one_picture_apart():
    boxes = [[0, 0, 20, 40], [30, 0, 20, 40]]
    crops = crop_set(2, paths=(Path("frame.jpg"),) * 2, boxes=boxes)
    assert crops.label(1) == "frame.jpg[20x40+30+0]"
    assert crops.subset([1]).boxes.tolist() == [boxes[1]]
    with pytest.raises(DataError, match=r"mine lists frame.jpg\[20x40\+0\+0\] twice"):
        crop_set(2, paths=(Path("frame.jpg"),) * 2, boxes=boxes[:1] * 2)


@pytest.mark.parametrize("box", [[-1, 0, 20, 40], [0, 0, 0, 40], [0, 0, 20, -1]])
def test_an_empty_box_is_refused(box):
    with pytest.raises(DataError, match=r"mine: the box at left -?\d+, top 0 of \d+ x -?\d+ pixels in lobby/0.jpg"):
        crop_set(1, boxes=[box])


def test_a_fingerprint_tells_boxes_apart():
    crops = [crop_set(2, boxes=[[left, 0, 20, 40], [30, 0, 20, 40]]) for left in (0, 0, 1)]
    assert crops[0].fingerprint() == crops[1].fingerprint() != crops[2].fingerprint()
    assert crop_set(2).fingerprint() != crops[0].fingerprint()


def test_a_tracklet_lies_in_one_camera_but_unknown_ones_anywhere():
    crops = crop_set(tracklet_ids=[7, -1, 7, -1], times=[0.5, 1, np.nan, 2])
    assert crops.subset([2, 0]).tracklet_ids.tolist() == [7, 7]
    np.testing.assert_array_equal(crops.subset([2, 0]).times, [np.nan, 0.5])
    with pytest.raises(DataError, match="mine: tracklet 7 is in two cameras"):
        crop_set(tracklet_ids=[7, 7, -1, -1])


@pytest.mark.parametrize("field", ["times", "tracklet_ids", "boxes"])
def test_what_is_known_of_crops_must_be_known_of_each(field):
    with pytest.raises(DataError, match=rf"mine: 4 paths but {field} of shape \(3,\)"):
        crop_set(**{field: [1, 2, 3]})
