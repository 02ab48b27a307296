"""A batch in parts: what is cut where, what stays the same, and what does not."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from iics.layers.norm_groups import NormGroups
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d, MixingWeight, set_norm_groups
from iics.methods.iics.stage1 import _train_heads
from iics.models.heads import BNNeckHead
from iics.training.engine import Engine
from iics.training.label_training import LabelBatches, train_on_labels
from iics.training.losses import ClassifierAndTriplet, batch_hard_triplet
from iics.training.step import parts, train_step, training_steps

CAMERA_SIZES = [9, 8, 12]
RATE = 0.01


@pytest.fixture
def double_context(make_crops, make_context):
    """Make a working place in double precision: sums in another order differ by far less than anything else."""

    def make(*, num_parts=1, camera_sizes=CAMERA_SIZES, reports=None):
        torch.manual_seed(0)
        first, second = (GroupedBatchNorm2d(nn.BatchNorm2d(width), nn.ReLU()) for width in (6, 8))
        adaptive = AdaptiveInstanceBatchNorm2d(second, MixingWeight(torch.tensor(0.4), learned=True))
        pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        backbone = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), first, nn.Conv2d(6, 8, 3), adaptive, *pooled).double()
        context = make_context(make_crops(camera_sizes), backbone=backbone)
        return replace(
            context,
            network=lambda images: backbone(images.double()),
            engine=Engine(num_parts=num_parts),
            progress=lambda event: None if reports is None else reports.append(event.loss),
        )

    return make


def forwarded(context):
    """Return a list that will hold the images of every call of the network, and the context that fills it."""
    calls = []

    def network(images):
        calls.append(images)
        return context.network(images)

    return calls, replace(context, network=network)


def gradients(*modules):
    return [p.grad.clone() for module in modules for p in module.parameters() if p.requires_grad]


def state(*modules):
    return [value.clone() for module in modules for value in module.state_dict().values()]


def assert_same(ours, theirs, tolerance):
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


# --- where a batch is cut


@pytest.mark.parametrize(
    ("num_crops", "unit", "num_parts", "min_units", "expected"),
    [
        (24, 8, 1, 1, [(0, 24)]),
        (24, 8, 2, 1, [(0, 8), (8, 24)]),
        (24, 8, 3, 1, [(0, 8), (8, 16), (16, 24)]),
        (24, 8, 4, 1, [(0, 8), (8, 16), (16, 24)]),  # 3 units make no 4 parts
        (64, 4, 3, 2, [(0, 20), (20, 40), (40, 64)]),
        (20, 4, 5, 2, [(0, 8), (8, 20)]),  # 5 units make 2 parts of at least 2
        (4, 4, 3, 2, [(0, 4)]),  # there is one unit only
    ],
)
def test_parts_worked_by_hand(num_crops, unit, num_parts, min_units, expected):
    cut = parts(num_crops, unit=unit, num_parts=num_parts, min_units=min_units)
    assert [(part.start, part.stop) for part in cut] == expected


@given(
    num_units=st.integers(1, 40),
    unit=st.integers(1, 9),
    missing=st.integers(0, 8),
    num_parts=st.integers(1, 50),
    min_units=st.integers(1, 4),
)
def test_parts_hold_every_row_once_and_whole_units_as_even_as_they_go(num_units, unit, missing, num_parts, min_units):
    num_crops = num_units * unit - missing % unit
    cut = parts(num_crops, unit=unit, num_parts=num_parts, min_units=min_units)
    assert [row for part in cut for row in range(part.start, part.stop)] == list(range(num_crops))
    assert all(part.start % unit == 0 for part in cut)
    units = [-(-(part.stop - part.start) // unit) for part in cut]
    assert max(units) - min(units) <= 1
    assert min(units) >= min(min_units, num_units)
    assert len(cut) == max(1, min(num_parts, num_units // min_units))


# --- one part is the plain step


def test_a_step_is_forward_loss_backward_and_sgd(double_context):
    context = double_context()
    weight_decay = context.settings.weight_decay
    backbone, plain = context.model.backbone, copy.deepcopy(context.model.backbone)
    head = BNNeckHead(8, 3, generator=torch.Generator().manual_seed(1)).double()
    plain_head = copy.deepcopy(head)
    batch, targets = torch.arange(0, 24, 2), torch.arange(12) % 3
    calls, context = forwarded(context)
    with training_steps(context):
        terms = train_step(
            context,
            context.optimiser(head, backbone_rate=RATE, head_rate=10 * RATE),
            batch,
            unit=4,
            group_size=4,
            loss_of=lambda features, rows: F.cross_entropy(head(features), targets[rows]).unsqueeze(0),
        )
    set_norm_groups(plain.train(), NormGroups(4))
    loss = F.cross_entropy(plain_head(plain(calls[0].double())), targets)
    loss.backward()
    for module, rate in ((plain, RATE), (plain_head, 10 * RATE)):
        for p in module.parameters():
            if p.requires_grad:
                p.data -= rate * (p.grad + weight_decay * p.data)  # momentum starts with the gradient
    assert len(calls) == 1
    assert terms.tolist() == pytest.approx([loss.item()], rel=1e-13)
    assert_same(gradients(backbone, head), gradients(plain, plain_head), 1e-13)
    assert_same(state(backbone, head), state(plain, plain_head), 1e-13)


def test_gradients_of_a_step_before_are_forgotten(double_context):
    context = double_context()
    optimiser = context.optimiser(nn.Module(), backbone_rate=1e-30, head_rate=1e-30)
    found = []
    with training_steps(context):
        for _ in range(2):
            context.generator.manual_seed(0)  # the same images
            train_step(
                context,
                optimiser,
                torch.arange(8),
                unit=4,
                group_size=4,
                loss_of=lambda features, rows: features.square().sum().unsqueeze(0),
            )
            found.append(gradients(context.model.backbone))
    assert_same(*found, 1e-12)


# --- stage 1 in parts


def stage1(context):
    """Three steps of stage 1 on given labels; return everything that is to be compared."""
    cameras = [np.flatnonzero(context.crops.camera_ids == camera) for camera in range(len(CAMERA_SIZES))]
    heads = [BNNeckHead(8, 3, generator=context.generator).double() for _ in cameras]
    loss = _train_heads(context, heads, cameras, torch.arange(len(context.crops)) % 3, 3)
    return loss, gradients(context.model.backbone, *heads), state(context.model.backbone, *heads)


@pytest.mark.parametrize("num_parts", [2, 3, 10])
def test_stage_1_in_parts_computes_the_same(double_context, num_parts):
    whole, cut = [], []
    loss, gradient, trained = stage1(double_context(reports=whole))
    calls, context = forwarded(double_context(num_parts=num_parts, reports=cut))
    loss_in_parts, gradient_in_parts, trained_in_parts = stage1(context)
    assert len(calls) == 3 * min(num_parts, len(CAMERA_SIZES))  # a camera is not cut
    np.testing.assert_allclose(cut, whole, rtol=1e-9)
    assert loss_in_parts == pytest.approx(loss, rel=1e-9)
    assert_same(gradient_in_parts, gradient, 1e-9)
    assert_same(trained_in_parts, trained, 1e-9)


def test_crops_are_augmented_the_same_in_parts(double_context):
    whole, context = forwarded(double_context())
    stage1(context)
    cut, context = forwarded(double_context(num_parts=3))
    stage1(context)
    assert torch.equal(torch.cat(cut), torch.cat(whole))


# --- training on labels in parts


def label_loss():
    """Eq. 11 over five labels, in double precision."""
    generator = torch.Generator().manual_seed(1)
    return ClassifierAndTriplet(8, 5, triplet_weight=2.0, triplet_margin=0.3, generator=generator).double()


def train_labels(context, loss, *, labels_per_batch=4, crops_per_label=3):
    """One step on labels with a rate that changes nothing that could be seen."""
    return train_on_labels(
        context,
        loss,
        torch.arange(len(context.crops)) % 5,
        context.optimiser(loss, backbone_rate=1e-30, head_rate=1e-30),
        LabelBatches(labels_per_batch, crops_per_label, rate_factors=[1.0]),
    )


@pytest.mark.parametrize("labels_per_batch", [4, 5])
def test_a_part_of_a_batch_of_labels_is_normalised_and_mined_by_itself_and_weighs_as_many_crops_as_it_has(
    double_context, labels_per_batch, monkeypatch
):
    seen = []

    def noting(features, targets, crop_ids, *, margin, weights):
        seen.append((targets, crop_ids))
        return batch_hard_triplet(features, targets, crop_ids, margin=margin, weights=weights)

    monkeypatch.setattr("iics.training.losses.batch_hard_triplet", noting)
    calls, context = forwarded(double_context(num_parts=2))
    plain = copy.deepcopy(context.model.backbone).train()
    minimised = label_loss()
    plain_head = copy.deepcopy(minimised.head)
    trained = train_labels(context, minimised, labels_per_batch=labels_per_batch)

    sizes = {4: [6, 6], 5: [6, 9]}[labels_per_batch]
    assert [len(images) for images in calls] == sizes
    total = torch.zeros((), dtype=torch.float64)
    for images, (targets, crop_ids) in zip(calls, seen, strict=True):
        set_norm_groups(plain, NormGroups())
        features = plain(images.double())
        triplet = batch_hard_triplet(features, targets, crop_ids, margin=0.3)
        loss = F.cross_entropy(plain_head(features), targets) + 2.0 * triplet
        total = total + loss * len(images) / sum(sizes)
    total.backward()
    assert trained["loss"] == pytest.approx(total.item(), rel=1e-12)
    assert trained["loss"] == pytest.approx(trained["cross_entropy"] + 2.0 * trained["triplet"], rel=1e-12)
    assert trained["triplet"] > 0
    assert_same(gradients(context.model.backbone, minimised.head), gradients(plain, plain_head), 1e-11)


def test_running_statistics_of_a_batch_of_labels_in_parts_move_once_by_the_mean_over_its_crops(double_context):
    calls, context = forwarded(double_context(num_parts=2))
    convolution, norm = context.model.backbone[0], context.model.backbone[1]
    train_labels(context, label_loss(), labels_per_batch=5)
    maps = [convolution(images.double()) for images in calls]
    weights = torch.tensor([6 / 15, 9 / 15], dtype=torch.float64)
    mean = sum(weight * each.mean(dim=(0, 2, 3)) for weight, each in zip(weights, maps, strict=True))
    var = sum(weight * each.var(dim=(0, 2, 3)) for weight, each in zip(weights, maps, strict=True))
    torch.testing.assert_close(norm.running_mean, 0.1 * mean, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * var, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("labels_per_batch", "expected"), [(2, 1), (3, 1), (4, 2), (5, 2)])
def test_every_part_has_two_labels_for_the_triplet(double_context, labels_per_batch, expected):
    calls, context = forwarded(double_context(num_parts=10))
    trained = train_labels(context, label_loss(), labels_per_batch=labels_per_batch)
    assert len(calls) == expected
    assert trained["triplet"] > 0
