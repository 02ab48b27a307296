"""Folders of layumi's prepare.py are read as they are: a folder for each split and in it one for each identity."""

import shutil

import pytest

from iics.errors import DataError
from iics.readers.benchmarks import load_market_layout, load_pytorch_folders

SPLIT_OF = {"bounding_box_train": "train_all", "query": "query", "bounding_box_test": "gallery"}


@pytest.fixture
def prepared(market_dir):
    """What prepare.py makes of the small Market-1501: also train and val, of which the first crop a person is val's."""
    root = market_dir / "pytorch"
    for folder, split in SPLIT_OF.items():
        for file in sorted((market_dir / folder).glob("*_c*")):
            places = [split]
            if split == "train_all":
                identity = file.name.split("_")[0]
                places.append("train" if (root / "val" / identity).is_dir() else "val")
            for place in places:
                target = root / place / file.name.split("_")[0] / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
    other = root / "multi-query" / "0002" / "0002_c1s1_000999_00.jpg"
    other.parent.mkdir(parents=True)
    shutil.copy(market_dir / "query" / "0002_c1s1_000005_00.jpg", other)
    return root


def told(splits):
    """Name, identity and camera of each crop, by split."""
    rows = {}
    for split, crops in splits.sets.items():
        cameras = [crops.camera_names[camera] for camera in crops.camera_ids]
        names = [path.name for path in crops.paths]
        rows[split] = list(zip(names, crops.identity_ids.tolist(), cameras, strict=True))
    return rows


@pytest.mark.parametrize("place", ["pytorch", "the folder above", "zip"])
def test_the_splits_are_those_of_the_data_set_it_was_made_of(prepared, market_dir, zip_folder, place):
    data = {"pytorch": prepared, "the folder above": market_dir, "zip": zip_folder(prepared, "m/pytorch/")}[place]
    splits = load_pytorch_folders(data)
    assert told(splits) == told(load_market_layout(market_dir))
    assert splits.name == "pytorch-folders"


def test_train_and_val_are_taken_together_where_there_is_no_train_all(prepared):
    whole = told(load_pytorch_folders(prepared))
    shutil.rmtree(prepared / "train_all")
    parted = told(load_pytorch_folders(prepared))
    assert sorted(parted["train"]) == sorted(whole["train"])
    assert parted["gallery"] == whole["gallery"]


def test_query_and_gallery_are_enough_to_measure_on(prepared):
    for folder in ("train_all", "train", "val"):
        shutil.rmtree(prepared / folder)
    assert list(load_pytorch_folders(prepared).sets) == ["query", "gallery"]


@pytest.mark.parametrize("missing", ["gallery", "query"])
def test_a_missing_folder_is_named(prepared, missing):
    shutil.rmtree(prepared / missing)
    with pytest.raises(
        DataError, match=rf"pytorch has no folder {missing}\. Folders of layumi's prepare\.py are train_all"
    ):
        load_pytorch_folders(prepared)


@pytest.mark.parametrize(
    "name", ["0003/0002_c1s1_000451_03.jpg", "0002_c1s1_000451_03.jpg", "0002/0002.jpg", "0002/0002_c1_x.gif"]
)
def test_names_that_do_not_say_identity_and_camera_are_refused(prepared, make_image, name):
    (prepared / "query" / name).parent.mkdir(exist_ok=True)
    (prepared / "query" / name).write_bytes(b"x")
    with pytest.raises(DataError, match=rf"query/{name} is not named like 0002/0002_c1s1_000451_03\.jpg"):
        load_pytorch_folders(prepared)
