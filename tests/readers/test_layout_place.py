"""A layout is found in a folder, up to two levels below it, or anywhere in a zip, and nothing else is taken for it."""

import os
import tarfile
import zipfile

import pytest

from iics.errors import DataError
from iics.readers.layout_place import Layout, find_layout

LAYOUT = Layout("Crops are needed.", (("a", "b"), ("c",)), lists=("list.txt",))
INSIDE = Layout("Crops are needed.", (("a",),), inside=("good", "fine"))


def write(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.mark.parametrize("above", [".", "set", "x y/set"])
def test_folder_is_found_at_up_to_two_levels(tmp_path, above):
    write(tmp_path / above, "a/deep/1.jpg", "a/2.jpg", "b/3.jpg", "list.txt")
    place = find_layout(tmp_path, LAYOUT)
    assert place.name == str(tmp_path / above)
    assert {folder: sorted(files) for folder, files in place.files.items()} == {
        "a": ["2.jpg", "deep/1.jpg"],
        "b": ["3.jpg"],
    }
    assert place.files["a"]["deep/1.jpg"] == tmp_path / above / "a" / "deep" / "1.jpg"
    assert place.texts == {"list.txt": "list.txt"}


@pytest.mark.parametrize("prefix", ["", "set/", "w/x y/ü/z/set/"])
def test_zip_gives_the_same_names_as_its_folder(tmp_path, zip_folder, prefix):
    root = write(tmp_path / "set", "a/deep/1.jpg", "b/3.jpg", "list.txt", "a/.hidden", "__MACOSX/a/._1.jpg")
    folder, zipped = find_layout(root, LAYOUT), find_layout(zip_folder(root, prefix), LAYOUT)
    assert {name: files.keys() for name, files in zipped.files.items()} == {
        name: files.keys() for name, files in folder.files.items()
    }
    assert zipped.texts == folder.texts
    assert zipped.files["a"]["deep/1.jpg"].as_posix() == f"{prefix}a/deep/1.jpg"
    assert (folder.archive, zipped.archive) == (None, tmp_path / "set.zip")


def test_complete_place_is_preferred_to_a_part(tmp_path):
    write(tmp_path, "part/a/1.jpg", "whole/c/1.jpg", "whole/list.txt")
    assert find_layout(tmp_path, LAYOUT).name == str(tmp_path / "whole")


@pytest.mark.parametrize("zipped", [False, True])
def test_only_the_folder_of_the_right_name_counts(tmp_path, zip_folder, zipped):
    root = write(tmp_path / "set", "bad/a/1.jpg", "fine/a/2.jpg")
    place = find_layout(zip_folder(root) if zipped else root, INSIDE)
    assert list(place.files["a"]) == ["2.jpg"]


def test_the_folder_itself_may_have_the_right_name_even_behind_a_dot(tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path / "good", "a/1.jpg"))
    assert find_layout(".", INSIDE).files.keys() == {"a"}


def test_two_places_in_a_zip_are_refused(tmp_path, zip_folder):
    root = write(tmp_path / "set", "x/c/1.jpg", "x/list.txt", "y/c/1.jpg", "y/list.txt")
    with pytest.raises(DataError, match=r"set\.zip holds 2 data sets \(x, y\)\. Give one of them\."):
        find_layout(zip_folder(root), LAYOUT)


def test_tar_archive_is_to_be_unpacked(tmp_path):
    root = write(tmp_path / "set", "c/1.jpg", "list.txt")
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
        archive.add(root, "set")
    with pytest.raises(DataError, match=r"set\.tar\.gz is a tar archive, .*Unpack it and give the folder\."):
        find_layout(tmp_path / "set.tar.gz", LAYOUT)


def test_encrypted_zip_is_to_be_unpacked(tmp_path, zip_folder):
    archive = zip_folder(write(tmp_path / "set", "c/1.jpg", "list.txt"))
    data = bytearray(archive.read_bytes())
    entry = data.index(b"PK\x01\x02")  # the first entry of the central directory; its flags stand 8 bytes on
    data[entry + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(DataError, match=r"set\.zip is encrypted \((c/1\.jpg|list\.txt)\)\. Unpack it|encrypted"):
        find_layout(archive, LAYOUT)


def test_file_that_is_twice_in_a_zip_is_refused(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("c/1.jpg", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("c/1.jpg", b"2")
    with pytest.raises(DataError, match=r"set\.zip holds c/1\.jpg twice\."):
        find_layout(path, LAYOUT)


def test_damaged_list_in_a_zip_is_refused(tmp_path, zip_folder):
    archive = zip_folder(write(tmp_path / "set", "c/1.jpg", "list.txt"))
    archive.write_bytes(archive.read_bytes().replace(b"list.txtlist.txt", b"list.txtlost.txt", 1))
    with pytest.raises(DataError, match=r"set\.zip is no zip file, or a damaged one: Bad CRC-32 for file 'list\.txt'"):
        find_layout(archive, LAYOUT)


def test_list_that_is_no_text_is_refused(tmp_path):
    write(tmp_path, "c/1.jpg")
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"list\.txt is no text: .*Fetch it again\."):
        find_layout(tmp_path, LAYOUT)


def test_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    write(tmp_path, "closed/c/1.jpg")
    scandir = os.scandir

    def refuse(folder):
        if folder == tmp_path / "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"Cannot read .*Permission denied: '.*closed'\. Check its permissions\."):
        find_layout(tmp_path, LAYOUT)
