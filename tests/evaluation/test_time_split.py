"""A split by time: later crops search among earlier ones, tracklets stay whole, and what is left out is counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import EvaluationError
from iics.evaluation.time_split import moment_of, split_by_time

DAY = 86400.0
MAY = 1777593600.0  # 2026-05-01
CROPS = CropSet(
    tuple(Path(f"{at}.jpg") for at in range(8)),
    np.zeros(8, int),
    ("yard",),
    np.array([1, 2, 1, 2, 3, -1, 1, -1]),
    times=np.array([MAY, MAY, MAY + DAY, MAY + DAY, MAY + DAY, MAY + DAY, np.nan, MAY]),
    name="yard",
)


def names(crops):
    return [path.stem for path in crops.paths]


def test_crops_from_the_moment_on_search_among_those_before():
    split = split_by_time(CROPS, at=MAY + DAY)
    assert names(split.query) == ["2", "3", "4"]
    assert names(split.gallery) == ["0", "1", "7"]  # junk stays, and is ignored
    assert str(split) == (
        "Split at 2026-05-02 00:00:00 (UTC): 3 crops from then on search among 3 before. 1 of 3 individuals of the "
        "query are new. Left out: 1 without a time, 1 later ones of nobody known."
    )


def test_a_tracklet_that_spans_the_moment_stays_whole_among_those_before():
    split = split_by_time(replace(CROPS, tracklet_ids=np.array([5, -1, 5, -1, 6, 6, 5, -1])), at=MAY + DAY)
    assert names(split.query) == ["3", "4"]
    assert names(split.gallery) == ["0", "1", "2", "7"]


def test_a_moment_is_a_date_seconds_or_a_share_of_the_crops():
    assert moment_of("2026-05-02", CROPS) == MAY + DAY
    assert moment_of("2026-05-01T06:00:00+06:00", CROPS) == MAY
    assert moment_of("0.5", CROPS) == MAY + DAY
    assert moment_of("12.5", CROPS) == 12.5
    with pytest.raises(EvaluationError, match=r"or a share of the crops above 0 and below 1 \(0\.5\), got 'May'"):
        moment_of("May", CROPS)


def test_what_cannot_be_split_says_why():
    with pytest.raises(EvaluationError, match="No crop of yard has a time"):
        split_by_time(replace(CROPS, times=None), at=MAY)
    with pytest.raises(EvaluationError, match="yard has no identities"):
        split_by_time(CROPS.without_identities(), at=MAY)
    with pytest.raises(
        EvaluationError, match=r"no crop before, split at 2026-05-01 .* reach from 2026-05-01 .* to 2026-05-02"
    ):
        split_by_time(CROPS, at=MAY)
    with pytest.raises(EvaluationError, match="no crop of a known individual from then on, split at 2026-05-11"):
        split_by_time(CROPS, at=MAY + 10 * DAY)
