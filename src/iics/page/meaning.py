"""What a similarity means: the thresholds that the model brings, in words. The one place that asks for them."""

from __future__ import annotations

from iics.models.model_header import ModelHeader


def similarity_meaning(_header: ModelHeader) -> str:
    """Return what a visitor should know of the numbers beside matches."""
    return (
        "Similarity is the cosine of two features: 1 for the same picture, lower for less alike. This model says "
        "nothing of which similarity means the same person, so look at every match. A high similarity is not an "
        "identification."
    )
