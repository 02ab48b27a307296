"""A benchmark with other counts than published is refused, and what differs is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.readers import published_counts
from iics.readers.benchmarks import BENCHMARKS
from iics.readers.published_counts import (
    CountError,
    CountRow,
    PublishedCounts,
    SplitCounts,
    check_counts,
    compare_counts,
    counts_table,
)

DOCS = Path(__file__).parents[2] / "docs" / "datasets.md"
PUBLISHED = PublishedCounts(
    "Tiny-3",
    train=SplitCounts(crops=3, identities=2, cameras=2),
    query=SplitCounts(crops=1, identities=1, cameras=1),
    gallery=SplitCounts(crops=4, identities=1, cameras=2, junk=1, distractors=2),
)


def crop_set(identities, cameras):
    paths = tuple(Path(f"{number}.jpg") for number in range(len(identities)))
    return CropSet(paths, np.array(cameras), ("1", "2"), np.array(identities))


@pytest.fixture
def splits():
    return DataSplits("tiny", crop_set([1, 1, 2], [0, 1, 1]), crop_set([3], [0]), crop_set([-1, 0, 0, 3], [0, 1, 1, 1]))


def check(splits):
    check_counts(splits, PUBLISHED, place="place", remedy="Fetch it again.")


def test_what_was_published_is_accepted(splits):
    check(splits)
    assert not any(row.differs for row in compare_counts(splits, PUBLISHED))


def test_rows_name_junk_and_distractors_only_where_there_are_any(splits):
    assert [(row.split, row.what, row.expected, row.found) for row in compare_counts(splits, PUBLISHED)] == [
        ("train", "crops", 3, 3),
        ("train", "identities", 2, 2),
        ("train", "cameras", 2, 2),
        ("query", "crops", 1, 1),
        ("query", "identities", 1, 1),
        ("query", "cameras", 1, 1),
        ("gallery", "crops", 4, 4),
        ("gallery", "identities", 1, 1),
        ("gallery", "cameras", 2, 2),
        ("gallery", "junk", 1, 1),
        ("gallery", "distractors", 2, 2),
    ]


def test_each_difference_is_in_the_one_line(splits):
    fewer = replace(splits, train=splits.train.subset([0, 1]), query=crop_set([0], [0]))
    with pytest.raises(CountError) as refused:
        check(fewer)
    assert str(refused.value) == (
        "place is not Tiny-3 as it was published: train: 3 crops expected, 2 found; train: 2 identities expected, "
        "1 found; query: 1 identities expected, 0 found; query: 0 distractors expected, 1 found. Fetch it again."
    )
    assert refused.value.rows == compare_counts(fewer, PUBLISHED)


def test_a_set_without_identities_or_query_differs(splits):
    rows = compare_counts(DataSplits("tiny", splits.train.without_identities()), PUBLISHED)
    assert [(row.split, row.what) for row in rows if not row.differs] == [("train", "crops"), ("train", "cameras")]


def test_the_table_is_aligned_and_marks_what_differs():
    rows = (CountRow("train", "crops", 12_936, 12_935), CountRow("gallery", "distractors", 2_798, 2_798))
    assert counts_table(rows).splitlines() == [
        "split                expected    found",
        "train   crops          12,936   12,935  differs",
        "gallery distractors     2,798    2,798",
    ]


@pytest.mark.parametrize(
    ("counts", "crops", "people"),
    [
        (published_counts.MARKET1501, 12_936 + 3_368 + 15_913 + 3_819, 1_501),
        (published_counts.DUKEMTMC, 36_411, 702 + 702 + 408),
        (published_counts.MSMT17, 126_441, 4_101),
        (published_counts.CUHK03_DETECTED, 14_097, 1_467),
        (published_counts.CUHK03_LABELLED, 14_096, 1_467),
    ],
    ids=lambda value: getattr(value, "title", None),
)
def test_the_splits_add_up_to_the_totals_that_papers_give(counts, crops, people):
    assert counts.train.crops + counts.query.crops + counts.gallery.crops == crops
    assert counts.train.identities + counts.gallery.identities == people


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_the_documented_counts_are_those_that_are_checked(name):
    counts = BENCHMARKS[name].counts
    rows = []
    for title, split in ((f"| {counts.title} ", "train"), ("| ", "query"), ("| ", "gallery")):
        numbers = vars(getattr(counts, split)).values()
        rows.append(
            f"{title}| {split} | {' | '.join('-' if number is None else f'{number:,}' for number in numbers)} |"
        )
    assert "\n".join(rows) in DOCS.read_text()
    assert f"| `{name}` |" in DOCS.read_text()
