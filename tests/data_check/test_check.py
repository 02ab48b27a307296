"""check_data finds what would spoil a training or a measurement, and says it in plain text."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from iics.crops import CropSet
from iics.data_check.check import check_data
from iics.data_splits import DataSplits
from iics.readers.benchmarks import load_market_layout
from iics.readers.folders import load_folder


@pytest.fixture
def splits(market_dir, make_image):
    """The small market, with enough crops in every camera."""
    for name in ("0003_c1s1_000020_00.jpg", "0001_c10s1_000021_00.jpg"):
        make_image(market_dir / "bounding_box_train" / name)
    return load_market_layout(market_dir, name="market")


def test_clean_data_is_ok_and_counted(splits):
    report = check_data(splits)
    assert report.ok
    assert (report.errors, report.warnings) == ((), ())
    train, query, gallery = report.splits
    assert (train.num_crops, train.num_identities, train.crops_per_camera) == (6, 2, (2, 2, 2))
    assert (query.num_crops, query.crops_per_camera) == (2, (1, 1, 0))
    assert (gallery.num_identities, gallery.num_junk, gallery.num_distractors) == (1, 1, 1)


def test_the_text_is_an_aligned_table(splits, make_image):
    make_image(splits.train.paths[0], size=(20, 40))
    lines = str(check_data(splits)).splitlines()
    assert lines == [
        "market",
        "",
        "split    crops  identities  cameras  junk  distractors",
        "train        6           2        3     0            0",
        "query        2           1        2     0            0",
        "gallery      4           1        3     1            1",
        "",
        "camera  train crops  query crops  gallery crops",
        "1                 2            1              2",
        "2                 2            1              1",
        "10                2            0              1",
        "",
        "size in pixels            min   5 %  median  95 %   max      min to max",
        "train, width               16    16      16    19    20  [@          :]",
        "train, height              32    32      32    38    40  [@          :]",
        "train, height / width    2.00  2.00    2.00  2.00  2.00       one value",
        "query, width               16    16      16    16    16       one value",
        "query, height              32    32      32    32    32       one value",
        "query, height / width    2.00  2.00    2.00  2.00  2.00       one value",
        "gallery, width             16    16      16    16    16       one value",
        "gallery, height            32    32      32    32    32       one value",
        "gallery, height / width  2.00  2.00    2.00  2.00  2.00       one value",
        "",
        "errors: 0, warnings: 0",
    ]


def test_tables_of_others_follow_ours(splits):
    report = replace(check_data(splits), tables=("expected  found\n7         6",))
    assert str(report).splitlines()[-5:] == ["", "expected  found", "7         6", "", "errors: 0, warnings: 0"]


def test_a_crop_that_does_not_decode_is_an_error(splits):
    path = splits.query.paths[0]
    path.write_bytes(path.read_bytes()[:-30])
    report = check_data(splits)
    assert not report.ok
    assert report.errors == (
        f"1 of 2 crops in market query cannot be decoded: {path} (truncated). Replace or remove these files.",
    )
    assert "Error: 1 of 2 crops" in str(report)


def test_a_split_of_which_nothing_decodes_has_no_sizes(splits):
    for path in splits.query.paths:
        path.write_text("no image")
    report = check_data(splits)
    assert report.splits[1].sizes is None
    assert "query: nothing could be decoded" in str(report).splitlines()


def test_the_same_file_in_train_and_test_is_an_error(splits):
    train, gallery = splits.train.paths[0], splits.gallery.paths[3]
    shutil.copy(train, gallery)
    report = check_data(splits)
    assert report.errors == (
        f"Byte-identical images shared by train and gallery: 1 in 2 crops, e.g. {train} and {gallery}. "
        "Training would see the test. Remove them from one side.",
    )


def test_the_same_file_twice_in_one_split_is_a_warning(splits):
    shutil.copy(splits.train.paths[0], splits.train.paths[1])
    report = check_data(splits)
    assert report.ok
    assert report.warnings[0].startswith("Byte-identical images within train: 1 in 2 crops, e.g. ")


def test_the_same_file_in_query_and_gallery_is_a_warning(splits):
    shutil.copy(splits.query.paths[0], splits.gallery.paths[0])
    assert (
        check_data(splits)
        .warnings[0]
        .startswith("Byte-identical images shared by query and gallery: 1 in 2 crops, e.g. ")
    )


def test_the_same_pixels_in_another_file_are_found(splits):
    train, gallery = splits.train.paths[0], splits.gallery.paths[3]
    picture = Image.open(train)
    picture.load()
    for path in (train, gallery):
        picture.save(path.with_suffix(".bmp"))
    as_png = train.with_name("same.png")
    picture.save(as_png)
    assert train.suffix == ".jpg"
    moved = replace(splits.train, paths=(as_png, *splits.train.paths[1:]))
    copied = replace(splits.gallery, paths=(*splits.gallery.paths[:3], gallery.with_suffix(".bmp")))
    report = check_data(replace(splits, train=moved, gallery=copied))
    assert report.warnings == ()
    assert report.errors == (
        f"Images of equal pixels in different files shared by train and gallery: 1 in 2 crops, e.g. {as_png} and "
        f"{gallery.with_suffix('.bmp')}. Training would see the test. Remove them from one side.",
    )


def test_crops_of_other_sizes_are_not_called_equal(tmp_path):
    for number, size in enumerate([(16, 64), (32, 32)]):
        (tmp_path / str(number)).mkdir()
        Image.new("RGB", size).save(tmp_path / str(number) / "black.png")
    assert not [warning for warning in check_data(load_folder(tmp_path)).warnings if "equal pixels" in warning]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ((60, 40), "wider than high; a person upright is 2 to 4 times as high as wide"),
        ((20, 130), "more than 6 times as high as wide; a person upright is 2 to 4 times"),
        ((10, 30), "smaller than 16 x 32 pixels; little can be told from them"),
    ],
)
def test_a_crop_that_is_no_persons_is_a_warning(splits, make_image, size, text):
    path = make_image(splits.train.paths[1], size=size)
    report = check_data(splits)
    assert report.ok
    assert report.warnings == (
        f"Of 6 crops in train, 1 is {text}: e.g. {path} ({size[0]}x{size[1]}). "
        "Look at them, and remove what shows no person.",
    )


def test_an_even_picture_is_a_warning(splits):
    for index in (0, 2):
        Image.new("RGB", (16, 32), (10, 200, 30 + index)).save(splits.train.paths[index])
    (warning,) = check_data(splits).warnings
    assert warning.startswith("Of 6 crops in train, 2 are of one even colour, without a picture in them: e.g. ")
    assert f"{splits.train.paths[0]} (16x32)" in warning


def test_two_unreadable_files_are_not_called_copies(splits):
    for path in splits.query.paths:
        path.write_bytes(b"")
    assert check_data(splits).warnings == ()


def test_an_identity_in_train_and_test_is_an_error(splits):
    seen = replace(splits.train, identity_ids=np.array([2, 2, 0, 0, -1, 3]))
    report = check_data(replace(splits, train=seen))
    assert report.errors == (
        "Identities both in train and in query or gallery: 1, e.g. 2. "
        "Training would see the test. Keep each person on one side.",
    )


def test_a_single_camera_is_a_warning(tmp_path, make_image):
    for number in range(3):
        make_image(tmp_path / f"lobby/{number}.jpg")
    report = check_data(load_folder(tmp_path))
    assert report.ok
    assert "All 3 crops in " in report.warnings[0]
    assert "are of one camera (lobby). Training is stage 1 alone" in report.warnings[0]


@pytest.mark.parametrize(("kept", "text"), [(1, "Camera yard has 1 crop in "), (0, "Camera yard has 0 crops in ")])
def test_a_camera_too_small_for_stage_1_is_a_warning(tmp_path, make_image, kept, text):
    paths = [make_image(tmp_path / f"{number}.jpg") for number in range(5)]
    train = CropSet(tuple(paths), [0, 0, 1, 1, 2], ("lobby", "hall", "yard"), name="mine train")
    report = check_data(DataSplits("mine", train=train.subset(range(4 + kept))))
    assert report.ok
    assert len(report.warnings) == 1
    assert report.warnings[0].startswith(text + "mine train; stage 1 needs at least 2, so this camera sits it out.")


def test_queries_without_a_valid_match_are_counted(splits):
    gallery = splits.gallery.subset([0, 1, 2])  # identity 2 is left in camera 1 alone
    report = check_data(replace(splits, gallery=gallery))
    assert report.warnings == (
        "1 of 2 queries have no gallery crop of their identity from another camera, "
        f"e.g. {splits.query.paths[0]}; evaluation leaves them out and says so.",
    )


def test_splits_that_number_cameras_differently_are_an_error(splits):
    query = replace(splits.query, camera_names=("1", "2"))
    assert check_data(replace(splits, query=query)).errors == (
        "market train lists the cameras 1, 2, 10 but market query lists 1, 2; numbers would mean different cameras. "
        "Load all splits with one list.",
    )


def test_data_without_identities_is_checked_too(tmp_path, make_image):
    for camera in ("lobby", "yard"):
        for number in range(2):
            make_image(tmp_path / camera / f"{number}.jpg")
    report = check_data(load_folder(tmp_path))
    assert report.ok
    assert report.splits[0].num_identities is None
    assert str(report).splitlines()[3].split()[:3] == ["train", "4", "-"]


def test_progress_counts_over_all_splits(splits):
    counts: list[int] = []
    check_data(splits, progress=counts.append)
    assert counts == [6, 8, 12]


def test_queries_that_are_nobody_are_an_error(splits):
    query = replace(
        splits.query, identity_ids=np.where(np.arange(len(splits.query)) == 0, 0, splits.query.identity_ids)
    )
    report = check_data(replace(splits, query=query))
    assert any("are junk or distractors and can match nobody" in error for error in report.errors)


def test_a_query_of_which_nothing_matches_is_an_error(splits):
    query = replace(splits.query, identity_ids=splits.query.identity_ids + 5000)
    report = check_data(replace(splits, query=query))
    assert any("evaluation has nothing to score" in error for error in report.errors)


def test_cameras_of_one_crop_each_are_an_error(make_image, tmp_path):
    for camera in ("lobby", "yard"):
        make_image(tmp_path / "cameras" / camera / "0.png")
    (error,) = check_data(load_folder(tmp_path / "cameras")).errors
    assert error == ("No camera in cameras train has 2 crops or more; stage 1 compares crops of one camera. Add crops.")


def test_queries_of_the_only_camera_are_searched_for_within_it(tmp_path, make_image):
    crops = CropSet(tuple(make_image(tmp_path / f"{n}.jpg") for n in range(3)), [0, 0, 0], ("a",), [1, 1, 2], name="q")
    query, gallery = crops.subset([0, 2]), crops.subset([1])
    report = check_data(DataSplits("mine", query=query, gallery=gallery))
    assert report.ok
    assert any(
        text.startswith("1 of 2 queries have no gallery crop of their identity, e.g.") for text in report.warnings
    )
