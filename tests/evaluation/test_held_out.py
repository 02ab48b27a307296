"""Individuals that are held out leave the gallery whole, and are the same for the same seed."""

from pathlib import Path

import numpy as np
import pytest

from iics.crops import CropSet
from iics.errors import EvaluationError
from iics.evaluation.held_out import hold_out


def crops(name, identities):
    paths = tuple(Path(f"{name}/{at}.jpg") for at in range(len(identities)))
    return CropSet(paths, np.arange(len(identities)) % 2, ("a", "b"), np.array(identities), name=name)


QUERY = crops("query", [1, 2, 3, 4, 9])
GALLERY = crops("gallery", [1, 1, 2, 2, 3, 3, 4, 4, 0, -1, 7])


def test_half_of_the_shared_individuals_leave_with_all_their_crops():
    held_out = hold_out(QUERY, GALLERY, share=0.5)
    assert len(held_out.identities) == 2
    assert (held_out.num_shared, held_out.num_crops, len(held_out.gallery)) == (4, 4, 7)
    stays = set(held_out.gallery.identity_ids.tolist())
    assert stays == {0, -1, 7} | ({1, 2, 3, 4} - set(held_out.identities.tolist()))
    assert "Held out: 2 of 4 individuals (seed 0), whose 4 crops left the gallery; 7 stay." in str(held_out)


def test_the_draw_is_the_seeds_and_not_the_order_of_the_crops():
    turned = GALLERY.subset(np.arange(len(GALLERY))[::-1])
    draws = [hold_out(QUERY, GALLERY, share=0.5, seed=seed).identities.tolist() for seed in range(8)]
    assert draws[3] == hold_out(QUERY, turned, share=0.5, seed=3).identities.tolist()
    assert len({tuple(draw) for draw in draws}) > 1


@pytest.mark.parametrize(("share", "count"), [(0.01, 1), (0.99, 3), (0.7, 3)])
def test_at_least_one_leaves_and_one_stays(share, count):
    assert len(hold_out(QUERY, GALLERY, share=share).identities) == count


def test_what_cannot_be_held_out_is_refused():
    with pytest.raises(EvaluationError, match=r"above 0 and below 1, got 1\.0"):
        hold_out(QUERY, GALLERY, share=1.0)
    with pytest.raises(EvaluationError, match="gallery has no identities"):
        hold_out(QUERY, GALLERY.without_identities(), share=0.5)
    with pytest.raises(EvaluationError, match="share 1 individuals; at least 2 are needed"):
        hold_out(QUERY.subset([0, 4]), GALLERY, share=0.5)
