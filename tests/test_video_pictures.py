"""A frame of a video is a picture with a path of its own; it is the same however it is come to."""

from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import DataError
from iics.file_keys import file_key
from iics.pixels.crop_images import decode_image
from iics.pixels.pixel_cache import open_pixels
from iics.pixels.pixel_decoder import PixelDecoder
from iics.readers.csv_table import load_csv
from iics.video_frames import VideoFile
from iics.video_pictures import VideoPictures, picture_path, place_in_video


def test_a_path_below_a_video_is_a_frame_counted_from_1():
    assert place_in_video(picture_path(Path("a/lobby.mp4"), 451)) == (Path("a/lobby.mp4"), 451)
    for other in ("a/lobby.mp4", "a/lobby.mp4/x.jpg", "lobby/000451", "lobby.mp4/000000", "lobby.mp4/4²"):
        assert place_in_video(Path(other)) is None


def test_frames_are_the_same_forward_backward_and_again(walk):
    with VideoFile(walk) as video:
        expected = [frame.pixels for frame in video.frames(stride=1)]
    pictures = VideoPictures()
    for frame in (1, 7, 7, 40, 3):
        np.testing.assert_array_equal(np.asarray(decode_image(pictures.read(walk, frame))), expected[frame - 1])
    with pytest.raises(DataError, match=r"ends after 40 frames; frame 41 is asked for$"):
        pictures.read(walk, 41)
    with pytest.raises(DataError, match=r"does not exist$"):
        pictures.read(walk.with_name("gone.mp4"), 1)
    pictures.close()


def test_frames_of_a_video_stand_in_tables_and_are_one_file_however_spelled(walk, tmp_path):
    (tmp_path / "walk.mp4").symlink_to(walk)
    (tmp_path / "t.csv").write_text("path,camera,left,top,width,height\nwalk.mp4/3,a,10,70,40,100\n")
    train = load_csv(tmp_path / "t.csv").train
    assert file_key(train.paths[0]) == file_key(walk / "000003")
    (tmp_path / "t.csv").write_text("path,camera,left,top,width,height\ngone.mp4/3,a,10,70,40,100\n")
    with pytest.raises(DataError, match=r"there is no file .*gone\.mp4/3"):
        load_csv(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("path,camera,left,top,width,height\nwalk.mp4/3,a,400,70,40,100\n")
    with pytest.raises(DataError, match=r"0% of the box .* lie within its frame of 320 x 240"):
        load_csv(tmp_path / "t.csv")


def test_crops_of_a_video_are_kept_in_a_file_and_not_decoded_for_each_batch(walk, tmp_path):
    paths = tuple(picture_path(walk, frame) for frame in range(1, 5))
    crops = CropSet(paths, np.zeros(4), ("a",), boxes=np.tile([10, 70, 40, 100], (4, 1)))
    kept = open_pixels(crops, height=20, width=8, source="cache", cache_dir=str(tmp_path))
    assert kept.shape == (4, 20, 8, 3)
    with pytest.raises(DataError, match="lies in a video, which would be decoded anew for each batch"):
        PixelDecoder(crops, height=20, width=8)
