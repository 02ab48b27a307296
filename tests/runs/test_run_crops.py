"""The pictures of a run, found again by their contents."""

from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import RunFolderError
from iics.runs.run_crops import TRAIN, RunCrops

RUN = Path("runs/first")


def crops(names, cameras=None, identities=None, root="data"):
    return CropSet(
        tuple(Path(root) / name for name in names),
        np.array(cameras or [0] * len(names)),
        ("door", "yard"),
        None if identities is None else np.array(identities),
        name="people",
    )


def digests(*numbers):
    return [bytes([number]) * 32 for number in numbers]


@pytest.fixture
def began():
    return RunCrops.of({TRAIN: (crops(["a/1.png", "a/2.png", "b/1.png"], [0, 0, 1]), digests(1, 2, 3))})


def test_they_come_back_from_the_file_as_they_were(began, tmp_path):
    began.write(tmp_path)
    assert RunCrops.read(tmp_path, num_crops=3).splits == began.splits
    assert RunCrops.read(tmp_path / "older", num_crops=3) is None


def test_names_of_any_kind_come_back(tmp_path):
    strange = RunCrops.of({TRAIN: (crops(["a,\n1.png", 'b"2.png', "c\udcff.png", "d\r.png"]), digests(1, 2, 3, 4))})
    strange.write(tmp_path)
    assert RunCrops.read(tmp_path, num_crops=4).splits == strange.splits


def test_order_and_names_may_change(began):
    now = crops(["x/3.png", "x/9.png", "y/7.png"], [1, 0, 0], root="elsewhere")
    assert began.order_of(TRAIN, now, digests(3, 2, 1), run=RUN) == [2, 1, 0]


def test_copies_of_a_picture_keep_their_names():
    twice = RunCrops.of({TRAIN: (crops(["1.png", "2.png"]), digests(5, 5))})
    assert twice.order_of(TRAIN, crops(["2.png", "1.png"]), digests(5, 5), run=RUN) == [1, 0]
    assert sorted(twice.order_of(TRAIN, crops(["8.png", "9.png"]), digests(5, 5), run=RUN)) == [0, 1]


@pytest.mark.parametrize(
    ("names", "cameras", "contents", "said"),
    [
        (["a/1.png", "a/2.png", "b/1.png"], [0, 0, 1], (1, 9, 3), "a/2.png holds another picture"),
        (["a/1.png", "b/1.png"], [0, 1], (1, 3), "a/2.png is missing"),
        (["a/1.png", "a/2.png", "b/1.png", "b/2.png"], [0, 0, 1, 1], (1, 2, 3, 4), "b/2.png is new"),
        (["a/1.png", "a/2.png", "b/1.png"], [0, 1, 1], (1, 2, 3), "a/2.png is of camera yard and was of door"),
    ],
)
def test_what_differs_is_named(began, names, cameras, contents, said):
    with pytest.raises(RunFolderError) as refusal:
        began.order_of(TRAIN, crops(names, cameras), digests(*contents), run=RUN)
    assert said in str(refusal.value)
    assert str(refusal.value).startswith("runs/first cannot go on: the pictures of people, which it is trained on")


def test_identities_count_where_a_run_is_measured_and_not_where_it_trains():
    given = crops(["1.png", "2.png"], identities=[4, 5])
    both = RunCrops.of({TRAIN: (given, digests(1, 2)), "query": (given, digests(1, 2))})
    others = crops(["1.png", "2.png"], identities=[4, 6])
    assert both.order_of(TRAIN, others, digests(1, 2), run=RUN) == [0, 1]
    with pytest.raises(RunFolderError, match=r"2\.png shows person 6 and showed 5"):
        both.order_of("query", others, digests(1, 2), run=RUN)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("contents", "hash"),
        lambda text: text[:-20],
        lambda text: "".join(text.splitlines(keepends=True)[:-1]),
        lambda text: text + "train,x\n",
        lambda text: "",
        lambda text: "\x00" * 50,
    ],
    ids=["other columns", "torn", "a line less", "a short line", "empty", "zeros"],
)
def test_a_damaged_file_is_named(began, tmp_path, damage):
    began.write(tmp_path)
    file = tmp_path / "crops.csv"
    file.write_text(damage(file.read_text()))
    with pytest.raises(RunFolderError, match=r"crops\.csv .*Restore the file from a copy, or start a new run\."):
        RunCrops.read(tmp_path, num_crops=3)
