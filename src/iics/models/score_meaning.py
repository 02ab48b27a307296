"""What a similarity means, in words: thresholds of a model file in, text for search, page and model card out."""

from __future__ import annotations

from collections.abc import Mapping

from iics.models.match_thresholds import MatchThreshold, MatchThresholds

HOW_TO_CALIBRATE = (
    "iics label MODEL asks you about 50 pairs of crops; or, where crops come with identities, with "
    "tracklets and times, or with boxes: iics evaluate MODEL DATA --calibrate"
)
NOT_CALIBRATED = (
    "This model is not calibrated: which similarity means the same person is not known. To find out on footage of "
    f"your cameras: {HOW_TO_CALIBRATE}"
)

CENTRED = (
    "Features are centred by camera, and thresholds are measured on plain ones: which centred similarity means the "
    "same person is not known, only that a higher one is likelier. A plain search (--centre off) has thresholds."
)

_ELSEWHERE = (
    "On crops of other cameras or people than those, the rates do not hold: a threshold of 1 % was exceeded by 3 % of "
    f"the pairs of two people there. Calibrate on your own: {HOW_TO_CALIBRATE}"
)


def meaning_of(similarity: float, thresholds: MatchThresholds | None) -> str:
    """Return one sentence on what a similarity says about two crops being of one person.

    Args:
        similarity: Cosine of two features.
        thresholds: Of the model's header; None if it is not calibrated.

    Raises:
        ValueError: If the similarity is not a number.
    """
    if similarity != similarity:
        raise ValueError("similarity must be a number, got NaN; check the model's features.")
    if thresholds is None:
        return f"{similarity:.2f}: not calibrated"
    passed = thresholds.strictest(similarity)
    if passed is not None:
        shown, limit = _apart(similarity, passed)
        return (
            f"{shown}: above the {rate_text(passed.rate)} threshold ({limit}), "
            f"which {_interval(passed)} of pairs of two different people of {thresholds.data} exceed"
        )
    known = [threshold for threshold in thresholds.thresholds if threshold.similarity is not None]
    if not known:
        few = "answers" if thresholds.is_answered else "people"
        return f"{similarity:.2f}: the model was calibrated on too few {few} to say what that means"
    loosest = known[-1]
    shown, limit = _apart(similarity, loosest)
    return (
        f"{shown}: not above the {rate_text(loosest.rate)} threshold ({limit}); "
        f"{_interval(loosest)} of pairs of two different people of {thresholds.data} lie above that"
    )


def measured_elsewhere(thresholds: MatchThresholds) -> str:
    """Return what is to be said beside thresholds on crops that they may not have been measured on."""
    return f"Measured on {thresholds.data}. {_ELSEWHERE}"


def transfer_lines(thresholds: MatchThresholds, shares: Mapping[float, float], *, data: str) -> list[str]:
    """Return how thresholds hold on crops that they were not measured on.

    Args:
        thresholds: Of the model's header.
        shares: By rate, the share of the pairs of two people of `data` that is above the threshold.
        data: What these crops are called.
    """
    lines = [f"The model file's thresholds were measured on {thresholds.data}, {thresholds.split}. On {data}:"]
    for at in thresholds.thresholds:
        if at.rate in shares:
            above = f"{rate_text(shares[at.rate])} of the pairs of two people"
            lines.append(f"  {above} exceed {at.similarity:.3f}, the {rate_text(at.rate)} threshold")
    return [*lines, "  Where these differ, calibrate on your own crops: iics evaluate MODEL DATA --calibrate"]


def summary_lines(thresholds: MatchThresholds | None, *, are_own_crops: bool = False) -> list[str]:
    """Return what can be printed below similarities: every threshold, on what it was measured, and what it leaves out.

    Args:
        thresholds: Of the model's header; None if it is not calibrated.
        are_own_crops: Whether what is shown beside them are the crops that they were measured on.
    """
    if thresholds is None:
        return [NOT_CALIBRATED]
    lines = [f"Which similarity means the same person? Measured on {source_text(thresholds)}."]
    lines += [f"  {_threshold_text(threshold, thresholds)}" for threshold in thresholds.thresholds]
    strictest = next((at for at in thresholds.thresholds if at.similarity is not None), None)
    if strictest is not None:
        lines.append(
            f"  Among 10,000 crops of other people some {10_000 * strictest.rate:,.0f} exceed "
            f"{strictest.similarity:.3f}, too: a high similarity is not an identification."
        )
    lines.append(f"  {thresholds.limits}")
    return lines if are_own_crops else [*lines, f"  {measured_elsewhere(thresholds)}"]


def source_text(thresholds: MatchThresholds) -> str:
    """Return on what thresholds were measured."""
    if thresholds.is_answered:
        cameras = "two cameras" if thresholds.calibration == "answers" else "one camera"
        return (
            f"{thresholds.data}, {thresholds.split}: {thresholds.num_different + thresholds.num_same:,} pairs of crops "
            f"of {cameras} that people looked at, {thresholds.num_same:,} of one person and "
            f"{thresholds.num_different:,} of two"
        )
    kind = {
        "identities": "people, cameras differ",
        "identities in one camera": "people of one camera",
        "tracklets and moments": "people or tracklets in one picture of one camera",
    }[thresholds.calibration]
    return (
        f"{thresholds.data}, {thresholds.split}: {thresholds.num_different:,} pairs of two different {kind} "
        f"({thresholds.num_people_pairs:,} different pairs of {thresholds.num_people:,}), {thresholds.num_same:,} "
        f"pairs of one {'tracklet' if thresholds.calibration == 'tracklets and moments' else 'person'}"
    )


def rate_text(rate: float) -> str:
    """Return a share in percent with the digits it needs: 0.1 %, 1 %, 0.04 %."""
    percent = 100 * rate
    if 0 < percent < 0.001:
        return "under 0.001 %"
    return f"{round(percent, 1):.4g} %" if percent >= 9.95 else f"{percent:.2g} %"


def too_few(thresholds: MatchThresholds) -> str:
    """Return why a threshold is not there."""
    return "too few answers to tell" if thresholds.is_answered else "too few people to tell"


def _threshold_text(threshold: MatchThreshold, thresholds: MatchThresholds) -> str:
    rate = rate_text(threshold.rate)
    if threshold.similarity is None and thresholds.is_answered:
        return f"{rate:>6} of two different people: {too_few(thresholds)}; ask about more pairs (iics label --pairs)"
    if threshold.similarity is None:
        return f"{rate:>6} of two different people: too few people to tell; {1 / threshold.rate:,.0f} pairs are needed"
    low, high = ("?" if end is None else f"{end:.3f}" for end in (threshold.similarity_low, threshold.similarity_high))
    found = "" if threshold.found is None else f"; finds {rate_text(threshold.found)} of the pairs of one person"
    near = "" if threshold.same_camera_rate is None else f"; within one camera {rate_text(threshold.same_camera_rate)}"
    return (
        f"{rate:>6} of two different people exceed {threshold.similarity:.3f} (95 % interval {low} to {high}; "
        f"true rate {_interval(threshold)}{near}){found}"
    )


def _interval(threshold: MatchThreshold) -> str:
    low, high = threshold.rate_low or 0.0, threshold.rate_high or 0.0
    return f"{rate_text(low)} to {rate_text(high)}"


def _apart(similarity: float, threshold: MatchThreshold) -> tuple[str, str]:
    """Return a similarity and a threshold with the digits that tell them apart, at least two and at most four."""
    limit = threshold.similarity or 0.0
    digits = next((digits for digits in (2, 3) if f"{similarity:.{digits}f}" != f"{limit:.{digits}f}"), 4)
    return f"{similarity:.{digits}f}", f"{limit:.{digits}f}"
