"""The rule of linking, found without labels: how alike two groups of sightings of one person are.

The sample is linked by average linkage, the most alike groups first. Down to each likeness t the groups have a
likeness within: the mean, over sightings that are not alone, of their likeness to the others of their group. The
threshold is the highest t that is no more than `SHARE_OF_WITHIN` of it: groups that are only half as alike as sightings
of one person mostly are stay apart. Likeness within falls more slowly than t, so there is such a place.

Where there are few people, the nearest sightings of each are mostly its own person's, and are no background. How many
that are is estimated first, by the plain cosine: the clusters with the largest silhouette, which few people make well.

What it says of certainty is measured at that threshold: how alike sightings are to their own group, beside how alike to
the nearest other one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar

from iics.arrays import DoubleArray, FloatArray, IntArray
from iics.clustering.average_linkage import AllPairs
from iics.clustering.cluster_count import LargestSilhouette
from iics.clustering.cuts import cut_distance
from iics.clustering.known import Known
from iics.clustering.merges import Linkage
from iics.models.match_thresholds import MatchThresholds
from iics.people.likeness import LEAST_BACKGROUND, LEAST_NEAREST, likeness_of
from iics.people.sightings import Sightings
from iics.people.times_apart import at_one_time

MOST_BACKGROUND = 4000
"""Sightings that stand for all where there are more: 64 MB of likeness, and as much again while they are linked."""
SHARE_OF_WITHIN = 0.55
"""Of the likeness within groups that two groups need (docs/linking.md says how it was chosen)."""
PLAIN_THRESHOLD = 0.5
"""Mean cosine that two groups need where there are few sightings and the model has no thresholds."""
_PLAIN_WIDTH = 0.05
_MOST_CLUSTERED = 1000
_ROOM = 1.5
_MOST_NEAREST = 0.45
_STRICTEST_RATE = 0.001


@dataclass(frozen=True, eq=False)
class LinkRule:
    """When two groups of sightings are one person.

    Attributes:
        threshold: Mean likeness of the pairs of two groups from which they are one person.
        width: Likeness above the threshold at which a link is e times as likely right as wrong.
        source: Where the threshold is from, a sentence.
        background: Sightings that stand for all, which likeness is measured against.
        is_plain: Whether likeness is the plain cosine, because sightings did not say more.
        nearest: Share of the background that may be of the same person.
    """

    threshold: float
    width: float
    source: str
    background: Sightings
    is_plain: bool = False
    nearest: float = LEAST_NEAREST

    def certainty(self, likeness: DoubleArray) -> DoubleArray:
        """Return how sure it is that groups so alike are one person, 0 to 1: one half at the threshold."""
        result: DoubleArray = 1 / (1 + np.exp(-np.clip((likeness - self.threshold) / self.width, -50, 50)))
        return result

    def doubted_from(self, certainty: float) -> float:
        """Return the likeness of a certainty."""
        return self.threshold + self.width * math.log(certainty / (1 - certainty))

    def values(self) -> dict[str, float | str]:
        """Return all but the background, as JSON can keep it."""
        return {name: value for name, value in vars(self).items() if name != "background"}


def find_rule(
    sample: Sightings,
    *,
    num_sightings: int | None = None,
    thresholds: MatchThresholds | None = None,
    wrong_links: float | None = None,
) -> LinkRule:
    """Return the rule for some sightings; O(n^2 d) time and 8 n^2 bytes for a sample of n.

    Args:
        sample: All sightings, or up to `MOST_BACKGROUND` drawn from them.
        num_sightings: How many there are in all; None if the sample is all.
        thresholds: Of the model file; None if it has none. They count where there are few sightings.
        wrong_links: Share of linked sightings that may be with the wrong person, by the estimate of certainty; None for
            the threshold above. It only ever raises the threshold, and the source says where it could not be kept.
    """
    if len(sample) < LEAST_BACKGROUND:
        few = f"there are fewer than {LEAST_BACKGROUND} sightings to measure by"
        return _plain_rule(sample, thresholds, wrong_links, because=few)
    nearest = _nearest(sample)
    likeness = likeness_of(sample, sample, is_plain=False, nearest=nearest).block(slice(0, len(sample)))
    np.fill_diagonal(likeness, 0)
    highest = float(likeness.max())
    distances = (highest - np.minimum(likeness, likeness.T)).astype(np.float32)
    linkage = AllPairs(distances, Known(at_one_time(sample))).linkage()
    heights = highest - linkage[:, 2]
    if heights[0] <= 0:
        none = "no two sightings that can be one person are alike"
        return _plain_rule(sample, thresholds, wrong_links, because=none)
    threshold = _threshold(linkage, heights)
    groups = cut_distance(linkage, highest - threshold)
    own, other = _own_and_other(likeness, groups)
    width = _width(own - threshold, other - threshold)
    of = f"{len(sample):,} sightings" + (f" of {num_sightings:,}" if (num_sightings or 0) > len(sample) else "")
    rule = LinkRule(
        threshold, width, f"A likeness of {threshold:.2f}, found without labels by {of}.", sample, nearest=nearest
    )
    return rule if wrong_links is None else _with_fewer_wrong(rule, own, wrong_links)


def _nearest(sample: Sightings) -> float:
    """Return the share of sightings that may be of one person: half as many again as a sighting's cluster has."""
    num = min(len(sample), _MOST_CLUSTERED)
    features = sample.features[np.arange(num) * len(sample) // num]
    matrix = (1 - features @ features.T).astype(np.float32)
    np.fill_diagonal(matrix, 0)
    distances = AllPairs(np.minimum(matrix, matrix.T), Known(most_clusters=num - 1))
    count = LargestSilhouette()
    seen = count.look(distances, None)
    sizes = np.bincount(count.cluster(distances, seen, min_number=2)).astype(np.float64)
    share = float((sizes**2).sum()) / num**2
    return float(np.clip(_ROOM * share, LEAST_NEAREST, _MOST_NEAREST))


def _plain_rule(
    sample: Sightings, thresholds: MatchThresholds | None, wrong_links: float | None, *, because: str
) -> LinkRule:
    known = thresholds.thresholds if thresholds else ()
    strictest = next((at.similarity for at in known if at.rate == _STRICTEST_RATE), None)
    threshold = PLAIN_THRESHOLD if strictest is None else strictest
    whose = "" if strictest is None else ", the strictest threshold of the model"
    unused = "" if wrong_links is None else "; what share of links is wrong cannot be estimated then"
    source = f"A mean cosine of {threshold:.2g}{whose}, because {because}{unused}."
    return LinkRule(threshold, _PLAIN_WIDTH, source, sample, is_plain=True)


def _threshold(linkage: Linkage, heights: DoubleArray) -> float:
    """Return the highest likeness that is no more than the share of the likeness within, after each merge.

    Args:
        linkage: Merges as scipy writes them. Shape (n - 1, 4).
        heights: Mean likeness of the two groups of each, the first above 0; minus infinity where they are apart. Shape
            (n - 1,).
    """
    num = len(linkage) + 1
    sizes, totals = np.ones(2 * num - 1), np.zeros(2 * num - 1)  # totals: of the likeness of the pairs in a group
    within, linked = 0.0, 0.0  # sums over the sightings that are not alone
    for merge, (one, other) in enumerate(linkage[:, :2].astype(np.int64)):
        height = float(heights[merge])
        if linked and height <= SHARE_OF_WITHIN * within / linked:
            return SHARE_OF_WITHIN * within / linked
        for part in (one, other):
            if sizes[part] > 1:
                within -= 2 * totals[part] / (sizes[part] - 1)
                linked -= sizes[part]
        made = num + merge
        sizes[made] = sizes[one] + sizes[other]
        totals[made] = totals[one] + totals[other] + height * sizes[one] * sizes[other]
        within += 2 * totals[made] / (sizes[made] - 1)
        linked += sizes[made]
    return SHARE_OF_WITHIN * within / linked


def _own_and_other(likeness: FloatArray, groups: IntArray) -> tuple[DoubleArray, DoubleArray]:
    """Return the mean likeness of each sighting that is not alone to its group's others, and to the nearest group."""
    num = int(groups.max()) + 1
    membership = np.zeros((len(groups), num), np.float32)
    membership[np.arange(len(groups)), groups] = 1
    sizes, rows = membership.sum(axis=0), np.arange(len(groups))
    totals = likeness @ membership  # the diagonal is 0
    own = totals[rows, groups] / np.maximum(sizes[groups] - 1, 1)
    others = totals / sizes
    others[rows, groups] = -np.inf
    is_linked = sizes[groups] > 1
    return own[is_linked].astype(np.float64), others.max(axis=1)[is_linked].astype(np.float64)


def _width(own: DoubleArray, other: DoubleArray) -> float:
    """Return the width of the logistic curve around 0 that fits right links above it and wrong ones below it best."""
    known = np.concatenate([own, -other[np.isfinite(other)]])
    if len(known) == 0:
        return 1.0
    found = minimize_scalar(lambda width: np.logaddexp(0, -known / width).sum(), bounds=(0.05, 5.0), method="bounded")
    return float(found.x)


def _with_fewer_wrong(rule: LinkRule, own: DoubleArray, wrong_links: float) -> LinkRule:
    """Return the rule whose linked sightings are wrong in no more than a share, by their certainty."""
    own = np.sort(own)[::-1]
    wrong = np.cumsum(1 - rule.certainty(own)) / np.arange(1, len(own) + 1)
    enough = np.flatnonzero(wrong <= wrong_links)
    # Where no share is that small, the surest link alone.
    threshold = max(rule.threshold, float(own[enough[-1] if len(enough) else 0]))
    source = f"{rule.source[:-1]}; {threshold:.2f} for at most {100 * wrong_links:g} % wrong links."
    return replace(rule, threshold=threshold, source=source)
