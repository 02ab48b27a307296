"""Answers at work: kept at once, taken back in turn, one for each two crops."""

from dataclasses import replace

import pytest

from iics.errors import DataError, SettingsError, WriteError
from iics.evaluation.answers import AskedPair, read_answers
from iics.page.answers_book import AnswersBook

ONE = AskedPair(1, "", "door", "a", "yard", "b", 0.5, "best match", 0, 7, "", "ca", "cb", "m")
TWO = replace(ONE, pair=2, second="c", slice=1)
ONE_AGAIN = replace(ONE, pair=3, first="b", second="a", kind="any pair", slice_size=90)


@pytest.fixture
def book(tmp_path):
    book = AnswersBook(tmp_path / "answers.csv")
    book.draw([ONE, TWO, ONE_AGAIN])
    return book


def said(book):
    return [pair.answer for pair in read_answers(book.file)]


def test_an_answer_holds_for_both_draws_of_two_crops(book):
    book.answer(3, "yes")
    assert said(book) == ["yes", "", "yes"]
    assert read_answers(book.file)[0].answered_at


def test_answers_are_taken_back_the_latest_first(book):
    book.answer(2, "no")
    book.answer(1, "unsure")
    assert book.take_back() == 1
    assert said(book) == ["", "no", ""]
    assert book.take_back() == 2
    assert book.take_back() is None
    assert read_answers(book.file) == (ONE, TWO, ONE_AGAIN)


def test_an_answer_is_replaced(book):
    book.answer(2, "no")
    book.answer(2, "yes")
    assert said(book) == ["", "yes", ""]


def test_a_pair_that_is_not_there_is_refused(book):
    with pytest.raises(SettingsError, match="There are pairs 1 to 3, got 4"):
        book.answer(4, "yes")


def test_a_damaged_table_is_not_written_over(book):
    book.file.write_text("pair,answer\n1,")
    with pytest.raises(DataError, match="is no table of answers"):
        book.answer(1, "yes")
    assert book.file.read_text() == "pair,answer\n1,"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(WriteError, match=r"There is no folder .*none to write answers.csv into"):
        AnswersBook(tmp_path / "none" / "answers.csv")
