"""Which crops a report shows, and the sheet that shows them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iics.crops import CropSet
from iics.errors import DataError
from iics.evaluation.across_cameras import Matches
from iics.reports.crop_choice import MOST_IN_ROW, NUM_ROWS, cluster_rows, drawn_clusters, match_rows
from iics.reports.crop_sheets import ASKED, Cell, SheetRow, crop_sheet


def in_clusters(spreads, size=4):
    """Crops of clusters, each spread by an angle around a direction of its own; cameras alternate."""
    features = []
    for number, spread in enumerate(spreads):
        for angle in np.radians(spread) * np.linspace(-1, 1, size):
            vector = np.zeros(2 * len(spreads), np.float32)
            vector[2 * number : 2 * number + 2] = np.cos(angle), np.sin(angle)
            features.append(vector)
    labels = np.repeat(np.arange(len(spreads)), size)
    return np.stack(features), labels, np.arange(len(labels)) % 2


def clusters_of(rows):
    return [int(found[1]) for row in rows if (found := re.match(r"cluster (\d+):", row.title))]


def test_doubtful_clusters_are_the_least_alike_and_typical_ones_the_middle():
    spreads = [3 * number for number in range(1, 13)]
    features, labels, cameras = in_clusters(spreads)
    rows = cluster_rows(features, np.arange(len(labels)), labels, cameras)
    assert clusters_of(rows) == [7, 6, 5, 4, 11, 10, 9, 8]
    assert [row.title for row in rows if not row.cells] == [
        "Typical clusters",
        "Doubtful clusters: their crops are least alike",
    ]
    assert rows[1].title == "cluster 7: 4 crops of 2 cameras, mean similarity of its pairs 0.87"


def test_one_cluster_is_typical_and_none_is_nothing():
    features, labels, cameras = in_clusters([10])
    rows = cluster_rows(features, np.arange(4), labels, cameras)
    assert rows[0].title == "Typical clusters"
    assert clusters_of(rows) == [0]
    assert cluster_rows(features[:0], np.arange(0), labels, cameras) == []


def test_a_row_shows_the_middle_and_the_edge_of_a_cluster():
    features, labels, cameras = in_clusters([40, 10], size=12)
    rows = cluster_rows(features, np.arange(24), labels, cameras)
    shown = rows[-1].cells
    assert len(shown) == MOST_IN_ROW
    assert sorted(cell.index for cell in shown) == [0, 1, 4, 5, 6, 7, 10, 11]
    assert shown[0].similarity > shown[-1].similarity


def test_single_crops_and_crops_without_a_cluster_are_not_drawn():
    labels = np.array([0, 0, 1, -1, -1, 2, 2, 2])
    assert drawn_clusters(labels, np.random.default_rng(0)).tolist() == [0, 1, 5, 6, 7]
    assert drawn_clusters(np.full(5, -1), np.random.default_rng(0)).tolist() == []


def test_of_many_clusters_and_crops_only_some_are_drawn():
    labels = np.repeat(np.arange(100), 30)
    drawn = drawn_clusters(labels, np.random.default_rng(0))
    assert len(drawn) == 60 * 12
    assert len(np.unique(labels[drawn])) == 60


def matches(similarities, num_matches=3):
    """Crop i's matches are the next ones, the first with the given similarity."""
    count = len(similarities)
    indices = (np.arange(count)[:, None] + np.arange(1, num_matches + 1)) % count
    values = np.array(similarities, np.float32)[:, None] - 0.1 * np.arange(num_matches, dtype=np.float32)
    return Matches(indices, values)


def asked(rows):
    return [row.cells[0].index for row in rows if row.cells]


def test_best_matches_come_first_then_middling_ones_and_no_crop_twice():
    found = matches(np.linspace(0.9, 0.1, 64))
    rows = match_rows(found, None)
    assert asked(rows) == [0, 4, 8, 12, 32, 36, 40, 44]
    assert len(asked(rows)) == 2 * NUM_ROWS
    assert rows[0].title == "Best matches, in other cameras"


def test_matches_before_training_stand_beside_those_after():
    found = matches(np.linspace(0.9, 0.1, 64))
    before = Matches(found.indices[:, ::-1], found.similarities[:, ::-1] / 2)
    row = match_rows(found, before)[1]
    assert [cell.index for cell in row.cells] == [0, 1, 2, 3, 3, 2, 1]
    assert [cell.starts_group for cell in row.cells] == [False, True, False, False, True, False, False]
    assert row.cells[0].is_asked


def test_crops_without_a_match_are_not_asked_for():
    nothing = Matches(np.full((5, 3), -1), np.full((5, 3), np.nan, np.float32))
    assert match_rows(nothing, None) == []


@pytest.fixture
def pictures(tmp_path):
    for number in range(3):
        Image.new("RGB", (16, 32), (80 * number, 10, 10)).save(tmp_path / f"{number}.png")
    paths = tuple(tmp_path / f"{number}.png" for number in range(3))
    return CropSet(paths, np.array([0, 1, 1]), ("door", "ha\nll"))


def test_a_sheet_has_a_line_for_each_row_and_frames_what_is_asked_for(pictures):
    rows = [SheetRow("Heading"), SheetRow("row", (Cell(0, is_asked=True), Cell(2, 0.5, starts_group=True)))]
    sheet = crop_sheet(pictures, rows)
    colours = {colour for _, colour in sheet.getcolors(1 << 20)}
    assert {ASKED, (0, 10, 10), (160, 10, 10)} <= colours
    assert (80, 10, 10) not in colours
    assert crop_sheet(pictures, [*rows, rows[1]]).height > sheet.height


def test_a_crop_that_is_gone_is_an_error_of_the_data(pictures):
    gone = replace(pictures, paths=(Path("gone.png"), *pictures.paths[1:]))
    with pytest.raises(DataError, match=r"gone\.png"):
        crop_sheet(gone, [SheetRow("row", (Cell(0),))])
