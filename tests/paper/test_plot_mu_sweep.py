import pytest

from iics.paper.plot_mu_sweep import SweepRow, mu_sweep_figure


def test_means_and_deviations_over_seeds_are_drawn():
    rows = [
        SweepRow(0.02, 0, 0.5, 0.8),
        SweepRow(0.0, 0, 0.3, 0.6),
        SweepRow(0.0, 1, 0.4, 0.6),
        SweepRow(0.02, 1, 0.5, 0.8),
    ]
    figure = mu_sweep_figure(rows, data="people-dev")
    (ax,) = figure.axes
    drawn = {container.get_label(): container for container in ax.containers}
    assert drawn["mAP"].lines[0].get_xydata().tolist() == [[0.0, pytest.approx(35)], [0.02, pytest.approx(50)]]
    assert drawn["rank-1"].lines[0].get_xydata().tolist() == [[0.0, pytest.approx(60)], [0.02, pytest.approx(80)]]
    bar = drawn["mAP"].lines[2][0].get_segments()[0]  # 30 and 40 %: deviation 7.07 with n - 1
    assert bar[:, 1] == pytest.approx([35 - 7.0711, 35 + 7.0711], abs=1e-3)
    note = " ".join(figure.get_supxlabel().split())  # broken into lines
    assert note == "people-dev: 4 runs, seeds 0, 1; mean and standard deviation over seeds."


def test_one_seed_has_no_deviation():
    figure = mu_sweep_figure([SweepRow(0.0, 3, 0.3, 0.6)], data="people-dev")
    assert figure.get_supxlabel() == "people-dev: 1 run, seed 3."
    assert not any(container.has_yerr for container in figure.axes[0].containers)


def test_a_mu_of_one_seed_has_no_bar_beside_one_of_two():
    rows = [SweepRow(0.0, 0, 0.3, 0.6), SweepRow(0.0, 1, 0.4, 0.7), SweepRow(0.02, 0, 0.5, 0.8)]
    (ax,) = mu_sweep_figure(rows, data="people-dev").axes
    drawn = {container.get_label(): container for container in ax.containers}
    bars = [segment for segment in drawn["mAP"].lines[2][0].get_segments() if len(segment)]
    assert [bar[:, 0].tolist() for bar in bars] == [[0.0, 0.0]]


def test_a_sweep_without_runs_is_refused():
    with pytest.raises(ValueError, match="at least one run, got none"):
        mu_sweep_figure([], data="people-dev")
