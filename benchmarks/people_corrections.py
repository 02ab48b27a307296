"""What corrections on the page are worth, and whether they hold: F of people before and after, and over reruns.

Run: python benchmarks/people_corrections.py GALLERY.db MODEL [NUM_CORRECTIONS [NUM_RERUNS]]

GALLERY.db is copied; identities of its crops must be known. Its people are found anew. Then the questions of the tab
"People" are answered down its list, one of each identity, as the page sends answers, by what is true of the two
pictures that a question shows first. Questions about people that the source marks as none (junk, distractors) are
passed over, and so are wrong look-alikes of who was split off: a user presses C.
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
from iics.models.camera_means import CameraMeans
from iics.models.reid_model import load_model
from iics.page.audit_log import AuditLog
from iics.page.lookalikes import Lookalikes
from iics.page.people_answers import PeopleAnswers
from iics.page.people_browser import PeopleBrowser
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
            correct(browser, truth, num_corrections, model.camera_means)
            people = browser.now()[0]
            print(f"after {num_corrections} corrections: {told(people, truth)}")
            for number in range(1, num_reruns + 1):
                before = len(browser.now()[0].changes)
                update_people(gallery, model)
                people = browser.now()[0]
                print(f"rerun {number}: {told(people, truth)}; broken corrections: {broken(people) or 'none'}")
                for change in people.changes[before:]:
                    print(f"  {change.kind}: {change.person} to {change.into}")


def broken(people: People) -> list[int]:
    """Return the numbers of corrections that people do not hold to."""
    person_of = {seen.key: seen.person for seen in people.seen}
    sides = {
        each: [{person_of[key] for key in keys} for keys in (each.first, each.second)] for each in people.corrections
    }
    return [
        each.number
        for each, (first, second) in sides.items()
        if (len(first | second) > 1 if each.kind == "same" else first & second)
    ]


def correct(browser: PeopleBrowser, truth: Mapping[str, int], wanted: int, camera_means: CameraMeans | None) -> None:
    """Answer the first question of each identity, down the list, until so many are answered."""
    means = camera_means if browser.store.kept().settings.get("is_centred") else None
    answers = PeopleAnswers(browser, Lookalikes(browser.store.gallery, means), AuditLog(None))
    browsing, said = browser.list("doubtful first", ""), Counter[str]()

    def answer(question: Question, known: bool, what: str) -> None:
        nonlocal browsing
        browsing = answers.tell(_NOBODY, browsing, message(browser, question, known)).browsing
        said[f"{what}: {'yes' if known else 'no'}"] += 1

    for number in browsing.numbers:
        identity = browser.now()[1].get(number)
        if said.total() == wanted or identity is None or not identity.questions:
            continue
        question = identity.questions[0]
        known = true_answer(browser, truth, question)
        if known is None:
            continue
        answer(question, known, "two identities" if question.other else "a sighting")
        who = next((each for each in browsing.alike if true_answer(browser, truth, each)), None)
        if who is not None and said.total() < wanted:
            answer(who, True, "who was split off")
    print(f"answered: {dict(said)}")


def message(browser: PeopleBrowser, question: Question, known: bool) -> dict[str, str]:
    """Return what the page sends for an answer."""
    identities = browser.now()[1]
    told = {"do": "yes" if known else "no", "own": question.own, "theirs": typical(browser, question)}
    told |= {"person": str(question.person), "version": identities[question.person].version}
    if question.other:
        told |= {"other": str(question.other), "otherVersion": identities[question.other].version}
    return told


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
