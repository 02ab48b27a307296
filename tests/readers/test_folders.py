"""A folder per camera becomes a CropSet; anything that would be left out without a word is refused."""

import pytest

from iics.errors import DataError
from iics.readers.folders import load_folder


def test_the_first_level_names_the_camera_in_natural_order(tmp_path, make_image):
    for name in ("cam10/a.jpg", "cam2/day 1/b.PNG", "cam2/a.webp", "lobby/x/y/c.bmp", "cam2/z.JPEG"):
        make_image(tmp_path / name)
    splits = load_folder(tmp_path)
    assert splits.train.camera_names == ("cam2", "cam10", "lobby")
    assert [path.relative_to(tmp_path).as_posix() for path in splits.train.paths] == [
        "cam10/a.jpg",
        "cam2/a.webp",
        "cam2/day 1/b.PNG",
        "cam2/z.JPEG",
        "lobby/x/y/c.bmp",
    ]
    assert splits.train.camera_ids.tolist() == [1, 0, 0, 0, 2]
    assert splits.train.identity_ids is None
    assert (splits.query, splits.gallery) == (None, None)


def test_notes_and_hidden_files_are_left_alone(tmp_path, make_image):
    make_image(tmp_path / "lobby/a.jpg")
    for name in ("cameras.csv", ".DS_Store", "lobby/Thumbs.db", "lobby/notes.TXT", "lobby/a.json", "lobby/a.md"):
        (tmp_path / name).write_text("x")
    make_image(tmp_path / ".cache/a.jpg")
    make_image(tmp_path / "lobby/.cache/a.jpg")
    assert len(load_folder(tmp_path).train) == 1


def test_one_camera_is_loaded(tmp_path, make_image):
    make_image(tmp_path / "lobby/a.jpg")
    assert load_folder(str(tmp_path)).train.num_cameras == 1


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"One folder per camera is needed, .*gone does not exist; give the folder"):
        load_folder(tmp_path / "gone")


def test_a_file_is_no_folder_of_cameras(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"x")
    with pytest.raises(DataError, match=r"a\.zip is a file; give the folder"):
        load_folder(tmp_path / "a.zip")


def test_a_folder_without_cameras_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no folder in it; make one for each camera"):
        load_folder(tmp_path)


def test_images_outside_of_a_camera_folder_are_refused(tmp_path, make_image):
    make_image(tmp_path / "lobby/a.jpg")
    make_image(tmp_path / "b.jpg")
    with pytest.raises(DataError, match=r"b\.jpg is an image outside of any camera folder; move it .* away\."):
        load_folder(tmp_path)


def test_a_folder_of_images_alone_is_one_camera_with_a_warning(tmp_path, make_image, caplog):
    make_image(tmp_path / "lobby/a.jpg")
    assert load_folder(tmp_path / "lobby").train.camera_names == ("all",)
    assert "lobby holds images and no folder of a camera: all 1 crops count as one camera, 'all'." in caplog.text


def test_a_camera_without_images_is_named(tmp_path, make_image):
    make_image(tmp_path / "lobby/a.jpg")
    (tmp_path / "yard/empty").mkdir(parents=True)
    with pytest.raises(DataError, match=r"Camera folder .*yard holds no image \(bmp, jpeg, jpg, png, webp\)"):
        load_folder(tmp_path)


@pytest.mark.parametrize("name", ["lobby/film.mp4", "film.mp4", "lobby/a.jpg.part"])
def test_files_that_are_no_images_are_named(tmp_path, make_image, name):
    make_image(tmp_path / "lobby/a.jpg")
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=rf"{name} is no image \(bmp, "):
        load_folder(tmp_path)


def test_a_link_to_a_camera_folder_is_followed_but_none_below(tmp_path, make_image):
    make_image(tmp_path / "elsewhere/a.jpg")
    cameras = tmp_path / "cameras"
    cameras.mkdir()
    (cameras / "lobby").symlink_to(tmp_path / "elsewhere")
    assert len(load_folder(cameras).train) == 1
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="lobby/round is a link to a folder"):
        load_folder(cameras)
