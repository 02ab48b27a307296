"""CUHK03's single-gallery-shot: one crop per person, drawn repeatedly."""

import numpy as np
import pytest

from iics.errors import EvaluationError
from iics.evaluation import distance_rows
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.single_shot import drawn_gallery, rank_single_shots

# One query of person 1. Camera 1 shows that person close and far, and person 2 between the two.
LABELS = EvaluationLabels([1], [1, 1, 2, 1, -1], [0], [1, 1, 1, 0, 1])
DISTANCE = np.array([[0.1, 0.9, 0.5, 0.0, 0.0]], np.float32)


def single_shots(distance, labels, **settings):
    return rank_single_shots(lambda block: distance[block], labels, **settings)


def test_every_draw_finds_the_person_first_or_second():
    result = single_shots(DISTANCE, LABELS, repeats=400, max_rank=3)
    assert result.cmc.shape == (400, 3)
    assert set(result.cmc[:, 0]) == {0.0, 1.0}
    assert (result.cmc[:, 1] == 1).all()
    mean, deviation = result.rank(1)
    assert mean == pytest.approx(0.5, abs=0.1)  # four standard errors
    assert deviation == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal(result.mean_ap, (1 + result.cmc[:, 0]) / 2)


@pytest.mark.parametrize("camera", range(4))
def test_a_drawn_gallery_holds_one_crop_of_each_person_in_other_cameras_and_all_distractors(camera, random_labels):
    labels = random_labels(0)
    crops = drawn_gallery(labels, camera, seed=0, repeat=0)
    ids = labels.gallery_ids[crops]
    shown = labels.gallery_ids[labels.gallery_cameras != camera]
    assert (np.diff(crops) > 0).all()
    assert (labels.gallery_cameras[crops] != camera).all()
    assert sorted(ids[ids > 0]) == sorted(set(shown[shown > 0]))
    assert (ids == 0).sum() == (shown == 0).sum() > 0
    assert (ids >= 0).all()


def test_draws_differ_between_repeats_cameras_and_seeds_and_are_the_same_again(random_labels):
    labels = random_labels(0)
    one = {"seed": 0, "repeat": 0}
    draw = drawn_gallery(labels, 0, **one)
    np.testing.assert_array_equal(draw, drawn_gallery(labels, 0, **one))
    for other in ({"seed": 1, "repeat": 0}, {"seed": 0, "repeat": 1}):
        assert not np.array_equal(draw, drawn_gallery(labels, 0, **other))


def test_every_crop_of_a_person_is_drawn_equally_often():
    drawn = [int(drawn_gallery(LABELS, 0, seed=3, repeat=repeat)[0]) for repeat in range(400)]
    assert drawn.count(0) == pytest.approx(200, abs=40)
    assert drawn.count(0) + drawn.count(1) == 400


@pytest.mark.parametrize("seed", range(3))
def test_each_draw_agrees_with_plain_loops(seed, random_labels, few_values, plain_ranking, monkeypatch):
    labels, distance = random_labels(seed), few_values(seed)
    monkeypatch.setattr(distance_rows, "WORK_SPACE_BYTES", 20 * 4 * 230)
    result = single_shots(distance, labels, repeats=2, seed=seed, max_rank=20)
    for repeat in range(2):
        firsts = []
        for q in range(len(labels.query_ids)):
            crops = drawn_gallery(labels, int(labels.query_cameras[q]), seed=seed, repeat=repeat)
            ranks = plain_ranking.right_ranks(
                distance[q, crops],
                labels.query_ids[q],
                labels.query_cameras[q],
                labels.gallery_ids[crops],
                labels.gallery_cameras[crops],
                plain_ranking.other_cameras,
            )
            assert len(ranks) < 2
            firsts += ranks
        assert result.num_unmatched == len(labels.query_ids) - len(firsts) > 0
        np.testing.assert_allclose(result.cmc[repeat], [np.mean(np.array(firsts) <= k) for k in range(1, 21)])
        assert result.mean_ap[repeat] == pytest.approx(np.mean(1 / np.array(firsts)))


def test_a_result_prints_means_and_deviations_over_the_draws():
    result = single_shots(DISTANCE, LABELS, repeats=2, seed=1, max_rank=4)
    lines = str(result).splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "rank-1",
        "mAP",
        "galleries drawn",
        "queries scored",
        "without match",
    ]
    assert "+-" in lines[0]


def test_one_draw_has_no_deviation():
    assert np.isnan(single_shots(DISTANCE, LABELS, repeats=1).rank(1)[1])


def test_what_cannot_be_drawn_is_refused(random_labels, few_values):
    with pytest.raises(EvaluationError, match="repeats must be at least 1 and seed at least 0, got 0 and 0"):
        single_shots(DISTANCE, LABELS, repeats=0)
    with pytest.raises(EvaluationError, match="got 10 and -1"):
        single_shots(DISTANCE, LABELS, seed=-1)
    with pytest.raises(EvaluationError, match="max_rank must be at least 1, got 0"):
        single_shots(DISTANCE, LABELS, max_rank=0)
    with pytest.raises(EvaluationError, match="Rank 51 is not kept, only 1 to 50"):
        single_shots(DISTANCE, LABELS).rank(51)


def test_one_camera_only_is_refused():
    labels = EvaluationLabels([1, 2], [1, 2], [0, 0], [0, 0])
    with pytest.raises(EvaluationError, match="every such gallery crop comes from its query's own camera"):
        single_shots(np.zeros((2, 2), np.float32), labels)
