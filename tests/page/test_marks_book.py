"""The file of marks holds each pair once, whole, whoever writes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from iics.errors import DataError, WriteError
from iics.evaluation.marks import Mark, read_marks
from iics.page.marks_book import MarksBook

MARK = Mark("2026-03-01T08:00:00+00:00", "q0", "q.jpg", "c0", "p", "a", "right", 1, 0.5, "m")


def test_a_mark_is_in_the_file_at_once(tmp_path):
    MarksBook(tmp_path / "marks.csv").put(MARK)
    assert read_marks(tmp_path / "marks.csv") == (MARK,)


def test_a_later_mark_of_a_pair_replaces_the_earlier(tmp_path):
    book, later = MarksBook(tmp_path / "marks.csv"), replace(MARK, verdict="wrong")
    other = replace(MARK, crop_id="c1")
    for mark in (MARK, other, later):
        book.put(mark)
    assert book.marks() == (other, later)


def test_a_mark_on_another_models_match_is_another(tmp_path):
    book = MarksBook(tmp_path / "marks.csv")
    book.put(MARK)
    book.put(replace(MARK, model="other"))
    assert len(book.marks()) == 2
    assert book.verdicts("q0", "m") == {"c0": "right"}


def test_a_mark_can_be_taken_back(tmp_path):
    book = MarksBook(tmp_path / "marks.csv")
    book.put(MARK)
    book.remove(MARK.pair)
    book.remove(MARK.pair)
    assert book.marks() == ()


def test_marks_made_at_once_are_all_kept(tmp_path):
    books = [MarksBook(tmp_path / "marks.csv") for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: books[at % 4].put(replace(MARK, crop_id=f"c{at}")), range(40)))
    assert {mark.crop_id for mark in books[0].marks()} == {f"c{at}" for at in range(40)}


def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path):
    file = tmp_path / "marks.csv"
    book = MarksBook(file)
    book.put(MARK)
    file.write_text(file.read_text()[:-9])
    before = file.read_text()
    with pytest.raises(DataError, match="line 2"):
        book.put(replace(MARK, crop_id="c1"))
    assert file.read_text() == before
    with pytest.raises(DataError, match="line 2"):
        MarksBook(file)


def test_a_mark_that_cannot_be_kept_is_refused_and_the_others_stay(tmp_path):
    book = MarksBook(tmp_path / "marks.csv")
    book.put(MARK)
    for name in ("x" * 140_000, "\ud800"):
        with pytest.raises(DataError, match="query_name"):
            book.put(replace(MARK, query_name=name))
    assert book.marks() == (MARK,)


def test_a_place_without_a_folder_is_refused(tmp_path):
    with pytest.raises(WriteError, match="There is no folder"):
        MarksBook(tmp_path / "none" / "marks.csv")
