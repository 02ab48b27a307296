"""How many crops, identities and cameras each benchmark was published with, and what a data set on disk has.

DataSplits, PublishedCounts -> rows of expected and found, as a table, or as a one-line error where they differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.crops import DISTRACTOR_IDENTITY, JUNK_IDENTITY, CropSet
from iics.data_splits import DataSplits
from iics.errors import DataError


@dataclass(frozen=True)
class SplitCounts:
    """What one split holds.

    Attributes:
        crops: Number of crops, junk and distractors included.
        identities: Number of people, junk and distractors not counted.
        cameras: Number of cameras that took any of the crops; None where it was not published.
        junk: Number of crops with identity -1.
        distractors: Number of crops with identity 0.
    """

    crops: int
    identities: int
    cameras: int | None
    junk: int = 0
    distractors: int = 0


@dataclass(frozen=True)
class PublishedCounts:
    """What a benchmark holds; where the numbers are from stands in docs/datasets.md."""

    title: str
    train: SplitCounts
    query: SplitCounts
    gallery: SplitCounts


# Crops, identities, cameras, junk, distractors: to train on, of the queries, of the gallery.
# Papers that drop the junk before they count give the gallery as 15,913.
MARKET1501 = PublishedCounts(
    "Market-1501", SplitCounts(12_936, 751, 6), SplitCounts(3_368, 750, 6), SplitCounts(19_732, 750, 6, 3_819, 2_798)
)
# 408 people of the gallery are nobody's match, but have numbers of their own instead of 0.
DUKEMTMC = PublishedCounts(
    "DukeMTMC-reID", SplitCounts(16_522, 702, 8), SplitCounts(2_228, 702, 8), SplitCounts(17_661, 1_110, 8)
)
MSMT17 = PublishedCounts(
    "MSMT17", SplitCounts(32_621, 1_041, 15), SplitCounts(11_659, 3_060, 15), SplitCounts(82_161, 3_060, 15)
)
CUHK03_DETECTED = PublishedCounts(
    "CUHK03-NP (detected)", SplitCounts(7_365, 767, 2), SplitCounts(1_400, 700, 2), SplitCounts(5_332, 700, 2)
)
CUHK03_LABELLED = PublishedCounts(
    "CUHK03-NP (labelled)", SplitCounts(7_368, 767, 2), SplitCounts(1_400, 700, 2), SplitCounts(5_328, 700, 2)
)
OCCLUDED_DUKE = PublishedCounts(
    "Occluded-DukeMTMC", SplitCounts(15_618, 702, 8), SplitCounts(2_210, 519, 8), SplitCounts(17_661, 1_110, 8)
)
VERI776 = PublishedCounts(
    "VeRi-776", SplitCounts(37_778, 576, None), SplitCounts(1_678, 200, None), SplitCounts(11_579, 200, None)
)
LTCC = PublishedCounts("LTCC", SplitCounts(9_576, 77, None), SplitCounts(493, 75, None), SplitCounts(7_050, 75, None))
# 14 people of the queries have no tracklet in the gallery.
MARS = PublishedCounts(
    "MARS", SplitCounts(509_914, 625, 6), SplitCounts(114_493, 626, 6), SplitCounts(566_596, 620, 6, 23_380, 147_743)
)


@dataclass(frozen=True)
class CountRow:
    """One number as it was published and as it was found."""

    split: str
    what: str
    expected: int
    found: int

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return self.expected != self.found


class CountError(DataError):
    """A benchmark that is not what was published; its rows can be shown by `counts_table`."""

    def __init__(self, message: str, rows: tuple[CountRow, ...]) -> None:
        super().__init__(message)
        self.rows = rows


def compare_counts(splits: DataSplits, published: PublishedCounts) -> tuple[CountRow, ...]:
    """Return each published number beside the one found; junk and distractors only where there are or should be any."""
    rows: list[CountRow] = []
    for split, crops in (("train", splits.train), ("query", splits.query), ("gallery", splits.gallery)):
        if split == "train" and crops is None:
            continue  # what is only measured needs no crops to train on
        expected, found = vars(getattr(published, split)), vars(_counts(crops))
        for what, number in expected.items():
            if number is None:
                continue
            if what not in ("junk", "distractors") or number or found[what]:
                rows.append(CountRow(split, what, number, found[what]))
    return tuple(rows)


def counts_table(rows: tuple[CountRow, ...]) -> str:
    """Return the rows as an aligned table; those that differ are marked."""
    lines = [f"{'split':<8}{'':<12}{'expected':>9}{'found':>9}"]
    lines += [
        f"{row.split:<8}{row.what:<12}{row.expected:>9,}{row.found:>9,}{'  differs' if row.differs else ''}"
        for row in rows
    ]
    return "\n".join(lines)


def check_counts(splits: DataSplits, published: PublishedCounts, *, place: str, remedy: str) -> None:
    """Refuse a data set that is not what was published.

    Raises:
        CountError: If any number differs.
    """
    rows = compare_counts(splits, published)
    differing = [row for row in rows if row.differs]
    if differing:
        found = "; ".join(
            f"{row.split}: {row.expected:,} {row.what} expected, {row.found:,} found" for row in differing
        )
        raise CountError(f"{place} is not {published.title} as it was published: {found}. {remedy}", rows)


def _counts(crops: CropSet | None) -> SplitCounts:
    if crops is None or crops.identity_ids is None:
        return SplitCounts(0 if crops is None else len(crops), 0, 0 if crops is None else crops.num_cameras)
    return SplitCounts(
        crops=len(crops),
        identities=len(set(crops.identity_ids.tolist()) - {JUNK_IDENTITY, DISTRACTOR_IDENTITY}),
        cameras=crops.num_cameras,
        junk=int(np.sum(crops.identity_ids == JUNK_IDENTITY)),
        distractors=int(np.sum(crops.identity_ids == DISTRACTOR_IDENTITY)),
    )
