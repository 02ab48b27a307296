"""What a similarity means: the thresholds that the model brings, in words. The one place that asks for them."""

from __future__ import annotations

from iics.models.match_thresholds import MatchThresholds
from iics.models.score_meaning import measured_elsewhere, rate_text, summary_lines


def similarity_meaning(thresholds: MatchThresholds | None) -> str:
    """Return in a few words what a visitor should know of the numbers beside matches."""
    intro = "Similarity is the cosine of two features. Look at every match; a high similarity is not an identification."
    known = [] if thresholds is None else [at for at in thresholds.thresholds if at.similarity is not None]
    if thresholds is None or not known:
        return intro
    rates = ", ".join(f"{rate_text(at.rate)} exceed {at.similarity:.3f}" for at in known)
    return f"{intro} Of pairs of two different people, {rates}. {measured_elsewhere(thresholds)}"


def meaning_details(thresholds: MatchThresholds | None) -> str:
    """Return all that is known of the thresholds, a line each."""
    return "\n".join(line.strip() for line in summary_lines(thresholds))
