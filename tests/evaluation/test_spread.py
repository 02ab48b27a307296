"""Several values to mean, deviation and ends."""

import statistics

import pytest

from iics.evaluation.spread import Spread, aligned, in_percent, spread_rows


def test_three_values_by_hand():
    spread = Spread((0.2, 0.4, 0.9))
    assert spread.mean == pytest.approx(0.5)
    assert spread.deviation == pytest.approx(statistics.stdev((0.2, 0.4, 0.9)))  # of a sample: 2 below the sum
    assert (spread.minimum, spread.maximum) == (0.2, 0.9)


def test_one_value_has_no_deviation():
    spread = Spread((0.5,))
    assert (spread.mean, spread.deviation) == (0.5, None)


def test_no_value_has_no_spread():
    with pytest.raises(ValueError, match="at least one value"):
        Spread(())


def test_rows_below_a_table_leave_out_columns_without_two_values():
    assert spread_rows([[10.0, 20.0, None], [5.0, None, None]]) == [
        ("mean", "15.0", "-"),
        ("standard deviation", "7.1", "-"),
        ("minimum", "10.0", "-"),
        ("maximum", "20.0", "-"),
    ]


def test_cells_stand_below_each_other():
    assert aligned([("run", "mAP"), ("first", in_percent(9.96)), ("b", in_percent(None))]) == (
        "run     mAP\nfirst  10.0\nb         -"
    )
