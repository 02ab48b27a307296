import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iics.crops import CropSet
from iics.errors import DataError, EvaluationError
from iics.evaluation.contact_sheet import (
    QUERY_FRAME,
    RIGHT_FRAME,
    WRONG_FRAME,
    ranked_contact_sheet,
    spread_queries,
)
from iics.evaluation.top_matches import TopMatches
from iics.pixels.drawing import WHITE

BLUE, YELLOW = (0, 0, 255), (255, 255, 0)


def crops_of(folder, colours, *, camera_names=("1", "2")):
    folder.mkdir()
    paths = []
    for number, colour in enumerate(colours):
        paths.append(folder / f"{number}.png")
        Image.new("RGB", (32, 64), colour).save(paths[-1])
    return CropSet(tuple(paths), np.arange(len(paths)) % 2, camera_names, name=folder.name)


@pytest.fixture
def query(tmp_path):
    return crops_of(tmp_path / "query", [BLUE, BLUE])


@pytest.fixture
def gallery(tmp_path):
    return crops_of(tmp_path / "gallery", [YELLOW, YELLOW, YELLOW])


MATCHES = TopMatches(
    np.array([[2, 0], [1, -1]]),
    np.array([[0.9, 0.8], [0.7, np.nan]], dtype=np.float32),
    np.array([[True, False], [False, False]]),
)


def colours_in(sheet):
    return {colour for _, colour in sheet.getcolors(maxcolors=sheet.width * sheet.height)}


def test_frames_tell_query_right_and_wrong_apart(query, gallery):
    both = colours_in(ranked_contact_sheet(query, gallery, MATCHES, query_indices=[0]))
    assert {QUERY_FRAME, RIGHT_FRAME, WRONG_FRAME, BLUE, YELLOW} <= both
    wrong_only = colours_in(ranked_contact_sheet(query, gallery, MATCHES, query_indices=[1]))
    assert WRONG_FRAME in wrong_only
    assert RIGHT_FRAME not in wrong_only


def test_right_and_wrong_differ_without_colour_too(query, gallery, monkeypatch):
    monkeypatch.setattr("iics.evaluation.contact_sheet.RIGHT_FRAME", WRONG_FRAME)
    sheets = []
    for is_right in (True, False):
        matches = TopMatches(MATCHES.indices, MATCHES.similarities, np.full((2, 2), is_right))
        sheets.append(np.asarray(ranked_contact_sheet(query, gallery, matches, query_indices=[0])))
    assert (sheets[0] != sheets[1]).any()


def test_an_empty_place_stays_white(query, gallery):
    sheet = ranked_contact_sheet(query, gallery, MATCHES, query_indices=[1], crop_height=128)
    pixels = np.asarray(sheet)
    last_cell = pixels[40:, -80:]
    assert (last_cell == WHITE).all()


def test_one_row_per_chosen_query_in_the_order_given(query, gallery):
    one = ranked_contact_sheet(query, gallery, MATCHES, query_indices=[0])
    two = ranked_contact_sheet(query, gallery, MATCHES, query_indices=[1, 0])
    assert two.width == one.width
    row_height = two.height - one.height
    assert row_height > 128
    np.testing.assert_array_equal(np.asarray(two)[row_height + 40 :], np.asarray(one)[40:])


def test_crops_keep_their_shape(tmp_path, gallery):
    folder = tmp_path / "wide"
    folder.mkdir()
    Image.new("RGB", (64, 64), BLUE).save(folder / "a.png")
    wide = CropSet((folder / "a.png",), np.array([0]), ("1",))
    matches = TopMatches(np.array([[0]]), np.ones((1, 1), dtype=np.float32), np.array([[True]]))
    pixels = np.asarray(ranked_contact_sheet(wide, gallery, matches, query_indices=[0], crop_height=128))
    rows, columns = np.nonzero((pixels == BLUE).all(axis=2))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (64, 64)


def test_archived_crops_look_like_plain_ones(tmp_path, query, gallery):
    with zipfile.ZipFile(tmp_path / "gallery.zip", "w") as archive:
        for path in gallery.paths:
            archive.write(path, path.name)
    names = tuple(Path(path.name) for path in gallery.paths)
    archived = CropSet(names, gallery.camera_ids, gallery.camera_names, archive=tmp_path / "gallery.zip")
    plain = ranked_contact_sheet(query, gallery, MATCHES, query_indices=[0, 1])
    packed = ranked_contact_sheet(query, archived, MATCHES, query_indices=[0, 1])
    assert plain.tobytes() == packed.tobytes()


def test_long_camera_names_do_not_reach_into_the_next_place(tmp_path, query):
    gallery = crops_of(tmp_path / "named", [YELLOW] * 3, camera_names=("north entrance, upper level", "b" * 200))
    pixels = np.asarray(ranked_contact_sheet(query, gallery, MATCHES, query_indices=[0, 1]))
    filled = (pixels != 255).any(axis=(0, 2))
    assert not filled[:14].any()
    assert not filled[-14:].any()
    assert (~filled[86:96]).all()  # between the query's column and the first match


def test_matches_of_other_crops_are_refused(query, gallery):
    few = gallery.subset([0, 1])
    with pytest.raises(EvaluationError, match="point to gallery crop 2, but gallery has 2"):
        ranked_contact_sheet(query, few, MATCHES, query_indices=[0])
    with pytest.raises(EvaluationError, match="matches are of 2 queries, but gallery has 3"):
        ranked_contact_sheet(gallery, gallery, MATCHES, query_indices=[0])


def test_a_choice_that_cannot_be_drawn_is_refused(query, gallery):
    with pytest.raises(EvaluationError, match="Query 2 was asked for, but query has 0 to 1"):
        ranked_contact_sheet(query, gallery, MATCHES, query_indices=[0, 2])
    with pytest.raises(EvaluationError, match="query_indices is empty"):
        ranked_contact_sheet(query, gallery, MATCHES, query_indices=[])
    with pytest.raises(EvaluationError, match="crop_height must be at least 64 to stay legible, got 10"):
        ranked_contact_sheet(query, gallery, MATCHES, query_indices=[0], crop_height=10)


def test_a_broken_crop_is_named(query, gallery):
    gallery.paths[2].write_bytes(b"no image")
    with pytest.raises(DataError, match=r"Cannot decode .*gallery.2\.png"):
        ranked_contact_sheet(query, gallery, MATCHES, query_indices=[0])


def test_a_missing_archive_is_named(tmp_path, query):
    gone = CropSet(tuple(Path(f"{i}.png") for i in range(3)), [0, 0, 0], ("1",), archive=tmp_path / "gone.zip")
    with pytest.raises(DataError, match=r"Cannot open .*gone\.zip"):
        ranked_contact_sheet(query, gone, MATCHES, query_indices=[0])


def test_spread_queries_take_one_from_each_part_best_to_worst():
    average_precision = np.array([0.1, np.nan, 0.9, 0.5, 0.8, 0.2, np.nan, 0.6])
    parts = [{2, 4}, {7, 3}, {5, 0}]
    for seed in range(10):
        chosen = spread_queries(average_precision, 3, np.random.default_rng(seed))
        assert all(query in part for query, part in zip(chosen, parts, strict=True))


def test_spread_queries_are_set_by_the_generator():
    average_precision = np.ones(50)
    first, again, other = (spread_queries(average_precision, 5, np.random.default_rng(s)).tolist() for s in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("count", [0, 3])
def test_more_queries_than_were_scored_are_refused(count):
    with pytest.raises(EvaluationError, match=f"{count} queries were asked for; choose between 1 and the 2 scored"):
        spread_queries(np.array([0.5, np.nan, 0.1]), count, np.random.default_rng(0))


def test_boxes_are_shown_and_not_their_frames(query, tmp_path):
    frame = Image.new("RGB", (96, 64), "red")
    frame.paste(YELLOW, (32, 0, 64, 64))
    frame.paste(BLUE, (64, 0, 96, 64))
    frame.save(tmp_path / "frame.png")
    boxes = [[32, 0, 32, 64], [64, 0, 32, 64], [40, 0, 20, 64]]
    gallery = CropSet((tmp_path / "frame.png",) * 3, [0, 1, 0], ("1", "2"), boxes=boxes)
    colours = colours_in(ranked_contact_sheet(query, gallery, MATCHES, query_indices=[0]))
    assert YELLOW in colours
    assert (255, 0, 0) not in colours
