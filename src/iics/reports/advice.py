"""What to try next with a run, and why: only what its numbers support. A `ToldRun` and its judgement in, advice out.

Warnings say what went wrong (`warnings.py`); advice says what could go better. Needs no identities.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from iics.reports.judgement_file import Judgement
from iics.reports.told_run import ToldRun

SETTLED = 0.9
"""Of the adjusted Rand index of a round's clusters with those of the round before: above it they hardly change."""

LEAST_GAIN = 1.1
"""Of the match score by training: one round raised it by far more wherever mAP rose (docs/experiments.md)."""

FEWEST_CROPS = 500
"""To train on: with 120 and with 324 every way of training made other people harder to find, with 3,437 none did
(docs/experiments.md). More rounds of the same are no help."""


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
    if not run.trained:
        return []
    if (few := list(_few_crops(run))) and not run.is_supervised:
        return [*few, *_no_identities(run)]
    return [*_little_gained(judgement), *_clusters_still_change(run), *_one_round(run), *_no_identities(run)]


def _few_crops(run: ToldRun) -> Iterator[Advice]:
    num_crops = run.data.get("num_crops")
    if isinstance(num_crops, int) and num_crops < FEWEST_CROPS:
        yield Advice(
            "Too few crops to learn from",
            f"There are {num_crops:,}. On so few, training made features of other people worse in every trial, and the "
            "match score did not tell.",
            "Collect more before you rely on this model: many people, each in several cameras (iics crop makes crops "
            "from video). More rounds do not help.",
        )


def _little_gained(judgement: Judgement | None) -> Iterator[Advice]:
    if judgement is None or judgement.before is None:
        return
    before, after, number = judgement.before.score, judgement.after.score, judgement.round_number
    if after > LEAST_GAIN * before:
        return
    yield Advice(
        "Training did little for matches across cameras" if after >= before else "Matches across cameras got worse",
        f"The match score was {before:.2f} before and is {after:.2f} after round {number}, of "
        f"{judgement.after.num_crops:,} crops.",
        "Heed the warnings above, and look at the clusters below. If they hold one person each, train longer "
        f"(--rounds {2 * number}); if not, start from better weights (--weights FILE) or give more crops of each "
        "person.",
    )


def _clusters_still_change(run: ToldRun) -> Iterator[Advice]:
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


def _one_round(run: ToldRun) -> Iterator[Advice]:
    if len(run.trained) == 1 and run.settings.get("rounds") == 1 and run.clusterings:
        yield Advice(
            "One round says little",
            "Nothing can be said of whether clusters settle: that takes a second round to compare with.",
            "Train more rounds, in a new run: --rounds 4, and put both side by side with iics compare.",
        )


def _no_identities(run: ToldRun) -> Iterator[Advice]:
    if run.records[-1].scores or run.is_supervised:
        return
    yield Advice(
        "How often the first answer is right is not known",
        "There are no identities to measure it by, and numbers without labels are no accuracy.",
        f"iics label RUN, here {run.name}: fifty answers of yes or no give an estimate of rank-1 "
        f"{'within the camera' if run.num_cameras == 1 else 'across cameras'} with its interval, and the similarity "
        "that means the same person.",
    )
