"""What to try next with a run, and why: only what its numbers support. A `ToldRun` and its judgement in, advice out.

Warnings say what went wrong (`warnings.py`); advice says what could go better. Needs no identities.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from iics.reports.judgement_file import Judgement
from iics.reports.told_run import ToldRun

SETTLED = 0.9
"""Of the adjusted Rand index of a round's clusters with those of the round before: above it they hardly change."""


@dataclass(frozen=True)
class Advice:
    """Something to try.

    Attributes:
        title: What was seen, in short.
        finding: The numbers.
        advice: What to do, with flags.
    """

    title: str
    finding: str
    advice: str


def advice_of(run: ToldRun, judgement: Judgement | None) -> list[Advice]:
    """Return what to try next with a run; nothing before its first round."""
    return [one for find in _FINDERS for one in find(run, judgement)] if run.trained else []


def standard_error(share: float, count: int) -> float:
    """Return that of a share of `count` crops, as if they were drawn one by one; crops of one person make it larger."""
    return math.sqrt(share * (1 - share) / count)


def _little_gained(run: ToldRun, judgement: Judgement | None) -> Iterator[Advice]:
    if judgement is None or judgement.before is None:
        return
    before, after = judgement.before, judgement.after
    gain = after.led_back - before.led_back
    limit = 2 * math.hypot(
        standard_error(before.led_back, before.num_crops), standard_error(after.led_back, after.num_crops)
    )
    if gain > limit:
        return
    what = "fewer" if gain < -limit else "no more"
    yield Advice(
        f"After training, {what} matches across cameras lead back",
        f"{_percent(before.led_back)} before, {_percent(after.led_back)} after round {judgement.round_number}, of "
        f"{after.num_crops:,} crops; a difference below {_percent(limit)} can be chance.",
        "Heed the warnings above, and look at the clusters below. If they hold one person each, train longer "
        f"(--rounds {2 * judgement.round_number}); if not, start from better weights (--weights FILE) or give more "
        "crops of each person.",
    )


def _clusters_still_change(run: ToldRun, judgement: Judgement | None) -> Iterator[Advice]:
    number = run.trained[-1].number
    if number != run.settings.get("rounds"):
        return
    for one in run.over_all_cameras:
        stability = one.stability(run.trained[-1])
        if stability is not None and stability < SETTLED:
            yield Advice(
                "Clusters still change from round to round",
                f"Those over {one.where} agree with those of the round before by an ARI of {stability:.2f}; 1 is the "
                "same.",
                f"Train longer, in a new run: --rounds {2 * number}, and put both side by side with iics compare.",
            )


def _never_compared(run: ToldRun, judgement: Judgement | None) -> Iterator[Advice]:
    if len(run.trained) == 1 and run.settings.get("rounds") == 1 and run.clusterings:
        yield Advice(
            "One round says little",
            "Nothing can be said of whether clusters settle: that takes a second round to compare with.",
            "Train more rounds, in a new run: --rounds 4, and put both side by side with iics compare.",
        )


def _no_identities(run: ToldRun, judgement: Judgement | None) -> Iterator[Advice]:
    if run.records[-1].scores or run.is_supervised:
        return
    yield Advice(
        "How often the first answer is right is not known",
        "There are no identities to measure it by, and numbers without labels are no accuracy.",
        f"iics label RUN, here {run.name}: fifty answers of yes or no give an estimate of rank-1 across cameras with "
        "its interval, and the similarity that means the same person.",
    )


_FINDERS: Sequence[Callable[[ToldRun, Judgement | None], Iterator[Advice]]] = (
    _little_gained,
    _clusters_still_change,
    _never_compared,
    _no_identities,
)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
