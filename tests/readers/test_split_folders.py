"""The Market-1501 layout is read whole or refused by name, from a folder or a zip alike."""

from __future__ import annotations

import re
import shutil

import pytest

from iics.errors import DataError
from iics.readers.benchmarks import load_market_layout, load_pytorch_folders


def names(crops):
    return [path.name for path in crops.paths]


def test_names_give_cameras_and_identities(market_dir):
    splits = load_market_layout(market_dir)
    assert names(splits.train) == [
        "0001_c10s1_000001_00.jpg",
        "0001_c2s1_000002_00.jpg",
        "0003_c1s1_000003_00.jpg.jpg",
        "0003_c2s1_000004_00.JPG",
    ]
    assert splits.train.identity_ids.tolist() == [1, 1, 3, 3]
    assert [splits.train.camera_names[i] for i in splits.train.camera_ids] == ["10", "2", "1", "2"]
    assert splits.gallery.identity_ids.tolist() == [-1, 0, 2, 2]
    assert (splits.name, splits.query.name) == ("market-layout", "market-layout query")
    assert splits.train.times is None
    assert splits.train.tracklet_ids is None


def test_cameras_are_in_natural_order_whatever_the_order_of_the_files(market_dir):
    splits = load_market_layout(market_dir)
    for crops in (splits.train, splits.query, splits.gallery):
        assert crops.camera_names == ("1", "2", "10")


def test_a_split_that_lacks_a_camera_keeps_the_numbers_of_the_others(market_dir):
    before = load_market_layout(market_dir).train
    (market_dir / "bounding_box_train" / "0003_c1s1_000003_00.jpg.jpg").unlink()
    after = load_market_layout(market_dir).train
    assert after.camera_names == before.camera_names
    assert after.camera_ids.tolist() == before.camera_ids[[0, 1, 3]].tolist()
    assert after.num_cameras == 2


@pytest.mark.parametrize("prefix", ["", "people/", "a/b c/people/"])
def test_a_zip_equals_its_folder_at_any_prefix(market_dir, zip_folder, prefix):
    archive = zip_folder(market_dir, prefix)
    folder, zipped = load_market_layout(market_dir), load_market_layout(archive)
    for split in ("train", "query", "gallery"):
        expected, found = getattr(folder, split), getattr(zipped, split)
        assert found.archive == archive
        assert [path.as_posix() for path in found.paths] == [
            prefix + path.relative_to(market_dir).as_posix() for path in expected.paths
        ]
        assert found.camera_ids.tolist() == expected.camera_ids.tolist()
        assert found.identity_ids.tolist() == expected.identity_ids.tolist()
        assert found.fingerprint() == expected.fingerprint()


def test_resource_forks_of_a_mac_in_a_zip_are_no_second_data_set(market_dir, zip_folder, make_image):
    make_image(market_dir / "__MACOSX/query/._0002_c1s1_000005_00.jpg")
    assert len(load_market_layout(zip_folder(market_dir, "")).query) == 2


def test_the_folder_above_the_layout_is_accepted(market_dir):
    assert load_market_layout(market_dir.parent).train.paths == load_market_layout(market_dir).train.paths


def test_two_data_sets_below_a_folder_are_refused(market_dir):
    shutil.copytree(market_dir, market_dir.with_name("other"))
    with pytest.raises(DataError, match=r"holds 2 data sets \(.*market, .*other\)\. Give one of them"):
        load_market_layout(market_dir.parent)


def test_a_missing_folder_says_what_is_needed(tmp_path):
    with pytest.raises(DataError, match=r"nowhere does not exist\. The Market-1501 layout needs the folders bounding_"):
        load_market_layout(tmp_path / "nowhere")


def test_an_empty_folder_is_no_data_set(tmp_path):
    with pytest.raises(DataError, match=r"does not hold a data set\. .*query and bounding_box_test\. Found: nothing"):
        load_market_layout(tmp_path)


def test_a_folder_with_something_else_says_what_it_found(tmp_path):
    for number in range(7):
        (tmp_path / f"cam{number}").mkdir()
    with pytest.raises(DataError, match="Found: cam0, cam1, cam2, cam3, cam4 and 2 more"):
        load_market_layout(tmp_path)


def test_a_missing_split_is_named(market_dir):
    shutil.rmtree(market_dir / "query")
    with pytest.raises(DataError, match=r"market has no folder query\. .*Found: bounding_box_test, bounding_box_train"):
        load_market_layout(market_dir)


def test_an_empty_split_is_named(market_dir):
    shutil.rmtree(market_dir / "query")
    (market_dir / "query").mkdir()
    with pytest.raises(
        DataError, match=r"market/query holds no crops; at least one is needed, e\.g\. 0002_c1s1_000451_03"
    ):
        load_market_layout(market_dir)


@pytest.mark.parametrize(
    "wrong",
    ["0002_c1_f0046182.jpg", "1_c1s1_000001.jpg", "-2_c1s1_000001_00.jpg", "0001_c1s1_000001_00.gif", "labels.csv",
     "deeper/0002_c1s1_000001_00.jpg", "9999999999_c1s1_000001_00.jpg"],
)  # fmt: skip
@pytest.mark.parametrize("zipped", [False, True])
def test_a_name_that_does_not_parse_is_shown_with_one_that_does(market_dir, zip_folder, wrong, zipped):
    path = market_dir / "query" / wrong
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    data = zip_folder(market_dir, "m/") if zipped else market_dir
    with pytest.raises(DataError, match=rf"query/{re.escape(wrong)} is not named .*, e\.g\. 0002_c1s1_000451_03\.jpg"):
        load_market_layout(data)


def test_identities_in_train_and_test_are_counted(market_dir, make_image):
    make_image(market_dir / "bounding_box_train/0002_c1s9_000001_00.jpg")
    with pytest.raises(DataError, match=r"market: identities both in train and in query or gallery: 1, e\.g\. 0002"):
        load_market_layout(market_dir)


def test_junk_and_distractors_may_be_on_both_sides(market_dir, make_image):
    make_image(market_dir / "bounding_box_train/-1_c1s9_000001_00.jpg")
    make_image(market_dir / "bounding_box_train/0000_c1s9_000001_00.jpg")
    assert load_market_layout(market_dir).train.identity_ids.tolist() == [-1, 0, 1, 1, 3, 3]


def test_a_torn_zip_is_refused(market_dir, zip_folder):
    archive = zip_folder(market_dir)
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"market\.zip is no zip file, or a damaged one"):
        load_market_layout(archive)


def test_a_link_to_a_folder_is_not_passed_over(market_dir):
    (market_dir / "query" / "more").symlink_to(market_dir / "bounding_box_test")
    with pytest.raises(DataError, match="query/more is a link to a folder"):
        load_market_layout(market_dir)


def test_query_and_gallery_can_be_read_without_crops_to_train_on(market_dir, zip_folder):
    whole = load_market_layout(market_dir)
    shutil.rmtree(market_dir / "bounding_box_train")
    for data in (market_dir, market_dir.parent, zip_folder(market_dir, "m/")):
        splits = load_market_layout(data)
        assert list(splits.sets) == ["query", "gallery"]
        assert (names(splits.query), names(splits.gallery)) == (names(whole.query), names(whole.gallery))
    shutil.rmtree(market_dir / "query")
    assert list(load_market_layout(market_dir).sets) == ["gallery"]


def test_a_query_alone_is_no_data_set(market_dir):
    for folder in ("bounding_box_train", "bounding_box_test"):
        shutil.rmtree(market_dir / folder)
    with pytest.raises(DataError, match="market has no folder bounding_box_train"):
        load_market_layout(market_dir)


def test_a_whole_data_set_below_a_part_of_one_is_found(market_dir, make_image):
    make_image(market_dir.parent / "query" / "0002_c1s1_000005_00.jpg")
    assert len(load_market_layout(market_dir.parent).train) == 4


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
    with pytest.raises(
        DataError, match=rf"query/{name} is not named like a prepare\.py crop, e\.g\. 0002/0002_c1s1_000451_03\.jpg"
    ):
        load_pytorch_folders(prepared)
