"""The batch-hard triplet loss of Eq. 11."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from iics.errors import TrainingError
from iics.training.losses import (
    ClassifierAndTriplet,
    LabelledCrops,
    batch_hard_triplet,
    check_loss,
    euclidean_distance,
)


def loss(features, labels, crop_ids=None, *, margin=0.3):
    features = torch.as_tensor(features)
    crop_ids = torch.arange(len(features)) if crop_ids is None else torch.tensor(crop_ids)
    return batch_hard_triplet(features, torch.tensor(labels), crop_ids, margin=margin)


def on_circle(*degrees):
    return torch.tensor([[math.cos(math.radians(d)), math.sin(math.radians(d))] for d in degrees], dtype=torch.float64)


def test_points_on_a_line_give_the_value_worked_by_hand():
    # Cluster 0 at 0, 1, 3; cluster 1 at 4, 6. Farthest positive, nearest negative, hinge with margin 0.5:
    # 0: 3, 4 -> 0;  1: 2, 3 -> 0;  3: 3, 1 -> 2.5;  4: 2, 1 -> 1.5;  6: 2, 3 -> 0.
    points = torch.tensor([[0.0], [1.0], [3.0], [4.0], [6.0]])
    assert loss(points, [0, 0, 0, 1, 1], margin=0.5).item() == pytest.approx((2.5 + 1.5) / 5)


def test_points_on_a_circle_give_the_value_worked_by_hand():
    # Chords: 60 degrees apart is 1, 90 apart is the root of 2, 30 apart is 2 sin 15.
    # 0: positive 1 (at 60), negative sqrt(2) (at 90). 60: 1 and 2 sin 15. 90 has no positive.
    chord = 2 * math.sin(math.radians(15))
    expected = ((1 - math.sqrt(2) + 0.6) + (1 - chord + 0.6)) / 2
    assert loss(on_circle(0, 60, 90), [0, 0, 1], margin=0.6).item() == pytest.approx(expected)


@pytest.mark.parametrize("margin", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_agrees_with_the_reference(reference, margin, seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(24, 5, generator=generator)
    labels = torch.randint(0, 6, (24,), generator=generator).tolist()
    expected = reference.batch_hard_triplet(features.numpy(), labels, margin)
    assert loss(features, labels, margin=margin).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_distances_are_euclidean():
    features = torch.randn(7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(euclidean_distance(features), torch.cdist(features, features), rtol=1e-6, atol=2e-6)


def test_a_crop_is_not_its_own_positive():
    # Cluster 0 is one crop, drawn twice: it has no positive, so only cluster 1's two crops count.
    points = [[0.0], [0.0], [1.0], [3.0]]
    labels, crop_ids = [0, 0, 1, 1], [7, 7, 8, 9]
    assert loss(points, labels, crop_ids).item() == pytest.approx(((2 - 1 + 0.3) + 0) / 2)
    other_crops = loss(points, labels, [6, 7, 8, 9]).item()  # two crops that look the same are a positive pair
    assert other_crops == pytest.approx(((2 - 1 + 0.3) + 0) / 4, abs=1e-6)


def test_repeats_of_singletons_alone_give_no_loss():
    assert loss([[0.0], [0.0], [0.1], [0.1]], [0, 0, 1, 1], [3, 3, 4, 4]).item() == 0


def test_a_batch_of_one_class_gives_zero_and_a_finite_gradient():
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    value = loss(features, [2] * 6)
    value.backward()
    assert value.item() == 0
    assert torch.equal(features.grad, torch.zeros(6, 3))


def test_a_batch_of_singletons_gives_zero_and_a_finite_gradient():
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    value = loss(features, list(range(6)))
    value.backward()
    assert value.item() == 0
    assert torch.equal(features.grad, torch.zeros(6, 3))


def test_an_anchor_without_a_positive_does_not_count_but_is_a_negative():
    points = [[0.0], [2.0], [2.5]]
    # 0: 2 - 2.5 + 1; 2: 2 - 0.5 + 1; 2.5 is alone.
    assert loss(points, [0, 0, 1], margin=1.0).item() == pytest.approx((0.5 + 2.5) / 2)


def test_identical_rows_have_a_finite_gradient():
    features = torch.ones(4, 3, requires_grad=True)
    value = loss(features, [0, 0, 1, 1])
    value.backward()
    assert value.item() == pytest.approx(0.3)
    assert torch.isfinite(features.grad).all()


def test_the_gradient_is_that_of_the_plain_formula():
    features = torch.randn(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    labels = [0, 0, 0, 1, 1, 1, 2, 2]
    assert torch.autograd.gradcheck(lambda rows: loss(rows, labels, margin=2.0), (features,))


def test_a_step_down_the_gradient_pulls_clusters_apart():
    features = on_circle(0, 50, 40, 90).requires_grad_()
    value = loss(features, [0, 0, 1, 1])
    value.backward()
    assert value.item() > 0
    with torch.no_grad():
        assert loss(features - 0.05 * features.grad, [0, 0, 1, 1]) < value


def test_the_loss_does_not_depend_on_the_order_of_the_batch():
    features = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = np.arange(12) % 4
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss(features, labels.tolist()), loss(features[order], labels[order.numpy()].tolist()))


def test_clusters_farther_apart_than_the_margin_cost_nothing():
    assert loss([[0.0], [0.1], [5.0], [5.1]], [0, 0, 1, 1]).item() == 0


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_diverged_training_is_refused_with_a_way_out(loss):
    with pytest.raises(TrainingError, match=r"The loss of stage 1 is (nan|inf) at step 3: training has diverged"):
        check_loss(loss, phase="stage 1", step=3)


def test_a_finite_loss_passes():
    check_loss(1e30, phase="stage 1", step=1)


def test_weights_of_labels_are_scaled_to_mean_1_and_weigh_both_terms():
    features = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    labels, crop_ids = torch.tensor([0, 0, 0, 1, 1, 1]), torch.arange(6)
    terms = {}
    for name, weights in {"none": None, "equal": [3.0, 3.0], "one": [1.0, 0.0]}.items():
        generator = torch.Generator().manual_seed(1)
        loss = ClassifierAndTriplet(4, 2, triplet_weight=1.0, triplet_margin=0.3, generator=generator)
        given = None if weights is None else torch.tensor(weights)
        loss.start(LabelledCrops(labels, labels, features, given))
        terms[name] = loss(features, labels, crop_ids)
    for term in ("loss", "cross_entropy", "triplet"):
        assert terms["equal"][term].item() == pytest.approx(terms["none"][term].item(), rel=1e-6)
    head = ClassifierAndTriplet(
        4, 2, triplet_weight=1.0, triplet_margin=0.3, generator=torch.Generator().manual_seed(1)
    ).head
    of_first = F.cross_entropy(head(features)[:3], labels[:3])
    assert terms["one"]["cross_entropy"].item() == pytest.approx(of_first.item(), rel=1e-5)
