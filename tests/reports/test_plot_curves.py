import pytest

from iics.reports.plot_curves import Curve, curves_figure


def test_curves_are_drawn_by_name():
    curves = [Curve("mAP", (0, 1, 2), (10.0, 20.0, 30.0)), Curve("rank-1", (1, 2), (40.0, 50.0))]
    figure = curves_figure(curves, title="Accuracy", note="50 queries", unit="%")
    (ax,) = figure.axes
    assert {line.get_label(): line.get_xydata().tolist() for line in ax.lines} == {
        "mAP": [[0, 10], [1, 20], [2, 30]],
        "rank-1": [[1, 40], [2, 50]],
    }
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_ylim()[0]) == ("round", "%", 0)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["mAP", "rank-1"]


@pytest.mark.parametrize(
    ("rounds", "expected"), [((1,), [1]), ((0, 1, 2), [0, 1, 2]), ((0, 40), list(range(0, 41, 5)))]
)
def test_rounds_are_whole_numbers(rounds, expected):
    figure = curves_figure([Curve("mAP", rounds, (1.0,) * len(rounds))], title="", note="", unit="")
    (ax,) = figure.axes
    low, high = ax.get_xlim()
    assert [tick for tick in ax.get_xticks() if low <= tick <= high] == expected


def test_curves_that_cannot_be_told_apart_are_refused():
    with pytest.raises(ValueError, match="1 to 7 curves, each with a value, can be told apart; got 8"):
        curves_figure([Curve("a", (1,), (1.0,))] * 8, title="", note="", unit="")
    with pytest.raises(ValueError, match="got 0"):
        curves_figure([], title="", note="", unit="")


def test_a_curve_has_a_value_for_each_round():
    with pytest.raises(ValueError, match="mAP: 2 rounds need as many values, got 1"):
        Curve("mAP", (1, 2), (0.5,))


def test_the_axis_leaves_room_for_the_highest_marker():
    (ax,) = curves_figure([Curve("crops", (1, 2), (62.0, 72.0))], title="", note="", unit="%").axes
    assert ax.get_ylim() == (0, pytest.approx(72 * 1.06))


def test_values_below_zero_are_on_the_axis():
    (ax,) = curves_figure([Curve("ARI", (2, 3), (-0.1, 0.4))], title="", note="", unit="").axes
    low, high = ax.get_ylim()
    assert low < -0.1
    assert high > 0.4


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_nothing_above_zero_still_has_an_axis(value):
    (ax,) = curves_figure([Curve("crops", (1,), (value,))], title="", note="", unit="").axes
    assert ax.get_ylim() == (0, 1)
