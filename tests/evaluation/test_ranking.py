import tracemalloc

import numpy as np
import pytest

from iics.errors import EvaluationError
from iics.evaluation import distance_rows
from iics.evaluation.distance_rows import CosineRows
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.protocol import MARKET1501, SAME_CAMERA
from iics.evaluation.ranking import rank
from iics.evaluation.right_ranks import right_answer_ranks
from iics.evaluation.top_matches import top_matches


def at_angles(*degrees):
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


# Query: identity 1, camera 0, at 0 degrees. What it sees, closest first: its own walk at 1 degree and junk at 2
# degrees (both ignored), then ranks 1 to 5: right at 10, distractor at 20, right at 30, wrong at 40, right at 50.
QUERY = at_angles(0)
GALLERY = at_angles(50, 1, 20, 10, 2, 40, 30)
LABELS = {
    "query_ids": np.array([1]),
    "gallery_ids": np.array([1, 1, 0, 1, -1, 2, 1]),
    "query_cameras": np.array([0]),
    "gallery_cameras": np.array([1, 0, 0, 1, 1, 0, 2]),
}


def given(distance):
    """Return rows of distances that are there already."""
    return lambda block: np.ascontiguousarray(distance[block], dtype=np.float32)


def rank_features(query_features, gallery_features, *, max_rank=50, **labels):
    judged = EvaluationLabels(**labels)
    return rank(CosineRows(query_features, gallery_features, judged), judged, max_rank=max_rank)


def rank_distances(distance, *, max_rank=50, **labels):
    return rank(given(distance), EvaluationLabels(**labels), max_rank=max_rank)


def random_case(generator, *, num_queries=61, num_gallery=230, num_values=12):
    """Labels with junk, distractors and unmatched queries, and distances of few values: ties everywhere."""
    labels = {
        "query_ids": generator.integers(1, 40, num_queries),
        "gallery_ids": generator.integers(-1, 30, num_gallery),
        "query_cameras": generator.integers(0, 4, num_queries),
        "gallery_cameras": generator.integers(0, 4, num_gallery),
    }
    distance = generator.integers(-num_values, num_values, (num_queries, num_gallery)).astype(np.float32) / 8
    return distance, labels


def unit_rows(generator, num_rows, dimensions=16):
    rows = generator.standard_normal((num_rows, dimensions)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def assert_same(result, other):
    assert result.mean_ap == other.mean_ap
    assert result.mean_inp == other.mean_inp
    assert (result.num_queries, result.num_unmatched) == (other.num_queries, other.num_unmatched)
    np.testing.assert_array_equal(result.cmc, other.cmc)
    np.testing.assert_array_equal(result.average_precision, other.average_precision)


def test_average_precision_worked_by_hand():
    result = rank_features(QUERY, GALLERY, **LABELS)
    assert result.mean_ap == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)
    assert result.mean_inp == pytest.approx(3 / 5)
    assert result.rank(1) == 1.0
    assert len(result.cmc) == 50


def test_cmc_rises_at_the_rank_of_the_first_right_answer():
    labels = {**LABELS, "gallery_ids": np.array([1, 1, 0, 3, -1, 2, 3])}  # the only right answer is now fifth
    result = rank_features(QUERY, GALLERY, **labels, max_rank=6)
    assert result.cmc.tolist() == [0, 0, 0, 0, 1, 1]
    assert result.mean_ap == pytest.approx(1 / 5)


def test_cmc_stays_zero_where_the_first_right_answer_is_beyond_max_rank():
    labels = {**LABELS, "gallery_ids": np.array([1, 1, 0, 3, -1, 2, 3])}
    assert rank_features(QUERY, GALLERY, **labels, max_rank=4).cmc.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_plain_loops_on_ties_junk_and_distractors(seed, reference_ranking):
    distance, labels = random_case(np.random.default_rng(seed))
    result = rank_distances(distance, **labels, max_rank=20)
    mean_ap, cmc, mean_inp, average_precision = reference_ranking(distance, **labels, max_rank=20)
    assert result.mean_ap == pytest.approx(mean_ap, abs=1e-12)
    assert result.mean_inp == pytest.approx(mean_inp, abs=1e-12)
    np.testing.assert_allclose(result.cmc, cmc, atol=1e-12)
    np.testing.assert_allclose(result.average_precision, average_precision, atol=1e-12)
    assert result.num_unmatched == np.isnan(average_precision).sum() > 0


@pytest.mark.parametrize("num_people", [12, 300])  # some 300 right answers, which are bisected, and some 12
@pytest.mark.parametrize("num_values", [20, 10**6])
def test_large_galleries_agree_with_plain_loops(num_people, num_values, plain_ranking):
    generator = np.random.default_rng(num_people)
    distance, labels = random_case(generator, num_queries=5, num_gallery=4500, num_values=num_values)
    labels["query_ids"] = generator.integers(1, num_people, 5)
    labels["gallery_ids"] = generator.integers(-1, num_people, 4500)
    judged = EvaluationLabels(**labels, own_crops=[4499, -1, 2048, 2047, 0])
    ranks, starts = right_answer_ranks(distance, judged, MARKET1501)
    for q in range(5):
        expected = plain_ranking.right_ranks(
            distance[q],
            labels["query_ids"][q],
            labels["query_cameras"][q],
            [-1 if g == judged.own_crops[q] else i for g, i in enumerate(labels["gallery_ids"])],
            labels["gallery_cameras"],
        )
        assert ranks[starts[q] : starts[q + 1]].tolist() == expected
    assert (np.diff(starts) > 64).all() == (num_people == 12)


@pytest.mark.parametrize("seed", range(3))
def test_same_camera_agrees_with_plain_loops(seed, plain_ranking):
    distance, labels = random_case(np.random.default_rng(seed))
    judged = EvaluationLabels(**labels)
    result = rank(given(distance), judged, SAME_CAMERA, max_rank=20)
    mean_ap, cmc, mean_inp, average_precision = plain_ranking.reference_ranking(
        distance, **labels, max_rank=20, judge=plain_ranking.same_camera
    )
    assert result.mean_ap == pytest.approx(mean_ap, abs=1e-12)
    assert result.mean_inp == pytest.approx(mean_inp, abs=1e-12)
    np.testing.assert_allclose(result.cmc, cmc, atol=1e-12)
    np.testing.assert_allclose(result.average_precision, average_precision, atol=1e-12)


def test_a_query_in_the_gallery_is_no_answer_to_itself():
    labels = EvaluationLabels([1], [1, 2, 1], [0], [0, 0, 0], own_crops=[0])
    result = rank(given(np.array([[0.0, 0.1, 0.2]])), labels, SAME_CAMERA)
    assert result.mean_ap == 1 / 2


def test_features_and_their_cosine_distance_give_the_same_numbers(reference_ranking):
    generator = np.random.default_rng(5)
    _, labels = random_case(generator)
    queries, gallery = unit_rows(generator, 61), unit_rows(generator, 230)
    result = rank_features(queries, gallery, **labels)
    mean_ap, cmc, mean_inp, _ = reference_ranking(1 - queries.astype(float) @ gallery.T, **labels, max_rank=50)
    assert result.mean_ap == pytest.approx(mean_ap, abs=1e-12)
    assert result.mean_inp == pytest.approx(mean_inp, abs=1e-12)
    np.testing.assert_allclose(result.cmc, cmc, atol=1e-12)


@pytest.mark.parametrize("work_space", [1, 10_000, 50_000])
def test_the_size_of_the_blocks_changes_nothing(work_space, monkeypatch):
    generator = np.random.default_rng(6)
    distance, labels = random_case(generator)
    queries = unit_rows(generator, 61)
    gallery = np.repeat(unit_rows(generator, 115), 2, axis=0)  # every gallery crop twice: ties between cosines
    whole = rank_distances(distance, **labels), rank_features(queries, gallery, **labels)
    matches = top_matches(queries, gallery, EvaluationLabels(**labels))
    monkeypatch.setattr(distance_rows, "WORK_SPACE_BYTES", work_space)
    assert len(list(distance_rows.query_blocks(61, 230))) > 1
    assert_same(rank_distances(distance, **labels), whole[0])
    assert_same(rank_features(queries, gallery, **labels), whole[1])
    np.testing.assert_array_equal(top_matches(queries, gallery, EvaluationLabels(**labels)).indices, matches.indices)


@pytest.mark.parametrize(("num_queries", "rows"), [(1, 2), (2, 2), (3, 2), (5, 2), (19, 4), (20, 4), (1000, 7)])
def test_blocks_cover_all_queries(num_queries, rows, monkeypatch):
    monkeypatch.setattr(distance_rows, "WORK_SPACE_BYTES", rows * 4 * 10)
    blocks = list(distance_rows.query_blocks(num_queries, 10))
    assert [q for block in blocks for q in range(block.start, block.stop)] == list(range(num_queries))
    assert max(block.stop - block.start for block in blocks) <= rows


@pytest.mark.parametrize(("num_gallery", "rows"), [(1, 512), (15_913, 512), (131_072, 512), (10**6, 67), (10**9, 2)])
def test_the_gallery_alone_decides_how_many_queries_are_compared_at_once(num_gallery, rows):
    assert distance_rows.rows_in_a_block(num_gallery) == rows


@pytest.mark.parametrize("num_queries", [1, 2, 5, 60])
def test_a_query_ranks_the_same_whatever_queries_are_beside_it(num_queries):
    # Alone, products of a few rows have other last bits, and 512 near ties would be broken another way.
    generator = np.random.default_rng(11)
    gallery = unit_rows(generator, 300, dimensions=1024)
    gallery = (gallery[0] + 1e-7 * gallery).astype(np.float32)
    queries = unit_rows(generator, 600, dimensions=1024)
    labels = {
        "query_ids": generator.integers(1, 20, 600),
        "gallery_ids": generator.integers(1, 20, 300),
        "query_cameras": np.zeros(600, dtype=int),
        "gallery_cameras": np.ones(300, dtype=int),
    }
    few = {name: values[:num_queries] if name.startswith("query") else values for name, values in labels.items()}
    whole = rank_features(queries, gallery, **labels).average_precision[:num_queries]
    np.testing.assert_array_equal(rank_features(queries[:num_queries], gallery, **few).average_precision, whole)


def test_the_work_space_stays_below_its_bound(monkeypatch):
    generator = np.random.default_rng(7)
    _, labels = random_case(generator, num_queries=400, num_gallery=3000)
    monkeypatch.setattr(distance_rows, "WORK_SPACE_BYTES", 1024**2)
    features = unit_rows(generator, 400), unit_rows(generator, 3000)
    rank_features(*features, **labels)  # compiled before memory is watched
    tracemalloc.start()
    try:
        rank_features(*features, **labels)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.9 * 1024**2 < peak < 1.5 * 1024**2  # half a MiB for the labels and the results; the matrix takes 4.8 MB


def test_equal_distances_rank_by_gallery_index():
    labels = {**LABELS, "gallery_ids": np.array([2, 2, 1, 2]), "gallery_cameras": np.ones(4, dtype=int)}
    result = rank_distances(np.array([[0.0, -0.0, 0.0, -0.0]], dtype=np.float32), **labels)
    assert result.average_precision.tolist() == [pytest.approx(1 / 3)]


def test_negative_distances_are_closer_than_zero():
    labels = {**LABELS, "gallery_ids": np.array([2, 1, 2, 1]), "gallery_cameras": np.ones(4, dtype=int)}
    result = rank_distances(np.array([[0.0, -2.0, -1.0, 1.0]], dtype=np.float32), **labels)
    assert result.mean_ap == pytest.approx((1 + 2 / 4) / 2)


def test_the_order_of_a_gallery_without_ties_changes_nothing():
    generator = np.random.default_rng(8)
    distance, labels = random_case(generator)
    distance = generator.permuted(np.arange(distance.size, dtype=np.float32)).reshape(distance.shape)
    order = generator.permutation(distance.shape[1])
    gallery_shuffled = {
        **labels,
        "gallery_ids": labels["gallery_ids"][order],
        "gallery_cameras": labels["gallery_cameras"][order],
    }
    assert_same(rank_distances(distance[:, order], **gallery_shuffled), rank_distances(distance, **labels))


def test_inputs_stay_as_they_were():
    distance, labels = random_case(np.random.default_rng(9))
    before = distance.copy()
    rank_distances(distance, **labels)
    np.testing.assert_array_equal(distance, before)


def test_queries_without_match_are_counted_and_not_scored():
    labels = {**LABELS, "query_ids": np.array([9, 1, 2]), "query_cameras": np.array([0, 0, 0])}
    result = rank_features(at_angles(5, 0, 0), GALLERY, **labels)  # 9 is nowhere, 2 only in its own camera
    assert (result.num_queries, result.num_unmatched, result.num_scored) == (3, 2, 1)
    assert np.isnan(result.average_precision).tolist() == [True, False, True]
    assert result.mean_ap == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)


def test_a_result_prints_itself_as_a_table():
    labels = {**LABELS, "query_ids": np.array([1, 9]), "query_cameras": np.array([0, 0])}
    assert str(rank_features(at_angles(0, 0), GALLERY, **labels)).splitlines() == [
        "mAP               75.56 %",
        "rank-1           100.00 %",
        "rank-5           100.00 %",
        "rank-10          100.00 %",
        "mINP              60.00 %",
        "queries scored        1",
        "without match         1",
    ]


def test_a_rank_that_is_not_kept_is_refused():
    result = rank_features(QUERY, GALLERY, **LABELS, max_rank=5)
    assert result.rank(5) == 1.0
    for k in (0, 6):
        with pytest.raises(EvaluationError, match=f"Rank {k} is not kept, only 1 to 5"):
            result.rank(k)
    with pytest.raises(EvaluationError, match="max_rank must be at least 1, got 0"):
        rank_features(QUERY, GALLERY, **LABELS, max_rank=0)


@pytest.mark.parametrize(
    ("gallery_ids", "reason"),
    [
        ([-1] * 7, "7 of those are junk"),
        ([3] * 7, "they share none"),
        ([3, 1, 3, 3, 3, 3, 3], "its query's own camera"),
    ],
)
def test_nothing_to_score_is_an_error_that_says_why(gallery_ids, reason):
    with pytest.raises(EvaluationError, match=f"None of 1 queries has a valid match among 7 gallery crops: .*{reason}"):
        rank_features(QUERY, GALLERY, **{**LABELS, "gallery_ids": np.array(gallery_ids)})


def test_features_that_do_not_fit_are_refused():
    with pytest.raises(EvaluationError, match=r"gallery features have shape \(6, 2\), but there are 7 gallery ident"):
        rank_features(QUERY, GALLERY[:6], **LABELS)
    with pytest.raises(EvaluationError, match="Query features have 1 dimensions, gallery features 2"):
        rank_features(np.ones((1, 1), dtype=np.float32), GALLERY, **LABELS)
    with pytest.raises(EvaluationError, match="query feature 0 has length 2; rows must be L2-normalised"):
        rank_features(2 * QUERY, GALLERY, **LABELS)
    broken = GALLERY.copy()
    broken[[2, 4]] = np.nan, np.inf
    with pytest.raises(EvaluationError, match="2 of 7 gallery features hold NaN or infinity"):
        rank_features(QUERY, broken, **LABELS)


def test_top_matches_leave_out_what_the_protocol_ignores():
    matches = top_matches(QUERY, GALLERY, EvaluationLabels(**LABELS), num_matches=3)
    assert matches.indices.tolist() == [[3, 2, 6]]
    assert matches.is_correct.tolist() == [[True, False, True]]
    np.testing.assert_allclose(matches.similarities, np.cos(np.deg2rad([[10, 20, 30]])), atol=1e-6)


@pytest.mark.parametrize("num_matches", [6, 9])
def test_top_matches_mark_places_that_stay_empty(num_matches):
    matches = top_matches(QUERY, GALLERY, EvaluationLabels(**LABELS), num_matches=num_matches)
    assert matches.indices[0, :5].tolist() == [3, 2, 6, 5, 0]
    assert (matches.indices[0, 5:] == -1).all()
    assert np.isnan(matches.similarities[0, 5:]).all()
    assert not matches.is_correct[0, 5:].any()
    assert matches.indices.shape == (1, num_matches)


def test_top_matches_hold_as_many_right_answers_as_the_cmc_says():
    generator = np.random.default_rng(10)
    _, labels = random_case(generator)
    queries, gallery = unit_rows(generator, 61), unit_rows(generator, 230)
    result = rank_features(queries, gallery, **labels)
    found = top_matches(queries, gallery, EvaluationLabels(**labels), num_matches=10).is_correct.any(axis=1)
    assert found.sum() / result.num_scored == pytest.approx(result.rank(10))


def test_no_matches_asked_for_is_refused():
    with pytest.raises(EvaluationError, match="num_matches must be at least 1, got 0"):
        top_matches(QUERY, GALLERY, EvaluationLabels(**LABELS), num_matches=0)
