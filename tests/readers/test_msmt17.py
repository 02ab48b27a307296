"""MSMT17 is read from its lists, V1 or V2, and every disagreement of lists and files is named."""

import shutil

import numpy as np
import pytest

from iics.data_check.check import check_data
from iics.errors import DataError
from iics.pixels.crop_reader import CropReader
from iics.readers.msmt17 import read_msmt17

SPLITS = ("train", "query", "gallery")
QUERY_FILE = "0000/0000_002_01_0303morning_0016_2.jpg"


def fault(root):
    with pytest.raises(DataError) as refused:
        read_msmt17(root)
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith(str(root))
    return message.removeprefix(f"{root}").lstrip(":/ ")


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(("version", "folders"), [("V1", ("train", "test")), ("V2", ("mask_train_v2", "mask_test_v2"))])
def test_lists_give_the_splits_and_train_is_train_and_val(make_msmt17, version, folders):
    root = make_msmt17(version)
    splits = read_msmt17(root)
    assert [path.relative_to(root / folders[0]).as_posix() for path in splits.train.paths] == [
        "0000/0000_000_01_0303morning_0015_0.jpg",
        "0000/0000_013_04_0303morning_0020_2.jpg",
        "0000/0000_046_12_0303morning_0006_2_ex.jpg",
        "0001/0001_000_01_0303morning_0017_2.jpg",
    ]
    assert splits.query.paths == (root / folders[1] / QUERY_FILE,)
    assert len(splits.gallery) == 2
    assert splits.train.times is None
    assert splits.train.tracklet_ids is None


def test_the_third_field_is_the_camera(make_msmt17):
    splits = read_msmt17(make_msmt17("V1"))
    assert splits.train.camera_names == splits.gallery.camera_names == ("1", "4", "12", "15")
    assert splits.train.camera_ids.tolist() == [0, 1, 2, 0]
    assert splits.gallery.camera_ids.tolist() == [3, 0]


def test_identities_begin_at_1_and_nobody_of_the_test_has_a_number_of_train(make_msmt17):
    splits = read_msmt17(make_msmt17("V1"))
    assert splits.train.identity_ids.tolist() == [1, 1, 1, 2]
    assert splits.query.identity_ids.tolist() == [3]
    assert splits.gallery.identity_ids.tolist() == [3, 256]
    report = check_data(splits)
    assert (report.errors, [split.num_distractors for split in report.splits]) == ((), [0, 0, 0])


@pytest.mark.parametrize("version", ["V1", "V2"])
@pytest.mark.parametrize("prefix", ["", "MSMT17_V1/", "a/b/MSMT17_V2/"])
def test_zip_equals_folder(make_msmt17, zip_folder, version, prefix):
    root = make_msmt17(version)
    folder, zipped = read_msmt17(root), read_msmt17(zip_folder(root, prefix))
    for split in SPLITS:
        expected, found = getattr(folder, split), getattr(zipped, split)
        assert found.fingerprint() == expected.fingerprint()
        assert found.identity_fingerprint() == expected.identity_fingerprint()
        with CropReader(expected) as plain, CropReader(found) as packed:
            assert packed.read(len(found) - 1) == plain.read(len(found) - 1)


def test_the_order_of_the_lines_and_their_ends_change_nothing(make_msmt17):
    root = make_msmt17("V1")
    before = read_msmt17(root)
    file = root / "list_train.txt"
    lines = file.read_text().splitlines()
    file.write_bytes("\r\n".join([*reversed(lines), "", ""]).encode())
    after = read_msmt17(root)
    assert after.train.paths == before.train.paths
    assert after.train.camera_names == before.train.camera_names
    assert np.array_equal(after.train.camera_ids, before.train.camera_ids)


@pytest.mark.parametrize("missing", ["list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt"])
def test_missing_list_is_named(make_msmt17, missing):
    root = make_msmt17("V2")
    (root / missing).unlink()
    assert fault(root).startswith(f"has no file {missing}. MSMT17 needs the folders train and test (V1) or mask_train")


def test_lists_and_folders_are_both_needed(make_msmt17):
    root = make_msmt17("V1")
    shutil.rmtree(root / "test")
    message = fault(root)
    assert message.startswith("lacks a folder. MSMT17 needs the folders")
    assert message.endswith("Found: list_gallery.txt, list_query.txt, list_train.txt, list_val.txt, train.")


def test_folders_of_one_version_beside_those_of_the_other_are_refused(make_msmt17):
    first, second = make_msmt17("V1"), make_msmt17("V2")
    shutil.rmtree(first / "test")
    shutil.copytree(second / "mask_test_v2", first / "mask_test_v2")
    assert fault(first) == (
        "mixes two versions of MSMT17: train (V1) beside mask_test_v2 (V2). "
        "Keep each version, with its lists, in a folder of its own."
    )


def test_both_versions_below_a_folder_are_refused(make_msmt17):
    root = make_msmt17("V1").parent
    make_msmt17("V2")
    assert fault(root) == f"holds 2 data sets ({root}/MSMT17_V1, {root}/MSMT17_V2). Give one of them."


def test_lists_of_other_images_are_refused(make_msmt17):
    root = make_msmt17("V1")
    train = root / "train"
    for path in sorted(train.rglob("*.jpg")):
        path.rename(path.with_suffix(".jpeg"))
    assert fault(root) == (
        "list_train.txt names 0000/0000_000_01_0303morning_0015_0.jpg, which is not in train (4 such files); "
        "train/0000/0000_000_01_0303morning_0015_0.jpeg is in neither list_train.txt nor list_val.txt "
        "(4 such files). Take lists and images from one archive of one version, unpacked anew."
    )


def test_listed_file_that_is_not_there_is_named(make_msmt17):
    root = make_msmt17("V1")
    (root / "test" / QUERY_FILE).unlink()
    assert fault(root).startswith(f"list_query.txt names {QUERY_FILE}, which is not in test (1 such files). Take")


@pytest.mark.parametrize("extra", ["0000/0000_099_01_0303morning_0015_0.jpg", "notes.txt"])
def test_file_that_no_list_names_is_named(make_msmt17, make_image, extra):
    root = make_msmt17("V1")
    (root / "train" / extra).write_bytes(b"x")
    assert fault(root).startswith(f"train/{extra} is in neither list_train.txt nor list_val.txt (1 such files). Take")


@pytest.mark.parametrize(
    ("other", "where"),
    [
        ("list_query.txt", "twice in list_query.txt"),
        ("list_gallery.txt", "in list_query.txt and in list_gallery.txt"),
    ],
)
def test_line_that_is_twice_in_the_lists_is_named(make_msmt17, other, where):
    root = make_msmt17("V1")
    with (root / other).open("a") as file:
        file.write(f"{QUERY_FILE} 0\n")
    assert fault(root) == f"{QUERY_FILE} is {where}; each crop may occur once. Fetch the lists again."


def test_the_same_name_in_train_and_in_test_are_two_crops(make_msmt17, make_image):
    root = make_msmt17("V1")
    make_image(root / "train" / QUERY_FILE)
    with (root / "list_val.txt").open("a") as file:
        file.write(f"{QUERY_FILE} 0\n")
    splits = read_msmt17(root)
    assert (len(splits.train), len(splits.query)) == (5, 1)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0000/0000_002_01_0303morning_0016_2.jpg 7", "the label 7 contradicts 0000/0000_002_01"),
        ("0001/0000_002_01_0303morning_0016_2.jpg 0", "of folder 0001 and identity 0000. Fetch the list again."),
        ("0000/0000_002_16_0303morning_0016_2.jpg 0", "camera 16, but there are cameras 1 to 15. Fetch"),
        ("0000/0000_002_00_0303morning_0016_2.jpg 0", "camera 0, but there are cameras 1 to 15. Fetch"),
        ("0000/0000_002_01_0303morning_0016_2.jpg", "is not like '0000/0000_000_01_0303morning_0015_0.jpg 0'. Fetch"),
        ("test/0000/0000_002_01_0303morning_0016_2.jpg 0", "'test/0000/0000_002_01_0303morning_0016_2.jpg 0' is not"),
        ("../0000_002_01_0303morning_0016_2.jpg 0", "is not like"),
        ("0000/0002_c1s1_000451_03.jpg 0", "is not like"),
    ],
)
def test_line_that_is_wrong_is_named_with_its_number(make_msmt17, line, expected):
    root = make_msmt17("V1")
    edit(root / "list_gallery.txt", "\n0253", f"\n{line}\n0253")
    message = fault(root)
    assert message.startswith("list_gallery.txt, line 2: ")
    assert expected in message


def test_empty_list_is_named(make_msmt17):
    root = make_msmt17("V1")
    (root / "list_val.txt").write_text("\n")
    assert fault(root).startswith("list_val.txt lists no crops; at least one is needed, e.g. '0000/0000_000_01_0303")


def test_torn_zip_is_refused(make_msmt17, zip_folder):
    archive = zip_folder(make_msmt17("V1"))
    archive.write_bytes(archive.read_bytes()[:-100])
    assert fault(archive).startswith("is no zip file, or a damaged one")
