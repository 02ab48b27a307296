"""What the labelling page answers to what browsers, and programs that stand for them, send."""

from dataclasses import replace

import pytest

pytest.importorskip("gradio", reason="the extra app is not installed")

from iics.evaluation.answers import read_answers
from iics.page.answers_book import AnswersBook
from iics.page.audit_log import AuditLog
from iics.page.label_page import LabelPage
from iics.page.labelling import Labelling, counted
from iics.page.visitors import Visitor
from iics.pixels.digests import file_digests

ADA = Visitor("ada", "127.0.0.1")


@pytest.fixture
def page(tiny_model, timed_crops, tmp_path):
    """54 crops of three cameras, one of them with a name that a careless page would run."""
    tiny_model.save(tmp_path / "mine.safetensors")
    features, digests = tiny_model.embed(timed_crops), file_digests(timed_crops, num_threads=1)
    labelling = Labelling(
        AnswersBook(tmp_path / "answers.csv"),
        timed_crops,
        features,
        digests=digests,
        model="m",
        model_file=tmp_path / "mine.safetensors",
        marks_file=tmp_path / "marks.csv",
        is_trained_on=None,
    )
    labelling.draw(num_pairs=50, seed=0)
    return LabelPage(labelling, AuditLog(tmp_path / "audit.jsonl"))


def tell(page, **told):
    return page.answer(ADA, None, None, told)


def test_a_pair_is_shown_with_both_cameras_as_text(page):
    shown = page.show(ADA)
    assert shown.count("<img ") == 2
    assert "<script>" not in shown
    assert 'data-pair="1"' in shown


def test_the_next_pair_follows_an_answer_and_undo_goes_back(page, tmp_path):
    after, fault = tell(page, pair="1", answer="yes")
    assert (fault, 'data-pair="1"' in after) == ("", False)
    assert read_answers(tmp_path / "answers.csv")[0].answer == "yes"
    back, _ = tell(page, pair="2", answer="undo")
    assert 'data-pair="1"' in back
    assert '"event": "answer"' in (tmp_path / "audit.jsonl").read_text()


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ({"pair": "1", "answer": "perhaps"}, "An answer is yes, no or unsure"),
        ({"pair": "99", "answer": "yes"}, "There are pairs 1 to 50, got 99"),
        ({"pair": "<b>", "answer": "yes"}, "A pair has a number"),
        ({"pair": "9" * 5000, "answer": "yes"}, "A pair has a number"),
        ({"answer": "again", "pairs": "1,x"}, "A pair has a number"),
        ({}, "An answer is yes, no or unsure"),
    ],
)
def test_what_no_page_of_ours_sends_is_refused_and_nothing_is_kept(page, tmp_path, told, fault):
    before = (tmp_path / "answers.csv").read_text()
    _, shown = tell(page, **told)
    assert f"Not kept: {fault}" in shown
    assert "<b>" not in shown
    assert (tmp_path / "answers.csv").read_text() == before


def test_contradictory_answers_are_asked_again(page, tmp_path):
    book = AnswersBook(tmp_path / "answers.csv")
    pairs = [replace(pair, answer="unsure", answered_at="2026-03-01T08:00:00+00:00") for pair in book.pairs()]
    pairs[0] = replace(pairs[0], answer="yes")
    pairs[49] = replace(pairs[49], answer="no", first=pairs[0].second, second=pairs[0].first)
    book.draw(pairs)
    shown = page.show(ADA)
    assert "nothing was written" in shown
    assert "The answers contradict each other: pair 1" in shown
    assert 'data-pairs="1,50"' in shown
    again, _ = tell(page, answer="again", pairs="1,50")
    assert 'data-pair="1"' in again
    assert not book.pairs()[49].answer


def test_a_table_that_was_damaged_meanwhile_is_said(page, tmp_path):
    (tmp_path / "answers.csv").write_text("nothing")
    assert "The answers cannot be read or written" in page.show(ADA)
    assert "is no table of answers" in tell(page, pair="1", answer="yes")[1]


def test_a_pair_drawn_twice_counts_once_on_the_page_and_in_the_result(page, tmp_path):
    first, *others = read_answers(tmp_path / "answers.csv")
    turned = replace(first, pair=51, first=first.second, second=first.first, answer="yes")
    pairs = [replace(first, answer="yes"), *others, turned]
    assert counted(pairs) == (len({pair.crops for pair in [first, *others]}), 1)
