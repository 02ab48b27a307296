"""The table of answers is read as it was written; what cannot be true is refused."""

from dataclasses import replace

import pytest

from iics.errors import DataError, EvaluationError
from iics.evaluation.answers import ANSWER_COLUMNS, AskedPair, answers_table, check_consistent, read_answers

ONE = AskedPair(1, "", "door", "door/1.jpg", "yard", "yard/2.jpg", 0.5, "best match", 0, 7, "", "c1", "c2", "m")
TWO = replace(ONE, pair=2, answer="yes", kind="any pair", slice_size=900, answered_at="2026-03-01T08:00:00+00:00")


@pytest.fixture
def file(tmp_path):
    (tmp_path / "answers.csv").write_text(answers_table([ONE, TWO]))
    return tmp_path / "answers.csv"


def test_a_table_is_read_as_it_was_written(file):
    assert read_answers(file) == (ONE, TWO)


def test_names_like_formulas_come_back(file):
    odd = replace(ONE, first_camera="=1+1", first='=1+1/a "b", c.jpg')
    file.write_text(answers_table([odd]))
    assert "'=1+1" in file.read_text()
    assert read_answers(file) == (odd,)


def test_answers_by_hand_may_be_written_in_capitals(file):
    file.write_text(file.read_text().replace("1,,door", "1, No ,door"))
    assert read_answers(file)[0].answer == "no"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1,,door", "1,maybe,door", "line 2: answer 'maybe' is none of yes, no, unsure, or empty"),
        (",best match,", ",worst match,", "line 2: kind 'worst match' is none of best match, any pair"),
        ("0.5,best", "nan,best", "line 2: similarity 'nan' is no number"),
        (",0,7,", ",-1,7,", "line 2: slice '-1' is no number"),
        (",0,7,", ",0,0,", "slice 0 of best match has two sizes or is too small"),
        ("2,yes", "3,yes", "pairs are to be numbered from 1 on, each once"),
        ("c2,m\n2", "c2,other\n2", "holds pairs of several models"),
        ("pair,answer", "pair,said", "is no table of answers: its first line must be pair,answer,"),
        (",c2,m\n2", ",c2,m,more\n2", f"line 2 has {len(ANSWER_COLUMNS) + 1} fields, a pair has {len(ANSWER_COLUMNS)}"),
    ],
)
def test_a_damaged_table_is_refused_by_its_line(file, old, new, message):
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        read_answers(file)


def test_a_missing_and_an_empty_table_are_named(tmp_path):
    with pytest.raises(DataError, match=r"Cannot read answers from .*none.csv: No such file"):
        read_answers(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text(",".join(ANSWER_COLUMNS) + "\n")
    with pytest.raises(DataError, match="holds no pairs"):
        read_answers(tmp_path / "empty.csv")


def said(*rows):
    return [
        replace(ONE, pair=at, first=first, second=second, answer=answer)
        for at, (first, second, answer) in enumerate(rows, start=1)
    ]


def test_a_is_b_and_b_is_c_and_a_is_not_c_is_refused():
    pairs = said(("a", "b", "yes"), ("x", "y", "no"), ("c", "b", "yes"), ("a", "c", "no"))
    expected = r"contradict each other: pair 1 \(a and b\) and pair 3 \(c and b\) are each .* pair 4 \(a and c\) cannot"
    with pytest.raises(EvaluationError, match=expected):
        check_consistent(pairs)


def test_one_pair_answered_both_ways_is_refused():
    with pytest.raises(
        EvaluationError, match=r"pair 1 \(a and b\) is said to be one person, and so pair 2 \(b and a\)"
    ):
        check_consistent(said(("a", "b", "yes"), ("b", "a", "no")))


def test_answers_that_can_all_be_true_are_taken():
    check_consistent(said(("a", "b", "yes"), ("b", "c", "no"), ("a", "c", "no"), ("c", "d", "unsure"), ("a", "d", "")))
