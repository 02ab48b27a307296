"""Open-set search: queries whose individual may be missing from the gallery. Features -> rates of claims, by threshold.

Each query makes at most one claim: its most similar gallery crop that counts under the protocol, if the similarity
lies above a threshold. The terms are those of ISO/IEC 19795-1 and of NIST's 1:N tests (Grother, Ngan and Hanaoka,
NISTIR 8271, 2019), for lists of one candidate:

* FPIR, here *false claims*: share of the queries without a right answer (non-mated) that claim somebody.
* FNIR, here *missed*: share of the queries with one (mated) that do not claim it: they claim nobody, or somebody else
  (*misnamed*). 1 - FNIR is the detection and identification rate, DIR, at rank 1 (Phillips, Grother and Micheals,
  Handbook of Face Recognition, 2nd ed., 2011).

The area under missed over false claims is the chance that a query with an answer and one without, both drawn at random,
come out wrong: the first one's claim is not right, or not more similar than the second one's (ties: half). It is 1 less
the OpenAUC of Wang et al. (NeurIPS 2022).

Equal similarities: within a query the first in the gallery is claimed, as everywhere else; across queries, a claim must
lie *above* the threshold, so that queries that are equally similar are claimed together or not at all, and the stated
rate of false claims is never exceeded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from iics.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from iics.errors import EvaluationError
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.protocol import MARKET1501, MatchingProtocol
from iics.evaluation.right_ranks import num_right_answers
from iics.evaluation.top_matches import top_matches


@dataclass(frozen=True, eq=False)
class Claims:
    """What each query would claim.

    Attributes:
        similarity: Cosine with its most similar gallery crop; -inf where no gallery crop counts. Shape (n,).
        is_right: Whether that crop is a right answer. Shape (n,).
        is_known: Whether the gallery holds a right answer. Shape (n,).
        individuals: Identity of each query. Shape (n,).
    """

    similarity: FloatArray
    is_right: BoolArray
    is_known: BoolArray
    individuals: IntArray

    @cached_property
    def unknown_similarity(self) -> FloatArray:
        """Similarities of the queries without a right answer, rising. Shape (num_unknown,)."""
        return np.sort(self.similarity[~self.is_known])

    @property
    def found_similarity(self) -> FloatArray:
        """Similarity at which each query with a right answer claims it; -inf if it claims somebody else. Shape (k,)."""
        return np.where(self.is_right, self.similarity, np.float32(-np.inf))[self.is_known]


@dataclass(frozen=True)
class ClaimRates:
    """Shares at one threshold.

    Attributes:
        similarity: The threshold; claims lie above it.
        false_claims: FPIR: of the queries without a right answer, those that claim somebody.
        missed: FNIR: of the queries with a right answer, those that do not claim it.
        misnamed: Of the same, those that claim somebody else; a part of `missed`.
    """

    similarity: float
    false_claims: float
    missed: float
    misnamed: float


def best_claims(
    query_features: FloatArray,
    gallery_features: FloatArray,
    labels: EvaluationLabels,
    *,
    protocol: MatchingProtocol = MARKET1501,
) -> Claims:
    """Return what each query would claim, by cosine.

    Args:
        query_features: L2-normalised rows. Shape (n_query, d).
        gallery_features: L2-normalised rows. Shape (n_gallery, d).
        labels: Of the same crops.
        protocol: Who may match whom.

    Raises:
        EvaluationError: If the arrays do not belong together or rows are not normalised.
    """
    first = top_matches(query_features, gallery_features, labels, protocol=protocol, num_matches=1)
    similarity = np.where(first.indices >= 0, first.similarities, -np.inf)[:, 0]  # nobody to claim: below all
    is_known = num_right_answers(labels, protocol) > 0
    return Claims(similarity, first.is_correct[:, 0], is_known, labels.query_ids)


def check_open_set(claims: Claims) -> None:
    """Refuse claims without queries of both kinds.

    Raises:
        EvaluationError: If every query has a right answer, or none has.
    """
    num_known = int(claims.is_known.sum())
    if num_known in (0, len(claims.is_known)):
        raise EvaluationError(
            f"Open-set rates need queries with and without a right answer in the gallery, got {num_known} of "
            f"{len(claims.is_known)} with one. Hold individuals out (--unknown 0.5), or add queries of the other kind."
        )


def rates_at(claims: Claims, similarity: float) -> ClaimRates:
    """Return the rates at a threshold.

    Raises:
        EvaluationError: If every query has a right answer, or none has.
    """
    check_open_set(claims)
    known = claims.similarity[claims.is_known]
    is_claim, is_right = known > similarity, claims.is_right[claims.is_known]
    return ClaimRates(
        similarity=float(similarity),
        false_claims=float((claims.unknown_similarity > similarity).mean()),
        missed=float(1 - (is_claim & is_right).mean()),
        misnamed=float((is_claim & ~is_right).mean()),
    )


def threshold_for(claims: Claims, false_claims: float) -> float | None:
    """Return the smallest similarity above which no more than a share of the queries without an answer lie.

    None if that share is less than one of these queries: then it cannot be told from 0.

    Args:
        claims: Of queries of both kinds.
        false_claims: The share, above 0 and below 1.

    Raises:
        EvaluationError: If every query has a right answer, or none has.
    """
    check_open_set(claims)
    # 1e-9: products such as 0.01 * 300 may be rounded to just below a whole number.
    allowed = int(false_claims * len(claims.unknown_similarity) + 1e-9)
    # -2 lies below every cosine, as -inf does (queries for which no crop counts), but can be written as JSON.
    return max(float(claims.unknown_similarity[-1 - allowed]), -2.0) if allowed else None


def area_under_missed(claims: Claims) -> float:
    """Return the area under missed over false claims; 0 is best, ties count half; O(n log n).

    Raises:
        EvaluationError: If every query has a right answer, or none has.
    """
    check_open_set(claims)
    return float(1 - _shares_below(claims).mean())


def _shares_below(claims: Claims) -> DoubleArray:
    """Return, for each query with an answer, the share of those without that its right claim beats. Shape (k,)."""
    unknown, found = claims.unknown_similarity, claims.found_similarity
    beaten = (np.searchsorted(unknown, found) + np.searchsorted(unknown, found, side="right")) / 2
    return np.where(np.isneginf(found), 0.0, beaten / len(unknown))
