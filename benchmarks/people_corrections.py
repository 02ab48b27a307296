"""What corrections on the page are worth, and whether they hold: F of people before and after, and over reruns.

Run: python benchmarks/people_corrections.py GALLERY.db MODEL [NUM_CORRECTIONS [NUM_RERUNS]]

GALLERY.db is copied; identities of its crops must be known. Its people are found anew. Then the questions of the tab
"People" are answered from the top of its list, as the page sends answers, by what is true of the two pictures that a
question shows first. Questions about people that the source marks as none (junk, distractors) are passed over.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from iics.arrays import IntArray
from iics.gallery.filters import GalleryFilters
from iics.gallery.gallery import Gallery
from iics.models.reid_model import load_model
from iics.page.audit_log import AuditLog
from iics.page.lookalikes import Lookalikes
from iics.page.people_answers import PeopleAnswers
from iics.page.people_browser import Browsing, PeopleBrowser
from iics.page.people_questions import Question
from iics.page.visitors import Visitor
from iics.people.book import People
from iics.people.update import update_people

_NOBODY = Visitor("benchmark", "here")


def main() -> None:
    source, model_file = map(Path, sys.argv[1:3])
    num_corrections, num_reruns = (int(sys.argv[k]) if len(sys.argv) > k else n for k, n in ((3, 20), (4, 10)))
    model = load_model(model_file)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "people.db"
        shutil.copytree(source, copy)
        with Gallery.open(str(copy)) as gallery:
            truth = {row["crop_id"]: row["identity"] for row in gallery.rows(GalleryFilters())}
            print(update_people(gallery, model))
            browser = PeopleBrowser.of(gallery)
            assert browser is not None
            print(f"before: {told(browser.now()[0], truth)}")
            correct(browser, truth, num_corrections)
            people = browser.now()[0]
            print(f"after {num_corrections} corrections: {told(people, truth)}")
            splits = [each for each in people.corrections if each.kind == "different"]
            if not splits:
                sys.exit("No question was answered no: give more corrections.")
            for number in range(1, num_reruns + 1):
                update_people(gallery, model)
                people = browser.now()[0]
                person_of = {seen.key: seen.person for seen in people.seen}
                broken = [
                    each.number
                    for each in splits
                    if {person_of[key] for key in each.first} & {person_of[key] for key in each.second}
                ]
                print(f"rerun {number}: {told(people, truth)}; broken corrections: {broken or 'none'}")


def correct(browser: PeopleBrowser, truth: Mapping[str, int], wanted: int) -> None:
    """Answer questions from the top of the list until so many are answered."""
    answers = PeopleAnswers(browser, Lookalikes(browser.store.gallery, None), AuditLog(None))
    browsing, skipped, said = browser.list("doubtful first", ""), set[str](), Counter[str]()
    while said.total() < wanted:
        question = next_question(browser, browsing, skipped)
        known = None if question is None else true_answer(browser, truth, question)
        if question is None:
            break
        if known is None:
            skipped.add(question.name)
            continue
        identities = browser.now()[1]
        told = {"do": "yes" if known else "no", "own": question.own, "person": str(question.person)}
        told |= {"version": identities[question.person].version, "theirs": typical(browser, question)}
        if question.other:
            told |= {"other": str(question.other), "otherVersion": identities[question.other].version}
        browsing = answers.tell(_NOBODY, browsing, told).browsing
        said[f"{'two identities' if question.other else 'a sighting'}: {told['do']}"] += 1
    print(f"answered: {dict(said)}")


def next_question(browser: PeopleBrowser, browsing: Browsing, skipped: set[str]) -> Question | None:
    """Return the first question of the list that is not skipped; the page shows one of an identity at a time."""
    identities = browser.now()[1]
    for number in browsing.numbers:
        for question in identities[number].questions[:1] if number in identities else ():
            if question.name not in skipped:
                return question
    return None


def typical(browser: PeopleBrowser, question: Question) -> str:
    """Return the sighting that a question is shown beside."""
    if question.other:
        return question.theirs
    others = [seen for seen in browser.now()[1][question.person].sightings if seen.key != question.own]
    return max(others, key=lambda seen: (seen.certainty, seen.key)).key


def true_answer(browser: PeopleBrowser, truth: Mapping[str, int], question: Question) -> bool | None:
    """Return whether the two sightings of a question are of one identity; None if one is of none."""
    crops = {seen.key: seen.crop_ids for seen in browser.now()[0].seen}
    one, other = (Counter(truth[crop] for crop in crops[key]) for key in (question.own, typical(browser, question)))
    first, second = one.most_common(1)[0][0], other.most_common(1)[0][0]
    return None if first is None or second is None or min(first, second) < 1 else first == second


def told(people: People, truth: Mapping[str, int]) -> str:
    """Return pairwise and B-cubed F over the crops of known identities, in percent."""
    pairs = [(seen.person, truth[crop]) for seen in people.seen for crop in seen.crop_ids]
    known = np.array([(person, identity) for person, identity in pairs if identity is not None and identity > 0])
    found = f"{len({seen.person for seen in people.seen})} identities"
    return f"{found}, pairwise F {100 * pairwise_f(*known.T):.2f}, B-cubed F {100 * b_cubed_f(*known.T):.2f}"


def pairwise_f(found: IntArray, true: IntArray) -> float:
    """Return the F of the pairs of crops that are said to be one person."""
    both, ours, theirs = counts(found, true)
    return f_of(np.sum(both * (both - 1)), np.sum(ours * (ours - 1)), np.sum(theirs * (theirs - 1)))


def b_cubed_f(found: IntArray, true: IntArray) -> float:
    """Return the F of the mean precision and recall of a crop."""
    both, ours, theirs = counts(found, true)
    precision, recall = np.sum(both**2 / ours[:, None]) / len(found), np.sum(both**2 / theirs) / len(found)
    return float(2 * precision * recall / (precision + recall))


def counts(found: IntArray, true: IntArray) -> Sequence[IntArray]:
    """Return crops of each found and true identity, and of each of either."""
    _, rows = np.unique(found, return_inverse=True)
    _, columns = np.unique(true, return_inverse=True)
    both = np.zeros((rows.max() + 1, columns.max() + 1), dtype=np.int64)
    np.add.at(both, (rows, columns), 1)
    return both, both.sum(axis=1), both.sum(axis=0)


def f_of(right: float, found: float, true: float) -> float:
    """Return the harmonic mean of right / found and right / true."""
    return float(2 * right / (found + true))


if __name__ == "__main__":
    main()
