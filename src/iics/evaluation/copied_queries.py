"""Queries whose picture is in the gallery under another name: they find themselves, which is no recognition.

Features of equal pixels are equal except for rounding, whatever the file, archive or format. Features of query and
gallery -> pairs of copies. A few random projections find the candidates, so that no product of all features is
needed.
"""

from __future__ import annotations

import logging

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.crops import JUNK_IDENTITY, CropSet
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.protocol import IGNORED, MatchingProtocol

logger = logging.getLogger(__name__)

_APART = 1e-4
"""Distance of two features, far above last bits and far below that of two frames of one walk."""
_NUM_PROJECTIONS = 8
_CANDIDATES_AT_ONCE = 1 << 20


def warn_of_copies(
    query_features: FloatArray,
    gallery_features: FloatArray,
    query: CropSet,
    gallery: CropSet,
    labels: EvaluationLabels,
    protocol: MatchingProtocol,
) -> None:
    """Warn if copies of queries count in the gallery, with their number and an example.

    Args:
        query_features: L2-normalised. Shape (n, d).
        gallery_features: L2-normalised. Shape (m, d).
        query: For names.
        gallery: For names.
        labels: Of both.
        protocol: Copies that it ignores are no matter.
    """
    pairs = copied_pairs(query_features, gallery_features)
    q, g = pairs.T
    is_same_person = labels.query_ids[q] == labels.gallery_ids[g]
    is_same_camera = labels.query_cameras[q] == labels.gallery_cameras[g]
    verdicts = protocol.table[is_same_person.astype(np.int64), is_same_camera.astype(np.int64)]
    counts = (verdicts != IGNORED) & (labels.gallery_ids[g] != JUNK_IDENTITY) & (labels.own_crops[q] != g)
    if counts.any():
        first = int(np.flatnonzero(counts)[0])
        logger.warning(
            "%d of %d queries have their very picture in the gallery, as a crop of another camera or person, e.g. %s "
            "and %s: such a query finds itself. Remove the copies from one side; iics check-data lists them.",
            len(np.unique(q[counts])),
            len(query),
            query.label(int(q[first])),
            gallery.label(int(g[first])),
        )


def copied_pairs(query_features: FloatArray, gallery_features: FloatArray) -> IntArray:
    """Return the indices of queries and gallery crops with the same features, in order. Shape (number of pairs, 2)."""
    # A projection never enlarges a distance: copies stay within _APART in each, and few others do in all eight.
    directions = np.random.default_rng(0).standard_normal((query_features.shape[1], _NUM_PROJECTIONS))
    directions = (directions / np.linalg.norm(directions, axis=0)).astype(np.float32)
    queries, gallery = query_features @ directions, gallery_features @ directions
    order = np.argsort(gallery[:, 0], kind="stable")
    first = np.searchsorted(gallery[order, 0], queries[:, 0] - _APART)
    last = np.searchsorted(gallery[order, 0], queries[:, 0] + _APART, side="right")
    ends = np.cumsum(last - first)
    found, at = [np.zeros((0, 2), dtype=np.int64)], 0
    while at < len(queries):
        before = ends[at - 1] if at else 0
        to = max(at + 1, int(np.searchsorted(ends, before + _CANDIDATES_AT_ONCE, side="right")))
        counts = (last - first)[at:to]
        q = np.repeat(np.arange(at, to), counts)
        steps = np.arange(len(q)) - np.repeat(np.cumsum(counts) - counts, counts)
        g = order[np.repeat(first[at:to], counts) + steps]
        is_near = (np.abs(queries[q] - gallery[g]) <= _APART).all(axis=1)
        q, g = q[is_near], g[is_near]
        is_copy = np.linalg.norm(query_features[q] - gallery_features[g], axis=1) <= _APART
        found.append(np.stack([q[is_copy], g[is_copy]], axis=1))
        at = to
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
