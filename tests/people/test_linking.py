import numpy as np
import pytest

from iics.clustering.apart import Apart
from iics.people.agreement import agreement
from iics.people.link_rule import LinkRule, find_rule
from iics.people.linking import link
from iics.people.travel_times import TravelTimes
from tests.people.made_sightings import CAMERAS, seen_people, sightings_of

# Angles in degrees; the plain rule links a mean cosine of 0.5, 60 degrees.
ANGLES = np.array([0.0, 5.0, 10.0, 90.0, 95.0])


def at_angles(angles, **others):
    radians = np.deg2rad(np.asarray(angles, dtype=float))
    return sightings_of(np.stack([np.cos(radians), np.sin(radians)], axis=1), **others)


def plain(seen, threshold=0.5):
    return LinkRule(threshold, 0.05, "", seen, is_plain=True)


def labels(seen, **known):
    return link(seen, rule=plain(seen), **known).labels.tolist()


@pytest.fixture(scope="module")
def seen():
    return seen_people(noise=1.2)


def test_alike_sightings_are_one_person():
    assert labels(at_angles(ANGLES)) == [0, 0, 0, 1, 1]


def test_pairs_of_a_correction_are_one_person_however_unlike():
    assert labels(at_angles(ANGLES), same=np.array([[0, 4]])) == [0, 0, 0, 1, 0]
    assert labels(at_angles([0.0, 90.0]), same=np.array([[0, 1]])) == [0, 0]


def test_pairs_of_a_correction_are_two_people_however_alike():
    found = labels(at_angles([0.0, 0.0, 1.0]), apart=Apart.of(np.array([0]), np.array([1])))
    assert found[0] != found[1]


def test_tracklets_of_one_camera_at_one_time_are_two_people():
    times = {"first": np.array([0.0, 5.0]), "last": np.array([10.0, 15.0])}
    assert labels(at_angles([0.0, 0.0], cameras=np.array([0, 0]), **times)) == [0, 1]
    assert labels(at_angles([0.0, 0.0], cameras=np.array([0, 1]), **times)) == [0, 0]


def test_correction_wins_over_times():
    times = {"first": np.array([0.0, 5.0]), "last": np.array([10.0, 15.0])}
    assert labels(at_angles([0.0, 0.0], cameras=np.array([0, 0]), **times), same=np.array([[0, 1]])) == [0, 0]


def test_travel_times_keep_apart_who_cannot_have_come():
    seen = at_angles([0.0, 0.0], cameras=np.array([0, 1]), first=np.array([0.0, 20.0]), last=np.array([10.0, 30.0]))
    shortest = np.full((3, 3), np.nan)
    shortest[0, 1] = 60.0
    travel = TravelTimes(CAMERAS, shortest, shortest, np.zeros((3, 3), np.int64))
    assert labels(seen, travel=travel) == [0, 1]
    assert labels(seen) == [0, 0]


def test_identity_whose_parts_are_still_alike_stays_whole():
    # Alone, 55 degrees go to 100; as parts of one identity 0 and 55 degrees are alike enough to stay together.
    assert labels(at_angles([0.0, 55.0, 100.0])) == [0, 1, 1]
    assert labels(at_angles([0.0, 55.0, 100.0]), initial=np.array([7, 7, -1])) == [0, 0, 1]


def test_identity_whose_parts_are_not_alike_is_split():
    assert labels(at_angles(ANGLES), initial=np.array([3, 3, 3, 3, 3])) == [0, 0, 0, 1, 1]


def test_identity_split_by_a_correction_does_not_come_together_again():
    seen = at_angles([0.0, 0.0, 1.0, 1.0])
    apart = Apart.of(np.array([0, 0, 1, 1]), np.array([2, 3, 2, 3]))
    assert labels(seen, initial=np.array([1, 1, 2, 2]), apart=apart) == [0, 0, 1, 1]
    assert labels(seen, initial=np.array([1, 1, 1, 1]), apart=apart) == [0, 0, 1, 1]


def test_new_sightings_join_or_found_identities(seen):
    rule = find_rule(seen)
    whole = link(seen, rule=rule).labels
    initial = np.where(np.arange(len(seen)) % 4 == 0, -1, whole)
    assert agreement(link(seen, rule=rule, initial=initial).labels, whole + 1).bcubed_f > 0.98


def test_linking_again_changes_nothing(seen):
    rule = find_rule(seen)
    once = link(seen, rule=rule)
    again = link(seen, rule=rule, initial=once.labels)
    np.testing.assert_array_equal(again.labels, once.labels)
    np.testing.assert_allclose(again.certainty, once.certainty, atol=1e-5)


def test_groups_do_not_depend_on_the_order_of_sightings(seen):
    rule, order = find_rule(seen), np.random.default_rng(0).permutation(len(seen))
    mixed = type(seen)(
        tuple(seen.keys[at] for at in order),
        seen.features[order],
        seen.camera_names,
        seen.camera_ids[order],
        seen.first[order],
        seen.last[order],
    )
    one, other = link(seen, rule=rule).labels[order], link(mixed, rule=rule).labels
    assert agreement(other, one + 1).bcubed_f == 1


def test_certainty_is_that_of_the_likeness_to_the_others_and_1_alone():
    seen = at_angles([0.0, 60.0, 180.0])
    np.testing.assert_allclose(link(seen, rule=plain(seen, 0.499)).certainty, [0.505, 0.505, 1], atol=1e-3)


def test_links_that_were_nearly_made_are_told_by_their_most_alike_pair():
    seen = at_angles([0.0, 5.0, 63.0, 180.0])  # 60.5 degrees from the first two, on average: a cosine of 0.49
    doubt, *others = link(seen, rule=plain(seen)).doubts
    assert (doubt.first, doubt.second) == (1, 2)
    assert 0.4 < doubt.certainty < 0.5
    assert not others


def test_links_that_cannot_be_are_no_doubts():
    seen = at_angles([0.0, 0.0])
    assert link(seen, rule=plain(seen), apart=Apart.of(np.array([0]), np.array([1]))).doubts == ()


def test_nothing_and_one_sighting_are_linked():
    one, nothing = at_angles([0.0]), sightings_of(np.empty((0, 2)))
    assert link(nothing, rule=plain(nothing)).labels.tolist() == []
    assert labels(one) == [0]


def test_better_links_are_surer(seen):
    found = link(seen, rule=find_rule(seen))
    sizes = np.bincount(found.labels)[found.labels]
    assert found.certainty[sizes > 1].mean() > 0.9
    assert ((found.certainty >= 0) & (found.certainty <= 1)).all()
