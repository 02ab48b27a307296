"""The tab "Search": a crop in, matches out, verdicts on them. What is shown and which event calls what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from typing import Any, get_args

import gradio as gr

from iics.errors import IicsError
from iics.page.audit_log import AuditLog
from iics.page.match_view import MatchOrder, matches_html, message_html, template, toast_html
from iics.page.people_browser import PeopleBrowser
from iics.page.query_picture import read_query
from iics.page.thumbnails import thumbnail
from iics.page.turns import Turns, in_turn, told_in_turn
from iics.page.uploads import Upload, crop_upload
from iics.page.visitor_search import MAX_TOP, Query, Searcher, Wanted
from iics.page.visitors import Visitor

_SECONDS_A_QUERY_IS_KEPT = 3600
_QUIET: dict[str, Any] = {"show_progress": "minimal"}
_ORDERS: tuple[MatchOrder, ...] = get_args(MatchOrder)


class SearchTab:
    """What the tab answers; a method an event. What goes wrong by a visitor's doing becomes a message on the page."""

    def __init__(self, searcher: Searcher, audit: AuditLog, people: PeopleBrowser | None = None) -> None:
        self._searcher, self._audit, self._people = searcher, audit, people

    def upload(
        self, visitor: Visitor, upload: Upload | None, order: str, *fields: Any
    ) -> tuple[None, Query | None, str, str]:
        """Return the field emptied for the next file, the query, its matches and its picture."""
        if upload is None:
            return None, None, self.start(visitor), ""
        try:
            dropped = read_query(upload.name, upload.read())
            query = self._searcher.query(dropped)
        except IicsError as error:
            return None, None, message_html("This file cannot be used", str(error), is_error=True), ""
        note = dropped.note if self._searcher.model.header.subject == "person" else ""
        picture = template("query.html").render(picture=thumbnail(dropped.image), name=dropped.name, note=note)
        return None, *self.search(visitor, query, order, *fields), picture

    def search(self, visitor: Visitor, query: Query | None, order: str, *fields: Any) -> tuple[Query | None, str]:
        """Return the query with what it finds, and the matches."""
        if query is None:
            return None, self.start(visitor)
        try:
            wanted = Wanted(*fields)
            query = self._searcher.search(query, wanted)
            self._audit.note(
                "search", visitor, query=query.digest, name=query.name, **asdict(wanted), matches=len(query.matches)
            )
            return query, self._matches(query, order)
        except IicsError as error:
            return query, message_html("This search cannot be made", str(error), is_error=True)

    def show(self, visitor: Visitor, query: Query | None, order: str) -> str:
        """Return the matches there are in another order."""
        if query is None:
            return self.start(visitor)
        try:
            return self._matches(query, order)
        except IicsError as error:
            return message_html("The matches cannot be shown", str(error), is_error=True)

    def mark(self, visitor: Visitor, query: Query | None, order: str, told: Mapping[str, Any]) -> tuple[Any, str]:
        """Keep a verdict; return the matches, or that they may stay as they are, and what was done."""
        crop_id, verdict = str(told.get("crop", "")), str(told.get("verdict", ""))
        try:
            if query is None:
                return self.start(visitor), toast_html("The search was forgotten; drop the crop again.", is_error=True)
            match = query.match(crop_id)
            self._audit.note("mark", visitor, query=query.digest, crop=crop_id, place=match.place, verdict=verdict)
            self._searcher.mark(query, crop_id, verdict)
        except IicsError as error:
            return self.show(visitor, query, order), toast_html(f"Not kept: {error}", is_error=True)
        done = f"marked {verdict}" if verdict else "no longer marked"
        return gr.skip(), toast_html(f"Match {match.rank} is {done}.", is_error=False)

    def _matches(self, query: Query, order: str) -> str:
        if not query.matches:
            return self._nothing_found()
        return matches_html(
            query.matches,
            self._searcher.verdicts(query),
            order=next((name for name in _ORDERS if name == order), _ORDERS[0]),
            can_mark=self._searcher.marks is not None,
            thresholds=self._searcher.model.header.match_thresholds,
            is_centred=self._searcher.is_centred,
            subject=self._searcher.model.header.subject,
            persons=None if self._people is None else self._people.persons_of([each.crop_id for each in query.matches]),
        )

    def _nothing_found(self) -> str:
        if self._searcher.gallery.num_crops == 0:
            return self.start()
        return message_html("Nothing found", "No crop of the gallery meets these filters. Widen or clear them.")

    def start(self, _: Visitor | None = None) -> str:
        """Return what is shown before a search."""
        gallery = self._searcher.gallery
        try:
            num_crops = gallery.num_crops
        except IicsError as error:
            return message_html("The gallery cannot be read", str(error), is_error=True)
        if num_crops == 0:
            return message_html(
                "The gallery is empty", f"Add crops to it: iics index {gallery.uri} CROPS --model MODEL"
            )
        return message_html("Drop a crop to search for", f"{num_crops:,} crops are in the gallery.")


def build_search_tab(searcher: Searcher, audit: AuditLog, turns: Turns, people: PeopleBrowser | None = None) -> None:
    """Lay out the tab and connect its events; within a `gr.Blocks`."""
    tab = SearchTab(searcher, audit, people)
    cameras = searcher.gallery.camera_names()
    has_several = len(cameras) > 1  # what tells cameras apart says nothing of one
    query = gr.State(None, time_to_live=_SECONDS_A_QUERY_IS_KEPT)
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=260):
            upload = crop_upload(
                label=searcher.model.header.told("Crop of one person"), height=170, elem_id="iics-upload"
            )
            picture = gr.HTML("", elem_id="iics-query")
            centred_fields = [_query_camera(cameras)] if searcher.is_centred else []
            order = gr.Radio(list(_ORDERS), value=_ORDERS[0], label="Show matches", elem_id="iics-order")
            top = gr.Slider(1, MAX_TOP, value=24, step=1, label="Matches at most", elem_id="iics-top")
            with gr.Accordion("Filters", open=False):
                only, without = (
                    gr.Dropdown(cameras, value=[], multiselect=True, label=label, elem_id=elem_id, visible=has_several)
                    for label, elem_id in (("Only these cameras", "iics-only"), ("Not these cameras", "iics-not"))
                )
                moment = "2026-03-01 08:30 (UTC), or seconds"
                since = gr.Textbox(label="Since", placeholder=moment, max_lines=1, elem_id="iics-since")
                until = gr.Textbox(label="Until", placeholder=moment, max_lines=1, elem_id="iics-until")
                one = gr.Checkbox(label="Only the best crop of each tracklet", elem_id="iics-tracklet")
                rerank = gr.Checkbox(
                    label="Re-rank", info="By neighbours the query and a match share.", elem_id="iics-rerank"
                )
                by_camera = gr.Checkbox(
                    label="Re-rank by camera",
                    info="Likewise, with neighbours of a crop's own camera and of the others apart.",
                    elem_id="iics-by-camera",
                    visible=has_several,
                )
        with gr.Column(scale=4, min_width=300):
            found = gr.HTML("", elem_id="iics-found", js_on_load=_script())
    status = gr.HTML("", elem_id="iics-status")
    fields = [only, without, since, until, top, one, rerank, by_camera, *centred_fields]
    search = in_turn(turns, tab.upload)
    upload.upload(search, [upload, order, *fields], [upload, query, found, picture], api_name="search", **_QUIET)
    hidden: dict[str, Any] = {"api_visibility": "private", **_QUIET}
    changes = [field.change for field in (only, without, one, rerank, by_camera, *centred_fields)] + [
        top.release,
        since.submit,
        until.submit,
    ]
    changes += [since.blur, until.blur]
    again = in_turn(turns, tab.search)
    gr.on(changes, again, [query, order, *fields], [query, found], trigger_mode="always_last", **hidden)
    order.change(in_turn(turns, tab.show), [query, order], found, **hidden)
    mark = told_in_turn(turns, tab.mark)
    found.mark(mark, [query, order], [found, status], trigger_mode="multiple", **hidden)
    gr.on(None, in_turn(turns, tab.start), None, found, **hidden)  # when the page is opened


def _query_camera(cameras: Sequence[str]) -> gr.Dropdown:
    """Return the field for who took the crop; where features are plain, nothing is taken off and there is none."""
    return gr.Dropdown(
        ["", *cameras],
        value="",
        label="Camera of the crop",
        info="Its mean is taken off; that of all cameras if it is not known.",
        elem_id="iics-query-camera",
    )


def _script() -> str:
    return resources.files("iics.page").joinpath("matches.js").read_text(encoding="utf-8")
