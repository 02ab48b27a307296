"""What a NAS, desktop or program keeps beside pictures is no crop for any reader, and pictures among it are counted."""

import pytest

from iics.readers.benchmarks import load_market_layout
from iics.readers.folders import image_files, load_folder
from iics.readers.left_out import is_ignored
from iics.readers.patterns import load_pattern

FOLDERS = [
    *("@eaDir", "@eadir", "#recycle", "#snapshot", "@tmp", "@__thumb", ".@__thumb", "@Recycle", "@Recently-Snapshot"),
    *(".thumbnails", ".Trash-1000", ".Trashes", "lost+found", ".snapshot", "~snapshot", ".zfs", ".AppleDouble"),
    *("$RECYCLE.BIN", "$Recycle.Bin", "RECYCLER", "System Volume Information", "__MACOSX", "Network Trash Folder"),
    *(".picasaoriginals", ".sync", ".stversions", "_gsdata_", "_notes", "_vti_cnf", ".git"),
]
FILES = [
    *("Thumbs.db", "thumbs.DB", "ehthumbs.db", "desktop.ini", ".DS_Store", "Icon\r", "Picasa.ini", ".picasa.ini"),
    *("._1.jpg", "1.jpg@SynoEAStream", "1.jpg@SynoResource", "ZbThumbnail.info"),
]
KEPT = ["lobby", "thumbs", "thumbnails", "Recycle hall", "recycle", "@home", "#1", "1.jpg", "originals", "tmp"]


@pytest.mark.parametrize("name", [*FOLDERS, *FILES])
def test_names_of_systems_are_no_data(name):
    assert is_ignored(name)


@pytest.mark.parametrize("name", KEPT)
def test_names_that_people_may_give_are_data(name):
    assert not is_ignored(name)


@pytest.fixture
def cameras(tmp_path, make_image):
    """Two cameras with two crops each, and beside them all that there may be: a picture in each folder, all files."""
    root = tmp_path / "cameras"
    for camera in ("hall", "yard"):
        for number in range(2):
            make_image(root / camera / f"{number}.jpg")
        for folder in FOLDERS:
            make_image(root / camera / folder / "0.jpg" / "SYNOPHOTO_THUMB_XL.jpg")
        for file in FILES:
            (root / camera / file).write_bytes(b"x")
    make_image(root / "@eaDir" / "0.jpg")
    make_image(root / "hall" / ".0.jpg")
    return root


def warnings(caplog):
    return [record.getMessage() for record in caplog.records]


def test_camera_folders(cameras, caplog):
    crops = load_folder(cameras).train
    assert crops.camera_names == ("hall", "yard")
    assert sorted(path.name for path in crops.paths) == ["0.jpg", "0.jpg", "1.jpg", "1.jpg"]
    (warning,) = warnings(caplog)
    assert warning.startswith(f"{cameras}: {2 * len(FOLDERS) + 2} files named like pictures are left out: ")
    assert "@eaDir (3)" in warning
    assert "hidden files (1)" in warning


def test_patterns(cameras, caplog):
    assert len(load_pattern(cameras, "{camera}/{}.jpg").train) == 4
    (warning,) = warnings(caplog)
    assert "@eaDir (3)" in warning


def test_folders_to_embed_or_to_search_with(cameras, caplog):
    assert len(image_files(cameras)) == 4
    (warning,) = warnings(caplog)
    assert "@eaDir (3)" in warning


def test_a_hidden_picture_that_is_named_is_taken(cameras, caplog):
    assert image_files(cameras / "hall" / ".0.jpg") == [cameras / "hall" / ".0.jpg"]
    assert not warnings(caplog)


def with_thumbnails(market_dir, make_image):
    for folder in ("bounding_box_train", "query"):
        make_image(market_dir / folder / "@eaDir" / "0001_c1s1_000001_00.jpg" / "SYNOPHOTO_THUMB_M.jpg")
        (market_dir / folder / "._0002_c1s1_000005_00.jpg").write_bytes(b"x")
    make_image(market_dir / "__MACOSX" / "query" / "0001_c1s1_000009_00.jpg")
    return market_dir


def test_a_layout_in_a_folder(market_dir, make_image, caplog):
    num_crops = len(load_market_layout(market_dir).train)
    assert len(load_market_layout(with_thumbnails(market_dir, make_image)).train) == num_crops
    assert warnings(caplog) == [
        f"{market_dir}: 2 files named like pictures are left out: hidden, or kept by a NAS, desktop or program beside "
        "pictures: @eaDir (2)."
    ]


def test_a_layout_in_a_zip(market_dir, make_image, zip_folder, caplog):
    num_crops = len(load_market_layout(market_dir).train)
    archive = zip_folder(with_thumbnails(market_dir, make_image), "m/")
    assert len(load_market_layout(archive).train) == num_crops
    assert warnings(caplog) == [
        f"{archive}: 3 files named like pictures are left out: hidden, or kept by a NAS, desktop or program beside "
        "pictures: @eaDir (2), __MACOSX (1)."
    ]


def test_nothing_is_told_where_no_picture_is_left_out(tmp_path, make_image, caplog):
    make_image(tmp_path / "lobby" / "0.jpg")
    for file in FILES:
        (tmp_path / "lobby" / file).write_bytes(b"x")
    (tmp_path / "lobby" / ".git").mkdir()
    assert len(load_folder(tmp_path).train) == 1
    assert not warnings(caplog)
