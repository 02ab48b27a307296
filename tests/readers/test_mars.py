"""MARS is read by its authors' info files: which tracklets are queries, what is junk, what a distractor."""

import numpy as np
import pytest
from scipy.io import savemat

from iics.errors import DataError
from iics.readers.mars import read_mars


def test_queries_are_the_tracklets_that_the_info_files_name(mars_dir):
    splits = read_mars(mars_dir)
    assert [path.name for path in splits.query.paths] == ["0002C1T0001F001.jpg", "0002C1T0001F002.jpg"]
    assert splits.gallery.identity_ids.tolist() == [-1, 0, 2]
    assert [splits.gallery.camera_names[camera] for camera in splits.gallery.camera_ids] == ["1", "1", "2"]
    assert splits.query.camera_names == ("1", "2", "6")


def test_crops_of_a_tracklet_share_its_number_and_identities_number_theirs_anew(mars_dir):
    splits = read_mars(mars_dir)
    assert splits.train.tracklet_ids.tolist() == [0, 0, 1]
    assert len(set(splits.gallery.tracklet_ids.tolist())) == 3  # all are T0001 or T0002
    assert len(set(splits.query.tracklet_ids.tolist())) == 1


@pytest.mark.parametrize("file", ["test_name.txt", "tracks_test_info.mat", "query_IDX.mat"])
def test_a_missing_info_file_is_named(mars_dir, file):
    (mars_dir / "info" / file).unlink()
    with pytest.raises(
        DataError, match=rf"MARS/info has no file {file}\. MARS needs the folders bbox_train and bbox_test"
    ):
        read_mars(mars_dir)


def test_info_files_that_contradict_the_names_are_refused(mars_dir):
    savemat(mars_dir / "info" / "query_IDX.mat", {"query_IDX": np.array([[9]])})
    with pytest.raises(DataError, match="do not belong together"):
        read_mars(mars_dir)
    savemat(mars_dir / "info" / "query_IDX.mat", {"query_IDX": np.array([[1]])})
    lines = (mars_dir / "info" / "test_name.txt").read_text().split()
    (mars_dir / "info" / "test_name.txt").write_text("\n".join(reversed(lines)))
    with pytest.raises(
        DataError, match=r"identity -1 and camera 1 .* line 1 of test_name\.txt is 0002C2T0002F001\.jpg"
    ):
        read_mars(mars_dir)


@pytest.mark.parametrize("content", [b"no matrix", b""])
def test_a_damaged_matrix_is_named(mars_dir, content):
    (mars_dir / "info" / "query_IDX.mat").write_bytes(content)
    with pytest.raises(DataError, match=r"info/query_IDX\.mat holds no query_IDX"):
        read_mars(mars_dir)


@pytest.mark.parametrize(
    "name", ["0002/0003C1T0001F001.jpg", "0002/0002C7T0001F001.jpg", "0002C1T0001F003.jpg", "0002/x.jpg"]
)
def test_a_name_that_does_not_parse_is_shown(mars_dir, make_image, name):
    make_image(mars_dir / "bbox_test" / name)
    with pytest.raises(
        DataError, match=rf"bbox_test/{name} is not named like a MARS crop, e\.g\. 0065/0065C1T0002F0016\.jpg"
    ):
        read_mars(mars_dir)
