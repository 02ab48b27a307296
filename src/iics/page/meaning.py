"""What a similarity means: the thresholds that the model brings, in words. The one place that asks for them."""

from __future__ import annotations

from iics.models.match_thresholds import MatchThresholds
from iics.models.score_meaning import summary_lines


def similarity_meaning(thresholds: MatchThresholds | None) -> str:
    """Return what a visitor should know of the numbers beside matches, a line each."""
    intro = (
        "Similarity is the cosine of two features: 1 for the same picture, lower for less alike. Look at every match; "
        "a high similarity is not an identification."
    )
    return "\n".join([intro, *summary_lines(thresholds)])
