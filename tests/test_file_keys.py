"""One file has one place, however its path is spelled, and a table that lists it twice is refused."""

import os
from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import DataError, EvaluationError
from iics.evaluation.scored_crops import evaluation_labels
from iics.file_keys import crop_places, file_key
from iics.readers.csv_table import load_csv


@pytest.fixture
def spellings(tmp_path, make_image, monkeypatch):
    """A picture and other ways to name it: through .., a linked file, a linked folder, from here."""
    picture = make_image(tmp_path / "pictures" / "a.png")
    (tmp_path / "link.png").symlink_to(picture)
    (tmp_path / "folder").symlink_to(picture.parent)
    monkeypatch.chdir(tmp_path)
    return {
        "above": Path("pictures/../pictures/a.png"),
        "linked file": Path("link.png"),
        "linked folder": Path("folder/a.png"),
        "relative": Path("pictures/a.png"),
        "absolute": picture,
    }


OTHERS = ["above", "linked file", "linked folder", "absolute"]


@pytest.mark.parametrize("other", OTHERS)
def test_all_spellings_of_a_file_have_one_key(spellings, other):
    assert file_key(spellings[other]) == file_key(spellings["relative"]) is not None


def test_what_is_no_file_has_no_key(tmp_path):
    assert (file_key(tmp_path), file_key(tmp_path / "nothing")) == (None, None)


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize(
    ("splits", "cameras"),
    [
        (("train", "query"), "11"),
        (("train", "gallery"), "11"),
        (("train", "train"), "11"),
        (("query", "gallery"), "12"),
    ],
)
def test_a_table_may_not_list_a_file_under_two_spellings(spellings, make_image, tmp_path, other, splits, cameras):
    make_image(tmp_path / "b.png")
    make_image(tmp_path / "c.png")
    rows = [f"{spellings['relative']},{cameras[0]},1,{splits[0]}", f"{spellings[other]},{cameras[1]},1,{splits[1]}"]
    rows += ["b.png,1,1,query", "c.png,2,1,gallery"]
    (tmp_path / "t.csv").write_text("\n".join(["path,camera,identity,split", *rows]))
    with pytest.raises(
        DataError, match=r"^t\.csv, line 3: .*is (listed twice|of camera 2 here).*t\.csv, line 2"
    ) as refused:
        load_csv(tmp_path / "t.csv")
    assert other == "absolute" or f"line 2: the same file as {tmp_path}/pictures/a.png)" in str(refused.value)


def test_a_tilde_in_a_table_is_the_home_folder(tmp_path, make_image, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    make_image(tmp_path / "home" / "a.png")
    (tmp_path / "t.csv").write_text("path,camera\n~/a.png,1\n")
    assert load_csv(tmp_path / "t.csv").train.paths == (tmp_path / "home" / "a.png",)


@pytest.mark.parametrize("other", OTHERS)
def test_a_query_that_the_gallery_spells_otherwise_is_itself(spellings, make_image, tmp_path, other):
    query = CropSet((spellings["relative"],), [0], ("1", "2"), np.array([1]))
    gallery = CropSet((make_image(tmp_path / "b.png"), spellings[other]), [1, 1], ("1", "2"), np.array([1, 1]))
    assert evaluation_labels(query, gallery).own_crops.tolist() == [1]


def test_a_gallery_that_lists_one_file_twice_is_not_measured_on(spellings):
    query = CropSet((spellings["relative"],), [0], ("1", "2"), np.array([1]), name="query")
    gallery = CropSet(
        (spellings["absolute"], spellings["absolute"].parents[1] / "link.png"),
        [1, 1],
        ("1", "2"),
        np.array([1, 1]),
        name="gallery",
    )
    with pytest.raises(
        EvaluationError, match=r"^gallery lists one crop twice: .*a\.png and .*link\.png are the same file"
    ):
        evaluation_labels(query, gallery)


def test_a_member_of_an_archive_is_no_file_of_that_name(tmp_path, make_image, zip_folder):
    make_image(tmp_path / "d" / "a.png")
    archive = zip_folder(tmp_path / "d")
    os.link(archive, tmp_path / "other.zip")
    plain = CropSet((Path("a.png"),), [0], ("1",))
    one, other = (CropSet((Path("a.png"),), [0], ("1",), archive=path) for path in (archive, tmp_path / "other.zip"))
    assert crop_places(one) == crop_places(other) != crop_places(plain)
