"""The cluster memory against plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from iics.errors import SettingsError
from iics.training.cluster_memory import ClusterMemory, moved_memory
from iics.training.losses import LabelledCrops

LABELS = torch.tensor([0, 0, 2, 2, 2, 0])


def random_rows(num_rows: int, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(num_rows, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


def started(towards="mean", momentum=0.1):
    labels = torch.tensor([0, 1, -1, 1, 2, 0, -1, 2])
    crops = LabelledCrops(labels, torch.zeros(8, dtype=torch.int64), random_rows(8))
    memory = ClusterMemory(5, 3, temperature=0.05, momentum=momentum, towards=towards).double()
    memory.start(crops)
    return memory, crops


def test_memory_starts_with_the_normalised_means_of_clusters_and_noise_is_left_out():
    memory, crops = started()
    for label in range(3):
        mean = crops.features[crops.labels == label].mean(dim=0)
        torch.testing.assert_close(memory.vectors[label], normalize(mean, dim=0))


def test_loss_is_cross_entropy_of_cosines_over_the_temperature():
    memory, _ = started()
    features = 7 * random_rows(6, seed=1)
    terms = memory(features, LABELS, torch.arange(6))
    logits = torch.tensor([[float(normalize(f, dim=0) @ c) / 0.05 for c in memory.vectors] for f in features])
    assert terms["loss"].item() == pytest.approx(cross_entropy(logits, LABELS).item(), rel=1e-5)
    assert terms["accuracy"].item() == pytest.approx((logits.argmax(dim=1) == LABELS).float().mean().item())


def test_loss_worked_by_hand():
    memory = ClusterMemory(2, 2, temperature=0.5, momentum=0.1, towards="mean")
    memory.start(LabelledCrops(torch.tensor([0, 1]), torch.zeros(2, dtype=torch.int64), torch.eye(2)))
    loss = memory(torch.tensor([[3.0, 0.0]]), torch.tensor([0]), torch.tensor([0]))["loss"]
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-2)))


@pytest.mark.parametrize("towards", ["mean", "hardest"])
@pytest.mark.parametrize("momentum", [0.0, 0.1, 0.9, 1.0])
def test_vectors_move_as_in_a_plain_loop(towards, momentum):
    vectors, features = random_rows(4), random_rows(6, seed=1)
    expected = vectors.clone()
    for label in (0, 2):
        members = features[label == LABELS]
        likeness = members @ vectors[label]
        new = members.mean(dim=0) if towards == "mean" else members[likeness.argmin()]
        expected[label] = normalize(momentum * vectors[label] + (1 - momentum) * new, dim=0)
    moved = moved_memory(vectors, features, LABELS, momentum=momentum, towards=towards)
    torch.testing.assert_close(moved, expected)
    assert torch.equal(moved[[1, 3]], vectors[[1, 3]])


@pytest.mark.parametrize("towards", ["mean", "hardest"])
def test_a_batch_in_parts_moves_the_memory_once_and_by_the_same(towards):
    features, losses, vectors = random_rows(6, seed=1), [], []
    order = torch.tensor([0, 1, 5, 2, 3, 4])  # a cluster's crops side by side, as batches have them
    for parts in ([order], [order[:3], order[3:]]):
        memory, _ = started(towards)
        losses.append(sum(memory(features[rows], LABELS[rows], rows)["loss"] * len(rows) / 6 for rows in parts).item())
        memory.after_step()
        vectors.append(memory.vectors)
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    torch.testing.assert_close(vectors[0], vectors[1], rtol=0, atol=1e-15)


def test_memory_stays_until_the_step_is_done_and_has_no_gradient():
    memory, _ = started()
    before = memory.vectors.clone()
    features = random_rows(6, seed=1).requires_grad_()
    memory(features, LABELS, torch.arange(6))["loss"].backward()
    assert features.grad is not None
    assert torch.equal(memory.vectors, before)
    memory.after_step()
    assert not torch.equal(memory.vectors, before)
    assert not memory.vectors.requires_grad
    assert list(memory.parameters()) == []


def test_each_step_moves_by_its_own_crops():
    memory, _ = started(momentum=0.0)
    for seed in (1, 2):
        memory(random_rows(6, seed=seed), LABELS, torch.arange(6))
        memory.after_step()
    torch.testing.assert_close(memory.vectors[2], normalize(random_rows(6, seed=2)[2:5].mean(dim=0), dim=0))


def test_weights_of_clusters_are_refused():
    memory, crops = started()
    weighed = LabelledCrops(crops.labels, crops.camera_ids, crops.features, torch.ones(3))
    with pytest.raises(SettingsError, match="ClusterMemory does not weigh clusters"):
        memory.start(weighed)
