"""The mean over normalisation groups is the same on one process and on several, and so is its gradient."""

import re

import pytest
import torch

from iics.layers.norm_groups import NormGroups

ROWS = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Exchange:
    """Stands for the other processes: sums what all of them gave, one call after another."""

    def __init__(self, parts, groups):
        self.parts, self.groups = parts, groups

    def mean_of(self, rank):
        """Return the mean that one process gets, given the rows of all."""
        size, total = self.groups.size or len(ROWS), sum(self.groups.shares)
        starts = [sum(self.groups.shares[:other]) for other in range(len(self.parts))]

        def add_up(own):
            sums = torch.zeros_like(own)
            for start, part in zip(starts, self.parts, strict=True):
                for at, row in enumerate(part.detach()):
                    sums[(start + at) // size] += row
            assert own.shape[0] == total // size
            return sums

        groups = NormGroups(self.groups.size, self.groups.shares, rank, add_up)
        return groups.mean(self.parts[rank])


@pytest.mark.parametrize("size", [None, 2, 3, 4, 6])
@pytest.mark.parametrize("shares", [(6, 6), (5, 7), (4, 4, 4), (12, 0), (1, 10, 1)])
def test_several_processes_get_the_means_of_one(size, shares):
    whole = NormGroups(size).mean(ROWS)
    parts = list(ROWS.split(list(shares)))
    exchange = Exchange(parts, NormGroups(size, shares))
    together = torch.cat([exchange.mean_of(rank) for rank in range(len(shares))])
    torch.testing.assert_close(together, whole)


def test_the_mean_is_its_own_gradient():
    rows = ROWS.clone().requires_grad_()
    weights = torch.linspace(-1, 1, 60, dtype=torch.float64).reshape(12, 5)
    (NormGroups(4).mean(rows) * weights).sum().backward()
    torch.testing.assert_close(rows.grad, NormGroups(4).mean(weights))


def test_whole_groups_on_each_process_need_no_exchange():
    def refuse(_):
        raise AssertionError("exchanged")

    groups = NormGroups(3, (6, 3, 3), 1, refuse)
    assert not groups.is_spread
    torch.testing.assert_close(groups.mean(ROWS[6:9]), ROWS[6:9].mean(dim=0).expand(3, 5))


@pytest.mark.parametrize(("size", "shares", "is_spread"), [(3, (6, 6), False), (4, (6, 6), True), (None, (6, 6), True)])
def test_groups_are_spread_where_a_boundary_cuts_one(size, shares, is_spread):
    assert NormGroups(size, shares).is_spread is is_spread


def test_one_group_is_whole_where_this_process_has_all_of_it():
    assert NormGroups().is_whole(7)
    assert NormGroups(7).is_whole(7)
    assert not NormGroups(7).is_whole(14)
    assert not NormGroups(None, (4, 3), 0).is_whole(4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NormGroups(0), "A normalisation group needs at least 1 crop, got 0."),
        (lambda: NormGroups(4).mean(ROWS[:6]), "A batch of 6 crops cuts a normalisation group of 4."),
        (lambda: NormGroups(4, (6, 5), 0).mean(ROWS[:6]), "A batch of 11 crops cuts a normalisation group of 4."),
        (lambda: NormGroups(2, (4, 4), 1).mean(ROWS[:6]), "Process 1 was to have 4 crops, got 6."),
    ],
)
def test_what_cannot_be_grouped_is_refused(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()
