"""The tab "People": identities, the doubtful first, corrected by button or key. Which event calls what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from typing import Any

import gradio as gr

from iics.errors import IicsError
from iics.page.audit_log import AuditLog
from iics.page.lookalikes import Lookalikes
from iics.page.match_view import message_html, toast_html
from iics.page.people_answers import PeopleAnswers
from iics.page.people_browser import Browsing, PeopleBrowser
from iics.page.people_questions import ORDERS
from iics.page.turns import Turns, in_turn, told_in_turn
from iics.page.visitors import Visitor

_SECONDS_KEPT = 12 * 3600
Answer = tuple[Browsing, str, str]
"""What the window has open, what it shows, and what was done."""


class PeopleTab:
    """What the tab answers; a method an event. What goes wrong by a visitor's doing becomes a message on the page."""

    def __init__(self, browser: PeopleBrowser, lookalikes: Lookalikes, audit: AuditLog) -> None:
        self._browser, self._answers = browser, PeopleAnswers(browser, lookalikes, audit)

    def start(self, visitor: Visitor) -> Answer:
        """Return what is shown when the page is opened."""
        return self.list(visitor, Browsing(), Browsing().shown, "")

    def list(self, _: Visitor, browsing: Browsing, shown: str, camera: str | None) -> Answer:
        """Return a list from its beginning."""
        try:
            anew = self._browser.list(shown, camera or "", browsing.made)
            return self._shown(replace(anew, answers=browsing.answers + 1))
        except IicsError as error:
            return browsing, message_html("The people cannot be shown", str(error), is_error=True), ""

    def find(self, visitor: Visitor, browsing: Browsing, number: str | None) -> Answer:
        """Return one identity by its number; the list for an empty one."""
        text = (number or "").strip()
        return self.tell(visitor, browsing, None, {"do": "open", "number": text} if text else {"do": "back"})

    def tell(self, visitor: Visitor, browsing: Browsing, _: Any, told: Mapping[str, Any]) -> Answer:
        """Do what was told; return what the window shows then."""
        try:
            done = self._answers.tell(visitor, browsing, told)
        except IicsError as error:
            browsing = replace(browsing, answers=browsing.answers + 1)
            return self._shown(browsing, status=toast_html(self._browser.told(f"Not done: {error}"), is_error=True))
        status = toast_html(self._browser.told(done.text), is_error=False) if done.text else ""
        return self._shown(done.browsing, done.focus, status)

    def _shown(self, browsing: Browsing, focus: int = 0, status: str = "") -> Answer:
        try:
            return browsing, self._browser.html(browsing, focus), status
        except IicsError as error:
            return browsing, message_html("The people cannot be shown", str(error), is_error=True), status


def build_people_tab(browser: PeopleBrowser | None, lookalikes: Lookalikes, audit: AuditLog, turns: Turns) -> None:
    """Lay out the tab and connect its events; within a `gr.Blocks`. Without people it says how to find them."""
    if browser is None:
        uri = lookalikes.gallery.uri
        text = f"iics people {uri} finds who is the same as who. Then start the page again."
        gr.HTML(message_html("Nobody has looked for the people of this gallery yet", text))
        return
    tab = PeopleTab(browser, lookalikes, audit)
    state = gr.State(Browsing(), time_to_live=_SECONDS_KEPT)
    names, cameras = [*ORDERS, "corrections"], lookalikes.gallery.camera_names()
    with gr.Row():
        shown = gr.Dropdown(names, value=names[0], label="Show", elem_id="iics-people-shown")
        camera = gr.Dropdown(
            [("all", ""), *cameras],
            value="",
            label="Seen by",
            elem_id="iics-people-camera",
            visible=len(cameras) > 1,
        )
        number = gr.Textbox(label="Number", placeholder="e.g. 12", max_lines=1, elem_id="iics-people-number")
    people = gr.HTML("", elem_id="iics-people-list", js_on_load=_script())
    status = gr.HTML("", elem_id="iics-people-status")
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    answer = [state, people, status]
    gr.on([shown.input, camera.input], in_turn(turns, tab.list), [state, shown, camera], answer, **quiet)
    number.submit(in_turn(turns, tab.find), [state, number], answer, **quiet)
    # When the page is opened; with inputs it would be each time that one of them changes.
    gr.on(None, in_turn(turns, tab.start), None, answer, **quiet)
    told = told_in_turn(turns, tab.tell)
    people.tell(told, [state, gr.State(None)], answer, trigger_mode="multiple", **quiet)


def _script() -> str:
    return resources.files("iics.page").joinpath("people.js").read_text(encoding="utf-8")
