"""VeRi-776: the tracks of the test are tracklets of gallery and query."""

import zipfile

import pytest

from iics.errors import DataError
from iics.readers.veri776 import read_veri776

TRACKS = """0002_c002_1 0002_c002_00030600_0.jpg 0002_c002_00030605_0.jpg \n0002_c003_1 0002_c003_00030640_1.jpg \n"""


@pytest.fixture
def with_tracks(veri_dir, make_image):
    """The small VeRi-776 with the list of tracks; a query is a crop of a track, under the same name."""
    for name in ("0002_c002_00030600_0.jpg", "0002_c002_00030605_0.jpg"):
        make_image(veri_dir / "image_test" / name)
    (veri_dir / "test_track.txt").write_text(TRACKS)
    return veri_dir


def check(splits):
    assert [path.name for path in splits.gallery.paths] == [
        "0002_c002_00030600_0.jpg",
        "0002_c002_00030605_0.jpg",
        "0002_c003_00030640_1.jpg",
        "0776_c001_00085645_0.jpg",
    ]
    assert splits.gallery.tracklet_ids.tolist() == [0, 0, 1, -1]
    assert splits.query.tracklet_ids.tolist() == [0]
    assert splits.train.tracklet_ids is None


def test_tracks_are_tracklets_of_gallery_and_query(with_tracks):
    check(read_veri776(with_tracks))


def test_tracks_are_read_from_a_zip(with_tracks, tmp_path):
    with zipfile.ZipFile(tmp_path / "veri.zip", "w") as archive:
        for file in sorted(with_tracks.rglob("*.*")):
            archive.write(file, f"VeRi/{file.relative_to(with_tracks)}")
    check(read_veri776(tmp_path / "veri.zip"))


def test_without_the_list_there_are_no_tracklets(veri_dir):
    splits = read_veri776(veri_dir)
    assert splits.gallery.tracklet_ids is None
    assert splits.gallery.identity_ids.tolist() == [2, 776]


def test_crops_of_tracks_that_are_not_there_are_passed_over_with_a_count(with_tracks, caplog):
    (with_tracks / "test_track.txt").write_text(TRACKS + "0009_c001_1 0009_c001_00000001_0.jpg\n")
    check(read_veri776(with_tracks))
    assert "test_track.txt names 1 crops that are not in image_test, e.g. 0009_c001_00000001_0.jpg" in caplog.text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "t 0776_c001_00085645_0.jpg 0002_c003_00030640_1.jpg",
            "line 1: a track is one vehicle seen by one camera, got 2",
        ),
        (
            "t 0776_c001_00085645_0.jpg 0776_c001_00085645_0.jpg\nt 0776_c001_00085645_0.jpg",
            "line 2: .* in a track before",
        ),
    ],
)
def test_tracks_that_contradict_themselves_are_refused(with_tracks, line, message):
    (with_tracks / "test_track.txt").write_text(line)
    with pytest.raises(DataError, match=message):
        read_veri776(with_tracks)
