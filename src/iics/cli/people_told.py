"""What `iics people` did and found, in lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from iics.evaluation.spread import aligned
from iics.progress_display import count_of

if TYPE_CHECKING:
    from iics.people.agreement import Agreement
    from iics.people.book import People
    from iics.people.correcting import Applied
    from iics.people.keeping import Aged
    from iics.people.update import UpdateResult

_NUMBERS_TOLD = 5


def people_of(number: int) -> str:
    """Return a number of people: 1 person, 4 people."""
    return f"{number:,} {'person' if number == 1 else 'people'}"


def told_persons(numbers: Sequence[int]) -> str:
    """Return numbers of people, the first few: person 7; people 7, 9 and 11; people 7, 9, 11 and 40 more."""
    if len(numbers) == 1:
        return f"person {numbers[0]}"
    *first, last = map(str, numbers[:_NUMBERS_TOLD])
    if len(numbers) > _NUMBERS_TOLD:
        first, last = [*first, last], f"{len(numbers) - _NUMBERS_TOLD} more"
    return f"people {', '.join(first)} and {last}"


def told_update(result: UpdateResult, *, is_after_corrections: bool = False) -> Iterator[str]:
    """Yield what linking did; after corrections only what they led to."""
    counts = {
        "new": result.num_new,
        "made from other crops": result.num_changed,
        "gone": result.num_gone,
    }
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    if told:
        yield f"Sightings: {told}."
    elif not is_after_corrections:
        yield "No sighting is new; people were linked again." if result.num_linked else "Nothing is new."
    changes = {"new": result.num_new_people, "merged into older ones": result.num_merged}
    changed = "; ".join(f"{people_of(count)} {name}" for name, count in changes.items() if count)
    if changed:
        yield f"Linked again with these corrections: {changed}." if is_after_corrections else f"{changed}."
    if result.rule and not is_after_corrections:
        yield f"Linked by this rule: {result.rule}"


def told_people(people: People) -> Iterator[str]:
    """Yield how many people there are, and what is in doubt."""
    of = people.by_person()
    num_crops = sum(len(one.crop_ids) for one in people.seen)
    cameras = len({one.camera for one in people.seen})
    several = sum(len({one.camera for one in seen}) > 1 for seen in of.values())
    if not people.seen:
        yield "Nobody: the gallery has no crops."
        return
    yield (
        f"{people_of(len(of))}, {several:,} of them seen by several cameras: {count_of(len(people.seen), 'sighting')} "
        f"({count_of(num_crops, 'crop')}) of {count_of(cameras, 'camera')}."
    )
    if people.doubts:
        yield (
            f"Not made though likely: {count_of(len(people.doubts), 'link')}; --report shows the likeliest, iics app "
            "makes them."
        )


def told_applied(applied: Applied) -> str:
    """Return what a file of corrections did."""
    return f"Corrections: {applied.num_new} new, {applied.num_undone} undone, {applied.num_known} known."


def told_aged(aged: Aged | None, *, is_asked: bool = False) -> Iterator[str]:
    """Yield what a gallery's limit of days did.

    Args:
        aged: None without a limit.
        is_asked: Whether a limit was set or ended just now.
    """
    if aged is None:
        if is_asked:
            yield "Crops are kept without a limit of days."
        return
    days, forgotten = f"{aged.days:g} {'day' if aged.days == 1 else 'days'}", aged.forgotten
    if forgotten.num_crops or forgotten.persons:
        yield (
            f"Older than {days}: {count_of(forgotten.num_crops, 'crop')} forgotten, "
            f"{people_of(len(forgotten.persons))} with them."
        )
    else:
        yield f"Kept for {days}: no crop is older."
    if forgotten.num_undated:
        stay = (
            "stays: nothing says how old it is" if forgotten.num_undated == 1 else "stay: nothing says how old they are"
        )
        yield f"{count_of(forgotten.num_undated, 'crop')} without a date {stay}."
    if forgotten.num_crops and not forgotten.is_gone:
        yield "They are found no more; the server removes them from its files by its own schedule."


def told_agreement(found: Agreement) -> Iterator[str]:
    """Yield how well people agree with known identities, in %."""
    yield (
        f"Beside {found.num_identities:,} known {'identity' if found.num_identities == 1 else 'identities'}, whose "
        f"{found.num_crops:,} {'crop is' if found.num_crops == 1 else 'crops are'} of "
        f"{people_of(found.num_people)}, in %:"
    )
    rows = [
        ("", "precision", "recall", "F"),
        ("pairs", *_percents(found.pairwise_precision, found.pairwise_recall, found.pairwise_f)),
        ("B-cubed", *_percents(found.bcubed_precision, found.bcubed_recall, found.bcubed_f)),
        ("IDF1", "", "", *_percents(found.idf1)),
    ]
    yield aligned(rows)


def _percents(*shares: float) -> tuple[str, ...]:
    return tuple(f"{100 * share:.1f}" for share in shares)
