import numpy as np
import pytest

from iics.models.match_thresholds import MatchThreshold, MatchThresholds
from iics.people.agreement import agreement
from iics.people.link_rule import SHARE_OF_WITHIN, LinkRule, _threshold, find_rule
from iics.people.linking import link
from tests.people.made_sightings import seen_people, sightings_of, who_is_seen


def test_threshold_is_a_share_of_the_likeness_within_the_groups_above_it():
    # Likeness 9 joins 0 and 1, 7 adds 2, then 3 would add 3. Above: two of (9 + 7) / 2 = 8 and one of 7 on average.
    linkage = np.array([[0, 1, 1, 2], [4, 2, 3, 3], [5, 3, 7, 4]], dtype=np.float64)
    assert _threshold(linkage, 10 - linkage[:, 2]) == pytest.approx(SHARE_OF_WITHIN * (2 * 8 + 7) / 3)


def test_pairs_that_are_apart_end_the_search():
    linkage = np.array([[0, 1, 1, 2], [2, 3, np.inf, 3]], dtype=np.float64)
    assert _threshold(linkage, 10 - linkage[:, 2]) == pytest.approx(SHARE_OF_WITHIN * 9)


@pytest.mark.parametrize(("num_people", "times"), [(100, 2), (30, 6), (10, 20), (4, 30)])
def test_people_that_are_well_apart_are_found_without_labels_however_many_they_are(num_people, times):
    seen = seen_people(num_people, times)
    found = link(seen, rule=find_rule(seen))
    assert agreement(found.labels, who_is_seen(num_people, times)).bcubed_f > 0.98


def test_rule_does_not_depend_on_the_scale_of_similarities():
    seen = seen_people(noise=1.2)
    common = np.full(seen.features.shape, 2 / np.sqrt(64), np.float32)
    features = seen.features + common  # all cosines rise to about 0.8 and more
    shifted = type(seen)(**{**vars(seen), "features": features / np.linalg.norm(features, axis=1, keepdims=True)})
    one, other = (agreement(link(each, rule=find_rule(each)).labels, who_is_seen()) for each in (seen, shifted))
    assert other.bcubed_f == pytest.approx(one.bcubed_f, abs=0.05)


def test_fewer_wrong_links_never_lower_the_threshold():
    seen = seen_people(noise=1.6)
    found = [find_rule(seen, wrong_links=share).threshold for share in (0.5, 0.05, 0.01)]
    assert found == sorted(found)
    assert found[0] >= find_rule(seen).threshold
    assert found[2] > found[0]


def test_fewer_wrong_links_mean_higher_precision():
    seen = seen_people(60, noise=1.4)
    few, fewer = (
        agreement(link(seen, rule=find_rule(seen, wrong_links=share)).labels, who_is_seen(60)) for share in (0.2, 0.02)
    )
    assert few.pairwise_precision < fewer.pairwise_precision
    assert fewer.pairwise_precision > 0.93


def test_few_sightings_are_linked_by_their_cosine():
    rule = find_rule(seen_people(4, 3))
    assert rule.is_plain
    assert rule.threshold == 0.5
    assert rule.source == "A mean cosine of 0.5, because there are fewer than 50 sightings to measure by."


def test_wrong_links_that_few_sightings_cannot_tell_of_are_told():
    rule = find_rule(seen_people(4, 3), wrong_links=0.02)
    assert rule.threshold == 0.5
    assert rule.source.endswith("to measure by; what share of links is wrong cannot be estimated then.")


def test_few_sightings_are_linked_by_the_strictest_threshold_of_the_model():
    strictest = MatchThreshold(0.001, 0.8, rate_low=0.0, rate_high=0.01, num_independent=100)
    thresholds = MatchThresholds((strictest,), "tracklets and moments", "d", "train", 9, 9, 9, 9, True, "")
    rule = find_rule(seen_people(4, 3), thresholds=thresholds)
    assert rule.threshold == 0.8
    assert "the strictest threshold of the model" in rule.source


def test_sightings_of_which_no_two_can_be_one_person_give_a_plain_rule():
    seen = seen_people(60, 1)
    at_once = {"cameras": np.zeros(60, np.int64), "first": np.zeros(60), "last": np.ones(60)}
    rule = find_rule(sightings_of(seen.features, **at_once))
    assert (rule.is_plain, rule.threshold) == (True, 0.5)
    assert rule.source == "A mean cosine of 0.5, because no two sightings that can be one person are alike."


def test_certainty_is_one_half_at_the_threshold_and_rises():
    rule = LinkRule(2.0, 0.5, "", seen_people(4, 3))
    np.testing.assert_allclose(
        rule.certainty(np.array([-999, 2.0, 2.5, 999])), [0, 0.5, 1 / (1 + np.exp(-1)), 1], atol=1e-9
    )
    assert rule.certainty(np.array([rule.doubted_from(0.2)]))[0] == pytest.approx(0.2)


def test_rule_is_the_same_after_a_way_through_its_values():
    rule = find_rule(seen_people())
    again = LinkRule(**rule.values(), background=rule.background)
    assert vars(again) == vars(rule)
