"""Crops whose file names say what is known of them; a file that says nothing is not passed over."""

import shutil

import numpy as np
import pytest

from iics.errors import DataError
from iics.readers.benchmarks import load_market_layout
from iics.readers.patterns import load_pattern

PATTERN = "{camera}/{identity}_{time:%Y%m%d-%H%M%S}_{frame:d}.jpg"


def test_names_become_cameras_identities_and_times(tmp_path, make_image):
    for name in ("b10/bob_20240531-143001_2.jpg", "b2/bob_20240531-143000_1.jpg", "b2/al_19700101-000005_9.jpg"):
        make_image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    splits = load_pattern(str(tmp_path), PATTERN)
    assert (splits.query, splits.gallery) == (None, None)
    train = splits.train
    assert [path.relative_to(tmp_path).as_posix() for path in train.paths] == [
        "b10/bob_20240531-143001_2.jpg",
        "b2/al_19700101-000005_9.jpg",
        "b2/bob_20240531-143000_1.jpg",
    ]
    assert train.camera_names == ("b2", "b10")
    assert train.camera_ids.tolist() == [1, 0, 0]
    assert train.identity_ids.tolist() == [2, 1, 2]
    np.testing.assert_array_equal(train.times, [1717165801, 5, 1717165800])


def test_identities_are_optional(tmp_path, make_image):
    make_image(tmp_path / "lobby_1.jpg")
    assert load_pattern(tmp_path, "{camera:alnum}_{}.jpg").train.identity_ids is None


def test_files_that_do_not_match_are_counted_and_one_is_named_beside_an_example(tmp_path, make_image):
    for name in ("lobby/bob_20240531-143001_2.jpg", "lobby/x.jpg", "lobby/y.jpg"):
        make_image(tmp_path / name)
    with pytest.raises(DataError) as caught:
        load_pattern(tmp_path, PATTERN)
    assert str(caught.value) == (
        f"2 of 3 images in {tmp_path} are not named by the pattern {PATTERN}, e.g. lobby/x.jpg; "
        "lobby/alice_20240531-143000_12.jpg would be. Change the pattern, or rename or remove these files."
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lobby/a_b_20240531-143001_2_3.jpg", "are not named by the pattern"),
        ("lobby/a_20240531-143001_20240531-143001_2.jpg", "are not named by the pattern"),
        ("lobby/bob_20241331-143001_2.jpg", r"20241331-143001 is no date and time \(pattern "),
    ],
)
def test_names_that_cannot_be_understood_are_refused(tmp_path, make_image, name, reason):
    make_image(tmp_path / name)
    pattern = PATTERN if "1331" in name else "{camera}/{identity:alnum}_{time:%Y%m%d-%H%M%S}_{frame:d}.jpg"
    with pytest.raises(DataError, match=reason):
        load_pattern(tmp_path, pattern)


def test_an_ambiguous_name_is_refused_with_its_file(tmp_path, make_image):
    make_image(tmp_path / "a_b_c.jpg")
    with pytest.raises(DataError, match=r"a_b_c\.jpg: it can be read in two ways: .* \(pattern \{camera\}_\{\}\.jpg\)"):
        load_pattern(tmp_path, "{camera}_{}.jpg")


def test_a_folder_that_is_missing_or_empty_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"gone is no folder; give the folder in which the pattern"):
        load_pattern(tmp_path / "gone", PATTERN)
    with pytest.raises(DataError, match="holds no image"):
        load_pattern(tmp_path, PATTERN)


def test_files_that_are_no_images_are_named(tmp_path, make_image):
    make_image(tmp_path / "lobby/x.jpg")
    (tmp_path / "lobby/film.mp4").touch()
    with pytest.raises(DataError, match=r"film\.mp4 is no image"):
        load_pattern(tmp_path, "{camera}/{}.jpg")


MARKET_SPLITS = "{split:bounding_box_train=train,query=query,bounding_box_test=gallery,gt_bbox=none}"


def test_a_pattern_says_which_text_means_which_split(market1501_dir):
    shutil.rmtree(market1501_dir / "gt_query")  # holds no images
    pattern = MARKET_SPLITS + "/{identity:d}_c{camera:d}s{}_{frame:d}_{}"
    splits = load_pattern(market1501_dir, pattern)
    expected = load_market_layout(market1501_dir)
    for split in ("train", "query", "gallery"):
        assert getattr(splits, split).paths == getattr(expected, split).paths
        assert getattr(splits, split).identity_ids.tolist() == getattr(expected, split).identity_ids.tolist()


def test_a_text_that_is_no_split_of_the_pattern_is_not_passed_over(tmp_path, make_image):
    make_image(tmp_path / "test" / "lobby_1.jpg")
    make_image(tmp_path / "val" / "lobby_1.jpg")
    with pytest.raises(DataError, match=r"1 of 2 images .* e\.g\. val/lobby_1\.jpg; test/lobby_x\.jpg would be"):
        load_pattern(tmp_path, "{split:test=gallery}/{camera}_{}.jpg")
    gallery = load_pattern(tmp_path, "{split:test=gallery,val=none}/{camera}_{}.jpg")
    assert (list(gallery.sets), len(gallery.gallery)) == (["gallery"], 1)
    with pytest.raises(DataError, match="leaves out all 2 images, for their split is none"):
        load_pattern(tmp_path, "{split:test=none,val=none}/{camera}_{}.jpg")


def test_names_of_splits_that_can_be_read_in_two_ways_are_refused(tmp_path, make_image):
    make_image(tmp_path / "abc.jpg")
    with pytest.raises(DataError, match="it can be read in two ways"):
        load_pattern(tmp_path, "{split:a=train,ab=gallery}{camera}.jpg")


@pytest.mark.parametrize("kind", ["test=probe", "test=", "=gallery", "test=gallery,val", "a=query,a=gallery"])
def test_a_split_that_there_is_not_is_refused(tmp_path, make_image, kind):
    make_image(tmp_path / "a.jpg")
    with pytest.raises(
        DataError, match=r"has the field \{split:.*\. Write each text of the names once, =, and one of train, query"
    ):
        load_pattern(tmp_path, f"{{split:{kind}}}/{{camera}}.jpg")


def test_a_tracklet_is_of_the_video_that_its_name_says(tmp_path, make_image):
    """As `iics crop` names crops: tracklets are numbered from 1 in every video of a camera."""
    names = ("a-01/00001-00000003.jpg", "a-01/00001-00000009.jpg", "b-02/00001-00000003.jpg")
    for name in names:
        make_image(tmp_path / "lobby" / name)
    train = load_pattern(tmp_path, "{camera}/{video}/{tracklet:d}-{frame:d}.jpg").train
    assert train.tracklet_ids.tolist() == [0, 0, 1]
    assert load_pattern(tmp_path, "{camera}/{}/{tracklet:d}-{frame:d}.jpg").train.tracklet_ids.tolist() == [0, 0, 0]
