import numpy as np
import pytest

from iics.reports.plot_similarities import SimilarityPanel, filled_range, similarity_figure
from iics.runs.record import RoundRecord
from iics.similarity.pair_histograms import KINDS_BY_CAMERA, KINDS_BY_IDENTITY


def panel(title, counts):
    return SimilarityPanel(title, np.array([0.0, 0.5, 1.0]), counts)


@pytest.fixture
def moments():
    return [panel(title, {kind: np.array([1, 3]) for kind in KINDS_BY_IDENTITY}) for title in ("start", "end")]


def test_four_kinds_of_pairs_are_drawn_at_each_moment(moments):
    figure = similarity_figure(moments, note="people, 85 crops against all, seed 7.")
    assert [ax.get_title() for ax in figure.axes] == ["start", "end"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "same person, same camera",
        "same person, other camera",
        "other person, same camera",
        "other person, other camera",
    ]
    assert figure.get_supxlabel() == "people, 85 crops against all, seed 7."


def test_the_area_of_each_kind_is_one(moments):
    figure = similarity_figure(
        [panel("start", {"same_camera": np.array([10, 30]), "other_camera": np.array([1, 0])})], note=""
    )
    outlines = [patch for patch in figure.axes[0].patches if not patch.get_fill()]
    densities = [patch.get_data().values.tolist() for patch in outlines]
    assert densities == [[0.5, 1.5], [2.0, 0.0]]


def test_a_kind_without_pairs_is_flat():
    figure = similarity_figure([panel("start", {"same_camera": np.array([0, 0])})], note="")
    assert figure.axes[0].patches[0].get_data().values.tolist() == [0, 0]


def test_moments_share_one_axis(moments):
    moments.append(panel("later", {"same_camera": np.array([0, 2])}))
    assert filled_range(moments[2:]) == pytest.approx((0.48, 1.02))
    assert filled_range(moments) == pytest.approx((-0.02, 1.02))
    figure = similarity_figure(moments, note="")
    assert len({ax.get_xlim() for ax in figure.axes}) == 1


def test_a_record_becomes_a_panel(make_record):
    similarity = RoundRecord.of(make_record(1)).stages["stage1"].similarity
    made = SimilarityPanel.from_record(similarity, "start", KINDS_BY_CAMERA)
    # Bins 20, 21, 22 of a hundredth each, counted from -100.
    assert made.counts["same_camera"][120:123].tolist() == [1, 2, 1]
    assert made.counts["same_camera"].sum() == 4
    assert made.edges[120] == pytest.approx(0.2)


def test_unknown_kinds_and_wrong_edges_are_refused():
    with pytest.raises(ValueError, match="got same_person"):
        panel("start", {"same_person": np.array([1, 1])})
    with pytest.raises(ValueError, match="3 bins of same_camera need one edge more, got 3"):
        panel("start", {"same_camera": np.array([1, 1, 1])})
