"""The page of `iics label`: one pair of crops at a time, yes, no or can't tell; the result once all are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, get_args

import gradio as gr

from iics.errors import EvaluationError, IicsError, SettingsError
from iics.evaluation.answers import AskedPair, Said, contradiction
from iics.page.audit_log import AuditLog
from iics.page.labelling import Labelling, counted
from iics.page.match_view import message_html, template, toast_html
from iics.page.thumbnails import crop_thumbnails
from iics.page.turns import Turns, in_turn, told_in_turn
from iics.page.visitors import Visitor
from iics.subjects import SUBJECTS

_MOST_DIGITS = 9


class LabelPage:
    """What the page answers; a method an event. What is answered lies in the table, so every window shows the same."""

    def __init__(self, labelling: Labelling, audit: AuditLog) -> None:
        self._labelling, self._audit = labelling, audit

    def show(self, _: Visitor | None = None) -> str:
        """Return the first pair without an answer, or what all answers say."""
        try:
            pairs = self._labelling.book.pairs()
            left = next((pair for pair in pairs if not pair.answer), None)
            return self._result(pairs) if left is None else self._question(pairs, left)
        except IicsError as error:
            return message_html("The answers cannot be read or written", str(error), is_error=True)

    def answer(self, visitor: Visitor, _first: Any, _second: Any, told: Mapping[str, Any]) -> tuple[str, str]:
        """Keep an answer, or take one back; return the next pair, and what went wrong."""
        try:
            self._keep(visitor, str(told.get("answer", "")), str(told.get("pair", "")), str(told.get("pairs", "")))
        except IicsError as error:
            return self.show(), toast_html(f"Not kept: {error}", is_error=True)
        return self.show(), ""

    def _keep(self, visitor: Visitor, said: str, number: str, numbers: str) -> None:
        book = self._labelling.book
        self._audit.note("answer", visitor, pair=number or numbers, answer=said)
        known: dict[str, Said] = {answer: answer for answer in get_args(Said) if answer}
        if said == "undo":
            book.take_back()
        elif said == "again":
            for each in numbers.split(","):
                book.answer(_whole(each), "")
        elif said in known:
            book.answer(_whole(number), known[said])
        else:
            raise SettingsError(f"An answer is yes, no or unsure, got {said!r:.40}.")

    def _question(self, pairs: Sequence[AskedPair], pair: AskedPair) -> str:
        pictures = crop_thumbnails(self._labelling.crops.subset(self._labelling.indices(pair)))
        cameras = pair.first_camera, pair.second_camera
        question = f"Is this the same {SUBJECTS[self._labelling.subject].one}?"
        return _html(pairs, pair=pair, question=question, pictures=list(zip(cameras, pictures, strict=True)))

    def _result(self, pairs: Sequence[AskedPair]) -> str:
        try:
            result = self._labelling.finish(pairs)
        except EvaluationError as error:
            again = ",".join(str(pair.pair) for pair in contradiction(pairs))
            return _html(pairs, title="All pairs are answered, and nothing was written", text=str(error), again=again)
        text = f"{result}\n\nWritten into {self._labelling.model_file}. The page can be closed; Ctrl-C ends it."
        return _html(pairs, title="All pairs are answered. Thank you!", text=text)


def label_page(labelling: Labelling, audit: AuditLog) -> gr.Blocks:
    """Return the page."""
    answers, turns = LabelPage(labelling, audit), Turns()
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    script = resources.files("iics.page").joinpath("label.js").read_text(encoding="utf-8")
    with gr.Blocks(title="IICS", fill_width=True) as page:
        what = SUBJECTS[labelling.subject].told("Which similarity means the same person?")
        gr.HTML(f"<header class='iics-header'><h1>IICS</h1><p>{what}</p></header>")
        asked = gr.HTML("", elem_id="iics-asked", js_on_load=script)
        status = gr.HTML("", elem_id="iics-status")
        nothing = [gr.State(None), gr.State(None)]
        asked.answer(told_in_turn(turns, answers.answer), nothing, [asked, status], trigger_mode="multiple", **quiet)
        gr.on(None, in_turn(turns, answers.show), None, asked, **quiet)  # when the page is opened
    return page


def _html(pairs: Sequence[AskedPair], **shown: Any) -> str:
    values: dict[str, Any] = {"pair": None, "question": "", "pictures": [], "title": "", "text": "", "again": ""}
    counts = dict(zip(("num_pairs", "num_answered"), counted(pairs), strict=True))
    return template("label.html").render({**values, **counts, **shown})


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise SettingsError(f"A pair has a number, got {text!r:.40}.")
    return int(text)
