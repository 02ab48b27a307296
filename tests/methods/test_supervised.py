"""Identities to labels, the schedule, and a round of training on them."""

import io
import logging
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from iics.config import Settings, SupervisedSettings
from iics.errors import TrainingError
from iics.methods.supervised import check_identities, identity_labels, train_supervised
from iics.training.rates import cosine_decay

SETTINGS = SupervisedSettings(epochs=1, identities_per_batch=2, crops_per_identity=2)


class Grey(nn.Module):
    """Raw features of a crop of one colour: multiples of it, as many as the settings' backbone has. Remembers it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(1, 2, 256))
        self.seen = []

    def forward(self, images):
        grey = images.mean(dim=(1, 2, 3))
        self.seen += (255 * grey).round().int().tolist()
        return grey[:, None] * self.weight


@pytest.fixture
def context(make_crops, make_context, tiny_settings, no_augmentation):
    """Make a working place of crops with these identities; crop i is of grey 10 * i."""

    def make(identity_ids, *, rounds=1, **changes):
        settings = replace(
            tiny_settings,
            method="supervised",
            rounds=rounds,
            augment=no_augmentation,
            supervised=replace(SETTINGS, **changes),
        )
        greys = 10 * np.arange(len(identity_ids), dtype=np.uint8)
        pixels = np.ascontiguousarray(np.broadcast_to(greys[:, None, None, None], (len(greys), 8, 4, 3)))
        crops = make_crops([len(identity_ids)], identity_ids)
        return make_context(crops, settings=settings, pixels=pixels, backbone=Grey())

    return make


def settings_of(**changes):
    return Settings(supervised=replace(SETTINGS, **changes), method="supervised")


# --- labels


def test_labels_count_the_identities_without_gaps_and_leave_junk_and_distractors_out(make_crops):
    crops = make_crops([4, 3], [1500, 7, -1, 7, 0, 12, 1500])
    assert identity_labels(crops).tolist() == [2, 0, -1, 0, -1, 1, 2]


def test_crops_without_identities_are_refused(make_crops):
    with pytest.raises(TrainingError) as caught:
        identity_labels(make_crops([3]))
    assert str(caught.value) == (
        "--supervised needs identities, and crops has none. Leave out --supervised, or train on data that names them "
        "(the Market-1501 layout)."
    )


@pytest.mark.parametrize(
    ("identity_ids", "count", "left_out"), [([5, 5, 5], 1, 0), ([0, -1, 0], 0, 3), ([9, 0, 9], 1, 1)]
)
def test_fewer_than_two_identities_are_refused(make_crops, identity_ids, count, left_out):
    with pytest.raises(TrainingError) as caught:
        check_identities(make_crops([3], identity_ids), settings_of())
    assert str(caught.value) == (
        f"--supervised needs at least 2 identities to tell apart; crops has {count} ({left_out} of its 3 crops are "
        "junk or distractors)."
    )


def test_what_is_left_out_is_counted_and_fewer_identities_than_a_batch_holds_are_told(make_crops, caplog):
    with caplog.at_level(logging.WARNING):
        check_identities(make_crops([6], [3, 3, 8, -1, 0, 0]), settings_of(identities_per_batch=3))
    assert caplog.messages == [
        "3 of 6 crops of crops are left out: identity -1 is junk, 0 a distractor.",
        "crops has 2 identities, fewer than the 3 of a batch: batches hold all 2.",
    ]


def test_where_nothing_is_left_out_nothing_is_said(make_crops, caplog):
    with caplog.at_level(logging.WARNING):
        check_identities(make_crops([4], [3, 3, 8, 8]), settings_of())
    assert not caplog.messages


# --- a round


def test_a_round_sees_every_person_and_neither_junk_nor_distractors(context):
    place = context([4, 4, -1, 9, 9, 0], epochs=4)
    train_supervised(place, {})
    assert set(place.model.backbone.seen) == {0, 10, 30, 40}


def test_an_epoch_has_as_many_steps_as_hold_the_crops_of_people(context):
    record = train_supervised(context([1, 1, 1, 2, 2, 2, -1, -1, -1], epochs=3), {}).record
    assert record["num_steps"] == 3 * 2  # 6 crops in batches of 2 x 2
    assert record["num_identities"] == 2


@pytest.mark.parametrize(
    "identity_ids",
    [
        pytest.param([1, 1, 1, 2], id="one crop of an identity"),
        pytest.param([1, 2, 3, 4, 5], id="one crop of each identity"),
        pytest.param([1, 1, 2, 2, 3, 3, 4], id="an odd number of identities"),
    ],
)
def test_a_round_trains_whatever_the_sizes_of_the_identities(context, identity_ids):
    place = context(identity_ids, identities_per_batch=4)
    before = place.model.backbone.weight.detach().clone()
    result = train_supervised(place, {})
    assert all(math.isfinite(result.record[term]) for term in ("loss", "cross_entropy", "triplet"))
    assert not torch.equal(place.model.backbone.weight, before)
    assert len(result.state["loss"]["head.weight"]) == len(set(identity_ids))
    assert result.labels is None


def test_identities_of_one_crop_have_no_triplet(context):
    assert train_supervised(context([1, 2, 3, 4, 5], triplet_margin=5.0), {}).record["triplet"] == 0
    assert train_supervised(context([1, 1, 3, 3, 5], triplet_margin=5.0), {}).record["triplet"] > 0


def test_loss_is_cross_entropy_plus_weighted_triplet(context):
    record = train_supervised(context([1, 1, 2, 2], triplet_weight=0.5, triplet_margin=2.0), {}).record
    assert record["loss"] == pytest.approx(record["cross_entropy"] + 0.5 * record["triplet"])
    assert record["triplet"] > 0


def test_accuracy_is_that_of_guessing_at_first_and_whole_in_the_end(context):
    place = context([1, 1, 2, 2], rounds=60)  # a round is one step
    state = train_supervised(place, {}).state
    state["loss"]["head.weight"].zero_()  # all logits are equal: the first label is taken
    accuracy = []
    for number in range(60):
        result = train_supervised(replace(place, round_index=number), state)
        accuracy.append(result.record["accuracy"])
        state = result.state
    assert accuracy[0] == 0.5
    assert accuracy[-1] == 1.0


# --- across rounds


@pytest.mark.parametrize(("step", "factor"), [(0, 1.0), (1, 0.853553), (2, 0.5), (3, 0.146447), (4, 0.0)])
def test_rates_fall_along_half_a_cosine(step, factor):
    assert cosine_decay(step, num_steps=4) == pytest.approx(factor, abs=1e-6)


def through_a_file(state):
    """What a checkpoint makes of what a round left."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("is_resumed", [False, True])
def test_the_schedule_spans_all_rounds_with_or_without_a_resume(context, monkeypatch, is_resumed):
    place = context([1, 1, 2, 2, 3, 3], rounds=3)
    rates = []
    step = torch.optim.SGD.step

    def note(optimiser, *arguments):
        rates.append([group["lr"] for group in optimiser.param_groups])
        return step(optimiser, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", note)
    state = {}
    for round_index in range(3):
        state = train_supervised(replace(place, round_index=round_index), state).state
        if is_resumed:
            state = through_a_file(state)
    factors = [(1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)]  # two steps a round
    assert rates == [[pytest.approx(0.01 * factor), pytest.approx(0.1 * factor)] for factor in factors]


def test_a_round_goes_on_with_head_and_momentum_of_the_one_before(context):
    place = context([1, 1, 2, 2], rounds=2)
    left = through_a_file(train_supervised(place, {}).state)
    (first, *_) = left["optimiser"]["state"].values()
    assert first["momentum_buffer"].abs().max() > 0
    weight = place.model.backbone.weight.detach().clone()
    ends = []
    for state in (left, {**left, "optimiser": {**left["optimiser"], "state": {}}}, {}):
        place.model.backbone.weight.data.copy_(weight)
        place.generator.manual_seed(1)
        ends.append(train_supervised(replace(place, round_index=1), through_a_file(state)).state)
    assert len({float(end["loss"]["head.weight"].sum()) for end in ends}) == 3
