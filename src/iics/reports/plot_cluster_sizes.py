"""How large clusters are: so many clusters of one crop, of two, of three or four, and so on, at one or two moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from iics.arrays import IntArray
from iics.reports.plot_style import BLUE, ORANGE, legend_above, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOOKS = ((BLUE, ""), (ORANGE, "//"))


def size_groups(size_counts: Sequence[Sequence[int]], num_groups: int) -> IntArray:
    """Return how many clusters fall into each group of sizes: 1, 2, 3-4, 5-8, ..., doubling. Shape (num_groups,).

    Args:
        size_counts: Pairs (size, clusters of that size), sizes from 1.
        num_groups: As many as the largest size needs.
    """
    pairs = np.array(size_counts, dtype=np.int64).reshape(-1, 2)
    groups = np.ceil(np.log2(pairs[:, 0])).astype(np.int64)
    counts: IntArray = np.bincount(groups, weights=pairs[:, 1], minlength=num_groups).astype(np.int64)
    return counts


def cluster_sizes_figure(moments: Mapping[str, Sequence[Sequence[int]]], *, title: str, note: str) -> Figure:
    """Draw bars: how many clusters there are of each group of sizes.

    Args:
        moments: One or two: name, e.g. "round 1", and pairs (size, clusters of that size).
        title: What is shown.
        note: Data, how many, seed.
    """
    largest = max(size for pairs in moments.values() for size, _ in pairs)
    num_groups = int(np.ceil(np.log2(largest))) + 1
    width = 0.8 / len(moments)
    with style():
        figure, (ax,) = new_figure(title, note)
        for at, ((name, pairs), (colour, hatch)) in enumerate(zip(moments.items(), _LOOKS, strict=False)):
            places = np.arange(num_groups) + (at - (len(moments) - 1) / 2) * width
            ax.bar(
                places, size_groups(pairs, num_groups), width, color=colour, hatch=hatch, edgecolor="white", label=name
            )
        names = ["1", "2", *(f"{2 ** (group - 1) + 1}-{2**group}" for group in range(2, num_groups))]
        ax.set_xticks(range(num_groups), names[:num_groups], rotation=30 if num_groups > 7 else 0)
        ax.grid(visible=False, axis="x")
        ax.set_xlabel("crops in a cluster")
        ax.set_ylabel("clusters")
        if len(moments) > 1:
            legend_above(ax)
    return figure
